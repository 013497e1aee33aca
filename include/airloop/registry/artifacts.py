"""A model's files: which there may be, their manifest, and how they are fetched.

A registry's READY says nothing about bytes: whoever reads a model compares the sha256 of the manifest with the
reference it was given, and of each file with the manifest, every time. Nothing is accepted but :data:`FILES` and the
files that an installed trainer names: no pickle, and no code but the model's own modules.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

from pydantic import ValidationError

from airloop.contracts import ArtifactRef, Contract, Digest, Name
from airloop.errors import ArtifactError
from airloop.plugins.trainer import files_of_all
from airloop.registry import lineage
from airloop.settings import Settings

log = logging.getLogger("airloop.artifacts")

MANIFEST = "manifest.json"
SPEC = "spec.json"
#: The model's own modules (:mod:`airloop.registry.code`).
CODE = "code.zip"
#: The libraries that it needs of its own.
LOCK = "environment.lock"
SKOPS = "model.skops"
ONNX = "model.onnx"
#: The torch trainer's: the layers as data, and the weights.
NETWORK = "network.json"
SAFETENSORS = "model.safetensors"
REFERENCE = "reference.json"
METRICS = "metrics.json"
EXAMPLES = "examples.json"
#: The table of the segments, and the models of those that have one of their own.
SEGMENTS = "segments.json"
SEGMENT_MODELS = "segments.zip"
#: MLflow's own description, for its pages; Airloop never reads it.
MLMODEL = "MLmodel"
REQUIREMENTS = "requirements.txt"

#: The files that an artifact may hold besides its manifest and what its trainer's format names.
FILES = frozenset(
    {
        *(SPEC, CODE, LOCK, ONNX, SEGMENTS, SEGMENT_MODELS),
        *(REFERENCE, METRICS, EXAMPLES, MLMODEL, REQUIREMENTS),
    },
)
REMEDY = "the last good version keeps serving; train again, or restore the artifact store"


class Manifest(Contract):
    """What an artifact consists of, and what it was made with. Its own sha256 identifies the artifact.

    Nothing in it tells when, where and for what run it was made: the same data, code, parameters and seed make the same
    bytes. Commit and lock are tags of the run; artifacts of before hold them here.
    """

    format: Literal[1] = 1
    model: Name
    task: Literal["classification", "regression"]
    git_revision: str | None = None
    lock_digest: Digest | None = None
    #: Python's version; None in artifacts of before.
    python: str | None = None
    libraries: dict[str, str]
    files: dict[str, Digest]


def write_manifest(
    folder: Path, *, model: str, task: Literal["classification", "regression"]
) -> Digest:
    """Write ``manifest.json`` over the files of a finished folder; returns the artifact's digest."""
    made = Manifest(
        model=model,
        task=task,
        python=platform.python_version(),
        libraries=lineage.library_versions(),
        files={path.name: _sha256(path) for path in sorted(folder.iterdir())},
    )
    text = made.model_dump_json(indent=1, exclude_none=True)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return _sha256(folder / MANIFEST)


def verify(folder: Path, digest: Digest) -> Manifest:
    """Compare every byte of an artifact with what its training recorded.

    :raises ArtifactError: naming the first file that is missing, changed, added or of an unknown format
    """
    recorded = manifest(folder, digest)
    _check_names(folder, recorded)
    for name, expected in recorded.files.items():
        if _sha256(folder / name) != expected:
            raise _changed(folder, name)
    return recorded


def manifest(folder: Path, digest: Digest) -> Manifest:
    """The manifest of an artifact.

    :raises ArtifactError: if it is not the one that the digest is of, or cannot be read
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if _digest(content) != digest:
        raise ArtifactError(
            "the model's manifest is not the recorded one", where=str(path), remedy=REMEDY
        )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ArtifactError(
            "the model's manifest cannot be read", value=error.errors()[0]["msg"], where=str(path)
        ) from error


def content(folder: Path, recorded: Manifest, name: str) -> bytes | None:
    """The bytes of one file, compared once more as they are read, since they decide what runs; None without that file.

    :raises ArtifactError: if they are not those of the manifest
    """
    expected = recorded.files.get(name)
    if expected is None:
        return None
    found = (folder / name).read_bytes()
    if _digest(found) != expected:
        raise _changed(folder, name)
    return found


def _changed(folder: Path, name: str) -> ArtifactError:
    return ArtifactError(
        "a file of the model is not the one that was trained",
        value=name,
        where=str(folder / name),
        remedy=REMEDY,
    )


def fetch(ref: ArtifactRef, settings: Settings) -> Path:
    """The artifact's folder on this machine, verified: from the cache, else from the artifact store.

    :raises ArtifactError: if the bytes are not the recorded ones
    :raises UnreachableError: if the artifact store does not answer
    """
    home = settings.home / "artifacts" / ref.digest.removeprefix("sha256:")
    if home.is_dir():
        try:
            verify(home, ref.digest)
            return home
        except ArtifactError as error:
            log.warning("the cached copy is damaged and is fetched anew: %s", error)
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".fetch-") as scratch:
        folder = _download(ref, Path(scratch), settings)
        verify(folder, ref.digest)
        _put(folder, home, Path(scratch), ref.digest)
    return home


def _put(folder: Path, home: Path, scratch: Path, digest: Digest) -> None:
    """Let a whole copy take the cache's place, whatever lies there: a damaged one goes only now."""
    if home.is_dir():
        with suppress(ArtifactError):
            verify(home, digest)
            return  # another process was faster
    with suppress(FileNotFoundError):
        home.rename(scratch / "before")
    try:
        folder.rename(home)
    except OSError:
        # Another process put the same artifact there first; if it did not, the next line says so.
        verify(home, digest)


def _download(ref: ArtifactRef, scratch: Path, settings: Settings) -> Path:
    parsed = urlparse(ref.uri)
    if parsed.scheme == "file":
        source = Path(unquote(parsed.path))
        if not source.is_dir():
            raise ArtifactError("the artifact is not there", value=ref.uri, remedy=REMEDY)
        return Path(shutil.copytree(source, scratch / "model", symlinks=True))
    from airloop.registry import tracking

    return tracking.download(ref.uri, scratch, settings)


def _check_names(folder: Path, recorded: Manifest) -> None:
    if unknown := sorted(set(recorded.files) - FILES - files_of_all()):
        raise ArtifactError(
            "the model holds a file of a format that is never loaded",
            value=unknown[0],
            where=str(folder),
            valid=sorted(FILES | files_of_all()),
        )
    found = {path.name for path in _entries(folder)}
    expected = {MANIFEST, *recorded.files}
    if found != expected:
        raise ArtifactError(
            "the model's folder lacks files" if expected - found else "the model's folder has more",
            value=sorted(expected ^ found),
            where=str(folder),
            remedy=REMEDY,
        )


def _entries(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_symlink() or not path.is_file():
            raise ArtifactError("a model consists of plain files", value=path.name, where=str(path))
        yield path


def _digest(content: bytes) -> Digest:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _sha256(path: Path) -> Digest:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
