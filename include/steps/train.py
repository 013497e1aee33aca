"""Train: pin a snapshot, fit on its earlier days, keep the later ones for the gates, record one candidate."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from include.contracts import Candidate, Name, PartitionKey
from include.errors import SpecError, SupersededError
from include.ledger.commit import commit
from include.pods.ranks import Group, Ranks
from include.registry import lineage, tracking
from include.specs.dataset import DatasetSpec, Known
from include.specs.model import ModelSpec
from include.steps.base import StepContext, StepRequest, StepResult
from include.steps.blobs import BlobStore
from include.steps.store import StepStore
from include.training import package, plots, snapshot, trainer
from include.training.publication import CandidatePublication, Training
from include.training.validation import with_training

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
    url = tracking.run_url(context.settings, publication.experiment, candidate.run_id)
    return Result(candidate=candidate, run_url=url)


def assist(request: Request, context: StepContext, ranks: Ranks) -> None:
    """What a pod that is not its group's first does: its part of each fit, and nothing else of the step.

    :raises TransientError: if one of its processes was killed
    """
    from include.training.torch.distributed import follow

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
    from include.data.lake import Lake

    lake = Lake(context.settings)
    ref, days = snapshot.take(lake, model, request.until)
    log.info("%d rows of %d days, %s..%s", ref.rows, len(days.all), days.all[0], days.all[-1])
    rows = snapshot.split(model, dataset, lake.read(ref), days.holdout)
    place = _place(request, context, ref.digest)
    model, chosen = _settled(request, context, model, dataset, rows, place, days.all[-1])
    fitted = trainer.fit(model, dataset, rows, request.params, place)
    folder = context.workdir / "run"
    model = with_training(model, params=fitted.params)
    digest, conversion = package.pack(
        model, dataset, rows, fitted, folder / tracking.FOLDER, trained_on=days.training
    )
    log.info("onnx %s: %s", "kept" if conversion.kept else "not kept", conversion.reason)
    score, seed = fitted.scorer(model.task), model.training.seed
    primary = model.gates.primary
    weights = plots.permutation_importance(primary, fitted.features, fitted.truth, score, seed)
    plots.draw(folder / "plots", model.task, fitted.truth, fitted.scores, weights, primary)
    extra = {
        "training_rows": float(fitted.training_rows),
        "holdout_rows": float(len(fitted.truth)),
        "unlabelled_rows": float(rows.training.unlabelled + rows.holdout.unlabelled),
        "fit_seconds": fitted.seconds,
    }
    extra |= chosen
    if conversion.difference is not None:
        extra["onnx_difference"] = conversion.difference
    figure = fitted.metrics.get(primary, float("nan"))
    return Training(
        folder=folder,
        digest=digest,
        dataset=ref,
        holdout=days.holdout,
        metrics=fitted.metrics | extra,
        params=_params(model, fitted.params),
        tags=_tags(request, ref.model_dump_json(), digest, conversion.reason),
        fitted_params=json.dumps(fitted.params, default=str),
        summary=f"trained on {fitted.training_rows} rows of {days.training[0]}..{days.training[-1]}, "
        f"{primary} {figure:.4f} on {days.holdout[0]}..{days.holdout[-1]}",
    )


def _settled(
    request: Request,
    context: StepContext,
    model: ModelSpec,
    dataset: DatasetSpec,
    rows: snapshot.Split,
    place: trainer.Place,
    day: str,
) -> tuple[ModelSpec, dict[str, float]]:
    """The model with the parameters that were found for it, or the algorithm that won; and the winners' figures."""
    if model.tuning is not None:
        from include.training.tuning import policy

        if request.study is not None:
            from include.training.tuning.conclusion import conclude

            conclude(context.settings, context.ledger, model, request.study, day)
        best = policy.known(context.ledger, model)
        return with_training(model, params={**model.training.params, **best}), {}
    if not model.algorithms:
        return model, {}
    from include.training.choice import choose

    choice = choose(model, dataset, rows, request.params, place)
    figures = {name: score for name, score in choice.scores.items() if score is not None}
    context.ledger.record_decision(
        model=model.name,
        subject="algorithm",
        action=choice.name,
        reason=choice.reason,
        figures=figures,
        id=f"algorithm:{request.fence.key}:{request.fence.token}",
    )
    return choice.model, {f"choice_{name}": score for name, score in figures.items()}


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


def _params(model: ModelSpec, params: Mapping[str, object]) -> dict[str, object]:
    fields = model.training.model_dump(
        include={"trainer", "build", "window_days", "holdout_days", "seed"}
    )
    return {**{f"training.{name}": value for name, value in fields.items()}, **params}


def _tags(request: Request, dataset: str, digest: str, onnx: str) -> dict[str, str]:
    return {
        "airloop.model": request.model,
        "airloop.dataset": dataset,
        "airloop.artifact_digest": digest,
        "airloop.trigger_id": request.trigger_id or "",
        "airloop.reason": request.reason,
        "airloop.params_override": json.dumps(request.params),
        "airloop.lock_digest": lineage.lock_digest() or "",
        "airloop.onnx": onnx,
        "mlflow.source.git.commit": lineage.git_revision() or "",
    }
