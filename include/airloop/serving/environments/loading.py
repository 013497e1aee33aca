"""How a version is loaded where answers are given: in this process, or in one with the libraries that it needs."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from airloop.contracts import ArtifactRef
from airloop.errors import ArtifactError, SpecError
from airloop.serving.environments.overlay import leased, place_of
from airloop.settings import Settings

if TYPE_CHECKING:
    from airloop.registry.code.lock import Lock
    from airloop.registry.loaded import LoadedModel
    from airloop.serving.environments.remote import RemoteModel

    #: A model that answers, wherever it does.
    Loaded: TypeAlias = LoadedModel | RemoteModel

log = logging.getLogger("airloop.serving")

#: The artifacts whose environments are being built, and since when.
_BUILDING: Final[dict[str, float]] = {}


def building(digest: str) -> float | None:
    """For how many seconds an artifact's environment has been under way; None where none is being built."""
    since = _BUILDING.get(digest)
    return None if since is None else time.monotonic() - since


def load(ref: ArtifactRef, settings: Settings) -> Loaded:
    """A version, ready to answer.

    :raises ArtifactError: if its bytes, its answers or its libraries are not the recorded ones
    :raises UnreachableError: if the artifact store or the package index does not answer
    """
    from airloop.registry import artifacts, loader

    folder = artifacts.fetch(ref, settings)
    lock = loader.own_lock(folder, artifacts.manifest(folder, ref.digest))
    differing = lock.differing() if lock is not None else ""
    if lock is None or not differing:
        return loader.open_folder(folder, ref.digest)
    if settings.serving.environments == "build":
        return _apart(folder, ref.digest, lock, settings.home)
    try:
        return loader.open_folder(folder, ref.digest)
    except (ArtifactError, SpecError) as error:
        raise ArtifactError(
            error.what,
            value=error.value,
            where=error.where,
            remedy=f"it was made with {differing}: set serving.environments: build, or install that",
        ) from error


def _apart(folder: Path, digest: str, lock: Lock, home: Path) -> RemoteModel:
    """The version of a folder, in a process of its own."""
    from airloop.registry import artifacts
    from airloop.registry.frozen import FrozenSpec
    from airloop.serving.environments.remote import RemoteModel
    from airloop.serving.environments.worker import Worker

    frozen = FrozenSpec.read((folder / artifacts.SPEC).read_bytes())
    if not place_of(lock, home).is_dir():
        with _told(digest), leased(lock, home):
            pass
    worker = Worker(lock, home, folder, digest)
    about = worker.start()
    return RemoteModel(
        *(frozen.model, frozen.dataset, digest),
        runtime=str(about.get("runtime")),
        drifted=str(about.get("drifted") or ""),
        worker=worker,
    )


@contextmanager
def _told(digest: str) -> Iterator[None]:
    _BUILDING.setdefault(digest, time.monotonic())
    try:
        yield
    finally:
        _BUILDING.pop(digest, None)
