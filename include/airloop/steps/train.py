"""Train: pin a snapshot, fit on its earlier days, keep the later ones for the gates, record one candidate."""

from __future__ import annotations

import json
import logging
from typing import Annotated

from pydantic import Field

from airloop.contracts import Candidate, Name, PartitionKey
from airloop.data import snapshot
from airloop.errors import RequestError, SpecError, SupersededError
from airloop.exchange.blobs import BlobStore
from airloop.exchange.group import Group, Ranks
from airloop.exchange.step import StepRequest, StepResult
from airloop.exchange.store import StepStore
from airloop.execution.context import StepContext
from airloop.ledger.commit import commit
from airloop.registry import tracking
from airloop.registry.segments import Table
from airloop.specs.dataset import DatasetSpec, Known
from airloop.specs.model import ModelSpec
from airloop.training import package, plots, record, trainer
from airloop.training.parameters import settled
from airloop.training.publication import CandidatePublication, Training
from airloop.training.segments import plan as plans
from airloop.training.segments.collection import collect
from airloop.training.segments.plan import Plan
from airloop.training.segments.results import Results
from airloop.training.validation import with_training
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.train")

#: A parameter as a form or a command line can write it.
Scalar = bool | int | float | str | None
ParamName = Annotated[str, Field(pattern=r"\A[A-Za-z_]\w{0,62}\Z")]


class Request(StepRequest):
    """What to train, on the days up to which one, and why."""

    model: Name
    trigger_id: str | None = None
    #: The last day of the window; None for the newest in the lake.
    until: PartitionKey | None = None
    #: Override the spec's training.params, for this run only.
    params: dict[ParamName, Scalar] = Field(default={}, max_length=50)
    reason: str = Field(default="", max_length=500)
    #: The search for parameters that ran before, whose best this training takes.
    study: str | None = None
    #: What the step `divide` planned, where the model has segments: the same rows, and the results of the packs.
    plan: str | None = Field(default=None, pattern=r"\A[a-z][a-z0-9_]{0,62}-[0-9a-f]{32}\Z")


class Result(StepResult):
    """The candidate, and the page of its run."""

    candidate: Candidate
    run_url: str | None = None


def run(request: Request, context: StepContext) -> Result:
    """Train one candidate, or return the one that an earlier attempt recorded under this fence's key.

    :raises DataError: if there are too few days, rows or labels
    :raises RequestError: if a parameter of this run does not suit the estimator
    :raises SupersededError: if a newer attempt began
    """
    model = context.catalog.model(request.model)
    dataset = context.catalog.dataset(model.dataset)
    check_inputs(model, dataset)
    publication = CandidatePublication(
        context.settings,
        context.ledger,
        request.fence,
        model.name,
        request.trigger_id,
        lambda: _train(request, context, model, dataset),
    )
    try:
        candidate = commit(context.ledger, request.fence, publication)
    except SupersededError:
        publication.abandon()
        raise
    place = _place(request, context, candidate.dataset.digest)
    BlobStore(str(place.store_uri), place.store_options).remove(place.store_name)
    if (found := _plan(request, context, model)) is not None:
        found[1].remove(found[0])
    url = tracking.run_url(context.settings, publication.experiment, candidate.run_id)
    return Result(candidate=candidate, run_url=url)


def assist(request: Request, context: StepContext, ranks: Ranks) -> None:
    """What a pod that is not its group's first does: its part of each fit, and nothing else of the step.

    :raises TransientError: if one of its processes was killed
    """
    from airloop.training.trainers.torch.distributed import follow

    options = context.settings.storage_options
    follow(_group(request, context, ranks), options, context.workdir)


def check_inputs(model: ModelSpec, dataset: DatasetSpec) -> None:
    """Every input must be a column that is known when a prediction is asked for.

    :raises SpecError: if one is not in the dataset, or known only afterwards: that would be leakage
    """
    where = f"config/models/{model.name}.yaml, key inputs"
    for name in model.inputs:
        column = dataset.columns.get(name)
        if column is None:
            raise SpecError(
                "the dataset has no such column", value=name, where=where, valid=dataset.columns
            )
        if column.known is Known.AFTER:
            raise SpecError(
                "an input is known only after the prediction: that is leakage",
                value=name,
                where=where,
                remedy="take it out of inputs",
            )


