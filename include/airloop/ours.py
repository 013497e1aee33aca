"""Servers of the stack's own: before a secret goes to one, the kernel is asked whose its port is.

A port is anybody's once its server has died: another user of the machine who takes it would be told password or token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airloop.errors import UnreachableError
from airloop.listeners import stranger
from airloop.paths import home_folder
from airloop.specs.yaml.document import read_yaml

if TYPE_CHECKING:
    import httpx


def is_ours(url: str) -> bool:
    """Whether an address is one that `airloop up` chose here."""
    runtime = home_folder() / "runtime.yaml"
    if not runtime.exists():
        return False
    data = read_yaml(runtime)
    serving = data.get("serving") or {}
    return url.rstrip("/") in (data.get("airflow_url"), data.get("mlflow_uri"), serving.get("url"))


def require_ours(url: str, what: str) -> None:
    """Let an address through that is not the stack's, or whose port is still this user's.

    :param what: the server's name
    :raises UnreachableError: if another user of the machine listens where the stack's own server should
    """
    if is_ours(url) and (other := stranger(urlsplit(url).port or 0)) is not None:
        raise UnreachableError(
            f"the port of {what} has been taken by another user of this machine: nothing is sent there",
            value=f"uid {other}",
            where=url,
            remedy="`airloop down`, then `airloop up`: it takes another port",
        )


def hooks(url: str, what: str) -> dict[str, list[Callable[[httpx.Request], None]]]:
    """For an httpx client that bears a secret: :func:`require_ours` before each request."""
    return {"request": [lambda _: require_ours(url, what)]}
