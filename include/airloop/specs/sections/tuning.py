"""How a model's parameters are looked for, and which algorithms compete: the keys `tuning` and `algorithms`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from airloop.contracts import Contract, Name
from airloop.fields import FUNCTION_NAME_PATTERN, Scalar, Whole
from airloop.issues import SpecIssue, refuse
from airloop.plugins.metric import MetricName
from airloop.plugins.trainer import TrainerName
from airloop.specs.sections.days import training_days


def _bound(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


#: 3 stays a whole number: a dimension whose bounds are whole has whole values only.
Bound = Annotated[int | float, BeforeValidator(_bound), Field(allow_inf_nan=False)]
ParameterName = Annotated[str, Field(pattern=r"\A[A-Za-z_]\w{0,62}\Z")]
#: A function of the model's module.
FunctionName = Annotated[str, Field(pattern=FUNCTION_NAME_PATTERN)]


class Dimension(Contract):
    """What one parameter may be: ``low`` to ``high``, both included, or one of ``choices``."""

    low: Bound | None = None
    high: Bound | None = None
    #: As many values are tried between 1 and 10 as between 10 and 100.
    log: bool = False
    choices: tuple[Scalar, ...] | None = None

    @model_validator(mode="after")
    def _rules(self) -> Dimension:
        refuse(dimension_rules(self.model_dump(mode="json")))
        return self


class TuningSpec(Contract):
    """A search for the parameters, by Optuna's tree-structured Parzen estimator."""

    trials: Whole = Field(default=40, ge=1, le=10_000)
    #: What a trial is judged by; None for the gates' primary metric.
    metric: MetricName | None = None
    space: dict[ParameterName, Dimension] = Field(min_length=1, max_length=50)
    #: How trials without a chance are ended early.
    pruner: Literal["halving", "hyperband", "median", "none"] = "halving"
    #: Mapped tasks that share the trials.
    parallel: Whole = Field(default=2, ge=1, le=64)
    #: Retraining uses the best parameters for this many days of data, then looks again.
    retune_after_days: Whole = Field(default=90, ge=1)
    seed: Whole = Field(default=0, ge=0)


class AlgorithmSpec(Contract):
    """One of the algorithms that compete."""

    name: Name
    trainer: TrainerName = "sklearn"
    params: dict[str, Any] = {}
    #: The function of the module that builds it.
    build: FunctionName = "build"


def builds(model: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The functions, besides ``build``, that a model's spec counts on in its module."""
    training, algorithms = model.get("training"), model.get("algorithms")
    places: list[tuple[tuple[str | int, ...], Any]] = [(("training",), training)]
    if isinstance(algorithms, list | tuple):
        places += [(("algorithms", index), entry) for index, entry in enumerate(algorithms)]
    for path, place in places:
        name = place.get("build") if isinstance(place, Mapping) else None
        if isinstance(name, str) and name.isidentifier() and name != "build":
            yield (*path, "build"), name


def dimension_rules(data: Mapping[str, Any], path: tuple[str | int, ...] = ()) -> list[SpecIssue]:
    """What is wrong between the keys of one dimension."""
    low, high, choices = data.get("low"), data.get("high"), data.get("choices")
    if choices is not None:
        if low is not None or high is not None or data.get("log"):
            what = "has choices and bounds: write one of them"
            return [SpecIssue((*path, "choices"), what, choices)]
        if isinstance(choices, list | tuple) and not choices:
            return [SpecIssue((*path, "choices"), "has no choices", choices, "list at least one")]
        return []
    if low is None or high is None:
        return [SpecIssue(path, "needs low and high, or choices", dict(data))]
    if not (_is_number(low) and _is_number(high)):
        return []
    if low >= high:
        remedy = f"write low: {high}, high: {low}" if low > high else "let them differ"
        what = f"must be smaller than high ({high})"
        return [SpecIssue((*path, "low"), what, low, remedy)]
    if data.get("log") is True and low <= 0:
        return [SpecIssue((*path, "low"), "must be above 0 where log is true", low)]
    return []


def tuning_rules(model: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """What is wrong in `tuning` and `algorithms` of a model's spec, seen as a whole."""
    tuning, algorithms = model.get("tuning"), model.get("algorithms")
    if isinstance(tuning, dict):
        space = tuning.get("space")
        for name, dimension in space.items() if isinstance(space, dict) else ():
            if isinstance(dimension, dict):
                yield from dimension_rules(dimension, ("tuning", "space", name))
        if algorithms:
            what = "cannot be together with algorithms: each of those has params of its own"
            remedy = "tune one algorithm, write what it found into params, then let them compete"
            yield SpecIssue(("tuning",), what, None, remedy)
        yield from _short(model, "tuning")
    if isinstance(algorithms, list | tuple) and algorithms:
        names = [entry.get("name") for entry in algorithms if isinstance(entry, dict)]
        for index, name in enumerate(names):
            if name is not None and name in names[:index]:
                yield SpecIssue(("algorithms", index, "name"), "stands twice", name)
        if len(algorithms) == 1:
            remedy = "add another, or move it to training"
            yield SpecIssue(("algorithms",), "has nothing to choose from", None, remedy)
        yield from _short(model, "algorithms")


def _short(model: Mapping[str, Any], key: str) -> Iterator[SpecIssue]:
    """Validation days are taken from the training days, so that the gates' days stay unseen."""
    if training_days(model) == 1:
        what = "needs two days of training at least: the later ones judge"
        yield SpecIssue((key,), what, None, "raise training.window_days")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
