"""The step store: where a step's request waits and its result is left, each with its own sha256.

A file is one JSON object ``{"sha256": …, "payload": {…}}``: one object instead of a file and a checksum beside it,
since two files cannot be written in one act. It is written whole or not at all. Secrets never go in here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airloop.contracts import Fence
from airloop.errors import RequestError, SupersededError, UnreachableError
from airloop.storage.files import Files

#: Linux allows 255 bytes in a file name; longer keys are cut and told apart by their hash.
MAX_NAME = 150


class StepStore:
    """A folder, of this machine or of a bucket, that holds requests and results.

    :param uri: local path, ``file://…`` or ``s3://bucket/folder``
    :param options: how the bucket is reached (``storage_options`` of the settings, and credentials)
    """

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        self._files = Files(uri, options, "the step store")
        self.uri = self._files.uri

    def place(self, step: str, fence: Fence) -> str:
        """The URI of one attempt's folder: a newer attempt never sees an older one's result."""
        name = quote(fence.key, safe="")
        if len(name) > MAX_NAME:
            name = f"{name[:MAX_NAME]}-{hashlib.sha256(fence.key.encode()).hexdigest()[:16]}"
        return f"{self.uri}/{step}/{name}/{fence.token}"

    def write(self, uri: str, payload: Mapping[str, Any]) -> str:
        """Leave ``payload`` at ``uri`` and return its digest. The first that is left there stays.

        An attempt that runs twice, as a pod may whose creation was answered late, has one result all the same.

        :raises SupersededError: if something else is there already
        :raises StorageFullError: if there is no space left
        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses
        """
        digest = _digest(payload)
        text = json.dumps({"sha256": digest, "payload": payload}, allow_nan=False)
        if not self._files.create(self._name(uri), text.encode()) and self.read(uri) != _plain(
            payload
        ):
            raise SupersededError("superseded by another run of this attempt", where=uri)
        return digest

    def read(self, uri: str) -> dict[str, Any] | None:
        """The payload at ``uri``; None where there is no file.

        :raises UnreachableError: if the store does not answer or the bytes are not the ones written
        :raises SpecError: if it refuses
        """
        raw = self._files.read(self._name(uri))
        if raw is None:
            return None
        try:
            envelope = json.loads(raw)
            payload, digest = envelope["payload"], envelope["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnreachableError("not a file of the step store", where=uri) from error
        if not isinstance(payload, dict) or _digest(payload) != digest:
            raise UnreachableError(
                "the bytes in the step store are not the ones written", where=uri
            )
        return payload

    def _name(self, uri: str) -> str:
        """A file's name within the store.

        :raises RequestError: if the file is not one of this store
        """
        inside = uri.removeprefix("file://")
        if not inside.startswith(f"{self.uri}/"):
            raise RequestError("not a file of the step store", value=uri, where=self.uri)
        return inside.removeprefix(f"{self.uri}/")


def _plain(payload: Mapping[str, Any]) -> Any:
    """As it comes back: tuples are lists in JSON."""
    return json.loads(json.dumps(payload, allow_nan=False))


def _digest(payload: Mapping[str, Any]) -> str:
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
