"""What a dataset's YAML may say of the sources that are built in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pydantic import Field

from airloop.fields import FunctionPath, Line, Text, VariableName, Whole
from airloop.issues import KeyPath, SpecIssue
from airloop.plugins.source import SourceSpec
from airloop.specs.sections.addresses import ConnectionId

#: The options of a file source, and what each must be.
FILE_OPTIONS = {
    "delimiter": "one character of ASCII, no quote and no line's end",
    "null_values": "a list of texts",
    "max_bytes": "a whole number above 0",
    "final_newline": "require or any",
    "quoted_lines": "check or any",
}
#: The options that only CSV has.
_OF_CSV: Final = ("delimiter", "null_values", "quoted_lines", "final_newline")
#: Which of them a format has not, and what it is called.
_LACKS: Final = {"parquet": (_OF_CSV, "Parquet"), "jsonl": (_OF_CSV[:3], "JSON lines")}
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")
#: A bound parameter as SQLAlchemy sees it: not ``::date``.
_PARAMETER: Final = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


class FileSpec(SourceSpec):
    """CSV, Parquet or JSON lines files, local or at any fsspec URL; ``{partition}`` stands for the key."""

    kind: Literal["file"]
    path: Line
    format: Literal["csv", "parquet", "jsonl"]
    options: dict[str, Any] = {}

    @classmethod
    def rules(cls, data: Mapping[str, Any]) -> list[SpecIssue]:
        """Its placeholders and its options."""
        return [*_placeholders(data.get("path")), *_file_options(data)]


class SqlSpec(SourceSpec):
    """A query with the bound parameters ``:start`` and ``:end``, read in batches.

    The database is an Airflow connection's, or the variable ``url_env`` holds its URL: never the URL itself.
    """

    kind: Literal["sql"]
    query: Text
    url_env: VariableName | None = None
    connection: ConnectionId | None = None
    batch_rows: Whole = Field(default=50_000, ge=1)

    @property
    def variable(self) -> str:
        """The variable in which a step finds the database's URL."""
        return self.url_env or f"AIRLOOP_CONNECTION_{_variable(str(self.connection))}"

    @property
    def connections(self) -> Mapping[str, str]:
        """The Airflow connection, where one is named."""
        return {} if self.connection is None else {self.variable: self.connection}

    @classmethod
    def rules(cls, data: Mapping[str, Any]) -> list[SpecIssue]:
        """Its parameters, and one way to the database."""
        return [*_parameters(data.get("query")), *_one_way(data)]


class PythonSpec(SourceSpec):
    """A user's function ``(partition: str) -> Iterator[pandas.DataFrame]``."""

    kind: Literal["python"]
    function: FunctionPath


def _placeholders(path: Any) -> Iterator[SpecIssue]:
    for placeholder in _PLACEHOLDER.findall(path) if isinstance(path, str) else ():
        if placeholder != "{partition}":
            remedy = "the only placeholder is {partition}"
            yield SpecIssue(("path",), "unknown placeholder", placeholder, remedy)


def _file_options(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    options = data.get("options")
    lacks, called = _LACKS.get(str(data.get("format")), ((), ""))
    for name, value in options.items() if isinstance(options, dict) else ():
        path: KeyPath = ("options", name)
        if name not in FILE_OPTIONS:
            yield SpecIssue(path, "no such option", name, "", tuple(FILE_OPTIONS))
        elif name in lacks:
            yield SpecIssue(
                path, f"is an option of CSV, and {called} has none", value, "leave it out"
            )
        elif not _fits(name, value):
            yield SpecIssue(path, f"must be {FILE_OPTIONS[name]}", value)


def _fits(option: str, value: Any) -> bool:
    if option == "delimiter":
        one = isinstance(value, str) and len(value) == 1
        return one and value.isascii() and value not in {'"', "\n", "\r", "\0"}
    if option == "final_newline":
        return value in {"require", "any"}
    if option == "quoted_lines":
        return value in {"check", "any"}
    if option == "null_values":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _parameters(query: Any) -> Iterator[SpecIssue]:
    # A dataset whose partitions are delivered whole has no bounds; whether this is one, the dataset's rules ask.
    if isinstance(query, str) and set(_PARAMETER.findall(query)) not in ({"start", "end"}, set()):
        what = "the query must use the parameters :start and :end and no others"
        found = sorted(set(_PARAMETER.findall(query)))
        remedy = "write: WHERE day >= :start AND day < :end"
        yield SpecIssue(("query",), what, found, remedy)


def _one_way(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    ways = [name for name in ("url_env", "connection") if data.get(name) is not None]
    if not ways:
        remedy = "name an Airflow connection, or by url_env the variable that holds the URL"
        yield SpecIssue(("url_env",), "a required key is missing", None, remedy)
    elif len(ways) == 2:
        what = "names the database a second time: there is url_env, too"
        yield SpecIssue(("connection",), what, data["connection"], "leave one of them out")


def _variable(name: str) -> str:
    return re.sub(r"\W", "_", name).upper()
