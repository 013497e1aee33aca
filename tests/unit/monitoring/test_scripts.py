"""Large scripts of pages are kept once."""

from __future__ import annotations

from pathlib import Path

from airloop.monitoring.scripts import asset, share
from airloop.storage.files import Files

LARGE = "x = 1; // " + "y" * 600_000
PAGE = f"<script>small()</script><p>a</p><script>{LARGE}</script><script>draw()</script>"


def test_a_large_script_is_a_link_and_small_ones_stay(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    name = asset(LARGE.encode())
    linked = f'<script src="../../Assets/{name}"></script>'
    assert share(files, PAGE, 2) == PAGE.replace(f"<script>{LARGE}</script>", linked)
    assert (tmp_path / "Assets" / name).read_text() == LARGE


def test_pages_share_it(tmp_path: Path) -> None:
    for depth in (1, 2, 2):
        share(Files(str(tmp_path)), PAGE, depth)
    assert len(list((tmp_path / "Assets").iterdir())) == 1
