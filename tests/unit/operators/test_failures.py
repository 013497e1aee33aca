"""A task that fails for good leaves its reason in the ledger; one that is tried again, or skips, does not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from airloop.ledger import Ledger, open_ledger
from airloop.settings import load_settings
from airloop.vocabulary import Topic
from airloop_operators.failures import recorded


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    load_settings.cache_clear()
    return open_ledger(load_settings())


def fail(error: BaseException, attempt: int) -> None:
    run = SimpleNamespace(dag_id="train_m", run_id="r")
    task = SimpleNamespace(task_id="train", try_number=attempt, max_tries=2)
    with pytest.raises(type(error)), recorded("m", {"dag_run": run, "ti": task}):
        raise error


@pytest.mark.parametrize(
    ("error", "attempt"),
    [
        (AirflowFailException("the gates refuse it"), 1),
        (AirflowException("no answer"), 3),
        (AirflowTaskTimeout("timed out"), 3),
        (ZeroDivisionError("anything else"), 3),
    ],
)
def test_what_is_final_is_on_record_once(
    ledger: Ledger, error: BaseException, attempt: int
) -> None:
    for _ in range(2):
        fail(error, attempt)
    (decision,) = ledger.decisions("m", Topic.RUN)
    assert decision.reason == f"train_m, train: {error}"
    assert decision.figures == {"run": "train_m/r", "task": "train"}


@pytest.mark.parametrize(
    ("error", "attempt"),
    [
        (AirflowException("no answer"), 2),
        (AirflowTaskTimeout("timed out"), 1),
        (AirflowSkipException("another has it"), 3),
    ],
)
def test_what_is_tried_again_or_skips_is_not(
    ledger: Ledger, error: BaseException, attempt: int
) -> None:
    fail(error, attempt)
    assert ledger.decisions("m") == []


def test_a_ledger_that_cannot_be_had_is_not_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLOOP__LEDGER_URL", "postgresql+psycopg2://nobody@127.0.0.1:9/none")
    load_settings.cache_clear()
    fail(AirflowFailException("the reason"), 1)
    load_settings.cache_clear()
