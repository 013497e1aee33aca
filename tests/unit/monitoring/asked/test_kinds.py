"""What became of values that callers sent otherwise: each kind by its name, for every type that a column may have."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from airloop.columns import MODEL_VERSION
from airloop.data import parting
from airloop.findings import Skew
from airloop.monitoring.asked.meeting import Meeting
from airloop.monitoring.asked.skew import skews_of
from airloop.monitoring.asked.values import differ
from airloop.specs.dataset import DatasetSpec
from airloop.specs.sections.watching import SkewSpec
from tests.support.small_world import small_world

ROWS = 240
RANDOM = np.random.default_rng(17)
START = datetime(2024, 5, 13, 9, 20, 11, tzinfo=UTC)


def world(**columns: Any) -> DatasetSpec:
    return small_world({"id": {"type": "string", "nullable": False}, **columns})


def found(
    kind: dict[str, Any],
    delivered: list[Any],
    sent: list[Any],
    *,
    spec: SkewSpec | None = None,
    versions: list[int] | None = None,
    batch: int = 1000,
) -> tuple[Skew, ...]:
    """What is said where one column's values were sent so."""
    dataset = world(x=kind)
    meeting = Meeting(dataset, ["x"], 2 * len(sent))
    schema = meeting.schema
    ids = [f"r{number}" for number in range(len(sent))]
    there = pa.table({"id": ids, "x": pa.array(delivered, schema.field("x").type)})
    asked = pa.table(
        {
            "id": ids,
            "x": pa.array(sent, schema.field("x").type),
            MODEL_VERSION: pa.array(versions or [1] * len(sent), pa.int64()),
        }
    )
    for some in asked.to_batches(batch):
        meeting.ask(some)
    for some in there.to_batches(batch):
        meeting.deliver(some)
    return skews_of(meeting.met(), spec or SkewSpec(), dataset, 1, "", lambda _: ())


