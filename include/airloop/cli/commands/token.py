"""`airloop token rotate` and `retire`: a new bearer token for the prediction service, and the end of the one of before."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from airloop.console import out
from airloop.devstack import private
from airloop.errors import AirloopError, RequestError, StorageFullError, UnreachableError
from airloop.settings import Settings, load_settings
from airloop.specs.sections.tokens import read_tokens

#: How long a service is waited for that reads the file anew; it looks every second.
_PATIENCE = 3.0


def rotate_command(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The one of before is refused from now on: it leaked.")
    ] = False,
) -> None:
    """Make a new token for the prediction service; the one of before is let in until `airloop token retire`."""
    settings = load_settings()
    path = _file(settings)
    with _alone(path):
        found = () if at_once else _before(path)
        kept = found[:1]
        _write(path, (secrets.token_urlsafe(32), *kept))
    out.print(f"the new token is the first line of {path}", markup=False, soft_wrap=True)
    if kept:
        out.print("the one of before is let in until `airloop token retire`", soft_wrap=True)
    if found[1:]:
        out.print("two were there already: the older one is refused from now on", soft_wrap=True)
    _tell_whether_taken(settings)


def retire_command() -> None:
    """Refuse the token of before the last `airloop token rotate` from now on."""
    settings = load_settings()
    path = _file(settings)
    read_tokens(path)  # says what to do where there is none
    with _alone(path):
        tokens = read_tokens(path)
        if len(tokens) > 1:
            _write(path, tokens[:1])
    if len(tokens) == 1:
        out.print("there is one token only: nothing was done")
        return
    out.print(f"only the token in {path} is let in from now on", markup=False, soft_wrap=True)
    _tell_whether_taken(settings)


def _file(settings: Settings) -> Path:
    if settings.serving.token is not None:
        raise RequestError(
            "the token comes from a variable, which no running process reads anew",
            where="the variable AIRLOOP__SERVING__TOKEN",
            remedy="change it where it is set and restart the service, or put the token into a file: serving.token_file",
        )
    return settings.serving.token_path


def _before(path: Path) -> tuple[str, ...]:
    """The tokens that are there; of a file that is wrong none, since the service lets none of them in."""
    try:
        return read_tokens(path)
    except AirloopError:
        return ()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Between reading the file and writing it nobody else rotates or retires."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with private.alone(path):
            yield
    except OSError as error:
        raise StorageFullError(
            "the token cannot be written", value=error.strerror, where=str(path)
        ) from error


def _write(path: Path, tokens: tuple[str, ...]) -> None:
    private.rewrite(path, "".join(f"{token}\n" for token in tokens))


def _tell_whether_taken(settings: Settings) -> None:
    """Ask the running service with the new token."""
    from airloop.serving.client import ServiceClient

    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with ServiceClient(settings) as service:
                service.endpoints()
        except UnreachableError:
            out.print("no service answers: it reads the file when it starts")
            return
        except RequestError:
            if time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            raise
        out.print("the running service lets it in")
        return
