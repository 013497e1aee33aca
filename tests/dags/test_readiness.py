"""A task that begins before the stack has its pools and connections waits, and is tried again; elsewhere nothing is asked."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from airloop.devstack.layout import Layout
from airloop.devstack.processes import MARK
from airloop.errors import UnreachableError
from airloop_operators import readiness


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Of a stack that `airloop up` has not finished."""
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setenv(MARK, "a-stack")
    made = Layout(tmp_path)
    made.create()
    return made


def test_a_stack_that_is_ready_is_not_waited_for(layout: Layout) -> None:
    layout.provisioned.touch()
    readiness.wait_for_the_stack()


def test_a_task_waits_for_the_stack_to_become_ready(layout: Layout) -> None:
    threading.Timer(0.7, layout.provisioned.touch).start()
    readiness.wait_for_the_stack()
    assert layout.provisioned.exists()


def test_a_stack_that_stays_half_started_is_an_error_that_is_tried_again(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten ingests failed for good, since the connection was not there yet."""
    monkeypatch.setattr(readiness, "PATIENCE", 0.1)
    with pytest.raises(UnreachableError, match="has only half started"):
        readiness.wait_for_the_stack()


def test_an_airflow_that_others_look_after_is_not_asked(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MARK)
    readiness.wait_for_the_stack()
