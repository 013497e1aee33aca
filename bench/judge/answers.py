"""Answers of real models to real days: boosted trees on flights, several windows, several seeds each, kept on disk.

A model learns from ``LEARNED`` days and answers the ``AHEAD`` days after them, as the demo's does. Each pair of a
window's seeds is a champion and a challenger of equal worth. A day is answered by the models of two windows, which
have learned from other days.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.data.sources.reading import read_frame
from airloop.features.transform import transform
from airloop.features.truth import labels
from airloop.paths import config_folder
from airloop.specs import Catalog, DatasetSpec, ModelSpec
from bench.row import SEED

Floats = npt.NDArray[np.float64]
#: Days that a model learns from (the demo's window without its holdout), and days that it answers.
LEARNED, AHEAD = 50, 42
#: The first answered day of each window, by its place in the year.
STARTS = tuple(range(LEARNED, 366 - AHEAD, 22))
SEEDS = (7, 11, 12, 13, 14, 15)


@dataclass(frozen=True)
class Window:
    """What a window's models answered: one row of ``answers`` a seed."""

    start: int
    day: npt.NDArray[np.int64]
    truth: Floats
    answers: Floats

    def rows(self, first: int, days: int) -> npt.NDArray[np.bool_]:
        """The rows of so many days, the first counted from the window's own first."""
        place = self.day - self.day.min()
        return np.asarray((place >= first) & (place < first + days))


@cache
def windows(folder: Path, seeds: int = len(SEEDS)) -> list[Window]:
    """All windows with so many seeds; what is not on disk yet is fitted and put there."""
    return [_window(folder, start, seeds) for start in STARTS]


def _window(folder: Path, start: int, seeds: int) -> Window:
    models = [_fitted(folder, start, seed) for seed in SEEDS[:seeds]]
    first = models[0]
    return Window(start, first["day"], first["truth"], np.stack([one["answers"] for one in models]))


def _fitted(folder: Path, start: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    path = folder / f"answers-{start}-{seed}-{_digest()}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}.npz")
        np.savez_compressed(half, **_fit(folder, start, seed))
        half.replace(path)
    with np.load(path) as kept:
        return dict(kept)


def _fit(folder: Path, start: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    from flights.flight_delay import build

    model, dataset = _specs()
    frame = _year(folder)
    place = (pd.to_datetime(frame["flight_date"]) - pd.Timestamp("2013-01-01")).dt.days.to_numpy()
    truth = labels(model, frame).to_numpy(dtype=np.float64)
    features = transform(model, dataset, frame)
    known = np.isfinite(truth)
    learned = known & (place >= start - LEARNED) & (place < start)
    asked = known & (place >= start) & (place < start + AHEAD)
    estimator = build({**model.training.params, "random_state": seed})
    estimator.fit(features[learned], truth[learned])
    answers = estimator.predict_proba(features[asked])[:, 1]
    return {"day": place[asked].astype(np.int64), "truth": truth[asked], "answers": answers}


@cache
def _year(folder: Path) -> pd.DataFrame:
    """Every flight of 2013, read once."""
    path = folder / "year.parquet"
    if not path.exists():
        _, dataset = _specs()
        days = pd.date_range("2013-01-01", "2013-12-31").strftime("%Y-%m-%d")
        frame = pd.concat([read_frame(dataset, day) for day in days], ignore_index=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path)
    return pd.read_parquet(path)


def flights(folder: Path) -> tuple[ModelSpec, DatasetSpec, pd.DataFrame]:
    """The demo's model and dataset, and every flight of 2013."""
    return *_specs(), _year(folder)


@cache
def _specs() -> tuple[ModelSpec, DatasetSpec]:
    catalog = Catalog(config_folder())
    model = catalog.model("flight_delay")
    return model, catalog.dataset_of(model)


@cache
def _digest() -> str:
    """Of what the answers depend on: other parameters are other files."""
    model, _ = _specs()
    said = repr((sorted(model.training.params.items()), model.inputs, LEARNED, AHEAD, SEED))
    return hashlib.sha256(said.encode()).hexdigest()[:12]
