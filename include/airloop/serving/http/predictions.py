"""Answering predictions: the path of a request from its body to its acknowledgement."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from airloop.errors import DataError, TransientError
from airloop.serving.http.middleware import HttpError, overloaded, read_body
from airloop.serving.requests import InvalidRequestError
from airloop.serving.responses import LOG_HEADER, VERSION_HEADERS
from airloop.serving.runtime.admission import Admission, FullError
from airloop.serving.runtime.endpoint import Endpoint
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.questions import Answer
from airloop.serving.runtime.version import NotFiniteError, Version

log = logging.getLogger("airloop.serving")

_CHOICES = frozenset(name.encode() for name in VERSION_HEADERS)
PREDICT, MODELS = "/predict", "/models/"
#: How long a request may wait for its answer.
ANSWER_SECONDS = 10.0


class PredictionRoutes:
    """Reads, checks, predicts, logs, and only then acknowledges."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def answer(self, model: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request over ASGI.

        :param model: None where the path names none: then there must be only one
        :raises HttpError: what is not a prediction; the middleware makes it an answer
        """
        _refuse_choice(scope)
        endpoint = self._endpoint(model)
        request_id: str = scope["airloop.request_id"]
        answer = await self._ask(endpoint, request_id, Request(scope, receive))
        content: dict[str, Any] = {
            "model": endpoint.model,
            "version": answer.version,
            "request_id": request_id,
            "predictions": answer.predictions,
        }
        if answer.warnings:
            content["warnings"] = answer.warnings
        if answer.asked is not None:
            content["fallback_for"] = answer.asked
        headers = None if answer.logged else {LOG_HEADER: "degraded"}
        response = Response(orjson.dumps(content), 200, headers, "application/json")
        await response(scope, receive, send)

    async def _ask(self, endpoint: Endpoint, request_id: str, request: Request) -> Answer:
        """Admit a request, and turn whatever goes wrong into what its caller may know."""
        version = endpoint.current or await self._woken(endpoint)
        limits, admission = version.model.spec.serving, endpoint.admission
        begun, answered = None, False
        try:
            # A body that comes slowly takes no place of one that can be answered.
            with admission.reading():
                body = await read_body(request, limits.max_body_bytes)
            question = endpoint.question(version, body, request_id)
            begun = admission.begin()
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await endpoint.ask(question)
            answered = True
            warnings = question.version.schema.warnings(question.rows)
            return replace(answer, warnings=warnings) if warnings else answer
        except FullError as full:
            raise overloaded(str(full)) from None
        except InvalidRequestError as error:
            raise HttpError(422, str(error), details=error.details) from None
        except DataError as error:
            raise HttpError(422, error.what) from None
        except NotFiniteError:
            raise HttpError(422, "the model has no finite answer for these rows") from None
        except TimeoutError:
            raise overloaded(f"no answer within {ANSWER_SECONDS:g} s") from None
        except TransientError as error:
            raise overloaded(f"{endpoint.model}: {error.what}") from None
        except HttpError:
            raise
        except Exception as error:
            # The type only: an exception's text often quotes the value it stumbled over.
            log.error(
                "%s failed on request %s: %s", endpoint.model, request_id, type(error).__name__
            )
            raise HttpError(500, "the model failed on these rows") from None
        finally:
            if begun is not None:
                admission.end(begun, answered=answered)

    async def _woken(self, endpoint: Endpoint) -> Version:
        """The version that is loaded by requests. Whoever waits for it keeps it from resting again before it is asked.

        :raises HttpError: if none comes in time, or there is none
        """
        if endpoint.on_demand:
            try:
                with endpoint.admission.reading():
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await self._endpoints.wake(endpoint)
            except FullError as full:
                raise overloaded(str(full)) from None
            except TimeoutError:
                log.info("%s: the version was not there in time", endpoint.model)
        if endpoint.current is None:
            raise overloaded(f"{endpoint.model}: {endpoint.condition()[1]}")
        return endpoint.current

    def admission(self, path: str) -> Admission | None:
        """What a request to a path needs to be let in; None where it is no prediction, or of no endpoint."""
        named = path.startswith(MODELS) and path.endswith(PREDICT)
        endpoints = self._endpoints
        if named:
            endpoint = endpoints.get(path[len(MODELS) : -len(PREDICT)])
        else:
            found = endpoints.all() if path == PREDICT else []
            endpoint = found[0] if len(found) == 1 else None
        return endpoint.admission if endpoint is not None else None

    def _endpoint(self, model: str | None) -> Endpoint:
        endpoints = self._endpoints.all()
        if model is not None:
            endpoint = self._endpoints.get(model)
            if endpoint is None:
                if not self._endpoints.named:
                    raise overloaded(self._endpoints.why_none())
                raise HttpError(404, f"no such model; there is {_names(endpoints)}")
            return endpoint
        if not endpoints:
            raise overloaded(self._endpoints.why_none())
        if len(endpoints) > 1:
            raise HttpError(404, f"say which: POST /models/<model>/predict, of {_names(endpoints)}")
        return endpoints[0]


def _refuse_choice(scope: Scope) -> None:
    """A version answers because the ledger names it, never because a caller does: who is heard must not think otherwise."""
    for name, _ in scope["headers"]:
        if name in _CHOICES:
            what = (
                f"the header {name.decode()} names a version, and the ledger says which one answers"
            )
            raise HttpError(422, f"{what}: leave it out")


def _names(endpoints: list[Endpoint]) -> str:
    return ", ".join(endpoint.model for endpoint in endpoints) or "none"
