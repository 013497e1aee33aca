"""Which algorithm: each fitted on the same earlier training days, the best on the later ones wins."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from airloop.data.snapshot import Split
from airloop.errors import AirloopError, SpecError, TransientError
from airloop.evaluation.metrics import higher_is_better
from airloop.plugins.registry import TRAINERS, load
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.specs.sections.tuning import AlgorithmSpec
from airloop.training.fitted import Fitted, fit
from airloop.training.trainer import FitJob, FitPlace, Trainer, open_trainer
from airloop.training.validation import inner, with_training

log = logging.getLogger("airloop.training")


@dataclass(frozen=True)
class Choice:
    """The winner, as a model's spec, and what each algorithm scored; None for one that failed."""

    model: ModelSpec
    name: str
    scores: dict[str, float | None]
    failures: dict[str, str]

    @property
    def reason(self) -> str:
        """In one line."""
        told = [
            f"{name} failed: {self.failures[name]}" if score is None else f"{name} {score:.4f}"
            for name, score in self.scores.items()
        ]
        return f"{self.name} is best by {self.model.gates.primary} ({', '.join(told)})"


def choose(
    model: ModelSpec,
    dataset: DatasetSpec,
    rows: Split,
    params: Mapping[str, Any],
    place: FitPlace,
) -> Choice:
    """Let the model's algorithms compete by the gates' primary metric; one that fails is out of it.

    :param params: of this run, laid over each algorithm's own
    :param place: its scratch folder is used, its checkpoints are not: they are the winner's
    :raises SpecError: if all of them fail
    :raises TransientError: if it was not the algorithm's fault
    """
    judging = inner(model, dataset, rows)
    alone = FitPlace(place.workdir, group=place.group)
    scores: dict[str, float | None] = {}
    failures: dict[str, str] = {}
    for algorithm in model.algorithms:
        failures[algorithm.name], scores[algorithm.name] = "the metric is not a number", None
        try:
            # The whole fit needs min_rows; these are fewer.
            variant = with_training(with_algorithm(model, algorithm), min_rows=1)
            fitted = fit(variant, dataset, judging, params, alone)
            _check_storable(fitted, place)
            scores[algorithm.name] = _finite(fitted.metrics[model.gates.primary])
        except TransientError:
            raise
        except AirloopError as error:
            failures[algorithm.name] = str(error)
            log.warning("algorithm %s is out: %s", algorithm.name, error)
        # A user's build() and a library may raise anything: that is this algorithm's failure alone.
        except Exception as error:
            failures[algorithm.name] = f"{type(error).__name__}: {error}"
            log.warning("algorithm %s is out", algorithm.name, exc_info=True)
    best = _best(model, scores, failures)
    winner = next(algorithm for algorithm in model.algorithms if algorithm.name == best)
    choice = Choice(with_algorithm(model, winner), best, scores, failures)
    log.info("%s", choice.reason)
    return choice


def _finite(score: float) -> float | None:
    return score if math.isfinite(score) else None


def with_algorithm(model: ModelSpec, algorithm: AlgorithmSpec) -> ModelSpec:
    """The model as if it knew this algorithm only."""
    changes: dict[str, Any] = {
        "trainer": algorithm.trainer,
        "params": algorithm.params,
        "build": algorithm.build,
    }
    trainer: Trainer = load(TRAINERS, algorithm.trainer)
    if not trainer.processes:
        changes["processes"] = 1
    if not trainer.checkpoints:
        changes["checkpoint"] = None
    return with_training(model, **changes)


def can_weigh(model: ModelSpec) -> bool:
    """Whether all that the model may be fitted by let rows count less than others: none of them is put out by a half-life."""
    variants = [with_algorithm(model, one) for one in model.algorithms] or [model]
    return all(map(_weighs, variants))


def _weighs(model: ModelSpec) -> bool:
    nothing = pd.DataFrame()
    with TemporaryDirectory(prefix="airloop-fit-") as scratch:
        place = FitPlace(Path(scratch))
        params = dict(model.training.params)
        job = FitJob(model, nothing, pd.Series(dtype="float64"), params, False, place)
        return open_trainer(model.training.trainer).weighs(job)


def _check_storable(fitted: Fitted, place: FitPlace) -> None:
    """Write it as it would be stored: a winner that the loader refuses must not cost the whole training.

    :raises SpecError: if it holds a type that is not trusted
    """
    with TemporaryDirectory(dir=place.workdir) as scratch:
        fitted.trainer.save(fitted.estimator, Path(scratch))


def _best(model: ModelSpec, scores: Mapping[str, float | None], failures: Mapping[str, str]) -> str:
    sign = 1 if higher_is_better(model.gates.primary) else -1
    ranked = [(sign * score, name) for name, score in scores.items() if score is not None]
    if not ranked:
        name, reason = next(iter(failures.items()))
        raise SpecError(
            f"all {len(scores)} algorithms failed; {name}: {reason}",
            where=f"config/models/{model.name}.yaml, key algorithms",
        )
    top = max(value for value, _ in ranked)
    return next(name for value, name in ranked if value == top)
