"""A training as stages over one run: pin the rows, settle what is fitted, fit, pack, tell."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from airloop.accounting.limits import check_room
from airloop.contracts import DatasetRef
from airloop.data.lake.lake import Lake
from airloop.data.needed import columns_of
from airloop.data.snapshot import Days, Split
from airloop.data.streamed_split import divided
from airloop.data.unsound import take_sound
from airloop.registry import lineage, tracking
from airloop.specs.model import ModelSpec
from airloop.training import plots, windows
from airloop.training.composite import Composite
from airloop.training.fitted import Fitted, fit
from airloop.training.package import Package
from airloop.training.package import pack as write_package
from airloop.training.parameters import settle
from airloop.training.publication import Training
from airloop.training.refit import Refit, refit
from airloop.training.run import TrainingRun
from airloop.training.segments.collection import collect
from airloop.training.validation import with_training
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.train")


@dataclass(frozen=True)
class Pinned:
    """The rows of a training, which no later commit changes."""

    ref: DatasetRef
    days: Days
    rows: Split


@dataclass(frozen=True)
class Made:
    """What was fitted: the model's spec as it was settled, and the estimator, with those of segments where it has any."""

    model: ModelSpec
    fitted: Fitted
    composite: Composite | None
    #: Of the choices that led to it.
    figures: dict[str, float]


@dataclass(frozen=True)
class Packed:
    """The artifact's files, and what was written into them."""

    folder: Path
    package: Package


def train(run: TrainingRun) -> Training:
    """Go through all stages.

    :raises DataError: if there are too few days, rows or labels
    :raises RequestError: if a parameter of this run does not suit the estimator
    """
    run = choose_window(run)
    pinned = pin(run)
    made = make(run, pinned)
    packed = pack(run, pinned, made)
    again = None
    if run.model.refitted:
        days, ref = pinned.days, pinned.ref
        again = refit(run, made.model, pinned.rows, days, packed.package, packed.folder, ref)
    draw(made, packed)
    return tell(run, pinned, made, packed, again)


def choose_window(run: TrainingRun) -> TrainingRun:
    """The run with its model's window chosen, where the spec leaves it open; with segments the plan has chosen."""
    if run.segments is not None:
        plan, _ = run.segments
        return replace(run, model=plan.applied(run.model))
    lake = Lake(run.settings)
    model = windows.settled(run.ledger, lake, run.model, run.dataset, run.until, run.as_of)
    return replace(run, model=model)


def pin(run: TrainingRun) -> Pinned:
    """The window's rows; with segments those that the plan pinned."""
    lake = Lake(run.settings)
    if run.segments is None:
        ref, days = take_sound(run.ledger, lake, run.model, run.dataset, run.until, run.as_of)
    else:
        plan, _ = run.segments
        ref, days = plan.dataset, Days(plan.training, plan.holdout)
    log.info("%d rows of %d days, %s..%s", ref.rows, len(days.all), days.all[0], days.all[-1])
    if not run.model.training.stream:
        _check_room(run, lake, ref)
    return Pinned(ref, days, divided(lake, run.model, run.dataset, ref, days.holdout))


def _check_room(run: TrainingRun, lake: Lake, ref: DatasetRef) -> None:
    """Say what the rows will take: a word a value, in the frame and once more in its two sides; texts and a fit take more.

    :raises MemoryLimitError: if that cannot fit
    """
    columns = len(columns_of(lake, run.model, run.dataset, ref))
    size = 2 * 8 * ref.rows * columns
    told = f"{ref.rows:,} rows of {columns} columns, all of which trainer {run.model.training.trainer} holds"
    log.info("%s: %s MiB at least", told, f"{size / (1 << 20):,.0f}")
    check_room("train", size, told)


def make(run: TrainingRun, pinned: Pinned) -> Made:
    """Settle the parameters, or the algorithm; fit; collect the models of segments."""
    place = run.place(pinned.ref.digest)
    model, figures = settle(run, pinned.rows, place, pinned.days.all[-1])
    fitted = fit(model, run.dataset, pinned.rows, run.params, place)
    composite = None
    if run.segments is not None:
        composite = collect(model, run.dataset, pinned.rows, fitted, *run.segments)
        _record_segments(run, composite)
        figures |= composite.table.figures
    return Made(with_training(model, params=fitted.params), fitted, composite, figures)


