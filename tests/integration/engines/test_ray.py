"""Steps whose parts a real Ray computes: two workers of this machine, of which one is killed in between."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from airloop.contracts import Fence
from airloop.data.lake.lake import Lake
from airloop.errors import DataError, UnreachableError
from airloop.exchange import wire
from airloop.exchange.store import StepStore
from airloop.execution.engine import Engine
from airloop.execution.executor import StepJob
from airloop.execution.executors import RayExecutor
from airloop.execution.ray_engine import RayEngine
from airloop.features.truth import labels
from airloop.monitoring import looking, reference, window
from airloop.registry.loaded import LoadedModel
from airloop.registry.loader import open_folder
from airloop.registry.sent import SentModel
from airloop.serving import scoring
from airloop.serving.scoring import score_partition
from airloop.testing import ExecutorContract
from tests.support.checkout import ROOT
from tests.support.loop.artifact import pack_one
from tests.support.loop.specimens import DAYS, dataset_spec, model_spec, rows
from tests.support.serving_fakes import deployment
from tests.support.toy_lake import filled

SECRET = "a-credential-that-only-nodes-have"
WORKERS = 2


@pytest.fixture(scope="module")
def ray() -> Iterator[RayEngine]:
    before = dict(os.environ)
    # Of a node: its credentials, and where it finds the code.
    os.environ |= {"AWS_SECRET_ACCESS_KEY": SECRET, "PYTHONPATH": str(ROOT)}
    engine = RayEngine(workers=WORKERS)
    assert list(engine.spread(plus, 0, [1])) == [1]
    yield engine
    engine.close()
    os.environ.clear()
    os.environ.update(before)


def plus(shared: int, part: int) -> int:
    return shared + part


def late(shared: int, part: int) -> tuple[int, int]:
    """The first parts take longest: they must come back first all the same."""
    time.sleep(0.2 if part < 2 else 0)
    return part, os.getpid()


def refused(shared: int, part: int) -> int:
    raise DataError("these rows are wrong", value=part, remedy="correct them")


def broken(shared: int, part: int) -> int:
    raise ZeroDivisionError("a bug of the model's own code")


def fatal(given: tuple[Callable[[Any, Any], Any], str, Any], part: Any) -> Any:
    """The work; its first part kills the worker that has just done it."""
    work, mark, shared = given
    found = work(shared, part)
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return found
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Killing(Engine):
    """The same, with one worker killed by SIGKILL in between."""

    def __init__(self, ray: RayEngine, mark: Path) -> None:
        self.ray, self.mark = ray, mark

    def spread(self, work: Any, shared: Any, parts: Iterable[Any]) -> Iterator[Any]:
        return self.ray.spread(fatal, (work, str(self.mark), shared), parts)

    def close(self) -> None:
        """The cluster is the module's."""


