"""Each bench in small sizes, here in the tests' own process, so that none rots. Figures of such sizes say nothing."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from math import isfinite

import pytest

from airloop.settings import load_settings
from airloop.specs import load_catalog
from bench.apart import HERE, MissingError, call
from bench.catalogue import ROWS

#: Those that start servers, hosts or a stack are tried by `make bench-short`, and their parts where such a server runs.
LIGHT = (
    *("days", "drift", "gx", "ingest", "networks", "page", "parse", "pods", "rows", "specs"),
    "tuning",
)


@pytest.fixture(autouse=True)
def _here() -> Iterator[None]:
    """A bench sets its own home in the environment, and hushes logs: what it leaves is taken back."""
    before = dict(os.environ)
    os.environ |= {HERE: "1", "DO_NOT_TRACK": "1", "GX_ANALYTICS_ENABLED": "false"}
    load_settings.cache_clear()
    load_catalog.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' own, as the benches' processes do
        yield
    logging.disable(logging.NOTSET)
    os.environ.clear()
    os.environ.update(before)
    load_settings.cache_clear()
    load_catalog.cache_clear()


@pytest.mark.parametrize("name", LIGHT)
def test_a_short_form_gives_every_figure_of_its_row(name: str) -> None:
    try:
        figures = call(f"bench.{name}:measure", short=True)
    except MissingError as error:
        pytest.skip(str(error))
    values = figures["values"]
    assert {one.figure for one in ROWS[name].targets} <= set(values)
    assert all(isfinite(value) for value in values.values())
    assert all(side["wall"] > 0 and side["cpu"] > 0 for side in figures["sides"].values())
    assert "?" not in ROWS[name].measured(figures)
