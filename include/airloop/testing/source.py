"""The contract of sources."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from airloop.plugins.registry import SOURCES, Seam
from airloop.testing.plugin import SpecContract


class SourceContract(SpecContract):
    """Subclass it with the fixtures ``plugin``, ``data`` and ``partition``."""

    seam: ClassVar[Seam] = SOURCES

    @pytest.fixture
    def partition(self) -> str:
        """A day that has rows."""
        raise NotImplementedError("override the fixture `partition`")

    @pytest.fixture
    def absent(self) -> str:
        """A day that has none."""
        return "1900-01-01"

    def test_it_yields_frames_with_rows(self, plugin: Any, spec: Any, partition: str) -> None:
        """Frames of pandas or tables of Arrow, no column twice."""
        from airloop.data.sources.raw import Batch, names_of

        batches = list(plugin.read(spec, partition))
        assert all(isinstance(batch, Batch) for batch in batches)
        assert all(len(set(names_of(batch))) == len(names_of(batch)) for batch in batches)
        assert sum(len(batch) for batch in batches) > 0

    def test_the_same_day_has_the_same_rows(self, plugin: Any, spec: Any, partition: str) -> None:
        """A partition that is read again, after a crash or for a backfill, is the same partition."""
        import pandas as pd

        from airloop.data.sources.raw import Raw

        first, again = (Raw(tuple(plugin.read(spec, partition))).to_pandas() for _ in range(2))
        pd.testing.assert_frame_equal(first, again)

    def test_a_day_without_rows_is_empty_or_one_clear_error(
        self, plugin: Any, spec: Any, absent: str
    ) -> None:
        """Never another day's rows, never an exception of the library's own."""
        from airloop.errors import DataError

        try:
            rows = sum(len(frame) for frame in plugin.read(spec, absent))
        except DataError:
            return
        assert rows == 0

    def test_what_it_needs_of_airflow_is_named_by_variables(self, spec: Any) -> None:
        """A step knows no Airflow: it finds the URL of a connection in its environment."""
        assert all(name.isupper() for name in spec.connections)
        assert all(isinstance(name, str) and name for name in spec.connections.values())
