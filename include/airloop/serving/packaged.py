"""A version in a folder of its own, asked in this process: what its wheel, its Bento and its image have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import ValidationError

from airloop.contracts import ModelVersion
from airloop.errors import ArtifactError, DataError, RequestError
from airloop.registry import artifacts, loader
from airloop.serving.requests import InvalidRequestError, plain
from airloop.serving.runtime.refusal import explained
from airloop.serving.runtime.version import NotFiniteError, prepare, tried

#: What lies in the folder: which version it is, and its artifact as it was registered.
VERSION: Final = "version.json"
ARTIFACT: Final = "artifact"


class Packaged:
    """The version, its bytes verified by the digest that it was registered with.

    :raises ArtifactError: if a byte differs, or it does not answer
    """

    def __init__(self, folder: Path) -> None:
        path = folder / VERSION
        try:
            version = ModelVersion.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ArtifactError("this is no packaged version", value=str(error), where=str(path)) from error  # fmt: skip
        digest = version.artifact.digest
        artifacts.verify(folder / ARTIFACT, digest)
        model = loader.open_folder(folder / ARTIFACT, digest)
        self._version = prepare(tried(version), model, datetime.now(UTC), None)
        self._most = model.spec.serving.max_rows

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """What the service would answer about each row: its keys and inputs, as a request has them.

        :raises RequestError: if the rows do not fit, or the model has no answer for them
        """
        found: list[Any] = []
        for start in range(0, len(rows), self._most):
            found += self._answers(rows[start : start + self._most])
        return found

    def _answers(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        sent = [{name: plain(value) for name, value in row.items()} for row in rows]
        try:
            parsed = self._version.schema.parse(orjson.dumps({"rows": sent}))
        except InvalidRequestError as error:
            raise RequestError(str(error)) from None
        try:
            return self._version.heard(self._version.answer(parsed))
        except (DataError, NotFiniteError) as error:
            raise RequestError(str(explained(self._version, parsed, error))) from None
