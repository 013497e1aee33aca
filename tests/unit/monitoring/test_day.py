"""A day that comes in parts is the day that comes at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airloop.monitoring.day import EMPTY, Seen, observe
from airloop.monitoring.profiles import profile
from airloop.monitoring.reference import Reference
from tests.unit.monitoring.conftest import MakeFrame


@pytest.mark.parametrize("most", [20_000, 50])
def test_the_parts_of_a_day_are_the_day(
    make_frame: MakeFrame, quiet_reference: Reference, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "SAMPLE", most)
    frame = make_frame(1, "2013-03-02", rows=601)
    frame = pd.concat([frame, frame.iloc[:7]], ignore_index=True)
    keys = ["id"]
    wanted = observe(quiet_reference, frame, keys)
    seen = Seen(quiet_reference, keys, len(frame))
    for start in range(0, len(frame), 97):
        seen.add(frame.iloc[start : start + 97])
    found = seen.day()
    assert (found.rows, found.duplicates, found.absent) == (608, 7, wanted.absent)
    assert wanted.duplicates == 7
    assert found.contents.repeated == wanted.contents.repeated > 0
    assert np.array_equal(found.contents.smallest, wanted.contents.smallest)
    pd.testing.assert_frame_equal(found.sample, wanted.sample)
    for name, counts in wanted.columns.items():
        assert np.array_equal(found.columns[name].bins, counts.bins)
        assert found.columns[name].total == pytest.approx(counts.total)


def test_a_day_without_a_row_is_empty(quiet_reference: Reference) -> None:
    assert Seen(quiet_reference, ["id"], 0).day() is EMPTY


def test_a_sample_keeps_no_more_than_its_rows(
    make_frame: MakeFrame, quiet_reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice of a frame's rows would keep the frame: of each part of a day, all of it."""
    monkeypatch.setattr(profile, "SAMPLE", 50)
    assert quiet_reference.health is not None
    found = profile.sample(make_frame(1, "2013-03-02", rows=601), quiet_reference.health.layout)
    assert 40 < len(found) <= 50
    held = found["x0"].to_numpy()
    while isinstance(held.base, np.ndarray):
        held = held.base
    assert held.size <= found.size
