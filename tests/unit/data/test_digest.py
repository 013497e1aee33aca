"""The digest of rows: of a stream or of a file what it is of a table, in the scheme of now and in that of before."""

from __future__ import annotations

from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airloop.columns import AT
from airloop.data.lake import sorted_digest
from airloop.data.lake.digest import RowsDigest, digest_of, file_digest, rows_digest
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


DIGESTS = (rows_digest, sorted_digest.rows_digest)


def as_table(rows: list[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(NAMES)
    arrays = [pa.array(one, kind) for one, kind in zip(columns, TYPES, strict=True)]
    return pa.table(arrays, names=list(NAMES))


@given(rows=ROWS)
@settings(max_examples=100, deadline=None)
def test_a_files_digest_is_that_of_its_rows(rows: list[tuple[object, ...]]) -> None:
    table = as_table(rows)
    assert file_digest(as_file(table)) == rows_digest(table)
    assert file_digest(as_file(table), "sha256:") == sorted_digest.rows_digest(table)


@given(rows=ROWS, others=ROWS, seed=st.integers(0, 99), size=st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_rows_are_the_same_as_the_sorted_rows_say(
    rows: list[tuple[object, ...]], others: list[tuple[object, ...]], seed: int, size: int
) -> None:
    """Whatever their order and their batches; the way of before, which compares all values, is the control."""
    shuffled = Random(seed).sample(rows, len(rows))
    assert digest_of(as_table(shuffled).to_batches(max_chunksize=size)) == rows_digest(
        as_table(rows)
    )
    tables = [as_table(rows), as_table(others)]
    by_now, by_then = ({digest(one) for one in tables} for digest in DIGESTS)
    assert len(by_now) == len(by_then)


def test_what_was_counted_can_be_taken_out_again() -> None:
    table = pa.table({"x": [1, 2, 3], "s": ["a", None, "b" * 99]})
    digest = RowsDigest()
    for batch in table.to_batches(max_chunksize=2):
        digest.add(batch)
    digest.remove(table[1:].to_batches()[0])
    assert digest.digest() == rows_digest(table[:1]) != rows_digest(table)


def test_a_row_twice_is_another_content_than_once() -> None:
    once = pa.table({"x": [1, 2]})
    found = {rows_digest(pa.concat_tables([once] * times)) for times in (1, 2, 3)}
    assert len(found) == 3


def test_a_value_counts_under_its_columns_name_and_kind() -> None:
    tables = [
        pa.table({"a": [1], "b": [2]}),
        pa.table({"a": [2], "b": [1]}),
        pa.table({"a": [1.0], "b": [2]}),
        pa.table({"a": ["1"], "b": [2]}),
        pa.table({"a": [None, 1], "b": [2, None]}),
    ]
    assert len({rows_digest(one) for one in tables}) == len(tables)
    grown = tables[0].append_column("c", pa.nulls(1, pa.float64()))
    assert rows_digest(grown) == rows_digest(tables[0])


@pytest.mark.parametrize(
    "kind", [pa.string_view(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_how_arrow_keeps_a_value_does_not_matter(kind: pa.DataType) -> None:
    texts = pa.array(["a", None, "b"])
    other = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(kind)
    assert rows_digest(pa.table({"s": other})) == rows_digest(pa.table({"s": texts}))


def test_the_digests_of_a_release_stay_what_they_are() -> None:
    """Ledgers and files name them: another library may not change them."""
    table = pa.table(
        {
            "s": ["a", None, "é" * 40, ""],
            "f": [0.5, None, float("nan"), -0.0],
            "i": pa.array([1, -(2**63), None, 2**63 - 1], pa.int64()),
            "b": [True, False, None, True],
            "t": pa.array([0, 1, -1, None], pa.timestamp("us", "UTC")),
            "d": pa.array([0, 1, -1, None], pa.date32()),
        }
    )
    assert [digest(table) for digest in DIGESTS] == [
        "rows-sum256:d6115541647195a80129f409ca9230e363b56e7ce2bd810061e36e3a3028a76c",
        "sha256:083caa13715256423ae2257ac8623b050d12e7ad3d8938dd88de2bc7cf888670",
    ]


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
