"""What MLflow's sign-in costs a training: the step ``train`` against a server with it and one without, in turn.

Six days of flights and the example's model; the second server is the same program without users. Who goes first changes from pair
to pair. The figure is the median of the pairs' ratios of the step's wall time, its imports done, with an interval by bootstrap over
the pairs; beside it the server's CPU time. ``python -m bench.signin [PAIRS]`` prints JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from scipy import stats

from airloop.data.sources.reading import read_frame
from airloop.registry.credentials import PASSWORD, USERNAME
from airloop.specs import load_catalog
from airloop.steps import train
from airloop.steps.__main__ import begin_in_project
from bench import machine
from tests.support.checkout import ROOT
from tests.support.loop.project import Project
from tests.support.servers import MlflowServer

MODEL = "flight_delay"
DAYS = [str(day.date()) for day in pd.date_range("2013-01-02", periods=6)]
WINDOW = {"window_days": 6, "holdout_days": 2}


class Side:
    """A server and a project whose trainings it keeps."""

    def __init__(self, home: Path, *, guarded: bool) -> None:
        self.server = MlflowServer(guarded=guarded)
        self.server.start()
        catalog = load_catalog()
        dataset, model = catalog.dataset("flights"), catalog.model(MODEL)
        told = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
        told["training"] |= WINDOW
        fields = dataset.model_dump(mode="json", by_alias=True, exclude_unset=True)
        self.project = Project(home, fields, told, mlflow=self.server.url)
        for day in DAYS:
            self.project.put(dataset, read_frame(dataset, day))
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def train(self, number: int) -> None:
        """Once more, as the user whom the server knows."""
        os.environ |= self.server.variables()
        before, began = self._used(), time.monotonic()
        self.project.step(train, f"train:{MODEL}:{number}", model=MODEL)
        self.wall.append(time.monotonic() - began)
        self.cpu.append(self._used() - before)
        for name in (USERNAME, PASSWORD):
            os.environ.pop(name, None)

    def _used(self) -> float:
        times = psutil.Process(self.server.pid).cpu_times()
        return float(times.user + times.system)

    def requests(self) -> int:
        """How many a training sent, from the server's log."""
        lines = (self.server.folder / "log").read_text().splitlines()
        return sum('HTTP/1.1"' in line and "/health" not in line for line in lines) // len(
            self.wall
        )


def interval(ratios: list[float]) -> list[float]:
    """In which the median lies, 95 of a hundred times that as many pairs are drawn from these."""
    found = stats.bootstrap((ratios,), np.median, method="percentile", rng=0).confidence_interval
    return [round(float(found.low), 3), round(float(found.high), 3)]


def main() -> None:
    """Warm up once, then measure in turn."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    os.environ["AIRLOOP_PROJECT"] = str(ROOT)
    begin_in_project()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["AIRLOOP_HOME"] = scratch
        sides = [Side(Path(scratch, name), guarded=name == "with") for name in ("without", "with")]
        try:
            for number in range(rounds + 1):
                for side in sides if number % 2 else reversed(sides):
                    side.train(number)
            without, guarded = [statistics.median(one.wall[1:]) for one in sides]
            ratios = [b / a for a, b in zip(*(one.wall[1:] for one in sides), strict=True)]
            told = {
                "at": machine.now(),
                "commit": machine.commit(),
                "pairs": rounds,
                "wall_seconds": {"without": round(without, 3), "with": round(guarded, 3)},
                "ratio_of_medians": round(guarded / without, 3),
                "median_of_ratios": round(statistics.median(ratios), 3),
                "interval_95": interval(ratios),
                "ratios": [round(ratio, 3) for ratio in ratios],
                "server_cpu_seconds": [round(statistics.median(one.cpu[1:]), 2) for one in sides],
                "requests": [one.requests() for one in sides],
                "load": round(os.getloadavg()[0], 1),
            }
            print(json.dumps(told, indent=2))
        finally:
            for side in sides:
                side.server.close()


if __name__ == "__main__":
    main()
