"""The Airloop page is readable in light and dark: WCAG's contrast of each colour against what it stands on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

UI = ROOT / "operators" / "airloop_operators" / "ui"
TEXT, SHAPES = ("ink", "soft", "accent", "good", "incident"), ("quiet", "drift")


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def themes() -> dict[str, dict[str, str]]:
    """The page's colours: by default, by the system's wish for dark, by Airflow's switch."""
    css = (UI / "page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root[^{]*\{([^}]*)\}", css)
    colours = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in blocks]
    return dict(zip(("light", "system dark", "switched dark"), colours, strict=True))


@pytest.mark.parametrize("theme", ["light", "system dark", "switched dark"])
def test_text_and_pictures_stand_out_from_what_they_are_on(theme: str):
    colours = themes()[theme]
    for ground in ("card", "ground"):
        for names, least in ((TEXT, 4.5), (SHAPES, 3.0)):
            for name in names:
                found = contrast(colours[name], colours[ground])
                assert found >= least, f"{name} on {ground}: {found:.2f}"


def test_both_ways_into_the_dark_have_the_same_colours():
    assert themes()["system dark"] == themes()["switched dark"]


def stroke(path: Path) -> str:
    return re.findall(r'stroke="(#[0-9a-f]{6})"', path.read_text(encoding="utf-8"))[0]


def test_the_icon_is_seen_whether_its_entry_is_selected_or_not():
    """Selected, Airflow's entry is dark blue in both modes; else it is light, or dark: so light mode's has a tile."""
    selected, dark = "#3c5b8a", "#1e3357"
    tile = re.findall(r'<rect [^>]*fill="(#[0-9a-f]{6})"', (UI / "icon.svg").read_text())[0]
    assert contrast(stroke(UI / "icon.svg"), tile) >= 3.0
    for ground in (selected, dark):
        assert contrast(stroke(UI / "icon-dark.svg"), ground) >= 3.0
