"""A broken night is remembered until it is mended: no night after it drifts that would not have without it."""

from __future__ import annotations

import pytest

from bench.feeds import after
from bench.feeds.after import aftermath, render
from bench.feeds.faults import FAULTS

FAULT = "-999 in all"
NIGHT = "2013-03-20"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after, "FAULTS", {FAULT: FAULTS[FAULT]})
    monkeypatch.setattr(after, "MENDED", 2)
    monkeypatch.setattr(after, "AFTER", 1)


def test_nothing_follows_from_an_incident() -> None:
    found = aftermath([NIGHT], seed=7)
    assert found == {FAULT: {"incidents": 1, "of": 1, "drift": []}}
    told = render({"at": "now", "commit": "c", "seed": 7, "faults": found})
    assert "An incident on the first night: 1 of 1" in told
    assert "sound feed has not: 0 of 4 " in told


def test_control_what_is_not_heard_is_drift_until_it_is_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("airloop.monitoring.health.check", lambda *_: ())
    found = aftermath([NIGHT], seed=7)
    assert found[FAULT]["incidents"] == 0
    assert NIGHT in found[FAULT]["drift"]
    assert "| 2013-03-20 | 1 of 1 kinds |" in render(
        {"at": "now", "commit": "c", "seed": 7, "faults": found}
    )
