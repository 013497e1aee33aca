"""The order of test files names files that are there, and begins with them."""

from __future__ import annotations

from tests.support.checkout import ROOT
from tests.support.order import FIRST, place


def test_every_file_that_it_names_is_there() -> None:
    assert [name for name in FIRST if not (ROOT / name).is_file()] == []
    assert len(set(FIRST)) == len(FIRST)


def test_the_dearest_begins_and_what_is_not_named_keeps_its_order() -> None:
    cheap = ["tests/bench/test_after.py::test_a", "tests/unit/test_cron.py::test_b[1]"]
    collected = [*cheap, f"{FIRST[1]}::test_c", f"{FIRST[0]}::test_d[x::y]"]
    assert sorted(collected, key=place) == [collected[3], collected[2], *cheap]
