"""The digest of a file's rows, a column at a time, is that of the rows in a table."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airloop.columns import AT
from airloop.data.lake.digest import file_digest, rows_digest
from airloop.errors import DataError

#: Few values, so that many rows are equal and the last columns decide.
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "", "a", "é", "z"]),
        st.sampled_from([None, 0.0, -0.0, float("nan"), float("-inf"), 1.5]),
        st.sampled_from([None, -(2**63), 0, 2**63 - 1]),
        st.sampled_from([None, True, False]),
    ),
    max_size=30,
)
NAMES, TYPES = (".s", "f", "a.b", "a"), (pa.string(), pa.float64(), pa.int64(), pa.bool_())


def as_file(table: pa.Table) -> pq.ParquetFile:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=7)
    return pq.ParquetFile(pa.BufferReader(sink.getvalue()))


@given(rows=ROWS)
@settings(max_examples=100, deadline=None)
def test_a_files_digest_is_that_of_its_rows(rows: list[tuple[object, ...]]) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * len(NAMES)
    arrays = [pa.array(one, kind) for one, kind in zip(columns, TYPES, strict=True)]
    table = pa.table(arrays, names=list(NAMES))
    assert file_digest(as_file(table)) == rows_digest(table)


def test_when_a_row_was_written_is_none_of_its_content() -> None:
    table = pa.table({"x": [2, 1]})
    assert file_digest(as_file(table.append_column(AT, [[1, 2]]))) == rows_digest(table)


def test_a_column_without_a_canonical_form_is_named() -> None:
    with pytest.raises(DataError, match="has no digest"):
        file_digest(as_file(pa.table({"x": [{"a": 1}, {"a": 2}]})))


def test_lists_and_bytes_of_a_file_are_digested_a_column_at_a_time() -> None:
    table = pa.table({"x": [[1.0, -0.0], None, [1.0]], "y": [b"b", b"", None]})
    assert file_digest(as_file(table)) == rows_digest(table.take([2, 0, 1]))
    assert rows_digest(table) != rows_digest(table.set_column(0, "x", [[[1.0], None, [1.0]]]))
