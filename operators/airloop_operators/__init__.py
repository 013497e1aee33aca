"""Airloop's operators for DAGs of one's own; the page in Airflow's interface and the links come with the plugin.

A name is imported when it is first asked for: a DAG file that uses one operator does not pay for all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airloop_operators.approval import ApproveModelOperator
    from airloop_operators.delivery import PromoteModelOperator, VerifyModelOperator
    from airloop_operators.ingestion import IngestDatasetOperator, RecheckDatasetOperator
    from airloop_operators.monitoring import MonitorModelOperator
    from airloop_operators.replaying import ModelsToReplayOperator, ReplayModelOperator
    from airloop_operators.scoring import ScoreDatasetOperator
    from airloop_operators.segments import DivideSegmentsOperator, TrainSegmentsOperator
    from airloop_operators.training import (
        ClaimTriggerOperator,
        EvaluateModelOperator,
        RegisterModelOperator,
        TrainModelOperator,
    )
    from airloop_operators.tuning import OpenStudyOperator, RunTrialsOperator

__all__ = [
    "ApproveModelOperator",
    "ClaimTriggerOperator",
    "DivideSegmentsOperator",
    "EvaluateModelOperator",
    "IngestDatasetOperator",
    "ModelsToReplayOperator",
    "MonitorModelOperator",
    "OpenStudyOperator",
    "PromoteModelOperator",
    "RecheckDatasetOperator",
    "RegisterModelOperator",
    "ReplayModelOperator",
    "RunTrialsOperator",
    "ScoreDatasetOperator",
    "TrainModelOperator",
    "TrainSegmentsOperator",
    "VerifyModelOperator",
]

_MODULES = {
    "ApproveModelOperator": "approval",
    "ClaimTriggerOperator": "training",
    "DivideSegmentsOperator": "segments",
    "EvaluateModelOperator": "training",
    "IngestDatasetOperator": "ingestion",
    "ModelsToReplayOperator": "replaying",
    "MonitorModelOperator": "monitoring",
    "OpenStudyOperator": "tuning",
    "PromoteModelOperator": "delivery",
    "RecheckDatasetOperator": "ingestion",
    "RegisterModelOperator": "training",
    "ReplayModelOperator": "replaying",
    "RunTrialsOperator": "tuning",
    "ScoreDatasetOperator": "scoring",
    "TrainModelOperator": "training",
    "TrainSegmentsOperator": "segments",
    "VerifyModelOperator": "delivery",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
