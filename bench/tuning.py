"""Optuna with pruning, to the metric that 40 full trials reach, against those 40 full trials.

Twelve days of flights, boosting of 400 rounds; the same sampler, seeds and space on both sides. The search with pruning
may try more often, and ends as soon as its best whole fit is as good as the best of the full trials, to a thousandth of
AUC; if it never is, all its trials count. Work is CPU time, rungs and databases included; the figure is the sum over the
seeds.
"""

from __future__ import annotations

import os

# One thread, that does not spin: CPU time is then work, whatever else the machine does.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
import pandas as pd

from airloop.data.snapshot import Split, split
from airloop.data.sources.conform import conform
from airloop.data.sources.raw import Raw
from airloop.data.sources.reading import read_partition
from airloop.settings import Settings
from airloop.specs import load_catalog
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.tuning.objective import Objective
from airloop.training.tuning.study import open_study

DAYS = [str(day.date()) for day in pd.date_range("2013-01-02", periods=12)]
TRIALS, SEEDS, TOLERANCE = 40, (1, 2), 1e-3
#: Pruned trials are cheap: so many are tried before the search gives up.
MOST = 100
ROUNDS = 400
TUNING = {
    "trials": TRIALS,
    "space": {
        "learning_rate": {"low": 0.005, "high": 0.5, "log": True},
        "max_leaf_nodes": {"low": 4, "high": 64, "log": True},
        "min_samples_leaf": {"low": 5, "high": 200, "log": True},
        "l2_regularization": {"low": 1e-3, "high": 10.0, "log": True},
    },
}


def rows(model: ModelSpec, dataset: DatasetSpec) -> Split:
    """Twelve days, of which the last four judge."""
    parts = [part for day in DAYS for part in read_partition(dataset, day)]
    table, _ = conform(dataset, Raw(tuple(parts)))
    return split(model, dataset, table.to_pandas(), DAYS[-4:])


def search(
    settings: Settings,
    model: ModelSpec,
    objective: Objective,
    *,
    seed: int,
    goal: float | None = None,
    trials: int = TRIALS,
) -> dict[str, Any]:
    """Run the trials, or as many as the goal needs; CPU seconds, best metric, shares of whole fits."""
    wall, begun = time.perf_counter(), time.process_time()
    kind = model.tuning.pruner if model.tuning else ""
    study = open_study(settings, model, f"{kind}-{seed}", seed=seed)

    def enough(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        # A pruned trial's value is that of its last rung: no model stands behind it.
        whole = trial.state == optuna.trial.TrialState.COMPLETE
        if goal is not None and whole and trial.value is not None and trial.value >= goal:
            study.stop()

    study.optimize(
        objective, n_trials=trials if goal is None else MOST * trials // TRIALS, callbacks=[enough]
    )
    tried = [trial for trial in study.trials if trial.state != optuna.trial.TrialState.FAIL]
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - begun,
        "best": study.best_value,
        "trials": len(tried),
        "pruned": sum(trial.state == optuna.trial.TrialState.PRUNED for trial in tried),
        "fits": sum(float(trial.user_attrs.get("work", 0)) for trial in tried),
    }


def measure(short: bool = False, pruner: str = "halving") -> dict[str, Any]:
    """Both sides for each seed, and the ratio of their work."""
    base = load_catalog().model("flight_delay")
    dataset = load_catalog().dataset(base.dataset)
    read = rows(base, dataset)
    seeds, trials, rounds = (SEEDS[:1], 3, 20) if short else (SEEDS, TRIALS, ROUNDS)
    found: dict[str, list[dict[str, Any]]] = {"none": [], pruner: []}
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as home:
        os.environ["AIRLOOP_HOME"] = home
        settings = Settings()
        for seed in seeds:
            for kind, kept in found.items():
                fields = base.model_dump(by_alias=True)
                fields["tuning"] = {**TUNING, "trials": trials, "pruner": kind}
                fields["training"]["params"] = {**base.training.params, "max_iter": rounds}
                model = ModelSpec.model_validate(fields)
                objective = Objective(model, dataset, read, {}, Path(home))
                goal = found["none"][-1]["best"] - TOLERANCE if kind == pruner else None
                kept.append(search(settings, model, objective, seed=seed, goal=goal, trials=trials))
    full, pruned = found["none"], found[pruner]
    reached = [
        ours["best"] >= theirs["best"] - TOLERANCE
        for ours, theirs in zip(pruned, full, strict=True)
    ]
    return {
        "values": {
            "ratio": sum(one["cpu"] for one in pruned) / sum(one["cpu"] for one in full),
            "reached": sum(reached) / len(reached),
        },
        "sides": {name: _sum(them) for name, them in (("full", full), (pruner, pruned))},
        "searches": found,
    }


def _sum(searches: list[dict[str, Any]]) -> dict[str, Any]:
    trials, cut = (sum(one[name] for one in searches) for name in ("trials", "pruned"))
    return {
        "wall": sum(one["wall"] for one in searches),
        "cpu": sum(one["cpu"] for one in searches),
        "more": f"{trials} trials, {cut} pruned",
    }
