"""A fitted model as the files of an artifact."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from airloop.contracts import Digest
from airloop.data.snapshot import Split
from airloop.errors import ArtifactError, DataError, SpecError
from airloop.evaluation.metrics import evaluate
from airloop.features.rows import FUNCTION, hold_equal
from airloop.features.transform import transform
from airloop.figures import Metrics, known
from airloop.monitoring import reference, streamed_reference
from airloop.paths import code_folder
from airloop.plugins.trainer import OutputKind
from airloop.registry import artifacts, lineage
from airloop.registry.code import archive
from airloop.registry.code.closure import closure
from airloop.registry.code.finder import Code, opened
from airloop.registry.code.needs import needed
from airloop.registry.examples import write_examples
from airloop.registry.frozen import FrozenSpec
from airloop.registry.loader import open_scorer
from airloop.renames import current
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.composite import Composite
from airloop.training.conversion import Conversion, convert
from airloop.training.fitted import Fitted
from airloop.types.registry import type_of

log = logging.getLogger("airloop.training")

#: Rows whose answers are kept and asked again at every load.
EXAMPLE_ROWS = 16
#: What MLflow's description of a model draws anew each time.
DRAWN = ("utc_time_created", "model_uuid", "model_id", "run_id")


@dataclass(frozen=True)
class Package:
    """A written artifact."""

    digest: Digest
    conversion: Conversion
    #: What was fitted, with the answers and metrics of the runtime that will serve.
    served: Fitted


def pack(
    model: ModelSpec,
    dataset: DatasetSpec,
    split: Split,
    fitted: Fitted,
    folder: Path,
    *,
    trained_on: Sequence[str] = (),
    as_of: datetime | None = None,
    composite: Composite | None = None,
    judged: Package | None = None,
) -> Package:
    """Write every file of the artifact.

    :param composite: ``fitted`` with the models of segments beside it, whose answers are then the artifact's
    :param judged: what this one is the refit of; figures and reference are then that one's, which had not seen the holdout
    :raises SpecError: if the estimator holds a type that the loader would refuse
    """
    folder.mkdir(parents=True)
    frozen = FrozenSpec(
        model=model,
        dataset=dataset,
        features=kinds(fitted.features),
        trained_on=tuple(trained_on),
        as_of=as_of,
        refit_of=judged.digest if judged else None,
    )
    told = frozen.model_dump_json(by_alias=True, indent=1)
    (folder / artifacts.SPEC).write_text(told, encoding="utf-8")
    code = _write_code(model, folder)
    fitted.trainer.save(fitted.estimator, folder)
    conversion = convert(fitted, frozen, folder)
    if composite is not None:
        composite.write(folder)
    whole = _as_served(fitted, frozen, folder, composite)
    honest = judged.served if judged else whole
    _write_metrics(honest.metrics, whole.training_rows, folder)
    _write_reference(model, dataset, split, honest, folder)
    chosen = _examples(len(whole.scores), composite)
    examples = split.holdout.frame[list(model.inputs)].iloc[chosen]
    write_examples(folder, examples, whole.scores[chosen])
    _check_code(frozen.with_code(code), split.holdout.frame, fitted.features, chosen)
    _write_mlflow_files(model, dataset, folder)
    digest = artifacts.write_manifest(folder, model=model.name, task=model.task)
    return Package(digest, conversion, whole)


def _write_metrics(found: Metrics, rows: int, folder: Path) -> None:
    text = json.dumps(known(found) | {"training_rows": float(rows)}, indent=1, allow_nan=False)
    (folder / artifacts.METRICS).write_text(text, encoding="utf-8")


def _write_code(model: ModelSpec, folder: Path) -> Code | None:
    """The project's modules that the model needs; nothing for a module that is not the project's."""
    sources = closure(current(model.module), code_folder())
    if not sources:
        log.info("%s is not below %s: its code does not travel", model.module, code_folder())
        return None
    if (own := needed(model, code_folder())) is not None:
        (folder / artifacts.LOCK).write_text(own.text, encoding="utf-8")
    content = archive.pack(sources, model.name)
    (folder / artifacts.CODE).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return opened(f"code:{digest}", archive.read(content, str(folder / artifacts.CODE)))


def _check_code(
    frozen: FrozenSpec, held: pd.DataFrame, expected: pd.DataFrame, chosen: list[int]
) -> None:
    """Ask the code that travels for features: it must need nothing that stays behind, and answer requests alike.

    :param held: the holdout's rows
    :param expected: their features
    :param chosen: the places of the rows that ``features`` is asked for again
    :raises SpecError: if it cannot make them, or makes others
    """
    if frozen.travels:
        _check_alone(frozen, held.iloc[chosen], expected.iloc[chosen])
    hold_equal(frozen.model, frozen.dataset, held, expected, frozen.optional(FUNCTION))


def _check_alone(frozen: FrozenSpec, rows: pd.DataFrame, expected: pd.DataFrame) -> None:
    model = frozen.model
    try:
        made = transform(model, frozen.dataset, rows, frozen.function("features"))
        differ = "" if made.equals(expected) else "it makes other features than the training had"
    except (ArtifactError, DataError, SpecError) as error:
        differ = f"{error.what}: {error.value}"
    if differ:
        raise SpecError(
            "the model's code does not work by itself, as it will have to with its version",
            value=differ,
            where=f"{model.module}.features",
            remedy="keep what features() needs in modules that it imports by name: no files beside them, "
            "no state of the process",
        )


def _as_served(
    fitted: Fitted, frozen: FrozenSpec, folder: Path, composite: Composite | None
) -> Fitted:
    """The answers of the artifact itself, by ONNX or by the trainer's own format, as the gates and callers hear them.

    Two runtimes may differ in the last digits, which breaks ties and moves a rank metric: recorded by the one and asked
    of the other, a good candidate's metrics would not be its own.
    """
    _, scorer, _ = open_scorer(folder, frozen)
    if composite is None:
        scores = scorer(fitted.features)
    else:
        numbers = np.asarray(composite.numbers, dtype=np.int64)
        scores = composite.routing.score(numbers, fitted.features, scorer)
    metrics = evaluate(
        frozen.model.goal, fitted.truth, scores, frozen.model.metrics, frozen.model.answer.each
    )
    return replace(fitted, scores=scores, metrics=metrics)


def _examples(rows: int, composite: Composite | None) -> list[int]:
    """The places of the rows that are asked at every load: the first, and one of every model there is."""
    first = list(range(min(rows, EXAMPLE_ROWS)))
    if composite is None:
        return first
    _, places = np.unique(composite.numbers.to_numpy(), return_index=True)
    return sorted({*first, *places.tolist()})


def kinds(features: pd.DataFrame) -> dict[str, Literal["number", "string"]]:
    """What each feature is."""
    return {name: _kind(features[name]) for name in features.columns}


def _kind(column: pd.Series[float]) -> Literal["number", "string"]:
    return "string" if column.dtype == object else "number"


def _write_reference(
    model: ModelSpec, dataset: DatasetSpec, split: Split, fitted: Fitted, folder: Path
) -> None:
    if split.stream is not None:
        stream = split.stream
        found = streamed_reference.build(
            model, dataset, split, stream, fitted.scores, fitted.metrics
        )
        reference.write(found, folder)
        return
    frame = split.everything
    truth = pd.concat([split.training.truth, split.holdout.truth])
    # A refit has learned from the held-out rows too.
    truth = truth[~truth.index.duplicated()].reindex(frame.index)
    profile = reference.build(
        model,
        dataset,
        frame,
        fitted.scores,
        labels=truth.to_numpy(),
        holdout=fitted.metrics,
        held=split.holdout,
    )
    reference.write(profile, folder)


def _write_mlflow_files(model: ModelSpec, dataset: DatasetSpec, folder: Path) -> None:
    """MLflow's pages read these; the flavour is named so that nothing but Airloop loads the model."""
    import yaml
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = [
        ColSpec(type_of(column).mlflow, name, required=not column.nullable)
        for name, column in ((name, dataset.columns[name]) for name in model.inputs)
    ]
    answers = [ColSpec("double", name) for name in model.answer.names]
    if model.answer.kind is OutputKind.LABELS:
        answers = [ColSpec("string", model.answer.kind)]
    description = Model(
        signature=ModelSignature(Schema(inputs), Schema(answers)),
        flavors={"airloop": {"files": sorted(path.name for path in folder.glob("model.*"))}},
    )
    # Without the moment and the random id: equal trainings give equal bytes.
    fields = {name: value for name, value in description.to_dict().items() if name not in DRAWN}
    text = yaml.safe_dump(fields, default_flow_style=False, sort_keys=True)
    (folder / artifacts.MLMODEL).write_text(text, encoding="utf-8")
    pins = [f"{name}=={number}" for name, number in sorted(lineage.library_versions().items())]
    (folder / artifacts.REQUIREMENTS).write_text("\n".join(pins) + "\n", encoding="utf-8")
