"""The scikit-learn trainer: estimators that a user's ``build(params)`` returns, stored as skops."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airloop.errors import AirloopError, DataError, RequestError, SpecError
from airloop.features.transform import model_function
from airloop.registry import artifacts
from airloop.registry.formats import bounds
from airloop.registry.formats.skops import settle
from airloop.registry.formats.trust import TRUSTED_TYPES
from airloop.training.trainer import FitJob
from airloop.training.trainers.answering import answering, check_several, last_step, where_of

_BOOSTERS = frozenset({"catboost", "lightgbm", "xgboost"})


def fit(job: FitJob) -> Any:
    """Build and fit the estimator; of quantiles one for each level, in their order.

    :raises RequestError: if a parameter of this run is not one of the estimator's
    :raises SpecError: if ``build`` or the fit fails with the spec's own
    """
    if levels := job.outputs[0].levels:
        return [fit_estimator(job, _own(job, build(job, level))) for level in levels]
    return answering(job, fit_estimator(job, _own(job, build(job))))


def fit_estimator(job: FitJob, estimator: Any) -> Any:
    """Fit one that is built already.

    :raises RequestError: if a parameter of this run does not suit it
    :raises SpecError: if one of the spec's does not
    """
    target: Any = job.truth.astype(int) if job.model.task == "classification" else job.truth
    if job.outputs[0].apart:
        target = target.to_numpy()
    name = weight_of(estimator) if job.weights is not None else None
    weights = {} if name is None else {name: job.weights}
    try:
        return without_indices(estimator.fit(job.features, target, **weights))
    except (TypeError, ValueError) as error:
        raise kind_of(job)(
            "the estimator could not be fitted", value=str(error), where=where_of(job)
        ) from error


def weight_of(estimator: Any) -> str | None:
    """The parameter of its ``fit`` for how much each row counts; None where it has none."""
    from sklearn.utils.validation import has_fit_parameter

    prefix, last = last_step(estimator)
    # What is no estimator, such as "passthrough", has no fit.
    there = hasattr(last, "fit") and has_fit_parameter(last, "sample_weight")
    return f"{prefix}sample_weight" if there else None


def without_indices(estimator: Any) -> Any:
    """The same, its nearest neighbours found by looking at all rows: an index of them (a KD- or ball tree) is never stored.

    Done at once after the fit, so that what is judged is what will be served.
    """
    for one in bounds.objects(estimator):
        if getattr(one, "_fit_method", None) in {"kd_tree", "ball_tree"}:
            one._fit_method, one._tree = "brute", None
    return estimator


def save(estimator: Any, folder: Path) -> None:
    """Write ``model.skops``.

    :raises SpecError: if the estimator holds a type that the loader would refuse
    """
    import skops.io

    path = folder / artifacts.SKOPS
    skops.io.dump(estimator, path)
    settle(path)
    foreign = set(skops.io.get_untrusted_types(file=path)) - TRUSTED_TYPES
    if foreign:
        # What XGBoost, LightGBM and CatBoost make is kept by trainers of their own.
        others = sorted({name.partition(".")[0] for name in foreign} & _BOOSTERS)
        raise SpecError(
            "the estimator holds a type that is not on Airloop's trust list, so it could never be loaded",
            value=sorted(foreign)[0],
            where="the model's build()",
            remedy=f"set training.trainer: {others[0]}, with the booster as the last step of a Pipeline, or alone"
            if others
            else "use estimators of scikit-learn, without functions of your own; docs/training.md names what is stored",
        )


def rehearse(job: FitJob) -> None:
    """Build the estimator, and look at what it holds once it is fitted on a few rows: a forest's trees are not there before.

    :raises SpecError: if ``build`` fails, or a type would be refused
    :raises DataError: if it could not be fitted on these rows
    """
    estimator = _own(job, build(job))
    if len(job.features):
        try:
            estimator = fit_estimator(job, estimator)
        # Of a few rows with made-up labels: no proof that the training would fail, too.
        except (Exception, SystemExit) as error:
            if job.outputs[0].apart:
                check_several(job, build(job), error)
            raise unfitted(job, error) from error
        answering(job, estimator)
    with TemporaryDirectory() as scratch:
        save(estimator, Path(scratch))


def unfitted(job: FitJob, error: BaseException) -> DataError:
    """That a rehearsal's few rows were not enough, or that a training would fail, too."""
    return DataError(
        f"it could not be fitted on the source's first {len(job.features)} rows",
        value=f"{type(error).__name__}: {error}",
        where=where_of(job),
    )


def build(job: FitJob, level: float | None = None) -> Any:
    """The unfitted estimator, seeded.

    :param level: of the quantile that it shall answer, which ``build`` finds in ``params["quantile"]``
    :raises RequestError: if a parameter of this run is not one of its own
    :raises SpecError: if ``build`` fails with the spec's
    """
    params = dict(job.params)
    if levels := job.outputs[0].levels:
        params["quantile"] = levels[0] if level is None else level
    return seeded(job, params)


def seeded(job: FitJob, params: dict[str, Any]) -> Any:
    """What ``build`` makes of these parameters, seeded.

    :raises RequestError: if a parameter of this run is not one of its own
    :raises SpecError: if ``build`` fails with the spec's
    """
    try:
        estimator = model_function(job.model, job.model.training.build)(dict(params))
        names = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
        # One seed for all of it, unless the user's code or parameters set their own.
        unset = [name for name in names if estimator.get_params()[name] is None]
        return estimator.set_params(**dict.fromkeys(unset, job.model.training.seed))
    # What it imports there and is not installed, the step tells; all else is its author's.
    except (AirloopError, ModuleNotFoundError):
        raise
    except (Exception, SystemExit) as error:
        raise kind_of(job)(
            "the estimator cannot be built with these parameters",
            value=f"{params}: {type(error).__name__}: {error}",
            where=where_of(job),
            remedy="correct training.params or the parameters of this run",
        ) from error


def _own(job: FitJob, estimator: Any) -> Any:
    """The same, unless it ends with a booster that another trainer keeps: that would come out after the whole fit."""
    package = type(last_step(estimator)[1]).__module__.partition(".")[0]
    if package in _BOOSTERS:
        raise SpecError(
            "the trainer sklearn stores no boosters of other libraries, so it could never be loaded",
            value=package,
            where=where_of(job),
            remedy=f"set training.trainer: {package}",
        )
    return estimator


def kind_of(job: FitJob) -> type[AirloopError]:
    """Whose fault a parameter is: the run's that set it, or the spec's."""
    return RequestError if job.overridden else SpecError
