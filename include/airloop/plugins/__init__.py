"""The seams: what a wheel from elsewhere may bring, each a Protocol with the class that checks its YAML."""

from airloop.plugins.alert import Alert, AlertRoute, AlertSpec
from airloop.plugins.executor import Executor, ExecutorSpec, StepJob
from airloop.plugins.gate import Gate, GateSpec
from airloop.plugins.metric import MeanMetric, Metric
from airloop.plugins.source import Source, SourceSpec
from airloop.plugins.trainer import NoOptions, Output, OutputKind, Trainer

__all__ = [
    "Alert",
    "AlertRoute",
    "AlertSpec",
    "Executor",
    "ExecutorSpec",
    "Gate",
    "GateSpec",
    "MeanMetric",
    "Metric",
    "NoOptions",
    "Output",
    "OutputKind",
    "Source",
    "SourceSpec",
    "StepJob",
    "Trainer",
]
