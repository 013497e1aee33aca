"""A step as the first process of its container, to which the kernel passes no signal that is not handled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from airloop.steps import __main__ as command
from tests.support.checkout import ROOT

SLEEPER = """
import signal, sys, time
from airloop.steps.__main__ import obey_sigterm
obey_sigterm()
print("up", flush=True)
time.sleep(600)
"""


def test_sigterm_ends_a_step_that_is_process_1() -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SLEEPER], cwd=ROOT, stdout=subprocess.PIPE
    ) as step:
        assert step.stdout is not None
        assert step.stdout.readline() == b"up\n"
        step.send_signal(signal.SIGTERM)
        assert step.wait(timeout=60) == 128 + signal.SIGTERM


@pytest.mark.parametrize(("pid", "obeys"), [(1, True), (4711, False)])
def test_only_process_1_needs_to_be_told(
    pid: int, obeys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    class ToldError(Exception):
        """Far enough."""

    def settings() -> None:
        raise ToldError

    monkeypatch.setattr(os, "getpid", lambda: pid)
    monkeypatch.setattr(command, "obey_sigterm", lambda: told.append(True))
    monkeypatch.setattr(command, "load_settings", settings)
    with pytest.raises(ToldError):
        command.main(["train", "--request", "q", "--result", "r"])
    assert bool(told) is obeys
