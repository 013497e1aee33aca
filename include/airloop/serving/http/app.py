"""The service's HTTP application: predictions, probes, endpoints and the docs page."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from airloop.serving.drain import Drain
from airloop.serving.http.docs import docs_assets, docs_page, openapi
from airloop.serving.http.middleware import FAILED, HttpError, error_response
from airloop.serving.http.predictions import MODELS, PREDICT, PredictionRoutes
from airloop.serving.http.tokens import Tokens
from airloop.serving.requests import EndpointsQuery
from airloop.serving.responses import EndpointsResponse
from airloop.serving.runtime.admission import Admission
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.peers import Peers, SilentError
from airloop.serving.runtime.workers import Workers

log = logging.getLogger("airloop.serving")


class Application:
    """The whole service over these endpoints, as one ASGI application: predictions, and the pages around them.

    :param drain: how it ends on SIGTERM; None where whoever runs it sees to that
    :param tokens: without one that is let in the service is not ready; None where whoever runs it sees to that
    :param peers: the workers beside this one; None where there are none
    """

    def __init__(
        self,
        endpoints: Endpoints,
        drain: Drain | None = None,
        tokens: Tokens | None = None,
        peers: Peers | None = None,
    ) -> None:
        #: What BentoML mounts: it runs the lifespan, in which the endpoints follow the ledger.
        self.pages = _pages(endpoints, drain, tokens, peers)
        self._predictions = PredictionRoutes(endpoints)

    def admission(self, target: bytes) -> Admission | None:
        """What a request needs to be let in, by its target as it came; None where it is no prediction."""
        return self._predictions.admission(target.partition(b"?")[0].decode("latin-1"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer predictions directly, since FastAPI's machinery would cost more than the model."""
        path: str = scope["path"] if scope["type"] == "http" else ""
        named = path.startswith(MODELS) and path.endswith(PREDICT)
        if not named and path != PREDICT:
            await self.pages(scope, receive, send)
            return
        if scope["method"] != "POST":
            raise HttpError(405, "rows are sent by POST", headers={"allow": "POST"})
        name = path[len(MODELS) : -len(PREDICT)] if named else None
        await self._predictions.answer(name, scope, receive, send)


def _pages(
    endpoints: Endpoints, drain: Drain | None, tokens: Tokens | None, peers: Peers | None
) -> FastAPI:
    routes = _Routes(endpoints, drain, tokens, peers)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await routes.workers.open()
        # Not awaited: a registry that hangs must not keep the probes from answering.
        following = asyncio.create_task(endpoints.follow())
        if drain is not None:
            drain.guard()
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await routes.workers.close()
        await endpoints.close()

    # No redirects of FastAPI's own: they name the host that the request named.
    app = FastAPI(
        title="Airloop", docs_url=None, redoc_url=None, lifespan=lifespan, redirect_slashes=False
    )
    app.add_api_route("/healthz", routes.healthz, methods=["GET"], summary="The process runs")
    app.add_api_route("/readyz", routes.readyz, methods=["GET"], summary="A model answers")
    asked = [Depends(_each_once)]
    app.add_api_route(
        *("/slots", routes.endpoints),
        methods=["GET"],
        summary="What each endpoint serves",
        dependencies=asked,
    )
    app.add_api_route(
        *("/slots/refresh", routes.refresh),
        methods=["POST"],
        summary="Follow the ledger now",
        dependencies=asked,
    )
    app.add_api_route(
        "/docs", routes.docs, methods=["GET"], include_in_schema=False, response_class=HTMLResponse
    )
    app.add_api_route("/docs/", routes.docs_without_slash, methods=["GET"], include_in_schema=False)
    app.mount("/docs/assets", docs_assets())
    app.add_exception_handler(StarletteHTTPException, _starlette_error)
    app.add_exception_handler(RequestValidationError, _invalid_query)
    app.add_exception_handler(Exception, _any_error)
    plain = app.openapi
    app.openapi = lambda: openapi(plain(), endpoints.all())  # type: ignore[method-assign]
    return app


