"""At Airflow's door: a run whose ``conf`` its tasks would refuse is not begun.

Airflow takes any key, so that a typo (``untill``) would fail minutes later in a task, or, where the field has a default,
do something else than was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from airloop.errors import AirloopError, RequestError
from airloop.specs.catalog import load_catalog
from airloop.specs.requests import CONFS, parse_conf

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_RUNS = re.compile(r"/api/v2/dags/([a-z][a-z0-9_]*)/dagRuns/?\Z")
#: A longer body is none of ours to read.
_MAX_BYTES: Final = 1_000_000


class ConfMiddleware:
    """ASGI middleware of Airflow's API server: POST of a run of one of Airloop's DAGs, checked as its tasks would."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it by 422 in the shape of Airflow's own errors."""
        dag = _RUNS.search(scope["path"]) if scope["type"] == "http" else None
        if dag is None or scope["method"] != "POST" or not _signed_in(scope):
            await self._app(scope, receive, send)
            return
        messages, body = await _read(receive)
        if refusal := _refusal(dag[1], body):
            await _answer(send, refusal)
            return

        async def again() -> MutableMapping[str, Any]:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, again, send)


def _signed_in(scope: Scope) -> bool:
    """Whether the caller shows anything: who does not is Airflow's to turn away."""
    return bool({b"authorization", b"cookie"} & {name for name, _ in scope["headers"]})


async def _read(receive: Receive) -> tuple[list[MutableMapping[str, Any]], bytes]:
    messages, body = [await receive()], b""
    body += messages[-1].get("body", b"")
    while messages[-1].get("more_body") and len(body) <= _MAX_BYTES:
        messages.append(await receive())
        body += messages[-1].get("body", b"")
    return messages, body if len(body) <= _MAX_BYTES else b""


def _refusal(dag: str, body: bytes) -> str:
    """Why this run is not begun; empty where it may be, or is not Airloop's to judge."""
    kind, _, name = dag.partition("_")
    try:
        catalog = load_catalog()
        names = catalog.dataset_names() if kind == "ingest" else catalog.model_names()
        asked = json.loads(body)
        if kind in CONFS and name in names and isinstance(asked, dict):
            parse_conf(CONFS[kind], asked.get("conf"))
    except RequestError as error:
        return str(error)
    except (AirloopError, ValueError):
        return ""  # no project here, or no JSON: Airflow says the rest
    return ""


async def _answer(send: Send, refusal: str) -> None:
    content = json.dumps({"detail": refusal}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    await send({"type": "http.response.start", "status": 422, "headers": headers})
    await send({"type": "http.response.body", "body": content})
