"""Keys are values: what is printed is read again, and their printed forms are those of old ledgers."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airloop.contracts import NAME_PATTERN
from airloop.exchange import keys
from airloop.exchange.keys import Key

TRIGGER = "manual__2026-01-01T00:00:00+00:00"
#: As they stand in ledgers and step stores of Airloop 0.1.
PRINTED = {
    "ingest:flights:2013-01-05": keys.Ingest.of("flights", ("2013-01-05",)),
    "ingest:flights:2013-01-05..2013-01-07": keys.Ingest.of(
        "flights", ("2013-01-05", "2013-01-06", "2013-01-07")
    ),
    f"study:flight_delay:{TRIGGER}": keys.Study("flight_delay", TRIGGER),
    f"trials:study:flight_delay:{TRIGGER}:3": keys.Trials(f"study:flight_delay:{TRIGGER}", 3),
    f"divide:flight_delay:{TRIGGER}": keys.Divide("flight_delay", TRIGGER),
    "segments:lateness-0a:7": keys.Segments("lateness-0a", 7),
    "segments:lateness-0a:7:worker": keys.SegmentWorker("segments:lateness-0a:7"),
    f"train:flight_delay:{TRIGGER}": keys.Train("flight_delay", TRIGGER),
    "evaluate:flight_delay:ab12": keys.Evaluate("flight_delay", "ab12"),
    "register:flight_delay:ab12": keys.Register("flight_delay", "ab12"),
    "verify:flight_delay:12": keys.Verify("flight_delay", 12),
    "promote:flight_delay": keys.Promote("flight_delay"),
    "monitor:flight_delay:2013-01-05": keys.Monitor("flight_delay", "2013-01-05"),
    "score:flight_delay:2013-01-05": keys.Score("flight_delay", "2013-01-05"),
}
KINDS = sorted({type(key) for key in PRINTED.values()}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("printed", PRINTED)
def test_the_printed_forms_are_those_of_old_ledgers(printed: str) -> None:
    key = PRINTED[printed]
    assert str(key) == printed
    assert type(key).parse(printed) == key


@st.composite
def a_key(draw: st.DrawFn) -> Key:
    kind = draw(st.sampled_from(KINDS))
    names = st.from_regex(NAME_PATTERN)
    text = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1)
    values = {
        one.name: draw(
            st.integers(min_value=0)
            if one.type == "int"
            else names
            if one.name in {"model", "dataset"}
            else text
        )
        for one in fields(kind)
    }
    return kind(**values)


@given(a_key())
def test_what_is_printed_is_read_again(key: Key) -> None:
    assert type(key).parse(str(key)) == key


@given(a_key(), st.sampled_from(KINDS))
def test_a_key_is_read_as_no_other_kind(key: Key, kind: type[Key]) -> None:
    if kind not in {type(key), keys.SegmentWorker}:
        assert kind.parse(str(key)) is None or isinstance(key, keys.SegmentWorker)


def test_a_training_names_the_steps_before_it() -> None:
    key = keys.Train("flight_delay", TRIGGER)
    assert str(key.study) == f"study:flight_delay:{TRIGGER}"
    assert str(key.divide) == f"divide:flight_delay:{TRIGGER}"


def test_the_workers_of_a_study_and_the_packs_of_a_plan_share_a_beginning() -> None:
    assert str(keys.Trials("study:m:r", 3)).startswith(keys.Trials.prefix("study:m:r"))
    assert str(keys.Segments("p-1", 2)).startswith(keys.Segments.prefix("p-1"))
    assert str(keys.SegmentWorker("segments:p-1:2")).startswith(keys.Segments.prefix("p-1"))


@pytest.mark.parametrize("text", ["", "train", "train:", "train:m", "train:M:r", "ingest:m:r", "k"])
def test_what_is_no_key_of_the_kind_is_none(text: str) -> None:
    assert keys.Train.parse(text) is None
