"""The service's HTTP routes, as an ASGI application that BentoML mounts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import orjson
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from include.errors import DataError
from include.serving.answers import LOG_HEADER, SlotsResponse
from include.serving.docs import docs_assets, docs_page, openapi
from include.serving.door import FAILED, HttpError, error_response, overloaded, read_body
from include.serving.schema import InvalidRequestError
from include.serving.slot import Question, Slot
from include.serving.slots import Slots
from include.serving.version import NotFiniteError

log = logging.getLogger("airloop.serving")

#: How long a request may wait for its answer.
ANSWER_SECONDS = 10.0


def create_app(slots: Slots) -> FastAPI:
    """The application over these slots; following the ledger starts and ends with its lifespan."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Not awaited: a registry that hangs must not keep the probes from answering.
        following = asyncio.create_task(slots.follow())
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await slots.close()

    app = FastAPI(title="Airloop", docs_url=None, redoc_url=None, lifespan=lifespan)
    routes = Routes(slots)
    # Plain routes for what is asked often: FastAPI's own dependency machinery costs more than the model.
    app.router.routes.append(Route("/predict", routes.predict, methods=["POST"]))
    app.router.routes.append(Route("/models/{model}/predict", routes.predict, methods=["POST"]))
    app.add_api_route("/healthz", routes.healthz, methods=["GET"], summary="The process runs")
    app.add_api_route("/readyz", routes.readyz, methods=["GET"], summary="A model answers")
    app.add_api_route("/slots", routes.slots, methods=["GET"], summary="What each slot serves")
    app.add_api_route(
        "/slots/refresh", routes.refresh, methods=["POST"], summary="Follow the ledger now"
    )
    app.add_api_route(
        "/docs", routes.docs, methods=["GET"], include_in_schema=False, response_class=HTMLResponse
    )
    app.mount("/docs/assets", docs_assets())
    app.add_exception_handler(HttpError, _http_error)
    app.add_exception_handler(StarletteHTTPException, _starlette_error)
    app.add_exception_handler(Exception, _any_error)
    plain = app.openapi
    app.openapi = lambda: openapi(plain(), slots.all())  # type: ignore[method-assign]
    return app


class Routes:
    """The handlers, over one set of slots."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    async def predict(self, request: Request) -> Response:
        """Answer rows: read, check, predict, log, acknowledge."""
        slot = self._slot(request.path_params.get("model"))
        version = slot.current
        if version is None:
            raise overloaded(f"{slot.model}: {slot.error or 'nothing is deployed yet'}")
        limits = version.model.spec.serving
        if slot.inflight >= limits.max_concurrency:
            raise overloaded(f"more than {limits.max_concurrency} requests at once")
        request_id: str = request.scope["airloop.request_id"]
        slot.inflight += 1
        try:
            body = await read_body(request, limits.max_body_bytes)
            question = Question(version, version.schema.parse(body), request_id)
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await slot.ask(question)
        except InvalidRequestError as error:
            raise HttpError(422, str(error), details=error.details) from None
        except DataError as error:
            raise HttpError(422, error.what) from None
        except NotFiniteError:
            raise HttpError(422, "the model has no finite answer for these rows") from None
        except TimeoutError:
            raise overloaded(f"no answer within {ANSWER_SECONDS:g} s") from None
        except HttpError:
            raise
        except Exception as error:
            # The type only: an exception's text often quotes the value it stumbled over.
            log.error("%s failed on request %s: %s", slot.model, request_id, type(error).__name__)
            raise HttpError(500, "the model failed on these rows") from None
        finally:
            slot.inflight -= 1
        content = {
            "model": slot.model,
            "version": answer.version,
            "request_id": request_id,
            "predictions": answer.predictions,
        }
        headers = None if answer.logged else {LOG_HEADER: "degraded"}
        return Response(orjson.dumps(content), 200, headers, "application/json")

    def _slot(self, model: str | None) -> Slot:
        slots = self._slots.all()
        if model is not None:
            slot = self._slots.get(model)
            if slot is None:
                raise HttpError(404, f"no such model; there is {_names(slots)}")
            return slot
        if not slots:
            raise overloaded(f"no model yet: {self._slots.error}")
        if len(slots) > 1:
            raise HttpError(404, f"say which: POST /models/<model>/predict, of {_names(slots)}")
        return slots[0]

    async def healthz(self) -> dict[str, str]:
        """The process runs."""
        return {"status": "ok"}

    async def readyz(self) -> JSONResponse:
        """200 as soon as a model answers, else 503 with the reason."""
        slots = self._slots.all()
        if any(slot.current for slot in slots):
            return JSONResponse({"ready": True})
        reasons = [f"{slot.model}: {slot.error or 'nothing is deployed yet'}" for slot in slots]
        reason = "; ".join(reasons) or self._slots.error or "the catalog has no model"
        return JSONResponse({"ready": False, "reason": reason}, 503, {"retry-after": "1"})

    async def slots(self) -> SlotsResponse:
        """What each slot serves, what the ledger wants, and why they differ."""
        return SlotsResponse(slots=self._slots.states())

    async def refresh(self) -> SlotsResponse:
        """Follow the ledger now, and show the slots as they are then."""
        await self._slots.refresh()
        if self._slots.error:
            raise HTTPException(503, self._slots.error)
        return SlotsResponse(slots=self._slots.states())

    async def docs(self) -> HTMLResponse:
        """The page a person opens."""
        return docs_page()


def _names(slots: list[Slot]) -> str:
    return ", ".join(slot.model for slot in slots) or "none"


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpError)  # noqa: S101 (registered for this type)
    return error_response(request.scope["airloop.request_id"], error)


async def _starlette_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 (registered for this type)
    shown = HttpError(error.status_code, str(error.detail), headers=error.headers)
    return error_response(request.scope["airloop.request_id"], shown)


async def _any_error(request: Request, _: Exception) -> Response:
    return error_response(request.scope["airloop.request_id"], FAILED)
