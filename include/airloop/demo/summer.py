"""The months that go by while the champion serves: ingested in the background, for the shifted night."""

from __future__ import annotations

from airloop.demo.stage import Stage, dag_id

#: The training window of the shifted night, in ranges that run side by side.
RANGES = (("2013-05-09", "2013-06-07"), ("2013-06-08", "2013-07-07"))
NIGHT = "2013-07-07"


def set_going(stage: Stage) -> None:
    """Trigger the runs; :func:`arrived` waits for them."""
    runs = [
        stage.airflow.trigger(dag_id("ingest"), {"start": first, "end": last}, note="airloop demo")
        for first, last in RANGES
    ]

    def wait() -> None:
        for run in runs:
            stage.finish(dag_id("ingest"), run)

    stage.begin("summer", wait)


def arrived(stage: Stage) -> None:
    """Wait until the months are in the lake."""
    stage.await_("summer")
