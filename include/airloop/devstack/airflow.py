"""Airflow's REST API, as much of it as the command line and the demo need."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from airloop.devstack.airflow_session import AirflowSession
from airloop.devstack.pulse import Pulse
from airloop.errors import RequestError, UnreachableError

#: States a DAG run does not leave by itself.
FINAL = frozenset({"success", "failed"})
#: Kinds of runs that somebody asked for.
_ASKED_FOR = frozenset({"manual", "operator_triggered"})
#: Seconds between two looks.
_POLL = 0.5
#: Entries of one answer; Airflow gives no more than a hundred, whatever is asked for.
_PAGE = 100

T = TypeVar("T")


class Airflow(AirflowSession):
    """What the command line and the demo ask of one Airflow."""

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
        return tuple(dag["dag_id"] for dag in self.entries("/dags", "dags"))

    def entries(self, path: str, key: str) -> list[dict[str, Any]]:
        """All entries of a list, however many pages Airflow makes of it."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=_PAGE, offset=len(found))
            found += page[key]
            if len(found) >= page["total_entries"] or not page[key]:
                return found

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

    def same_request(self, dag_id: str, conf: dict[str, Any]) -> str | None:
        """The oldest run that was asked for the same and has not ended."""
        found = self.runs(dag_id, state=["queued", "running"], order_by="run_after")
        asked = _said(conf)
        mine = (one for one in found if one["run_type"] in _ASKED_FOR)
        return next((one["dag_run_id"] for one in mine if _said(one["conf"]) == asked), None)

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
        return self.entries(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances")

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
        pulse: Pulse | None = None,
    ) -> str:
        """Wait for a run's end; returns ``success`` or ``failed``.

        :param pulse: what tells early that it can come to none
        :raises UnreachableError: after ``patience`` seconds
        """

        def ask() -> str | None:
            return _final(self.run(dag_id, run_id)["state"], tell)

        return wait_for(
            pulse.watching(ask) if pulse else ask,
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


def _said(conf: dict[str, Any] | None) -> dict[str, Any]:
    """What a conf says: the trigger form sends the fields that were left empty too."""
    return {key: value for key, value in (conf or {}).items() if value is not None}


def _final(state: str, tell: Callable[[str], None]) -> str | None:
    tell(state)
    return state if state in FINAL else None
