"""Chapter 2, champion: the first training passes its gates and is delivered to the running service."""

from __future__ import annotations

from airloop.demo import summer
from airloop.demo.history import LAST
from airloop.demo.stage import Stage, dag_id
from airloop.vocabulary import Topic


def champion(stage: Stage) -> str:
    """Train by hand, let the candidate's asset wake the delivery."""
    known = set(stage.run_ids("deploy"))
    run = stage.run_dag("train", {"reason": "the first champion", "until": LAST})
    gate = stage.last_decision(Topic.GATE)
    metrics = stage.airflow.xcom(dag_id("train"), run["dag_run_id"], "train")["candidate"][
        "metrics"
    ]
    stage.woken("deploy", known)
    version = stage.deployed()
    stage.serves(version)
    stage.champion_before = version
    summer.set_going(stage)
    auc = metrics.get("roc_auc", float("nan"))
    return f"version {version} serves, ROC AUC {auc:.3f} on its held-out days; {gate.reason}"
