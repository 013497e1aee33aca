"""What the chapters of the demo share: the open connections, and how they run a DAG and check what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airloop.contracts import Decision
from airloop.demo.traffic import Tally
from airloop.devstack.airflow import Airflow, wait_for
from airloop.devstack.pulse import Pulse
from airloop.ejection import KINDS
from airloop.errors import PermanentError
from airloop.ledger import Ledger
from airloop.serving.client import ServiceClient
from airloop.settings import Settings
from airloop.vocabulary import Topic

MODEL = "flight_delay"
DATASET = "flights"
#: Seconds after which a run hangs: a tenth of it on an idle machine. No verdict depends on it, and a part of the stack
#: that died is told of long before.
PATIENCE = 2400.0


class ChapterError(PermanentError):
    """Something in a chapter is not as the story says."""


def expect(condition: object, sentence: str, **parts: Any) -> None:
    """Go on only if it holds.

    :param sentence: what must hold, as a person would say it
    :raises ChapterError: if it does not
    """
    if not condition:
        raise ChapterError(f"expected that {sentence}", **parts)


@dataclass
class DemoStage:
    """The running stack as the demo sees it: through Airflow's API, the service, and what they left on record."""

    settings: Settings
    airflow: Airflow
    service: ServiceClient
    ledger: Ledger
    #: Tells early that what is waited for cannot come.
    pulse: Pulse
    upstream: Path
    #: Tells the terminal what is being waited for.
    say: Callable[[str], None]
    tally: Tally = field(default_factory=Tally)
    champion_before: int | None = None
    champion_after: int | None = None
    _background: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))
    #: What an earlier chapter set going for a later one, by name.
    going: dict[str, Future[Any]] = field(default_factory=dict)

    def ready(self) -> None:
        """Wait until Airflow has the story's DAGs: on a slow machine it reads them after everything is up."""
        self.say("waiting for the DAGs to be read")
        wanted = {dag_id(kind) for kind in KINDS}
        wait_for(
            self.pulse.watching(lambda: wanted <= set(self.airflow.dag_ids()) or None),
            f"Airflow did not read {', '.join(sorted(wanted))}",
            patience=PATIENCE,
        )

    def run_dag(self, kind: str, conf: dict[str, Any], *, well: bool = True) -> dict[str, Any]:
        """Trigger ``<kind>_<name>`` by REST and wait for its end.

        :param well: whether it must succeed; with False it must fail
        """
        dag = dag_id(kind)
        run = self.airflow.trigger(dag, conf, note="airloop demo")
        return self.finish(dag, run, well=well)

    def finish(self, dag: str, run: str, *, well: bool = True) -> dict[str, Any]:
        """Wait for a run that somebody started."""
        self.say(f"{dag} runs")
        state = self.airflow.wait(dag, run, patience=PATIENCE, pulse=self.pulse)
        if (state == "success") is not well:
            why = self.airflow.failure(dag, run) if well else "it succeeded"
            raise ChapterError(
                f"the run was expected to end otherwise: {why}", where=f"{dag}, {run}"
            )
        return self.airflow.run(dag, run)

    def woken(self, kind: str, since: set[str]) -> dict[str, Any]:
        """Wait for a run that an asset starts, beyond those known before, then for its end."""
        dag = dag_id(kind)
        self.say(f"waiting for {dag} to be woken")
        run = wait_for(
            self.pulse.watching(
                lambda: next((one for one in self.run_ids(kind) if one not in since), None)
            ),
            f"no new run of {dag} appeared",
            patience=PATIENCE,
        )
        return self.finish(dag, run)

    def run_ids(self, kind: str) -> list[str]:
        """All runs of a DAG, newest first."""
        return [run["dag_run_id"] for run in self.airflow.runs(dag_id(kind))]

    def begin(self, name: str, work: Callable[[], Any]) -> None:
        """Set something going that a later chapter waits for."""
        self.going[name] = self._background.submit(work)

    def await_(self, name: str) -> Any:
        """Wait for what :meth:`begin` set going; its error is raised here."""
        return self.going[name].result(timeout=PATIENCE)

    def close(self) -> None:
        """Let go of everything."""
        self._background.shutdown(wait=False, cancel_futures=True)
        self.service.close()

    def last_decision(self, topic: Topic) -> Decision:
        """The newest decision on a topic.

        :raises ChapterError: if there is none
        """
        found = self.ledger.decisions(MODEL, topic, 1)
        expect(found, f"a decision on the topic {topic} is on record")
        return found[0]

    def deployed(self) -> int:
        """The version that the ledger says serves.

        :raises ChapterError: if none was ever deployed
        """
        found = self.ledger.current_deployment(MODEL)
        if found is None:
            raise ChapterError("expected that a version is deployed")
        return found.version

    def serves(self, version: int, *, patience: float = PATIENCE) -> float:
        """Wait until the service says that it serves a version; returns the seconds waited."""
        began = time.monotonic()
        wait_for(
            self.pulse.watching(lambda: self.service.endpoint(MODEL).version == version or None),
            f"the service did not take up version {version}",
            patience=patience,
            every=0.1,
        )
        return time.monotonic() - began


def dag_id(kind: str) -> str:
    """The DAG of a kind in the demo."""
    return f"{kind}_{DATASET if kind == 'ingest' else MODEL}"
