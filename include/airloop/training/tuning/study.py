"""Optuna studies: opened in the settings' database, with the sampler and the pruner that a spec names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from airloop.errors import UnreachableError
from airloop.evaluation.metrics import higher_is_better
from airloop.settings import Settings
from airloop.specs.model import ModelSpec
from airloop.specs.sections.addresses import masked, with_driver
from airloop.specs.sections.tuning import Dimension, TuningSpec

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

#: How often a trial says how well it does, on its way to a whole fit.
RUNGS = 8
#: Seconds that SQLite waits for another worker's write.
LOCK_TIMEOUT = 60

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(settings: Settings, model: ModelSpec, name: str, *, seed: int) -> optuna.Study:
    """The study of this name; it is made where there is none.

    :param seed: of this worker's sampler: two workers with one seed would propose the same trials
    :raises UnreachableError: if the database does not answer
    """
    spec = tuning_of(model)
    url = make_url(with_driver(settings.tuning_url))
    waiting = {"timeout": LOCK_TIMEOUT} if url.get_backend_name() == "sqlite" else {}
    try:
        storage = optuna.storages.RDBStorage(
            url.render_as_string(hide_password=False), engine_kwargs={"connect_args": waiting}
        )
        return optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="maximize" if higher_is_better(metric_of(model)) else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=_pruner(spec),
        )
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise UnreachableError(
            "the tuning database does not answer",
            value=str(error).splitlines()[0][:300],
            where=masked(settings.tuning_url),
            remedy="start it, or correct tuning_url in the settings",
        ) from error


def suggest(
    trial: optuna.Trial, name: str, dimension: Dimension
) -> bool | int | float | str | None:
    """A value of one parameter."""
    if dimension.choices is not None:
        return trial.suggest_categorical(name, dimension.choices)
    low, high = dimension.low, dimension.high
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=dimension.log)
    return trial.suggest_float(name, float(low or 0), float(high or 0), log=dimension.log)


def metric_of(model: ModelSpec) -> str:
    """What the trials are judged by."""
    return tuning_of(model).metric or model.gates.primary


def tuning_of(model: ModelSpec) -> TuningSpec:
    """The model's tuning; asked only of a model that has one."""
    if model.tuning is None:
        raise ValueError(f"model {model.name} has no tuning")
    return model.tuning


def _pruner(spec: TuningSpec) -> BasePruner:
    if spec.pruner == "halving":
        # The better half goes on after an eighth, a quarter and a half of the way.
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    if spec.pruner == "median":
        # A trial is compared from its second rung on: the first says too little.
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
    if spec.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=RUNGS)
    return optuna.pruners.NopPruner()
