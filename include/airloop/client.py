"""The prediction service asked from Python: a small typed client for threads, and one for asyncio.

>>> with Client("http://127.0.0.1:3000", token=Path("token")) as client:
...     client.predict("flight_delay", rows).predictions

Rows are sent some at a time. What may be answered later (a service that is busy, restarts, or is not reached) is asked again
with growing pauses, under the same request id: the log and whoever joins it know that for one request. What is
refused is told at once.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypedDict

import httpx
import tenacity

from airloop.contracts import Contract
from airloop.errors import RequestError, UnreachableError
from airloop.serving.replies import BUSY, answer_of, refusal_of
from airloop.serving.requests import plain
from airloop.serving.responses import REQUEST_ID_HEADER, PredictionResponse

#: Answers that a second attempt may turn into a yes.
_LATER: Final = BUSY | {425}
#: Of what is wrong with a request so many things are named.
_NAMED: Final = 3
#: No pause is longer, in seconds, whatever the service asks for.
_LONGEST: Final = 30.0

Rows = Sequence[Mapping[str, Any]]
Token = str | Path | None


class Predictions(Contract):
    """The answers to some rows, in their order; each says which version gave it."""

    answers: tuple[PredictionResponse, ...]

    @property
    def predictions(self) -> tuple[float | str | tuple[float, ...] | dict[str, float], ...]:
        """One a row."""
        return tuple(one for answer in self.answers for one in answer.predictions)

    @property
    def versions(self) -> tuple[int, ...]:
        """Those that answered: two, where a roll-out came between."""
        return tuple(dict.fromkeys(answer.version for answer in self.answers))

    @property
    def logged(self) -> bool:
        """Whether all of it is in the prediction log."""
        return all(answer.logged for answer in self.answers)


class _LaterError(UnreachableError):
    """No answer yet."""

    #: How long the service asks to wait, in seconds.
    pause = 0.0


@dataclass(frozen=True)
class _Question:
    """One request."""

    name: str
    rows: Rows

    @property
    def body(self) -> dict[str, Any]:
        return {"rows": [{name: plain(value) for name, value in row.items()} for row in self.rows]}


class _Options(TypedDict):
    base_url: str
    timeout: float
    trust_env: bool


class _Asking:
    """What both clients are made of.

    :param url: the service's address
    :param token: the token, or a file that begins with it, read for each request: it may be exchanged meanwhile
    :param timeout: of one attempt, in seconds
    :param attempts: in all
    :param batch_rows: rows of one request at most
    """

    def __init__(
        self,
        url: str,
        token: Token = None,
        *,
        timeout: float = 10.0,
        attempts: int = 5,
        batch_rows: int = 500,
    ) -> None:
        self._token, self._attempts, self._batch = token, attempts, max(1, batch_rows)
        # trust_env: a proxy must never see the token.
        self._options = _Options(base_url=url.rstrip("/"), timeout=timeout, trust_env=False)
        self._url = self._options["base_url"]

    def _questions(self, rows: Rows, name: str | None) -> list[_Question]:
        """:raises RequestError: if there are no rows"""
        if not rows:
            raise RequestError("there are no rows to ask about", where=self._url)
        name = name or uuid.uuid4().hex
        starts = range(0, len(rows), self._batch)
        several = len(starts) > 1
        return [
            _Question(f"{name}-{number}" if several else name, rows[start : start + self._batch])
            for number, start in enumerate(starts)
        ]

    def _headers(self, question: _Question) -> dict[str, str]:
        token = self._token
        if isinstance(token, Path):  # of two that count for a time the first is the newer one
            token = next(iter(token.read_text("utf-8").split()), None)
        entrance = {"authorization": f"Bearer {token}"} if token else {}
        return {REQUEST_ID_HEADER: question.name, **entrance}

    @property
    def _patience(self) -> dict[str, Any]:
        return {
            "retry": tenacity.retry_if_exception_type(_LaterError),
            "stop": tenacity.stop_after_attempt(self._attempts),
            "wait": _pause,
            "reraise": True,
        }

    def _read(self, response: httpx.Response) -> PredictionResponse:
        if response.is_success:
            return answer_of(response)
        raise _refusal(response)

    def _silent(self, error: httpx.TransportError) -> _LaterError:
        what = f"the prediction service does not answer: {type(error).__name__}"
        return _LaterError(what, where=self._url)


class Client(_Asking):
    """For threads: one each. A context manager.

    Every method raises :class:`~airloop.errors.UnreachableError` where no answer came in all attempts, and
    :class:`~airloop.errors.RequestError` where the service says no.
    """

    def __enter__(self) -> Self:
        self._http = httpx.Client(**self._options)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:  # fmt: skip
        self._http.close()

    def predict(self, model: str, rows: Rows, *, request_id: str | None = None) -> Predictions:
        """Answers to rows; dates, times and timestamps may be Python's own, missing values None.

        :param request_id: by which the log knows the rows; of several requests each has its number after it
        """
        asked = self._questions(rows, request_id)
        return Predictions(answers=tuple(self._ask(model, one) for one in asked))

    def _ask(self, model: str, question: _Question) -> PredictionResponse:
        def once() -> PredictionResponse:
            try:
                answer = self._http.post(f"/models/{model}/predict", json=question.body, headers=self._headers(question))  # fmt: skip
            except httpx.TransportError as error:
                raise self._silent(error) from error
            return self._read(answer)

        return tenacity.Retrying(**self._patience)(once)


class AsyncClient(_Asking):
    """For asyncio: as :class:`Client`, with several requests under way.

    :param at_once: so many
    """

    def __init__(self, url: str, token: Token = None, *, at_once: int = 4, **options: Any) -> None:
        super().__init__(url, token, **options)
        self._turns = asyncio.Semaphore(max(1, at_once))

    async def __aenter__(self) -> Self:
        self._http = httpx.AsyncClient(**self._options)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:  # fmt: skip
        await self._http.aclose()

    async def predict(self, model: str, rows: Rows, *, request_id: str | None = None) -> Predictions:  # fmt: skip
        """As :meth:`Client.predict`; the first refusal ends what is still under way."""
        asked = self._questions(rows, request_id)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(model, one)) for one in asked]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return Predictions(answers=tuple(task.result() for task in tasks))

    async def _ask(self, model: str, question: _Question) -> PredictionResponse:
        async def once() -> PredictionResponse:
            try:
                answer = await self._http.post(f"/models/{model}/predict", json=question.body, headers=self._headers(question))  # fmt: skip
            except httpx.TransportError as error:
                raise self._silent(error) from error
            return self._read(answer)

        async with self._turns:
            return await tenacity.AsyncRetrying(**self._patience)(once)


def _refusal(response: httpx.Response) -> RequestError | _LaterError:
    where, status = str(response.request.url), response.status_code
    what, details = refusal_of(response)
    if status in _LATER:
        later = _LaterError(what, where=where, remedy="try again in a moment")
        asked = response.headers.get("retry-after", "")
        later.pause = float(asked) if asked.isdigit() else 0.0
        return later
    named = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in details[:_NAMED]]
    remedy = "use a token of the running service" if status == httpx.codes.UNAUTHORIZED else ""
    return RequestError(f"{status}: {what}", value="; ".join(named) or None, where=where, remedy=remedy)  # fmt: skip


_GROWING: Final = tenacity.wait_exponential_jitter(multiplier=0.1, max=_LONGEST, jitter=0.1)


def _pause(state: tenacity.RetryCallState) -> float:
    """Growing, and not shorter than the service asks for."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.pause if isinstance(error, _LaterError) else 0.0
    return min(_LONGEST, max(asked, _GROWING(state)))
