"""Airflow's schedule without its scheduler, which cannot be told what time it is: timetables say which runs it would make."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pendulum
import pytest
import yaml

from airloop.registry import tracking
from airloop.settings import load_settings
from airloop.specs import load_catalog
from tests.support.checkout import ROOT
from tests.support.step_host import step_host


@contextmanager
def shop_home(
    config: Path,
    patch: pytest.MonkeyPatch,
    tables: Path,
    dataset: Mapping[str, Any],
    model: Mapping[str, Any],
) -> Iterator[Path]:
    """A home whose steps run in a step host, and a project of one dataset and one model.

    :param config: the project's, whose datasets and models these take the place of
    :param tables: an empty database of MLflow's
    :param dataset: its spec but for the source: a file a partition in the home's folder ``upstream``
    """
    home = Path(tempfile.mkdtemp(prefix="airloop-shop-"))
    patch.setenv("AIRLOOP_HOME", str(home))
    patch.setenv("AIRLOOP__MLFLOW_URI", f"sqlite:///{home / 'mlflow.db'}")
    patch.setenv("PYTHONPATH", str(ROOT))
    (home / "upstream").mkdir()
    shutil.copy(tables, home / "mlflow.db")
    source = {"kind": "file", "path": f"{home}/upstream/{{partition}}.csv", "format": "csv"}
    read = {**dataset, "source": source, "start": "2012-01-01"}
    for kind, spec in (("datasets", read), ("models", dict(model))):
        shutil.rmtree(config / kind)
        (config / kind).mkdir()
        (config / kind / f"{spec['name']}.yaml").write_text(yaml.safe_dump(spec))
    load_settings.cache_clear()
    load_catalog.cache_clear()
    # Without a server MLflow's artifacts would lie beside the steps' working folder, the checkout.
    tracking.client(load_settings()).create_experiment(model["name"], str(home / "mlruns"))
    try:
        with step_host(home):
            yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Schedule:
    """The runs that Airflow's scheduler would make of a DAG, one after the other."""

    def __init__(self, dag: Any, begin: datetime, patch: pytest.MonkeyPatch) -> None:
        from airflow.serialization.serialized_objects import DagSerialization

        core = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        self.dag, self.timetable = dag, core.timetable
        self.intervals: list[tuple[datetime, datetime]] = []
        self._begin, self._patch = pendulum.instance(begin), patch
        self._last: Any = None

    def until(self, now: datetime | None = None) -> Iterator[Any]:
        """Each run whose time has come, to its end; without a time the next one."""
        from airflow.timetables.base import TimeRestriction

        restriction = TimeRestriction(self._begin, None, catchup=True)
        while True:
            info = self.timetable.next_dagrun_info(
                last_automated_data_interval=self._last, restriction=restriction
            )
            if info is None or (now is not None and info.run_after > now):
                return
            self._last = info.data_interval
            self.intervals.append((info.data_interval.start, info.data_interval.end))
            yield self._run(info)
            if now is None:
                return

    def _run(self, info: Any) -> Any:
        told = {"data_interval": info.data_interval}
        return run_as("scheduled", self.dag, self._patch, info.logical_date, told), info.run_after


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def run_as(
    kind: str,
    dag: Any,
    patch: pytest.MonkeyPatch,
    logical_date: datetime | None,
    told: dict[str, Any] | None = None,
) -> Any:
    """A run of a kind, to its end.

    :param told: what the run has beside it, such as its interval
    """
    import airflow.models.dagrun as module
    from airflow.utils.types import DagRunType

    make = module.get_or_create_dagrun

    def made(**kwargs: Any) -> Any:
        run = make(**{**kwargs, **(told or {})})
        run.run_type = DagRunType(kind)
        kwargs["session"].commit()
        return run

    with patch.context() as patched:
        patched.setattr(module, "get_or_create_dagrun", made)
        # The tick is now, whatever the interval's date: what a recheck changes is what was committed since.
        return dag.test(logical_date=logical_date, run_after=pendulum.now("UTC"))