FLOATS = [float(one) for one in RANDOM.normal(50, 12, ROWS)]
SIGNED = [float(one) for one in RANDOM.normal(0, 12, ROWS)]
INTEGERS = [int(one) for one in RANDOM.integers(0, 5000, ROWS)]
WORDS = [str(one) for one in RANDOM.choice(["Kraków", "Zürich", "New York", "Łódź"], ROWS)]
FLAGS = [bool(one) for one in RANDOM.random(ROWS) < 0.4]
DATES = [date(2024, 1, 1) + timedelta(days=int(one)) for one in RANDOM.integers(0, 300, ROWS)]
STAMPS = [START + timedelta(minutes=int(one)) for one in RANDOM.integers(0, 9999, ROWS)]
TIMES = [time(int(one) // 60, int(one) % 60) for one in RANDOM.integers(0, 1300, ROWS)]
CODES = [int(one) for one in RANDOM.integers(1, 6, ROWS)]
LISTS = [[float(one), 2.0] for one in RANDOM.normal(size=ROWS)]

CASES: list[tuple[str, dict[str, Any], list[Any], list[Any], str]] = [
    ("sign", {"type": "float"}, SIGNED, [abs(one) for one in SIGNED], "without its sign"),
    ("line", {"type": "float"}, FLOATS, [1.37 * one + 4 for one in FLOATS], "another scale (× 1.37, +4)"),
    ("milliseconds", {"type": "integer"}, INTEGERS, [one * 1000 for one in INTEGERS], "× 1000"),
    ("thousands", {"type": "integer"}, INTEGERS, [round(one, -3) for one in INTEGERS], "rounded to 1,000s"),
    ("decimals", {"type": "float"}, FLOATS, [round(one, 2) for one in FLOATS], "rounded to 2 decimals"),
    ("codes", {"type": "integer"}, CODES, [[0, 7, 3, 9, 1, 4][one] for one in CODES], "another coding ("),
    ("encoding", {"type": "string"}, WORDS, [one.encode().decode("latin-1") for one in WORDS], "in another encoding"),
    ("prefix", {"type": "string"}, WORDS, [f"city:{one}" for one in WORDS], "a part of it added"),
    ("negated", {"type": "boolean"}, FLAGS, [not one for one in FLAGS], "another coding ("),
    ("days", {"type": "date"}, DATES, [one + timedelta(days=1) for one in DATES], "moved by +1 days"),
    ("swapped", {"type": "date"}, DATES, [one.replace(day=one.month, month=min(one.day, 12)) if one.day <= 12 else one for one in DATES], "day and month exchanged"),
    ("zone", {"type": "timestamp"}, STAMPS, [one - timedelta(hours=5) for one in STAMPS], "moved by -5 hours"),
    ("midnight", {"type": "timestamp"}, STAMPS, [one.replace(hour=0, minute=0, second=0) for one in STAMPS], "cut off at the day"),
    ("hour", {"type": "timestamp"}, STAMPS, [one.replace(minute=0, second=0) for one in STAMPS], "cut off at the hour"),
    ("time", {"type": "time"}, [one.isoformat() for one in TIMES], [time(one.hour + 1, one.minute).isoformat() for one in TIMES], "moved by +1 hours"),
    ("vector", {"type": "list", "of": "float"}, LISTS, [None] * ROWS, "missing"),
    ("shuffled", {"type": "list", "of": "float"}, LISTS, LISTS[1:] + LISTS[:1], "values of other rows"),
    ("filled", {"type": "float"}, [None] * ROWS, [0.0] * ROWS, "a value where none was delivered"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "delivered", "sent", "told"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])  # fmt: skip
def test_each_kind_is_named(kind: dict[str, Any], delivered: list[Any], sent: list[Any], told: str) -> None:  # fmt: skip
    [skew] = found(kind, delivered, sent)
    assert skew.column == "x"
    assert told in skew.what[0], skew
    assert found(kind, delivered, delivered) == ()


def test_two_kinds_of_two_callers_are_both_named_with_their_shares() -> None:
    third = ROWS // 3
    sent = [one * 1.609344 for one in FLOATS[:third]] + [None] * third + FLOATS[2 * third :]
    [skew] = found({"type": "float"}, FLOATS, sent)
    assert (skew.differing, skew.rows) == (2 * third, ROWS)
    assert {one.partition(" (")[0] for one in skew.what} == {"another unit, × 1.609", "missing"}
    assert "in 67% of 240 rows" in str(skew)


def test_what_nothing_explains_is_told_as_that() -> None:
    sent = [
        one + float(noise) for one, noise in zip(FLOATS, RANDOM.normal(0, 5, ROWS), strict=True)
    ]
    [skew] = found({"type": "float"}, FLOATS, sent)
    assert skew.what == ("other values",)


def test_a_few_corrections_are_none_and_of_few_rows_nothing_is_said() -> None:
    sent = [one + 1 if number < 3 else one for number, one in enumerate(FLOATS)]
    assert found({"type": "float"}, FLOATS, sent) == ()
    assert found({"type": "float"}, FLOATS[:19], [one + 1 for one in FLOATS[:19]]) == ()
    assert found({"type": "float"}, FLOATS[:20], [one + 1 for one in FLOATS[:20]])
    assert found({"type": "float"}, FLOATS, [one + 1 for one in FLOATS], spec=SkewSpec(may_differ=("x",))) == ()  # fmt: skip


def test_a_float_that_went_through_a_narrower_type_is_the_same() -> None:
    assert found({"type": "float"}, FLOATS, [float(np.float32(one)) for one in FLOATS]) == ()


def test_a_version_other_than_the_champion_that_never_had_the_input_counts_for_nothing() -> None:
    halves = [1] * (ROWS // 2) + [2] * (ROWS // 2)
    sent = FLOATS[: ROWS // 2] + [None] * (ROWS // 2)
    assert found({"type": "float"}, FLOATS, sent, versions=halves) == ()
    [skew] = found({"type": "float"}, FLOATS, sent, versions=halves[::-1])
    assert skew.versions == (1,)


@pytest.mark.parametrize("rows", [1000, 100, 7])
def test_parts_say_what_all_rows_at_once_do(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = [one * 60 if number % 3 else one for number, one in enumerate(INTEGERS)]
    whole = found({"type": "integer"}, INTEGERS, sent)
    monkeypatch.setattr(parting, "PART_ROWS", rows)
    assert found({"type": "integer"}, INTEGERS, sent, batch=13) == whole


def test_rows_that_only_callers_have_are_counted_apart() -> None:
    dataset = world(x={"type": "float"})
    meeting = Meeting(dataset, ["x"], 10)
    version = pa.array([1] * 3, pa.int64())
    meeting.ask(
        pa.record_batch({"id": ["a", "b", None], "x": [1.0, 2.0, 3.0], MODEL_VERSION: version})
    )
    meeting.ask(pa.record_batch({"id": ["a"], "x": [1.0], MODEL_VERSION: version[:1]}))
    meeting.deliver(pa.record_batch({"id": ["a", "c"], "x": [1.5, 9.0]}))
    met = meeting.met()
    assert (met.asked, met.matched, met.alone) == (3, 1, 2)
    assert met.versions[1].differing["x"] == 1
    assert len(met.spoiled(["x"])) == 1


def test_nothing_asked_and_nothing_delivered_meet() -> None:
    met = Meeting(world(x={"type": "float"}), ["x"], 0).met()
    assert (met.asked, met.matched, met.sent.num_rows) == (0, 0, 0)
    assert skews_of(met, SkewSpec(), world(x={"type": "float"}), 1, "", lambda _: ()) == ()


def test_missing_and_nan_are_the_same_and_so_is_nothing_of_two_kinds() -> None:
    one = pa.array([1.0, float("nan"), None, float("inf")])
    other = pa.array([1.0 + 1e-9, None, float("nan"), float("inf")])
    assert not differ(one, other).any()
    assert differ(pa.array([1, 2]), pa.array([1.0, 2.5])).tolist() == [False, True]