def pack(run: TrainingRun, pinned: Pinned, made: Made) -> Packed:
    """Write the artifact."""
    folder = run.workdir / "run"
    package = write_package(
        made.model,
        run.dataset,
        pinned.rows,
        made.fitted,
        folder / tracking.FOLDER,
        trained_on=pinned.days.training,
        as_of=pinned.ref.as_of,
        composite=made.composite,
    )
    conversion = package.conversion
    log.info("onnx %s: %s", "kept" if conversion.kept else "not kept", conversion.reason)
    return Packed(folder, package)


def draw(made: Made, packed: Packed) -> None:
    """The run's pictures."""
    model, whole = made.model, packed.package.served
    score = (made.composite or made.fitted).scorer(model.answers)
    primary = model.gates.primary
    weights = plots.permutation_importance(
        primary, whole.features, whole.truth, score, model.training.seed
    )
    plots.draw(packed.folder / "plots", model, whole.truth, whole.scores, weights, primary)


def tell(
    run: TrainingRun, pinned: Pinned, made: Made, packed: Packed, again: Refit | None
) -> Training:
    """What is to be recorded of it."""
    days, fitted, primary = pinned.days, made.fitted, made.model.gates.primary
    served = packed.package.served
    figure = served.metrics.get(primary, float("nan"))
    return Training(
        folder=packed.folder,
        digest=packed.package.digest,
        refit_digest=again.package.digest if again else None,
        dataset=pinned.ref,
        holdout=days.holdout,
        metrics=served.metrics | _figures(pinned, made, packed) | (again.figures if again else {}),
        params=_params(made),
        tags=_tags(run, pinned, packed),
        fitted_params=json.dumps(fitted.params, default=str),
        summary=f"trained on {fitted.training_rows} rows of {days.training[0]}..{days.training[-1]}, "
        f"{primary} {figure:.4f} on {days.holdout[0]}..{days.holdout[-1]}",
    )


def _figures(pinned: Pinned, made: Made, packed: Packed) -> dict[str, float]:
    rows, fitted = pinned.rows, made.fitted
    figures = {
        "training_rows": float(fitted.training_rows),
        "holdout_rows": float(len(fitted.truth)),
        "unlabelled_rows": float(rows.training.unlabelled + rows.holdout.unlabelled),
        "fit_seconds": fitted.seconds,
        **made.figures,
    }
    if packed.package.conversion.difference is not None:
        figures["onnx_difference"] = packed.package.conversion.difference
    return figures


def _params(made: Made) -> dict[str, object]:
    """What it was fitted with, and how the snapshot was cut."""
    training = made.model.training
    # A span is said by one of two keys.
    window = "window_days" if training.window is None else "window"
    holdout = "holdout_days" if training.holdout is None else "holdout"
    decay = set() if training.half_life is None else {"half_life"}
    fields = training.model_dump(include={"trainer", "build", "seed", window, holdout} | decay)
    return {**{f"training.{name}": value for name, value in fields.items()}, **made.fitted.params}


def _tags(run: TrainingRun, pinned: Pinned, packed: Packed) -> dict[str, str]:
    """Why it was made, and what from."""
    return {
        "airloop.trigger_id": run.trigger_id or "",
        "airloop.reason": run.reason,
        "airloop.params_override": json.dumps(dict(run.params or {})),
        "airloop.model": run.model.name,
        "airloop.dataset": pinned.ref.model_dump_json(),
        "airloop.as_of": pinned.ref.as_of.isoformat() if pinned.ref.as_of else "",
        "airloop.artifact_digest": packed.package.digest,
        "airloop.lock_digest": lineage.lock_digest() or "",
        "airloop.onnx": packed.package.conversion.reason,
        "mlflow.source.git.commit": lineage.git_revision() or "",
    }


def _record_segments(run: TrainingRun, composite: Composite) -> None:
    run.ledger.record_decision(
        entity=run.model.name,
        topic=Topic.SEGMENTS,
        action=Action.CHOSEN,
        reason=composite.table.reason,
        figures=dict(composite.table.figures),
        id=f"segments:{run.fence.key}:{run.fence.token}",
    )
