"""The YAML files of the settings, laid over each other, and which of them said what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airloop.contracts import NAME_PATTERN
from airloop.errors import SpecError
from airloop.issues import WORDS, SpecIssue
from airloop.specs.yaml.document import Document, read_document
from airloop.textfile import is_there, is_written


class Layers:
    """Some YAML files, each overriding the ones before it key by key."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = tuple(documents)

    @classmethod
    def read(cls, *paths: Path, strict: bool = True) -> Layers:
        """Those of the files that are there.

        :raises SpecError: if one of them is not valid YAML
        """
        return cls([read_document(path, strict=strict) for path in paths if is_there(path)])

    def data(self) -> dict[str, Any]:
        """All of them merged."""
        merged: dict[str, Any] = {}
        for document in self.documents:
            merged = _merge(merged, document.data)
        return merged

    def where(self, issue: SpecIssue) -> str:
        """File, line and key of an issue: in the nearest file that holds the key."""
        for document in reversed(self.documents):
            if issue.path in document.lines:
                return document.where(issue)
        return f"{self.documents[0].path}, key {issue.key}" if self.documents else issue.key


def environment_file(config: Path, name: object, where: str) -> Path:
    """The file of a named environment.

    :param where: who named it, for the message
    :raises SpecError: if there is no such environment
    """
    folder = config / "environments"
    if not isinstance(name, str) or not re.match(NAME_PATTERN, name):
        raise SpecError(
            "not a name of an environment", value=name, where=where, remedy=WORDS[NAME_PATTERN]
        )
    path = folder / f"{name}.yaml"
    if not is_there(path):
        valid = sorted(other.stem for other in folder.glob("*.yaml") if is_written(other))
        raise SpecError(
            "no such environment", value=name, where=where, remedy=f"add {path}", valid=valid
        )
    return path


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = (
            _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return result
