"""How a step runs: executors, each a plug-in, and what runs a step by one of them."""

from airloop.plugins.executor import Executor, ExecutorSpec, StepJob

__all__ = ["Executor", "ExecutorSpec", "StepJob"]
