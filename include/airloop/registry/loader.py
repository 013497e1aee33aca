"""Airloop's own loader: verified bytes, ONNX or the trainer's format, a trust list that is ours.

A version is answered by the code that it was trained with, which its artifact brings under the same digest. Never ``mlflow.pyfunc`` (it runs a ``loader_module`` named by the artifact), never pickle, never a trust list read from
the artifact.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from airloop.contracts import ArtifactRef
from airloop.errors import AirloopError, ArtifactError, SpecError
from airloop.features.rows import FUNCTION
from airloop.plugins import registry as plugins
from airloop.plugins.trainer import Output, OutputKind, missing
from airloop.registry import artifacts, lineage
from airloop.registry.code import archive
from airloop.registry.code.finder import Code, opened
from airloop.registry.code.lock import Lock, parsed
from airloop.registry.examples import check_examples
from airloop.registry.format import Format
from airloop.registry.formats import bounds
from airloop.registry.formats.graphs import onnx_scorer
from airloop.registry.formats.trust import TRUSTED_TYPES
from airloop.registry.frozen import FrozenSpec, Scorer, Scores
from airloop.registry.loaded import LoadedModel, OpenGraph, Runtime
from airloop.registry.refusal import refusing
from airloop.registry.segments import open_routing
from airloop.settings import Settings

log = logging.getLogger("airloop.artifacts")


def load(ref: ArtifactRef, settings: Settings) -> LoadedModel:
    """Fetch, verify and open a model, and ask it the examples whose answers were recorded at training.

    :raises ArtifactError: if a byte differs, a format or a type is not allowed, or the answers changed
    :raises UnreachableError: if the artifact store does not answer
    """
    return open_folder(artifacts.fetch(ref, settings), ref.digest)


def open_folder(folder: Path, digest: str) -> LoadedModel:
    """Open the verified folder of an artifact; :func:`load` is the way in."""
    try:
        frozen = FrozenSpec.read((folder / artifacts.SPEC).read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError(
            "the model's spec cannot be read", value=str(error), where=str(folder / artifacts.SPEC)
        ) from error
    recorded = artifacts.manifest(folder, digest)
    code = _own_code(folder, digest, recorded)
    lock = own_lock(folder, recorded)
    own = lock.differing() if lock is not None else ""
    frozen = frozen.with_code(code)
    runtime, scorer, graph = open_scorer(folder, frozen)
    model = LoadedModel(
        spec=frozen.model,
        dataset=frozen.dataset,
        digest=digest,
        runtime=runtime,
        features=tuple(frozen.features),
        trained_on=frozen.trained_on,
        scorer=scorer,
        routing=open_routing(folder, frozen, lambda part, spec: open_scorer(part, spec)[1]),
        refit_of=frozen.refit_of,
        function=frozen.function("features") if code else None,
        by_rows=frozen.optional(FUNCTION),
        graph=graph,
        code=code,
        drifted="; ".join(
            filter(None, (lineage.drifted(recorded.python, recorded.libraries), own))
        ),
        folder=folder,
    )
    if model.drifted:
        log.warning("%s was made with %s", digest[:19], model.drifted)
    check_examples(model.predict, model.spec, folder)
    if model.by_rows is not None:
        check_examples(model.predict_by_rows, model.spec, folder)
    return model


def _own_code(folder: Path, digest: str, recorded: artifacts.Manifest) -> Code | None:
    """The modules that a version brings; None for one of before they travelled."""
    content = artifacts.content(folder, recorded, artifacts.CODE)
    if content is None:
        return None
    return opened(digest, archive.read(content, str(folder / artifacts.CODE)))


def own_lock(folder: Path, recorded: artifacts.Manifest) -> Lock | None:
    """The libraries that a version needs of its own; None where these are none.

    :raises ArtifactError: if its lock is not the recorded one, or holds what is never installed
    """
    content = artifacts.content(folder, recorded, artifacts.LOCK)
    return None if content is None else parsed(content, str(folder / artifacts.LOCK))


def open_scorer(folder: Path, frozen: FrozenSpec) -> tuple[Runtime, Scorer, OpenGraph | None]:
    """The ONNX graph where there is one, which takes arrays as well; else what the model's trainer kept.

    :raises ArtifactError: if a file cannot be read, or what reads it is not installed here
    """
    path = folder / artifacts.ONNX
    if path.exists():
        graph = refusing(onnx_scorer(path, frozen))
        return "onnx", graph, graph
    name = frozen.model.training.trainer
    try:
        trainer: Format = plugins.load(plugins.TRAINERS, name)
    except SpecError as error:
        raise ArtifactError(
            error.what, value=name, where=str(folder), remedy=error.remedy
        ) from error
    if lacking := missing(trainer):
        raise ArtifactError(
            f"this model answers by {trainer.library}, which is not installed here",
            value=lacking[0],
            where=str(folder),
            remedy=trainer.remedy or f"install {trainer.library} in the service's environment",
        )
    return name, refusing(trainer.open(folder, frozen)), None


def skops_scorer(folder: Path, frozen: FrozenSpec) -> Scorer:
    """Open ``model.skops`` if every type in it is one of the trusted ones or of skops' defaults.

    :raises ArtifactError: if it holds another type, or is not a skops file
    """
    return estimator_scorer(read_skops(folder / artifacts.SKOPS), frozen.model.answers)


def read_skops(path: Path) -> Any:
    """The estimator in a skops file.

    :raises ArtifactError: if it holds a type that is not trusted, or cannot be read
    """
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(file=path)
        foreign = sorted(set(unknown) - TRUSTED_TYPES)
        if foreign:
            raise ArtifactError(
                "the model holds a type that is not on Airloop's trust list",
                value=foreign[0],
                where=str(path),
                remedy="use an estimator of scikit-learn, or have the type reviewed and added to "
                "airloop.registry.formats.trust",
            )
        bounds.check_schema(path)
        estimator = skops.io.load(path, trusted=unknown)
        bounds.check_bounds(estimator, path)
        return estimator
    except AirloopError:
        raise
    except (
        OSError,
        zipfile.BadZipFile,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        raise ArtifactError(
            "the skops file cannot be read",
            value=f"{type(error).__name__}: {error}",
            where=str(path),
        ) from error


def vectors_of(estimator: Any) -> Callable[[Any], Any]:
    """What an estimator makes a vector by: one that decomposes, or encodes, has no ``predict``."""
    found: Callable[[Any], Any] = (
        estimator.predict if hasattr(estimator, "predict") else estimator.transform
    )
    return found


def estimator_scorer(estimator: Any, outputs: tuple[Output, ...]) -> Scorer:
    """The answers of a scikit-learn estimator: P(positive), one a class, the class, quantiles, the value, several, or a vector."""
    (output,) = outputs

    def score(rows: pd.DataFrame) -> Scores:
        if output.kind is OutputKind.QUANTILES:
            # An estimator a level: where two cross, their answers change places (Chernozhukov et al., 2010).
            each = [np.asarray(one.predict(rows), np.float64) for one in estimator]
            return np.sort(np.column_stack(each), axis=1)
        if output.kind is OutputKind.CLASSES:
            # A fit for a choice may have seen some of the classes only, which it knows by their places.
            found = np.zeros((len(rows), *output.shape))
            found[:, np.asarray(estimator.classes_, np.intp)] = estimator.predict_proba(rows)
            return found
        if output.kind is OutputKind.VECTOR:
            return np.asarray(vectors_of(estimator)(rows), np.float64)
        if output.kind is OutputKind.LABELS:
            return np.asarray(output.decided(estimator.predict(rows)), np.float64)
        if output.kind is OutputKind.PROBABILITY:
            return np.asarray(estimator.predict_proba(rows)[:, 1], dtype=np.float64)
        return np.asarray(estimator.predict(rows), dtype=np.float64)

    return score
