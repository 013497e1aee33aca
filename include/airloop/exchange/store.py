"""The step store: where a step's request waits and its result is left, each under a seal.

A file is one JSON object ``{"seal": …, "payload": {…}}``: one object instead of a file and a seal beside it, since two
files cannot be written in one act. It is written whole or not at all. Secrets never go in here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airloop.contracts import Fence
from airloop.errors import RequestError, SupersededError
from airloop.exchange.seal import check, refusal, seal
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

    def write(self, uri: str, payload: Mapping[str, Any]) -> None:
        """Leave ``payload`` at ``uri``. The first that is left there stays.

        An attempt that runs twice, as a pod may whose creation was answered late, has one result all the same.

        :raises SupersededError: if something else is there already
        :raises DamagedError: if what is there already is damaged or forged
        :raises StorageFullError: if there is no space left
        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses, or this process has no key
        """
        name = self._name(uri)
        sealed = seal(self._files.place(name), _canonical(payload))
        text = json.dumps({"seal": sealed, "payload": payload}, allow_nan=False)
        if not self._files.create(name, text.encode()) and self.read(uri) != _plain(payload):
            raise SupersededError("superseded by another run of this attempt", where=uri)

    def read(self, uri: str) -> dict[str, Any] | None:
        """The payload at ``uri``; None where there is no file.

        :raises DamagedError: if it is damaged, or was not left there by a process that has the key
        :raises UnreachableError: if the store does not answer
        :raises SpecError: if it refuses, or this process has no key
        """
        name = self._name(uri)
        raw, place = self._files.read(name), self._files.place(name)
        if raw is None:
            return None
        try:
            envelope = json.loads(raw)
            payload, found = envelope["payload"], envelope.get("seal")
            content = _canonical(payload)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise refusal("an object of the step store is damaged", place) from error
        check(place, content, found)
        read: dict[str, Any] = payload
        return read

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


def _canonical(payload: Mapping[str, Any]) -> bytes:
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()
