"""Airflow's REST API, as much of it as the command line and the demo need."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from airloop.devstack.secrets import AIRFLOW_USER
from airloop.errors import PermanentError, RequestError, UnreachableError
from airloop.settings import Settings

#: States a DAG run does not leave by itself.
FINAL = frozenset({"success", "failed"})
_TIMEOUT = 30.0
_POLL = 0.5
#: Said twice, these do what they do once.
_REPEATABLE = frozenset({"GET", "PATCH"})
#: Seconds between attempts.
_PAUSES = (0.5, 1.0, 2.0, 4.0)

T = TypeVar("T")


class Airflow:
    """A signed-in client of one Airflow.

    :param url: the API server's address
    :param password: of the user ``admin``
    """

    def __init__(self, url: str, password: str) -> None:
        self.url, self._password = url.rstrip("/"), password
        self._http = httpx.Client(base_url=self.url, timeout=_TIMEOUT, trust_env=False)

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
        :raises UnreachableError: if it does not answer, or keeps failing
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

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs start.

        :raises RequestError: if there is no such DAG
        """
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def pause(self, dag_id: str) -> None:
        """Keep a DAG's runs from starting."""
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": True})

    def dag_ids(self) -> tuple[str, ...]:
        """All DAGs that Airflow knows now."""
        return tuple(dag["dag_id"] for dag in self.get("/dags", limit=500)["dags"])

    def trigger(self, dag_id: str, conf: dict[str, Any], *, note: str = "") -> str:
        """Start a run, once however often Airflow has to be asked; returns its id."""
        run_id = f"manual__{datetime.now(UTC).isoformat()}__{secrets.token_hex(4)}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf, "note": note or None}
        try:
            self.call("POST", f"/dags/{dag_id}/dagRuns", repeat=True, json=body)
        except RequestError as error:
            # An earlier attempt's answer was lost, its run was not: the id is ours alone.
            if error.value != httpx.codes.CONFLICT:
                raise
        return run_id

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """One run as Airflow describes it."""
        found: dict[str, Any] = self.get(f"/dags/{dag_id}/dagRuns/{run_id}")
        return found

    def runs(self, dag_id: str, **params: Any) -> list[dict[str, Any]]:
        """Runs of one DAG, newest first unless ``order_by`` says otherwise."""
        params = {"limit": 100, "order_by": "-run_after"} | params
        found: list[dict[str, Any]] = self.get(f"/dags/{dag_id}/dagRuns", **params)["dag_runs"]
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of one run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found: list[dict[str, Any]] = self.get(path, limit=200)["task_instances"]
        return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """A task's result."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.get(path, deserialize=True)["value"]

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        patience: float = 600.0,
        tell: Callable[[str], None] = lambda _: None,
    ) -> str:
        """Wait for a run's end; returns ``success`` or ``failed``.

        :raises UnreachableError: after ``patience`` seconds
        """
        return wait_for(
            lambda: _final(self.run(dag_id, run_id)["state"], tell),
            f"the run {run_id} of {dag_id} did not end",
            patience=patience,
        )

    def failure(self, dag_id: str, run_id: str) -> str:
        """Which tasks of a run failed and the last word of the first of them."""
        failed = [task for task in self.tasks(dag_id, run_id) if task["state"] == "failed"]
        if not failed:
            return "no task failed"
        first = failed[0]
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{first['task_id']}/logs"
        lines = self.get(f"{path}/{first['try_number']}", full_content=True)["content"]
        # The newest exception of the log is the one that ended the task.
        for line in reversed(lines):
            if isinstance(line, dict) and line.get("error_detail"):
                return f"{first['task_id']}: {line['error_detail'][0]['exc_value']}"
        return f"{first['task_id']}: see its log"

    def _signed(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        answer = self._send(method, f"/api/v2{path}", **arguments)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._sign_in()
            answer = self._send(method, f"/api/v2{path}", **arguments)
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


def wait_for(
    ask: Callable[[], T | None], else_say: str, *, patience: float, every: float = _POLL
) -> T:
    """Ask until the answer is not None.

    :raises UnreachableError: with ``else_say`` after ``patience`` seconds
    """
    deadline = time.monotonic() + patience
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            raise UnreachableError(f"{else_say} within {patience:.0f} s")
        time.sleep(every)
    return answer


def states(runs: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many runs are in which state."""
    counts: dict[str, int] = {}
    for run in runs:
        counts[run["state"]] = counts.get(run["state"], 0) + 1
    return counts


def _final(state: str, tell: Callable[[str], None]) -> str | None:
    tell(state)
    return state if state in FINAL else None


def _detail(answer: httpx.Response) -> str:
    try:
        detail = answer.json().get("detail", answer.text)
    except ValueError:
        detail = answer.text
    if isinstance(detail, list):
        detail = "; ".join(
            f"{'.'.join(map(str, d.get('loc', ())))}: {d.get('msg')}" for d in detail
        )
    return str(detail)[:300] or answer.reason_phrase
