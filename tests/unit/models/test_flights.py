"""The demo's drop folder and the day it yields."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from airloop.data.sources.reading import read_frame
from airloop.data.validation.quality import failures, validate
from airloop.errors import DataError
from airloop.specs.catalog import Catalog
from airloop.specs.dataset import DatasetSpec
from flights import departures
from tests.support.checkout import ROOT

DAY = "2013-01-05"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole drop folder, cut once."""
    return departures.prepare_upstream(tmp_path_factory.mktemp("home") / "upstream")


@pytest.fixture
def folder(upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A drop folder of one day, to be spoiled."""
    for kind in ("flights", "weather"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{DAY}.csv").write_bytes((upstream / kind / f"{DAY}.csv").read_bytes())
    (tmp_path / "planes.csv").write_bytes((upstream / "planes.csv").read_bytes())
    monkeypatch.setenv("AIRLOOP_UPSTREAM", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def spec() -> DatasetSpec:
    return Catalog(ROOT / "config").dataset("flights")


def test_the_folder_holds_every_flight_of_the_year_once(upstream: Path) -> None:
    days = sorted((upstream / "flights").iterdir())
    assert len(days) == 365
    assert sum(len(day.read_bytes().splitlines()) - 1 for day in days) == 336_776
    assert len(list((upstream / "weather").iterdir())) == 364


def test_the_package_is_never_imported(upstream: Path) -> None:
    assert departures.PACKAGE not in sys.modules


def test_preparing_again_changes_nothing(upstream: Path) -> None:
    before = upstream.stat().st_mtime_ns
    assert departures.prepare_upstream(upstream) == upstream
    assert upstream.stat().st_mtime_ns == before


def test_an_interrupted_preparation_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(done: int, total: int) -> None:
        if done == 3:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        departures.prepare_upstream(tmp_path / "upstream", full)
    assert [path.name for path in tmp_path.iterdir()] == [".upstream.lock"]


def test_a_day_is_what_its_spec_says(folder: Path, spec: DatasetSpec) -> None:
    frame = read_frame(spec, DAY)
    assert set(frame.columns) == set(spec.columns)
    found = validate(spec, DAY, frame)
    assert found.ok
    assert found.report.rows == 720
    assert frame["flight_id"].is_unique
    assert frame["temp"].notna().all()
    assert frame.loc[0, "flight_id"] == "2013-01-05-B6-739-JFK-2359"


def test_a_column_missing_upstream_is_refused_by_its_name(folder: Path, spec: DatasetSpec) -> None:
    path = folder / "flights" / f"{DAY}.csv"
    pd.read_csv(path).drop(columns="distance").to_csv(path, index=False)
    [failed] = failures(validate(spec, DAY, read_frame(spec, DAY)).report)
    assert failed.reason == f"column distance missing in partition {DAY}"


@pytest.mark.parametrize("column", ["carrier", "origin", "year", "time_hour", "tailnum", "flight"])
def test_whatever_column_is_missing_is_named(folder: Path, spec: DatasetSpec, column: str) -> None:
    path = folder / "flights" / f"{DAY}.csv"
    pd.read_csv(path).drop(columns=column).to_csv(path, index=False)
    [failed] = failures(validate(spec, DAY, read_frame(spec, DAY)).report)
    assert "missing in partition" in failed.reason


def test_impossible_rows_are_quarantined(folder: Path, spec: DatasetSpec) -> None:
    path = folder / "flights" / f"{DAY}.csv"
    day = pd.read_csv(path)
    day.loc[::50, "distance"] = -1
    day.to_csv(path, index=False)
    found = validate(spec, DAY, read_frame(spec, DAY))
    assert found.ok
    assert found.report.quarantined == 15


def test_flights_do_not_wait_for_the_weather(folder: Path, spec: DatasetSpec) -> None:
    (folder / "weather" / f"{DAY}.csv").unlink()
    frame = read_frame(spec, DAY)
    assert frame["temp"].isna().all()
    assert validate(spec, DAY, frame).ok


def test_a_day_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="the partition does not exist; got '2014-01-01'"):
        next(departures.flights("2014-01-01"))
