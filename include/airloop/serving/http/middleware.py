"""The service's middleware: request ids, tokens, body limits, and one shape for every error.

It stands before BentoML's own router, so that none of BentoML's routes (/metrics, /schema.json, /docs.json, /)
is ever reached from outside.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airloop.serving.drain import Drain
from airloop.serving.http.tokens import Tokens
from airloop.serving.responses import REQUEST_ID_HEADER, REQUEST_ID_PATTERN
from airloop.serving.runtime.admission import ANSWERS

log = logging.getLogger("airloop.serving")

#: Answered whatever happens.
PROBES = frozenset({"/healthz", "/readyz"})
#: Answered without a token: probes, and the docs page, which shows column names and made-up rows only.
OPEN_PATHS = PROBES | {"/docs", "/openapi.json"}
OPEN_PREFIX = "/docs/"
#: How long a client may take to send its body.
BODY_SECONDS = 5.0
_PROCESS_ID, _COUNTER = uuid.uuid4().hex, itertools.count(1)
_REQUEST_ID = re.compile(REQUEST_ID_PATTERN)
_ID_HEADER = REQUEST_ID_HEADER.encode()


class HttpError(Exception):
    """An answer that is not a prediction. Its text never holds what the client sent."""

    def __init__(
        self,
        status: int,
        what: str,
        *,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.what, self.details = status, what, details
        self.headers = dict(headers or {})
        super().__init__(what)


def overloaded(what: str) -> HttpError:
    """503, to be tried again in a second."""
    return HttpError(503, what, headers={"retry-after": "1"})


def error_response(request_id: str, error: HttpError) -> Response:
    """The error as JSON: ``{"error", "request_id", "details"}``."""
    body: dict[str, Any] = {"error": error.what, "request_id": request_id}
    if error.details:
        body["details"] = list(error.details)
    headers = {**error.headers, "cache-control": "no-store"}
    return Response(orjson.dumps(body), error.status, headers, "application/json")


class Middleware:
    """ASGI middleware: gives every request an id, asks for the token, turns errors into answers.

    :param drain: how the service ends; from its beginning on, each answer closes its connection
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, drain: Drain | None = None) -> None:
        self.app = app
        self._drain = drain or Drain(0)
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        _keep_promise(scope)
        ANSWERS.given += 1
        headers = dict(scope["headers"])
        request_id = request_id_of(headers)
        scope["airloop.request_id"] = request_id
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (_ID_HEADER, request_id.encode())]
                if self._drain.begun:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            if not self._may_enter(scope["path"], headers):
                raise HttpError(401, "a valid token is needed", headers=_BEARER)
            if self._drain.refusing and scope["path"] not in PROBES:
                raise overloaded("the service is stopping")
            with self._drain.request():
                await self.app(scope, receive, answer)
        except HttpError as error:
            await error_response(request_id, error)(scope, receive, answer)
        except Exception:
            # The last net. A prediction's own errors, which may quote a row, never come this far.
            log.exception("request %s failed", request_id)
            if not started:
                await error_response(request_id, FAILED)(scope, receive, answer)

    def _may_enter(self, path: str, headers: Mapping[bytes, bytes]) -> bool:
        if path in OPEN_PATHS or path.startswith(OPEN_PREFIX):
            return True
        return self._tokens.admits(headers.get(b"authorization", b""))


#: What a caller learns of an error of ours.
FAILED = HttpError(500, "the service failed; its log has the request id")
_BEARER = {"www-authenticate": "Bearer"}


def _keep_promise(scope: Scope) -> None:
    """A prediction was let in by its connection: from here on its endpoint counts it."""
    if (admission := scope.pop("airloop.admission", None)) is not None:
        admission.promised -= 1


def request_id_of(headers: Mapping[bytes, bytes]) -> str:
    """The caller's own where it is safe, else a new one."""
    given = headers.get(_ID_HEADER, b"").decode("latin-1")
    return given if _REQUEST_ID.match(given) else new_request_id()


def new_request_id() -> str:
    """Random once a process, then counted: asking the kernel for each costs a tenth of a request."""
    return f"{_PROCESS_ID}-{next(_COUNTER):08x}"


async def read_body(request: Request, limit: int) -> bytes:
    """A JSON request's body, of at most ``limit`` bytes, sent within ``BODY_SECONDS``.

    :raises HttpError: 413 before buffering what is too large, 415 for anything but plain JSON, 408 when slow
    """
    headers = request.headers
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" or headers.get("content-encoding", "identity") != "identity":
        raise HttpError(415, "send plain application/json")
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _gather(request.receive, limit)
    except TimeoutError:
        raise HttpError(408, "the body did not arrive in time", headers=_CLOSE) from None


async def _gather(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "the client went away")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


_CLOSE = {"connection": "close"}


def _too_large(limit: int) -> HttpError:
    return HttpError(413, f"the body is larger than {limit} bytes", headers=_CLOSE)
