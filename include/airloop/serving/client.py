"""The service's client: what the CLI, the demo, the delivery and the infrastructure check talk through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx

from airloop.errors import AirloopError, RequestError, UnreachableError
from airloop.ours import hooks
from airloop.serving.replies import BUSY, answer_of, refusal_of
from airloop.serving.requests import plain
from airloop.serving.responses import (
    REQUEST_ID_HEADER,
    EndpointsResponse,
    EndpointState,
    PredictionResponse,
)
from airloop.settings import Settings


class ServiceClient:
    """A connection to the prediction service; usable as a context manager, not shared between threads.

    Every method raises :class:`UnreachableError` where nothing answers or the service is not ready, and
    :class:`RequestError` where it says no.
    """

    def __init__(self, settings: Settings, *, url: str | None = None) -> None:
        self.url = (url or settings.serving.url).rstrip("/")
        headers = {}
        if token := settings.serving.bearer():
            headers["authorization"] = f"Bearer {token}"
        timeout = settings.serving.timeout_seconds
        # trust_env: the service is reached directly; a proxy must never see the token.
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=timeout,
            trust_env=False,
            event_hooks=hooks(self.url, "the prediction service"),
        )

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def predict(
        self, model: str, rows: Sequence[Mapping[str, Any]], *, request_id: str | None = None
    ) -> PredictionResponse:
        """Predictions of rows; dates and timestamps may be Python's own, missing values None."""
        headers = {REQUEST_ID_HEADER: request_id} if request_id else {}
        body = {"rows": [{name: plain(value) for name, value in row.items()} for row in rows]}
        response = self._send("POST", f"/models/{model}/predict", json=body, headers=headers)
        return answer_of(response)

    def endpoints(self, model: str | None = None) -> tuple[EndpointState, ...]:
        """What each endpoint serves; of one model, none where the service does not know it."""
        params = {"model": model} if model is not None else {}
        response = self._send("GET", "/slots", params=params)
        return EndpointsResponse.model_validate(response.json()).slots

    def endpoint(self, model: str) -> EndpointState:
        """What one model's endpoint serves."""
        return _of(self.endpoints(model) or self.endpoints(), model)

    def refresh(self, model: str) -> EndpointState:
        """Let the service follow the ledger now; returns when it has, or has refused to."""
        response = self._send("POST", "/slots/refresh", params={"model": model})
        found = EndpointsResponse.model_validate(response.json()).slots
        return _of(found or self.endpoints(), model)

    def ready(self) -> bool:
        """Whether the service answers at all and serves some model."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except (httpx.TransportError, UnreachableError):
            return False

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise UnreachableError(
                f"the prediction service does not answer: {type(error).__name__}",
                where=f"{self.url}{path}",
                remedy="start it by `airloop up`, or set AIRLOOP__SERVING__URL",
            ) from error
        if response.is_success:
            return response
        raise _refusal(response, f"{self.url}{path}")


def _refusal(response: httpx.Response, where: str) -> AirloopError:
    what, _ = refusal_of(response)
    if response.status_code in BUSY:
        return UnreachableError(what, where=where, remedy="try again in a moment")
    if response.status_code == httpx.codes.UNAUTHORIZED:
        remedy = "use the token of the running service: AIRLOOP__SERVING__TOKEN, or the file that it reads (serving.token_file)"
        return RequestError(what, where=where, remedy=remedy)
    return RequestError(f"{response.status_code}: {what}", where=where)


def _of(endpoints: Sequence[EndpointState], model: str) -> EndpointState:
    for endpoint in endpoints:
        if endpoint.model == model:
            return endpoint
    raise RequestError(
        "the service has no such model",
        value=model,
        valid=[endpoint.model for endpoint in endpoints],
    )
