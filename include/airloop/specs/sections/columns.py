"""What a dataset and its columns may be called, and what a column may have been called before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from airloop.columns import PREFIX
from airloop.issues import KeyPath, SpecIssue, value_at
from airloop.types.registry import TYPES, written

_DIRECTIVE: Final = re.compile(r"%.?")
_MONTHS: Final = {"%m", "%b", "%B"}
_DIRECTIVES: Final = {
    "%Y",
    "%y",
    *_MONTHS,
    "%d",
    "%j",
    "%H",
    "%I",
    "%p",
    "%M",
    "%S",
    "%f",
    "%z",
    "%a",
    "%A",
    "%%",
}
_OWN_TABLE: Final = re.compile(r"(predictions|scores)__|.*__quarantine\Z")


def taken_name(name: Any) -> Iterator[SpecIssue]:
    """A dataset whose table would be one that Airloop itself fills: two sources of one partition."""
    if isinstance(name, str) and _OWN_TABLE.match(name):
        what = "names a table that Airloop fills: of predictions, scores or quarantined rows"
        yield SpecIssue(("name",), what, name, "give the dataset another name")


def column_names(columns: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """Names that are Airloop's own, and two that the lake's format, Delta, takes for one."""
    seen: dict[str, str] = {}
    for name in map(str, columns):
        if name.lower().startswith(PREFIX):
            what = f"names that begin with {PREFIX} are Airloop's own"
            yield SpecIssue(("columns", name), what, None, "give the column another name")
        if (other := seen.setdefault(name.lower(), name)) != name:
            what = (
                f"differs from {other} only in capital letters, and the lake takes the two for one"
            )
            yield SpecIssue(("columns", name), what, None, "give one of them another name")


def former_names(columns: Mapping[str, Any], partition_column: Any) -> Iterator[SpecIssue]:
    """A name that is still in use, that two columns claim, or of the column that the lake's files are cut by."""
    seen: dict[str, str] = {}
    for column in columns:
        path: KeyPath = ("columns", column, "was")
        for name in _texts(value_at(columns, (column, "was"))):
            if name in columns:
                what = "names a column that is still there"
                yield SpecIssue(path, what, name, "leave `was` out, or the old column")
            elif name in seen:
                what = f"names what {seen[name]} was called, too"
                yield SpecIssue(path, what, name, "leave one of them out")
            seen.setdefault(name, column)
        if column == partition_column and value_at(columns, (column, "was")):
            what = "the partition column keeps its name: the lake's files are cut by it"
            yield SpecIssue(path, what, None, "name it as before, or give the dataset another name")


def formats(columns: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """A declared format of what has none, or one that leaves out the day or the year: it would be made up."""
    for column, said in columns.items():
        form, kind = value_at(said, ("format",)), written(said)
        if not isinstance(form, str):
            continue
        path: KeyPath = ("columns", column, "format")
        used = set(_DIRECTIVE.findall(form))
        if kind is not None and "format" not in kind.keys:
            what = f"a column of type {kind.name} has no format: only a date and a timestamp have"
            yield SpecIssue(path, what, form, "leave it out")
        elif unknown := sorted(used - _DIRECTIVES):
            remedy = "see strptime of Python's datetime"
            yield SpecIssue(
                path, "no such directive", unknown[0], remedy, tuple(sorted(_DIRECTIVES))
            )
        elif not (used & {"%Y", "%y"} and (used & {"%j"} or (used & _MONTHS and used & {"%d"}))):
            what = "a format must hold the year, the month and the day"
            yield SpecIssue(path, what, form, "for instance %Y%m%d, or %d.%m.%Y %H:%M")
        elif twice := sorted(one for one in used - {"%%"} if form.count(one) > 1):
            yield SpecIssue(path, "names a directive twice", twice[0], "leave one of them out")
        elif ("%I" in used) != ("%p" in used):
            what = "an hour of twelve needs its half of the day: %I and %p stand together"
            yield SpecIssue(path, what, form, "write %H for an hour of 24")
        elif kind is TYPES["date"] and "%z" in used:
            what = "a date has no offset"
            yield SpecIssue(path, what, form, "leave %z out, or make the column a timestamp")


def _texts(was: Any) -> Iterator[str]:
    names = [was] if isinstance(was, str) else was
    for name in names if isinstance(names, list | tuple) else ():
        if isinstance(name, str):
            yield name
