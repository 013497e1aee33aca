"""The libraries of a lock, laid over Airloop's own: built once, kept under the lock's digest, leased by who uses them.

A folder is there whole or not at all: it is filled under another name and renamed, after its files are on disk. Who
builds holds the lock file alone, who uses the libraries holds it together with others; the kernel lets go for the dead.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from airloop.errors import AirloopError, ArtifactError, StorageFullError, UnreachableError
from airloop.registry.code.lock import Lock, pin_of
from airloop.storage.folder import sync

log = logging.getLogger("airloop.serving")

#: Seconds after which an installer that has not ended is ended.
BUILD_SECONDS = 1_800.0
#: How an installer says that the index did not answer, and that the disk is full.
_UNREACHED = ("connection", "timed out", "retrying", "network", "dns error", "ssl", "proxy")
_FULL = ("no space left", "errno 28", "disk quota")


def place_of(lock: Lock, home: Path) -> Path:
    """Where a lock's libraries lie, of this Python."""
    return home / "environments" / f"{lock.digest}-{sys.implementation.cache_tag}"


@contextmanager
def leased(lock: Lock, home: Path) -> Iterator[tuple[Path, int]]:
    """A lock's libraries, built if they are not there yet, and a file that keeps them while somebody has it open.

    :raises ArtifactError: if a library cannot be had in that version
    :raises UnreachableError: if the index does not answer
    :raises StorageFullError: if there is no space left
    """
    place = place_of(lock, home)
    place.parent.mkdir(parents=True, exist_ok=True)
    lease = os.open(place.with_name(f"{place.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lease, fcntl.LOCK_SH)
        while not place.is_dir():
            fcntl.flock(lease, fcntl.LOCK_EX)
            if not place.is_dir():
                _build(lock, place)
            fcntl.flock(lease, fcntl.LOCK_SH)
        os.utime(place)
        yield place, lease
    finally:
        os.close(lease)


def remove_unused(home: Path, before: float) -> int:
    """Remove libraries that no process has leased since; returns of how many locks."""
    count = 0
    for place in sorted((home / "environments").glob("*")):
        if not place.is_dir() or place.stat().st_mtime >= before:
            continue
        name = place.name.removeprefix(".").partition(".")[0]
        lease = os.open(place.with_name(f"{name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            # Under another name first: what is removed by halves must not be taken for whole.
            going = place.with_name(f".{name}.going")
            place.rename(going)
            shutil.rmtree(going)
            count += 1
        finally:
            os.close(lease)
    return count


def _build(lock: Lock, place: Path) -> None:
    for left in place.parent.glob(f".{place.name}.*"):  # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    began = time.monotonic()
    log.info("an environment is being built: %s", ", ".join(lock.lines))
    scratch = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        _install(lock, scratch)
        _check(lock, scratch)
        _flush(scratch)
        scratch.rename(place)
        sync(place.parent)
    except OSError as error:
        raise StorageFullError(
            "the environment cannot be written", value=str(error), where=str(place.parent)
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    log.info("the environment was built in %.1f s: %s", time.monotonic() - began, place)


def _install(lock: Lock, folder: Path) -> None:
    """Let the installer put wheels there: no source is built, so nothing of a library runs before it is imported."""
    command = [*_installer(), "--target", str(folder), *lock.lines]
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "airloop.lifeline", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(
            f"an environment was not built within {BUILD_SECONDS:g} s", value=", ".join(lock.lines)
        ) from error
    if done.returncode:
        raise _failure(lock, done.stdout)


def _installer() -> list[str]:
    shared = ["install", "--no-deps", "--only-binary", ":all:"]
    if find_spec("pip") is not None:
        return ["pip", *shared, "--no-input", "--disable-pip-version-check"]
    if find_spec("uv") is not None:
        return ["uv", "pip", *shared, "--python", sys.executable]
    raise ArtifactError(
        "an environment cannot be built here: neither pip nor uv is installed",
        value=sys.prefix,
        remedy="install one of them with the service, or the version's libraries, or set serving.environments: off",
    )


def _failure(lock: Lock, output: str) -> AirloopError:
    """What the installer stumbled over: what may pass is tried again."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = next((line for line in lines if line.lower().startswith("error")), "")
    said = " ".join((told or " ".join(lines[-1:])).split())
    low, value = output.lower(), f"{', '.join(lock.lines)}: {said}"
    if any(word in low for word in _FULL):
        return StorageFullError("no space left for the version's environment", value=value)
    if any(word in low for word in _UNREACHED):
        return UnreachableError("the package index does not answer", value=value)
    return ArtifactError(
        "the version's environment cannot be built",
        value=value,
        remedy="let this machine's package index have these libraries as wheels for this Python, "
        "or train again with some that it has",
    )


def _check(lock: Lock, folder: Path) -> None:
    """Whether what lies there is what the lock names: an installer may be configured to anything."""
    found = {pin_of(one) for one in metadata.distributions(path=[str(folder)])}
    if found != set(lock.pins):
        raise ArtifactError(
            "the installer put other libraries there than the version's lock names",
            value=sorted(f"{name}=={number}" for name, number in found ^ set(lock.pins)),
            where=str(folder),
            remedy="see how pip is configured on this machine",
        )


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            sync(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync(folder)
