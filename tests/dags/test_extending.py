"""The DAG file in docs/extending.md, run exactly as it stands there."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text()


def _own_dags() -> Path:
    bundles = json.loads(os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    return Path(bundles[1]["kwargs"]["path"])


def test_the_documented_dag_runs(
    load_dags: Callable[..., dict[str, Any]], database: None, home: Path
) -> None:
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    file = _own_dags() / "flights_weekly.py"
    file.write_text(block.group(1))
    dag = load_dags(_own_dags())["flights_weekly"]
    done = dag.test(run_conf={"day": "2013-01-06"})
    states = {ti.task_id: str(ti.state) for ti in done.get_task_instances()}
    assert states == {"ingest": "success", "score": "success"}


def test_every_operator_is_documented() -> None:
    named = set(re.findall(r"`(airloop_operators\.\w+)\.(\w+Operator)`", PAGE))
    for module, operator in named:
        assert hasattr(importlib.import_module(module), operator)
    written = {
        operator
        for path in (ROOT / "operators" / "airloop_operators").glob("*.py")
        for operator in re.findall(r"^class (\w+Operator)\(", path.read_text(), re.MULTILINE)
    }
    # Those that no DAG file names: what the others are made of, and what runs their steps as pods.
    inner = {"StepOperator", "PodStepOperator", "JobStepOperator"}
    assert {operator for _, operator in named} == written - inner
