"""Contract tests of the seams: a plug-in of one's own subclasses one of them in a test file, and pytest runs it.

pytest itself is the test environment's: Airloop does not require it.
"""

from airloop.testing.alert import AlertContract
from airloop.testing.executor import ExecutorContract
from airloop.testing.gate import GateContract
from airloop.testing.metric import MetricContract
from airloop.testing.rollout import RolloutContract
from airloop.testing.source import SourceContract
from airloop.testing.step import StepContract
from airloop.testing.trainer import TrainerContract

__all__ = [
    "AlertContract",
    "ExecutorContract",
    "GateContract",
    "MetricContract",
    "RolloutContract",
    "SourceContract",
    "StepContract",
    "TrainerContract",
]
