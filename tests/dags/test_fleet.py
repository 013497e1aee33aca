"""The bench of many specs in its short form: a real DAG processor brings every DAG, and sees a changed spec."""

from __future__ import annotations

from bench.fleet import Effort, measure, rows
from tests.dags.conftest import DATABASE


def test_a_real_processor_brings_every_dag_and_sees_a_change(database: None) -> None:
    figures = measure((3,), Effort(changes=1, rest=0.5, refresh=1, database=DATABASE))
    (one,) = figures["sizes"].values()
    assert figures["complete"]
    assert (one["dags"], one["expected"]) == (17, 17)
    assert one["change"]["parse_cpu_seconds"] > 0
    assert "| 3 | 17 of 17 |" in rows(figures)