def _train(
    request: Request, context: StepContext, model: ModelSpec, dataset: DatasetSpec
) -> Training:
    from airloop.data.lake.lake import Lake

    lake = Lake(context.settings)
    planned = _plan(request, context, model)
    if planned is None:
        ref, days = snapshot.take(lake, model, request.until)
    else:
        ref = planned[0].dataset
        days = snapshot.Days(planned[0].training, planned[0].holdout)
    log.info("%d rows of %d days, %s..%s", ref.rows, len(days.all), days.all[0], days.all[-1])
    rows = snapshot.split(model, dataset, lake.read(ref), days.holdout)
    place = _place(request, context, ref.digest)
    model, chosen = settled(
        model,
        dataset,
        rows,
        context,
        fence=request.fence,
        params=request.params,
        study=request.study,
        place=place,
        day=days.all[-1],
    )
    fitted = trainer.fit(model, dataset, rows, request.params, place)
    composite = None
    if planned is not None:
        composite = collect(model, dataset, rows, fitted, *planned)
        _record(request, context, composite.table)
        chosen |= composite.table.figures
    whole = composite.fitted if composite else fitted
    folder = context.workdir / "run"
    model = with_training(model, params=fitted.params)
    digest, conversion = package.pack(
        model,
        dataset,
        rows,
        fitted,
        folder / tracking.FOLDER,
        trained_on=days.training,
        composite=composite,
    )
    log.info("onnx %s: %s", "kept" if conversion.kept else "not kept", conversion.reason)
    score, seed = (composite or fitted).scorer(model.task), model.training.seed
    primary = model.gates.primary
    weights = plots.permutation_importance(primary, whole.features, whole.truth, score, seed)
    plots.draw(folder / "plots", model.task, whole.truth, whole.scores, weights, primary)
    extra = {
        "training_rows": float(fitted.training_rows),
        "holdout_rows": float(len(fitted.truth)),
        "unlabelled_rows": float(rows.training.unlabelled + rows.holdout.unlabelled),
        "fit_seconds": fitted.seconds,
    }
    extra |= chosen
    if conversion.difference is not None:
        extra["onnx_difference"] = conversion.difference
    figure = whole.metrics.get(primary, float("nan"))
    return Training(
        folder=folder,
        digest=digest,
        dataset=ref,
        holdout=days.holdout,
        metrics=whole.metrics | extra,
        params=record.params(model, fitted.params),
        tags=_tags(request) | record.tags(model, ref, digest, conversion.reason),
        fitted_params=json.dumps(fitted.params, default=str),
        summary=f"trained on {fitted.training_rows} rows of {days.training[0]}..{days.training[-1]}, "
        f"{primary} {figure:.4f} on {days.holdout[0]}..{days.holdout[-1]}",
    )


def _plan(request: Request, context: StepContext, model: ModelSpec) -> tuple[Plan, Results] | None:
    """What was planned and done for the model's segments; None where it has none.

    :raises RequestError: if it has, and this training was not told of a plan
    """
    if model.segments is None:
        return None
    if request.plan is None:
        raise RequestError(
            "the model has segments, but nobody has trained them for this run",
            value=model.name,
            remedy=f"start the DAG train_{model.name}",
        )
    return plans.read(context.settings, request.plan), Results(context.settings, request.plan)


def _record(request: Request, context: StepContext, table: Table) -> None:
    context.ledger.record_decision(
        entity=request.model,
        topic=Topic.SEGMENTS,
        action=Action.CHOSEN,
        reason=table.reason,
        figures=dict(table.figures),
        id=f"segments:{request.fence.key}:{request.fence.token}",
    )


def _place(request: Request, context: StepContext, digest: str) -> trainer.Place:
    """Checkpoints lie under the step's key, not its attempt: the next attempt goes on where this one was killed."""
    settings = context.settings
    store = StepStore(settings.step_store_uri, settings.storage_options)
    uri, _, _ = store.place("train", request.fence).rpartition("/")
    ranks = Ranks.of()
    return trainer.Place(
        workdir=context.workdir,
        store_uri=uri,
        store_options=settings.storage_options,
        store_name="checkpoint",
        data_digest=digest,
        group=_group(request, context, ranks) if ranks else None,
    )


def _group(request: Request, context: StepContext, ranks: Ranks) -> Group:
    pending = context.catalog.model(request.model).resources.pending_minutes
    return Group.of_training(ranks, context.settings, request.fence, pending)


def _tags(request: Request) -> dict[str, str]:
    return {
        "airloop.trigger_id": request.trigger_id or "",
        "airloop.reason": request.reason,
        "airloop.params_override": json.dumps(request.params),
    }
