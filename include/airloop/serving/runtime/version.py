"""One version of a model in memory: verified, warmed, ready to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import orjson

from airloop.contracts import Deployment, ModelVersion
from airloop.errors import ArtifactError
from airloop.serving.log.records import Heard, Told
from airloop.serving.requests import InvalidRequestError, RequestSchema, Row
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.vocabulary import DeploymentKind

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Model(Protocol):
    """What serving needs of a loaded model; :class:`airloop.registry.loaded.LoadedModel` is one."""

    @property
    def spec(self) -> ModelSpec:
        """The model's spec, as frozen in the artifact."""

    @property
    def dataset(self) -> DatasetSpec:
        """The dataset's spec, as frozen in the artifact."""

    def answer(self, values: Mapping[str, Sequence[Any]]) -> NDArray[Any]:
        """The numbers of each row, from the inputs' columns as a request has them."""


class NotFiniteError(Exception):
    """The model has no finite answer for these rows."""


@dataclass(frozen=True, slots=True)
class Version:
    """A deployed version. In-flight requests keep the one they were validated against."""

    deployment: Deployment
    model: Model
    schema: RequestSchema
    since: datetime
    #: A request's row that this model answers, for the docs page.
    example: Row

    @property
    def number(self) -> int:
        """The registered version's number."""
        return self.deployment.version

    def answer(self, rows: Sequence[Row]) -> list[Told]:
        """What is answered about each row, as the log has it: a finite number, or several by their names.

        :raises NotFiniteError: if the model answers NaN or infinity, or not so many numbers a row
        """
        columns = {name: [row[name] for row in rows] for name in self.schema.inputs}
        try:
            found = self.model.answer(columns)
        except ArtifactError:
            # The loader's word for the same; that the artifact itself is right was shown when it was loaded.
            raise NotFiniteError from None
        predictions = np.asarray(found, dtype=np.float64)
        output = self.model.spec.answer
        shape = (len(rows), *output.shape)
        if predictions.shape != shape or not np.isfinite(predictions).all():
            raise NotFiniteError
        return output.named(predictions.tolist())

    def heard(self, told: Sequence[Told]) -> Sequence[Heard]:
        """The same as its caller hears it."""
        return self.model.spec.answer.heard(told)


def tried(version: ModelVersion) -> Deployment:
    """As though it served alone: for who tries a version, or asks it where no ledger is."""
    return Deployment(
        model=version.model,
        sequence=1,
        version=version.version,
        previous=None,
        artifact=version.artifact,
        kind=DeploymentKind.SANDBOX,
        reason="infrastructure check",
        at=datetime.now(UTC),
    )


def prepare(
    deployment: Deployment,
    model: Model,
    since: datetime,
    example: Row | None,
    recent: Sequence[Row] = (),
    now: DatasetSpec | None = None,
) -> Version:
    """Check a loaded model and warm it on rows it must be able to answer.

    :param example: a row as callers send it, made from real ones, where the lake has any
    :param recent: rows that the version before it answered a moment ago
    :param now: the dataset as the project has it, whose rules about values count
    :raises ArtifactError: if it is another model, or does not answer those rows
    """
    if model.spec.name != deployment.model:
        raise ArtifactError(
            "the artifact holds another model",
            value=model.spec.name,
            where=deployment.artifact.uri,
        )
    schema = RequestSchema(model.spec, model.dataset, now)
    version = Version(deployment, model, schema, since, example or schema.placeholder)
    rows = [row for row in recent if all(name in row for name in schema.inputs)]
    if example is not None:
        # Rows of the lake are older than a rule that excludes them now.
        with suppress(InvalidRequestError):
            rows += schema.parse(orjson.dumps({"rows": [example]}))
    try:
        version.answer(rows or schema.parse(orjson.dumps({"rows": [schema.placeholder]})))
    except Exception as error:
        # A made-up row may be beyond what the user's features() expects; a real one may not.
        if rows:
            raise ArtifactError(
                f"version {deployment.version} does not answer real rows: {type(error).__name__}",
                where=deployment.artifact.uri,
            ) from error
    return version
