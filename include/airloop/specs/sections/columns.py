"""What a dataset and its columns may be called, and what a column may have been called before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from airloop.columns import PREFIX
from airloop.issues import KeyPath, SpecIssue, value_at
from airloop.types.registry import TYPES, written

#: The keys of a column that only some types have.
_OWN: Final = frozenset().union(*(one.keys for one in TYPES.values())) - {"format"}
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


def column_rules(
    columns: Mapping[str, Any], partition_column: Any, keys: Any
) -> Iterator[SpecIssue]:
    """What is wrong with a dataset's columns, and with their parts in naming rows and partitions."""
    yield from column_names(columns)
    yield from former_names(columns, partition_column)
    yield from formats(columns)
    yield from own_keys(columns)
    yield from key_types(columns, keys)


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


def own_keys(columns: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """A key that a column's type has not, one that it needs, and digits that leave no room for each other."""
    for column, said in columns.items():
        kind = written(said)
        if kind is None:
            continue
        path: KeyPath = ("columns", column)
        there = {key for key in _OWN if said.get(key) is not None}
        for key in sorted(there - kind.keys):
            what = f"a column of type {kind.name} has no {key}"
            yield SpecIssue((*path, key), what, said[key], "leave it out")
        for key in sorted(kind.needs - there):
            what = f"a column of type {kind.name} needs it"
            yield SpecIssue((*path, key), f"a required key is missing: {what}", None)
        digits, behind = said.get("precision"), said.get("scale")
        if isinstance(digits, int) and isinstance(behind, int) and behind > digits:
            what = f"is larger than precision ({digits}): it counts some of those digits"
            yield SpecIssue((*path, "scale"), what, behind)


def key_types(columns: Mapping[str, Any], keys: Any) -> Iterator[SpecIssue]:
    """A key of a type whose values name no rows."""
    for index, name in enumerate(keys if isinstance(keys, list | tuple) else ()):
        kind = written(columns.get(name)) if isinstance(name, str) else None
        if kind is not None and not kind.names_rows:
            what = f"a column of type {kind.name} names no rows"
            remedy = "name a column of type string, integer, date or timestamp"
            yield SpecIssue(("keys", index), what, name, remedy)


def input_types(columns: Mapping[str, Any], inputs: Any) -> Iterator[SpecIssue]:
    """An input of a type that no model takes."""
    for index, name in enumerate(inputs if isinstance(inputs, list | tuple) else ()):
        kind = written(columns.get(name)) if isinstance(name, str) else None
        if kind is not None and kind.instead:
            what = f"a column of type {kind.name} can be no input of a model"
            yield SpecIssue(("inputs", index), what, name, kind.instead)


def _texts(was: Any) -> Iterator[str]:
    names = [was] if isinstance(was, str) else was
    for name in names if isinstance(names, list | tuple) else ():
        if isinstance(name, str):
            yield name
