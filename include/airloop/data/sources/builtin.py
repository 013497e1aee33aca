"""The sources that are built in, as plug-ins. How they are read stands in modules of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from airloop.data.sources.specs import FileSpec, PythonSpec, SqlSpec
from airloop.plugins.source import Source, SourceSpec

if TYPE_CHECKING:
    import pandas as pd

    from airloop.data.sources.raw import Batch


class FileSource(Source):
    """CSV, Parquet or JSON lines."""

    spec: ClassVar[type[SourceSpec]] = FileSpec

    def read(self, spec: FileSpec, partition: str) -> Iterator[Batch]:
        """The batches of one partition's file."""
        from airloop.data.sources.files import read_files

        return read_files(spec, partition)


class SqlSource(Source):
    """A query."""

    spec: ClassVar[type[SourceSpec]] = SqlSpec

    def read(self, spec: SqlSpec, partition: str) -> Iterator[pd.DataFrame]:
        """The frames of one day."""
        from airloop.data.sources.sql import read_sql

        return read_sql(spec, partition)


class PythonSource(Source):
    """A function of the project."""

    spec: ClassVar[type[SourceSpec]] = PythonSpec
    functions: ClassVar[tuple[str, ...]] = ("function",)

    def read(self, spec: PythonSpec, partition: str) -> Iterator[Batch]:
        """What the function yields."""
        from airloop.data.sources.functions import read_function

        return read_function(spec, partition)
