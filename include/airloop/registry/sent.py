"""A model on its way to another process: the bytes of its artifact, which are verified again where they arrive."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airloop.registry import artifacts
from airloop.registry.loaded import LoadedModel
from airloop.registry.loader import open_folder

#: What this process was sent last: each part of a step's work brings it along.
_last: dict[str, SentModel] = {}


@dataclass(frozen=True)
class SentModel:
    """A model that can be pickled; where nothing is sent, it is just the model."""

    model: LoadedModel

    def __reduce__(self) -> tuple[Callable[..., SentModel], tuple[dict[str, bytes], str]]:
        """The files of its artifact, and their digest."""
        folder = self.model.folder
        if folder is None:
            raise TypeError("only a model that was loaded from its artifact can be sent")
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        return arrived, (files, self.model.digest)


def arrived(files: dict[str, bytes], digest: str) -> SentModel:
    """Open a model that another process has sent.

    :raises ArtifactError: if the bytes are not those of the digest
    """
    if digest not in _last:
        with tempfile.TemporaryDirectory(prefix="airloop-model-") as scratch:
            folder = Path(scratch)
            for name, content in files.items():
                (folder / Path(name).name).write_bytes(content)
            artifacts.verify(folder, digest)
            sent = SentModel(open_folder(folder, digest))
        _last.clear()
        _last[digest] = sent
    return _last[digest]