class _Routes:
    """The handlers of the pages."""

    def __init__(
        self,
        endpoints: Endpoints,
        drain: Drain | None,
        tokens: Tokens | None,
        peers: Peers | None,
    ) -> None:
        self._endpoints, self._drain, self._tokens = endpoints, drain, tokens
        self.workers = Workers(endpoints, self._unready, peers)

    async def healthz(self) -> dict[str, str]:
        """The process runs."""
        return {"status": "ok"}

    async def readyz(self) -> JSONResponse:
        """200 as soon as a model answers callers and until the service is told to stop, else 503 with the reason."""
        if self._draining:
            return _not_ready("the service is stopping")
        try:
            unready = await self.workers.unready()
        except SilentError as error:
            unready = str(error)
        return _not_ready(unready) if unready else JSONResponse({"ready": True})

    @property
    def _draining(self) -> bool:
        return self._drain is not None and self._drain.begun

    def _unready(self) -> str:
        """Why callers that come to this worker are not answered; of one that ends the others say nothing."""
        if self._draining:
            return ""
        if self._tokens is not None and (fault := self._tokens.fault):
            return f"nobody can enter: {fault}"
        endpoints = self._endpoints.all()
        if any(endpoint.current or endpoint.asleep for endpoint in endpoints):
            return ""
        reasons = [f"{endpoint.model}: {endpoint.condition()[1]}" for endpoint in endpoints]
        return "; ".join(reasons) or self._endpoints.why_none()

    async def endpoints(self, query: Annotated[EndpointsQuery, Query()]) -> EndpointsResponse:
        """What each endpoint serves, or one model's; what the ledger wants, and why they differ."""
        try:
            slots, workers = await self.workers.states(query.model)
        except SilentError as error:
            raise HTTPException(503, str(error)) from error
        return EndpointsResponse(slots=slots, workers=workers)

    async def refresh(self, query: Annotated[EndpointsQuery, Query()]) -> EndpointsResponse:
        """Follow the ledger now, for one model or all, and show those endpoints as they are then."""
        try:
            trouble, slots, workers = await self.workers.follow(query.model)
        except SilentError as error:
            raise HTTPException(503, str(error)) from error
        if trouble:
            raise HTTPException(503, trouble)
        return EndpointsResponse(slots=slots, workers=workers)

    async def docs(self) -> HTMLResponse:
        """The page a person opens."""
        return docs_page()

    async def docs_without_slash(self) -> RedirectResponse:
        """The page's own address, relative to the one asked for, since its files are named relative to it."""
        return RedirectResponse("../docs")


def _not_ready(reason: str) -> JSONResponse:
    return JSONResponse({"ready": False, "reason": reason}, 503, {"retry-after": "1"})


def _each_once(request: Request) -> None:
    """Of a parameter that is said twice FastAPI takes the last: which of them was meant is the caller's to say.

    :raises RequestValidationError: if one is
    """
    counted = Counter(name for name, _ in request.query_params.multi_items())
    repeated = sorted(name for name, times in counted.items() if times > 1)
    if repeated:
        raise RequestValidationError(
            [
                {"loc": ("query", name), "msg": "Say it once", "type": "repeated"}
                for name in repeated
            ]
        )


async def _starlette_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 (registered for this type)
    shown = HttpError(error.status_code, str(error.detail), headers=error.headers)
    return error_response(request.scope["airloop.request_id"], shown)


async def _invalid_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this type)
    details = [{name: one[name] for name in ("loc", "msg", "type")} for one in error.errors()]
    shown = HttpError(422, "the query is not what this path knows", details=details)
    return error_response(request.scope["airloop.request_id"], shown)


async def _any_error(request: Request, _: Exception) -> Response:
    return error_response(request.scope["airloop.request_id"], FAILED)
