"""An executor that a wheel from elsewhere brings, in tasks of Airflow: polled, or with a half of its own that defers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.specs import load_catalog
from tests.dags.conftest import OWN_DAGS, STANDINS
from tests.support.checkout import ROOT
from tests.support.plugins import install, on_path

LoadDags = Callable[..., dict[str, Any]]
#: Both write down what is asked of them. The second has a side that defers the task once, by a trigger of a provider's.
TUG = """
import os
from datetime import timedelta
from pathlib import Path

from airloop.execution.executors import ProcessExecutor


def note(what):
    with Path(os.environ["TUG_NOTES"]).open("a") as notes:
        notes.write(f"{what}\\n")


class Tug(ProcessExecutor):
    def start(self, job):
        note(f"start {job.step} of {job.model.name}")
        return super().start(job)

    def result(self, handle):
        note("result")
        return super().result(handle)


class Ferry(Tug):
    operator = "airloop_tug:FerrySide"


class FerrySide:
    def __init__(self, task):
        self.task = task

    def run(self, asked, ended):
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
        from airflow.sdk.exceptions import TaskDeferred
        from airloop.execution.runner import StepRunner

        if ended is None:
            note(f"defer {asked.step}")
            raise TaskDeferred(trigger=TimeDeltaTrigger(timedelta(0)), method_name="resume")
        note(f"resume {sorted(ended)}")
        fence = self.task.ledger().begin_attempt(asked.key)
        runner = StepRunner(self.task.settings(), model=asked.model)
        return runner.run(asked.step, fence, asked.request)

    def on_kill(self):
        note("kill")
"""
DAG = """
import pendulum
from airflow.sdk import dag
from airloop_operators.scoring import ScoreDatasetOperator


@dag(schedule=None, start_date=pendulum.datetime(2013, 1, 1), catchup=False)
def by_tug():
    ScoreDatasetOperator(task_id="score", model="flight_delay", partition="2013-01-06")


by_tug()
"""


@pytest.fixture
def notes(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    site = tmp_path / "site"
    entries = {"airloop.executors": {"tug": "airloop_tug:Tug", "ferry": "airloop_tug:Ferry"}}
    install(site, "airloop-tug", entries, {"airloop_tug": TUG})
    # The steps read the spec as well, in processes of their own.
    monkeypatch.setenv("PYTHONPATH", f"{site}:{STANDINS}:{ROOT}")
    monkeypatch.setenv("TUG_NOTES", str(tmp_path / "notes"))
    with on_path(site):
        yield tmp_path / "notes"


@pytest.mark.parametrize(
    ("compute", "noted"),
    [
        ("tug", ["start score of flight_delay", "result"]),
        (
            "ferry",
            [
                "defer score",
                "resume ['event', 'fence']",
                "start score of flight_delay",
                "result",
            ],
        ),
        ("process", []),
    ],
)
def test_a_task_runs_its_step_by_the_executor_that_its_model_names(
    compute: str, noted: list[str], notes: Path, config: Path, load_dags: LoadDags, database: None
) -> None:
    path = config / "models" / "flight_delay.yaml"
    spec = yaml.safe_load(path.read_text()) | {
        "compute": compute,
        "resources": {"steps": ["score"]},
    }
    path.write_text(yaml.safe_dump(spec))
    load_catalog.cache_clear()
    (OWN_DAGS / "by_tug.py").write_text(DAG)
    done = load_dags(OWN_DAGS)["by_tug"].test()
    (ti,) = done.get_task_instances()
    assert (ti.task_id, str(ti.state), ti.try_number) == ("score", "success", 1)
    assert (notes.read_text().splitlines() if notes.exists() else []) == noted
