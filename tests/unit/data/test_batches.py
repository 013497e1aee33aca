"""A suite over batches says what Great Expectations says of one frame."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from airloop.contracts import Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.lake.streams import Stream
from airloop.data.schema import to_pandas
from airloop.data.validation import batches, counting
from airloop.data.validation.batches import evaluate_batches, rows_in
from airloop.data.validation.suite import evaluate
from airloop.settings import Settings
from airloop.specs.dataset import Expectation


def expectation(kind: str, **arguments: Any) -> Expectation:
    return Expectation(expect=kind, **{"with": arguments})


def table(rows: int = 3_000, seed: int = 0) -> pa.Table:
    chance = np.random.default_rng(seed)
    numbers = chance.normal(size=rows)
    return pa.table(
        {
            "text": pa.array([f"{'ä' * (n % 19)}{n}" for n in range(rows)]),
            "twice": pa.array([f"t{n // 2}" if n < 10 else f"u{n}" for n in range(rows)]),
            "gaps": pa.array([None if n % 7 == 0 else float(n) for n in range(rows)]),
            "number": pa.array(numbers),
            "whole": pa.array(chance.integers(0, 50, rows)),
            "kind": pa.array(chance.choice(["a", "b", "c"], rows)),
            "empty": pa.nulls(rows, pa.float64()),
        }
    )


SUITE = tuple(
    expectation(kind, **arguments)
    for kind, arguments in [
        ("expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 3000}),
        ("expect_table_row_count_to_equal", {"value": 2999}),
        ("expect_column_values_to_be_unique", {"column": "text"}),
        ("expect_column_values_to_be_unique", {"column": "twice"}),
        ("expect_column_values_to_be_unique", {"column": "number"}),
        ("expect_column_values_to_be_unique", {"column": "whole"}),
        ("expect_column_values_to_be_unique", {"column": "gaps"}),
        ("expect_column_values_to_not_be_null", {"column": "gaps"}),
        ("expect_column_values_to_not_be_null", {"column": "gaps", "mostly": 0.8}),
        ("expect_column_values_to_not_be_null", {"column": "empty"}),
        ("expect_column_values_to_be_between", {"column": "number", "min_value": -1}),
        ("expect_column_values_to_be_between", {"column": "gaps", "max_value": 2900}),
        ("expect_column_values_to_be_between", {"column": "empty", "max_value": 1}),
        (
            "expect_column_values_to_be_between",
            {"column": "whole", "min_value": 0, "max_value": 49},
        ),
        (
            "expect_column_values_to_be_between",
            {"column": "whole", "min_value": 0, "max_value": 49, "strict_max": True},
        ),
        ("expect_column_values_to_be_in_set", {"column": "kind", "value_set": ["a", "b", "c"]}),
        ("expect_column_values_to_be_in_set", {"column": "kind", "value_set": ["a", "b"]}),
        ("expect_column_values_to_be_in_set", {"column": "whole", "value_set": [1, 2]}),
        ("expect_column_mean_to_be_between", {"column": "number", "min_value": 5}),
        ("expect_column_value_lengths_to_be_between", {"column": "kind", "max_value": 1}),
        ("expect_column_values_to_match_regex", {"column": "kind", "regex": "^[ab]$"}),
        ("expect_compound_columns_to_be_unique", {"column_list": ["kind", "whole"]}),
        ("expect_column_values_to_be_between", {"column": "not there", "min_value": 0}),
    ]
)


def in_batches(rows: pa.Table, size: int = 700) -> Stream:
    return Stream(
        rows.schema,
        rows.num_rows,
        lambda names: rows.select(names).to_batches(max_chunksize=size),
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_the_verdicts_and_counts_are_those_of_one_frame(seed: int) -> None:
    rows = table(seed=seed)
    ours = evaluate_batches(SUITE, in_batches(rows), "test")
    theirs = evaluate(SUITE, to_pandas(rows), "test")
    assert [(one.name, one.outcome) for one in ours] == [(one.name, one.outcome) for one in theirs]
    for mine, gx in zip(ours, theirs, strict=True):
        known = {key: value for key, value in mine.figures.items() if value is not None}
        assert known == pytest.approx(gx.figures), mine.name


def test_different_values_under_one_word_are_still_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poor hash costs a second look, never a wrong verdict."""

    def one_word(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(values), np.uint64), np.zeros(len(values), np.uint64)

    monkeypatch.setattr(counting, "words_of_texts", one_word)
    found = evaluate_batches(SUITE[2:4], in_batches(table(200)), "test")
    assert [one.outcome.value for one in found] == ["ok", "bad"]
    assert found[1].figures["unexpected_count"] == 10


