"""The executors that are built in, as plug-ins."""

from __future__ import annotations

from airloop.plugins.executor import Executor


class ProcessExecutor(Executor):
    """A child process of the machine that asks."""

    local = True
    environment = "python"


class KubernetesExecutor(Executor):
    """A pod, or a job of pods."""

    local = False
    environment = "image"
