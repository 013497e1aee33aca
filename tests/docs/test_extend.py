"""docs/extend.md names every seam with what is built in; its wheel is built by tests/integration/wheel."""

from __future__ import annotations

import re

import pytest

from airloop import testing
from airloop.plugins import registry
from airloop.plugins.gate import STANDING
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
ROWS = {
    group: set(re.findall(r"`(\w+)`", built_in))
    for group, built_in in re.findall(r"(?m)^\| [^|]+ \| `(airloop\.\w+)` \| ([^|]+) \|", PAGE)
}


@pytest.mark.parametrize("seam", registry.SEAMS, ids=lambda seam: seam.group)
def test_each_seam_is_told_with_what_is_built_in(seam: registry.Seam) -> None:
    told = set(STANDING) if seam == registry.GATES else ROWS[seam.group]
    assert told == set(registry.names(seam))
    assert f'[project.entry-points."{seam.group}"]' in PAGE


def test_every_contract_is_shown() -> None:
    contracts = {name for name in testing.__all__ if name.endswith("Contract")}
    assert {name for name in contracts if name in PAGE} == contracts
