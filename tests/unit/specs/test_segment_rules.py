"""What `airloop check` says of segments."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from airloop.check.specs import check
from airloop.issues import issues_of
from airloop.specs.catalog import Catalog
from airloop.specs.model import ModelSpec
from airloop.specs.sections.segments import SegmentsSpec
from tests.support.checkout import ROOT
from tests.support.loop.specimens import model_spec

MODEL = "models/flight_delay.yaml"


def told(**changes):
    try:
        model_spec(**changes)
    except ValidationError as error:
        return {mistake.key: mistake for mistake in issues_of(error, ModelSpec)}
    return {}


def checked(config: Path, segments: str, dataset: tuple[str, str] = ("", "")):
    spec, columns = config / MODEL, config / "datasets" / "flights.yaml"
    spec.write_text(spec.read_text() + f"segments: {segments}\n")
    columns.write_text(columns.read_text().replace(*dataset, 1))
    return {problem.key: problem for problem in check(Catalog(config))}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def test_the_column_alone_is_short_for_the_rest_by_default():
    assert model_spec(segments="courier").segments == SegmentsSpec(column="courier")
    assert model_spec(segments={"column": "courier", "pack": 3}).segments.pack == 3


@pytest.mark.parametrize(
    ("segments", "key", "word"),
    [
        ("parcels", "segments.column", "among inputs"),
        ({"column": "parcels"}, "segments.column", "among inputs"),
        ({"column": "courier", "pack": 0}, "segments.pack", "greater"),
        ({"column": "courier", "pack": True}, "segments.pack", "integer"),
        ({"column": "courier", "concurrency": 1000}, "segments.concurrency", "less"),
        ({"column": "courier", "min_row": 3}, "segments.min_row", "unknown key"),
        ({}, "segments.column", "required"),
        (7, "segments", "mapping"),
    ],
)
def test_a_wrong_key_is_told(segments, key, word):
    found = told(segments=segments)
    assert list(found) == [key]
    assert word in found[key].what


def test_algorithms_cannot_compete_while_segments_wait_for_the_winner():
    both = told(segments="courier", algorithms=[{"name": "a"}, {"name": "b"}])
    assert list(both) == ["segments"]
    assert "winner into training" in both["segments"].remedy


def test_one_day_of_training_leaves_none_to_compare_on():
    assert "segments" in told(segments="courier", training={"window_days": 3, "holdout_days": 2})


@pytest.mark.parametrize(
    ("segments", "key", "word", "near"),
    [
        ("plane_year", "segments.column", "among inputs", None),
        ("carier", "segments.column", "among inputs", "carrier"),
        ("temp", "segments.column", "type float names no segments", None),
        ("{column: flight_date}", "segments.column", "type date names no segments", None),
    ],
)
def test_a_column_that_names_no_segments_is_one_clear_error(config, segments, key, word, near):
    inputs = ("plane_year,", "") if segments == "plane_year" else ("", "")
    spec = config / MODEL
    spec.write_text(spec.read_text().replace(*inputs, 1))
    found = checked(config, segments)
    assert list(found) == [key]
    assert word in found[key].what
    if near:
        assert f"did you mean '{near}'" in str(found[key])


def test_a_column_that_may_be_null_is_one_clear_error(config):
    found = checked(
        config,
        "carrier",
        ("carrier: {type: string, nullable: false}", "carrier: {type: string}"),
    )
    assert list(found) == ["segments.column"]
    assert "may be null" in found["segments.column"].what
    assert "nullable: false" in found["segments.column"].remedy


def test_the_short_form_passes(config):
    assert checked(config, "carrier") == {}
