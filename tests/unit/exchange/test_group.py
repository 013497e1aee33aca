"""What the pods of one training tell each other by the step store."""

from __future__ import annotations

from pathlib import Path

import pytest

from airloop.contracts import Fence
from airloop.errors import DataError, TransientError
from airloop.exchange import group as module
from airloop.exchange.group import Group, Ranks
from airloop.settings import Settings

FENCE = Fence(key="train:lateness:run", token=1)


def group(folder: Path, index: int = 0, count: int = 3) -> Group:
    settings = Settings(step_store_uri=str(folder / "steps"))
    found = Group.of_training(Ranks(index, count, "first", 1), settings, FENCE, 1)
    found.patience = 0.0
    return found


def test_a_process_outside_a_job_has_no_rank() -> None:
    assert Ranks.of({"MASTER_ADDR": "somewhere", "JOB_COMPLETION_INDEX": "3"}) is None


def test_a_pod_of_a_job_knows_its_rank_and_where_the_first_one_is() -> None:
    told = {
        "AIRLOOP_RANKS": "4",
        "JOB_COMPLETION_INDEX": "3",
        "MASTER_ADDR": "a",
        "MASTER_PORT": "9",
    }
    assert Ranks.of(told) == Ranks(3, 4, "a", 9)


def test_the_pod_that_does_not_come_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    group(tmp_path, 1).arrive()
    with pytest.raises(TransientError, match="pod 2 of 3 did not come") as caught:
        group(tmp_path).gather()
    assert "resources.pending_minutes" in str(caught.value)
    group(tmp_path, 2).arrive()
    group(tmp_path).gather()


def test_the_error_of_another_pod_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LATE_ERROR_SECONDS", 0.1)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    assert group(tmp_path).failure() is None
    other = group(tmp_path, 2)
    other.tell(module.error_name(2), {"error": {"type": "DataError", "what": "no number"}})
    found = group(tmp_path).failure()
    assert isinstance(found, DataError)
    assert other.ranks.error_uri("s3://x/1/result.json") == "s3://x/1/rank-2-error.json"


def test_each_fit_has_its_own_name_the_same_in_each_pod(tmp_path: Path) -> None:
    first, second = group(tmp_path), group(tmp_path, 1)
    names = [first.next_fit(), first.next_fit()]
    assert names == [second.next_fit(), second.next_fit()]
    assert len(set(names)) == 2


def test_the_others_end_once_the_first_has_left_the_result(tmp_path: Path) -> None:
    first, second = group(tmp_path), group(tmp_path, 1)
    assert not second.ended()
    first.tell("result", {"result": {}})
    assert second.ended()