@pytest.fixture
def killing(ray: RayEngine, tmp_path: Path) -> Killing:
    return Killing(ray, tmp_path / "killed")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    packed = pack_one(tmp_path_factory.mktemp("packed"))
    return open_folder(packed.folder, packed.ref.digest)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Six days, in batches that are smaller than a day."""
    monkeypatch.setattr(scoring, "BATCH_ROWS", 90)
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    return Lake(filled(tmp_path, dataset_spec(), rows()))


def test_answers_come_in_the_order_of_their_parts_from_both_workers(ray: RayEngine) -> None:
    parts = (part for part in range(12))
    found = list(ray.spread(late, 0, parts))
    assert [part for part, _ in found] == list(range(12))
    assert len({process for _, process in found} - {os.getpid()}) == WORKERS


def test_only_a_few_parts_are_taken_ahead(ray: RayEngine) -> None:
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for part in range(100):
            taken.append(part)
            yield part

    answers = ray.spread(plus, 0, parts())
    assert next(answers) == 0
    assert len(taken) <= 2 * WORKERS + 1


def test_a_part_whose_worker_is_killed_is_computed_again(killing: Killing) -> None:
    assert list(killing.spread(plus, 1, range(9))) == list(range(1, 10))
    assert killing.mark.exists()


def test_an_error_of_a_part_is_the_steps_own(ray: RayEngine) -> None:
    with pytest.raises(DataError, match="these rows are wrong; got 4; correct them"):
        list(ray.spread(refused, 0, [4]))
    with pytest.raises(ZeroDivisionError):
        list(ray.spread(broken, 0, [1]))


def test_a_partition_is_scored_to_the_last_bit_as_in_one_process(
    lake: Lake, model: LoadedModel, killing: Killing
) -> None:
    def score(day: str, token: int, **engine: Engine) -> Any:
        fence = Fence(key=f"score:lateness:{day}", token=token)
        return score_partition(lake, model, dataset_spec(), deployment(3), day, fence, **engine)

    alone = score(DAYS[0], 1)
    spread = score(DAYS[0], 2, engine=killing)
    assert killing.mark.exists()
    # The same rows make no second commit.
    assert (spread.digest, spread.version) == (alone.digest, alone.version)
    # And a day that nobody has scored before is scored.
    assert score(DAYS[1], 3, engine=killing.ray).rows == 400


def test_a_night_is_counted_to_the_last_bit_as_in_one_process(
    lake: Lake, killing: Killing, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Batches that begin within a day and end in the next.
    monkeypatch.setattr(looking, "BATCH_ROWS", 170)
    spec, dataset = model_spec(), dataset_spec()
    before = lake.read(lake.snapshot(dataset.name, DAYS[:4]))
    known = reference.build(spec, dataset, before, labels=labels(spec, before))

    def look(**engine: Engine) -> tuple[window.Window, list[Any]]:
        told: list[Any] = []
        found = window.look(lake, spec, dataset, known, DAYS[-1], tell=told.append, **engine)
        return found, told

    (alone, one), (spread, other) = look(), look(engine=killing)
    assert killing.mark.exists()
    assert [part.to_pylist() for part in other] == [part.to_pylist() for part in one]
    assert len(one) > len(DAYS)
    assert spread.labelled == alone.labelled
    assert as_told(spread.labels) == as_told(alone.labels) != {}
    assert [*spread.looked_at] == [*alone.looked_at] == [*DAYS]
    for key, day in alone.looked_at.items():
        mine = spread.looked_at[key]
        assert (mine.rows, mine.duplicates, mine.absent) == (day.rows, day.duplicates, day.absent)
        assert as_told(mine.columns) == as_told(day.columns) != {}
        pd.testing.assert_frame_equal(mine.sample, day.sample)
        assert mine.contents.smallest.tolist() == day.contents.smallest.tolist()
        assert mine.contents.repeated == day.contents.repeated


def as_told(counted: Any) -> dict[Any, Any]:
    """Counts as what can be compared, their sums to the last bit."""
    return {
        name: {**vars(one), "bins": one.bins.tolist(), "total": one.total.hex()}
        for name, one in counted.items()
    }


def test_what_is_sent_and_what_is_logged_hold_no_credential(
    ray: RayEngine, model: LoadedModel
) -> None:
    list(ray.spread(plus, 0, range(4)))
    sent = pickle.dumps(scoring._Asked(SentModel(model), dataset_spec(), ("id", "day"), 3))
    assert SECRET.encode() not in sent
    folder = Path(str(ray._folder))
    written = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(written) > 3
    secrets = (SECRET.encode(), os.environ["RAY_AUTH_TOKEN"].encode())
    assert not [path for path in written if any(one in path.read_bytes() for one in secrets)]
    assert folder.stat().st_mode & 0o77 == 0


def test_a_cluster_of_the_steps_own_listens_on_the_loopback_alone(ray: RayEngine) -> None:
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for child in [psutil.Process(), *psutil.Process().children(recursive=True)]
        for connection in child.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["RAY_AUTH_MODE"] == "token"


class TestRay(ExecutorContract):
    """Against the module's cluster, which the steps join by its address."""

    @pytest.fixture
    def plugin(self) -> Any:
        return RayExecutor()

    @pytest.fixture
    def data(self, ray: RayEngine) -> dict[str, Any]:
        import ray as library

        return {"kind": "ray", "address": library.get_runtime_context().gcs_address}

    def test_a_step_hands_its_parts_to_the_cluster(
        self, plugin: Any, job: Callable[[str], StepJob], project: Path
    ) -> None:
        with pytest.raises(DataError, match="got 55;"):
            self._ended(plugin, job, project)

    def test_a_cluster_that_does_not_answer_is_told_and_changes_nothing(
        self, plugin: Any, job: Callable[[str], StepJob], project: Path, monkeypatch: Any
    ) -> None:
        def elsewhere(day: str) -> StepJob:
            asked = job(day)
            spec = asked.spec.model_copy(update={"address": "127.0.0.1:9"})
            return StepJob(**{**vars(asked), "spec": spec})

        began = time.monotonic()
        with pytest.raises(
            UnreachableError, match=r"the Ray cluster does not answer.*127\.0\.0\.1:9"
        ):
            self._ended(plugin, elsewhere, project)
        assert time.monotonic() - began < 120

    def _ended(self, plugin: Any, job: Callable[[str], StepJob], project: Path) -> None:
        (project / "include" / "contract_step.py").write_text(
            "import operator\n"
            "from airloop.errors import DataError\n\n\n"
            "def run(request, context):\n"
            "    found = sum(context.engine.spread(operator.add, 1, range(10)))\n"
            "    raise DataError('the sum is', value=found, remedy='none')\n"
        )
        asked = job("2024-03-01")
        handle = plugin.start(asked)
        lines: list[str] = []
        while not plugin.poll(handle, 1.0):
            lines += plugin.logs(handle)
        code = plugin.result(handle)
        note = StepStore(asked.settings.step_store_uri, {}).read(asked.result_uri)
        assert note is not None, lines
        wire.conclude("score", note, code)
