"""The seams: what a wheel from elsewhere may bring, and the classes that check what YAML says of it.

The Protocols of gates, trainers and executors lie with what they are given: :mod:`airloop.evaluation.gate`,
:mod:`airloop.training.trainer` and :mod:`airloop.execution.executor`.
"""

from airloop.plugins.alert import Alert, AlertRoute, AlertSpec
from airloop.plugins.executor import ExecutorSpec
from airloop.plugins.gate import GateSpec
from airloop.plugins.metric import MeanMetric, Metric
from airloop.plugins.rollout import Move, Rollout, RolloutSpec, Stage, Standing, Verdict
from airloop.plugins.source import Source, SourceSpec
from airloop.plugins.trainer import NoOptions, Output, OutputKind

__all__ = [
    "Alert",
    "AlertRoute",
    "AlertSpec",
    "ExecutorSpec",
    "GateSpec",
    "MeanMetric",
    "Metric",
    "Move",
    "NoOptions",
    "Output",
    "OutputKind",
    "Rollout",
    "RolloutSpec",
    "Source",
    "SourceSpec",
    "Stage",
    "Standing",
    "Verdict",
]