def test_only_the_columns_asked_about_are_read_once() -> None:
    asked: list[list[str]] = []
    rows = table(100)

    def read(names: list[str]) -> list[pa.RecordBatch]:
        asked.append(names)
        return rows.select(names).to_batches()

    evaluate_batches((SUITE[0], SUITE[10], SUITE[15]), Stream(rows.schema, 100, read), "test")
    assert asked == [["number", "kind"]]


def test_gx_decides_and_only_counting_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with a counter that always says zero, everything passes."""
    monkeypatch.setattr(counting.Unexpected, "total", lambda self: 0)
    suite = tuple(one for one in SUITE if one.expect == "expect_column_values_to_be_in_set")
    assert {one.outcome.value for one in evaluate_batches(suite, in_batches(table()), "test")} == {
        "ok"
    }


def test_a_partition_set_is_judged_in_the_lake(tmp_path: Path) -> None:
    lake = Lake(Settings(lake_uri=str(tmp_path)))
    for day in ("2013-01-01", "2013-01-02"):
        rows = table(50).append_column("day", pa.array([date.fromisoformat(day)] * 50))
        lake.replace_partition(
            "t",
            day,
            rows,
            partition_column="day",
            fence=Fence(key=day, token=1),
            digest=rows_digest(rows, without=["day"]),
        )
    ref = lake.snapshot("t", lake.partitions("t"))
    suite = (
        expectation("expect_table_row_count_to_equal", value=100),
        expectation("expect_column_values_to_be_unique", column="text"),
    )
    found = evaluate_batches(suite, rows_in(lake, ref), "test")
    assert [one.outcome.value for one in found] == ["ok", "bad"]


def test_no_expectations_give_no_verdicts() -> None:
    assert evaluate_batches((), table(5), "test") == []


def test_what_gx_was_asked_once_is_not_mixed_up_with_what_looks_alike() -> None:
    """Plans are kept from one partition to the next: a date is no text of it, and each partition has its own counts."""
    numbers = expectation("expect_column_values_to_be_in_set", column="whole", value_set=[1, 2, 3])
    texts = expectation(
        "expect_column_values_to_be_in_set", column="whole", value_set=["1", "2", "3"]
    )
    four = pa.table({"whole": pa.array(range(4))})
    found = [
        evaluate_batches((one,), in_batches(rows), "test")[0]
        for one, rows in [(numbers, four), (texts, four), (numbers, four[1:]), (numbers, four)]
    ]
    assert [one.outcome.value for one in found] == ["bad", "bad", "ok", "bad"]
    assert [one.figures["unexpected_count"] for one in found] == [1, 4, 0, 1]


def test_of_a_year_of_partitions_gx_builds_each_expectation_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = []
    before = batches.build
    monkeypatch.setattr(batches, "build", lambda *told: built.append(told) or before(*told))
    batches._known.cache_clear()
    for day in range(5):
        evaluate_batches(SUITE[:4], in_batches(table(50, seed=day)), "test")
    assert len(built) == 4


@pytest.mark.parametrize(
    ("column", "kind", "outcome"),
    [("number", "float64", "ok"), ("whole", "float64", "bad"), ("absent", "str", "could not tell")],
)
def test_what_gx_can_only_tell_of_a_frame_is_left_to_it(
    column: str, kind: str, outcome: str
) -> None:
    asked = expectation("expect_column_values_to_be_of_type", column=column, type_=kind)
    counted = expectation("expect_table_row_count_to_equal", value=3_000)
    found = evaluate_batches((asked, counted), in_batches(table()), "test")
    assert [one.outcome.value for one in found] == [outcome, "ok"]
