"""A signed-in session with Airflow's REST API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Self

import httpx

from airloop.contracts import Contract
from airloop.devstack.secrets import AIRFLOW_USER
from airloop.errors import PermanentError, RequestError, UnreachableError
from airloop.ours import hooks
from airloop.settings import Settings

_TIMEOUT = 30.0
#: Said twice, these do what they do once.
_REPEATABLE = frozenset({"GET", "PATCH"})
#: Seconds between attempts.
_PAUSES = (0.5, 1.0, 2.0, 4.0)


class DagPresence(Contract):
    """How many DAGs the specs ask for, how many are there, and a sentence for each spec that lacks its own."""

    expected: int
    there: int
    absent: tuple[str, ...]


class AirflowSession:
    """A signed-in client of one Airflow.

    :param url: the API server's address
    :param password: of the user ``admin``
    """

    def __init__(self, url: str, password: str) -> None:
        self.url, self._password = url.rstrip("/"), password
        self._http = httpx.Client(
            base_url=self.url,
            timeout=_TIMEOUT,
            trust_env=False,
            event_hooks=hooks(self.url, "Airflow"),
        )

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """The Airflow of these settings, with the password that `airloop up` made.

        :raises UnreachableError: if there is no password: nothing was ever started here
        """
        path: Path = settings.home / "secrets" / "airflow_password"
        if not path.exists():
            raise UnreachableError(
                "Airflow was never started here",
                where=str(settings.home),
                remedy="run `airloop up`",
            )
        return cls(settings.airflow_url, path.read_text(encoding="utf-8").strip())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """GET below ``/api/v2``."""
        return self.call("GET", path, params=params)

    def call(self, method: str, path: str, *, repeat: bool = False, **arguments: Any) -> Any:
        """Any call below ``/api/v2``; the JSON of its answer.

        Where Airflow itself fails (a locked SQLite file, a restart) a call that may be repeated is repeated.

        :param repeat: it may be repeated, though its method does not say so
        :raises RequestError: for what Airflow refuses, with its own words
        :raises UnreachableError: if it does not answer, keeps failing, or another user has taken its port
        """
        where = f"{method} {self.url}/api/v2{path}"
        for pause in _PAUSES if repeat or method in _REPEATABLE else ():
            answer = self._signed(method, path, **arguments)
            if not answer.is_server_error:
                break
            time.sleep(pause)
        else:
            answer = self._signed(method, path, **arguments)
        if answer.is_success:
            return answer.json() if answer.content else None
        if answer.is_server_error:
            raise UnreachableError(
                f"Airflow failed: {_detail(answer)}", value=answer.status_code, where=where
            )
        raise RequestError(
            f"Airflow refused: {_detail(answer)}", value=answer.status_code, where=where
        )

    def heartbeats(self, *jobs: str) -> dict[str, str]:
        """The last heartbeat of each of Airflow's jobs that ever had one."""
        health = self.get("/monitor/health")
        said = {job: (health.get(job) or {}).get(f"latest_{job}_heartbeat") for job in jobs}
        return {job: str(latest) for job, latest in said.items() if latest}

    def dag_presence(self) -> DagPresence:
        """The DAGs of the specs that this Airflow has, and lacks: Airloop's own page knows.

        :raises UnreachableError: if the page does not answer
        """
        answer = self._signed("GET", "/airloop/absent", base="")
        if not answer.is_success:
            what = f"Airloop's page does not answer: {_detail(answer)}"
            raise UnreachableError(what, value=answer.status_code, where=str(answer.url))
        return DagPresence.model_validate(answer.json())

    def _signed(
        self, method: str, path: str, *, base: str = "/api/v2", **arguments: Any
    ) -> httpx.Response:
        answer = self._send(method, f"{base}{path}", **arguments)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._sign_in()
            answer = self._send(method, f"{base}{path}", **arguments)
        return answer

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"Airflow does not answer: {error}",
                where=self.url,
                remedy="ask `airloop status`, start it with `airloop up`",
            ) from error

    def _sign_in(self) -> None:
        body = {"username": AIRFLOW_USER, "password": self._password}
        answer = self._send("POST", "/auth/token", json=body)
        if not answer.is_success:
            raise PermanentError(
                f"Airflow did not let the user {AIRFLOW_USER} in: {_detail(answer)}",
                where=self.url,
                remedy="is this another Airflow than the one `airloop up` started?",
            )
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _detail(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        said = None
    detail = said.get("detail", answer.text) if isinstance(said, dict) else answer.text
    if isinstance(detail, list):
        told = (f"{'.'.join(map(str, one.get('loc', ())))}: {one.get('msg')}" for one in detail)
        detail = "; ".join(told)
    return str(detail)[:300] or answer.reason_phrase
