from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from airloop.errors import ArtifactError, DamagedError
from airloop.training.trainers.torch.loop import Training
from airloop.training.trainers.torch.optimiser import Optimiser
from tests.support.checkout import ROOT
from tests.support.loop.torch import checkpoints, made, trained, weights


def killed_after(store, count):
    """A training in a process of its own that kills itself -9 right after its n-th checkpoint."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.loop.torch", str(store), str(count)],
        cwd=ROOT,
        env=dict(os.environ),
        timeout=100,
    )
    assert done.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def straight():
    return trained()


@pytest.fixture(scope="module")
def stump(tmp_path_factory):
    """The store as a training left it that was killed in the second epoch, with three batches a checkpoint."""
    store = tmp_path_factory.mktemp("store")
    killed_after(store, 5)
    return store


@pytest.fixture
def store(stump):
    """That store, and as it was again afterwards: a seal holds at its own place alone."""
    left = (stump / "checkpoint").read_bytes()
    yield stump
    (stump / "checkpoint").write_bytes(left)


def test_a_run_killed_in_the_middle_of_an_epoch_resumes_and_ends_with_the_same_bits(
    straight, store
):
    network, outcome = trained(store=store)
    assert outcome.resumed_at == 15
    assert weights(network) == weights(straight[0])
    assert outcome.progress.history == straight[1].progress.history


def test_control_without_what_adam_remembers_it_would_end_elsewhere(straight, store, monkeypatch):
    monkeypatch.setattr(Optimiser, "restore", lambda *_, **__: None)
    assert weights(trained(store=store)[0]) != weights(straight[0])


def test_control_without_the_batchs_own_seed_it_would_end_elsewhere(straight, store, monkeypatch):
    monkeypatch.setattr("airloop.training.trainers.torch.loop.torch.manual_seed", lambda _: None)
    assert weights(trained(store=store)[0]) != weights(straight[0])


def test_control_without_a_checkpoint_the_work_is_done_again(straight, tmp_path):
    network, outcome = trained(store=tmp_path)
    assert outcome.resumed_at == 0
    assert weights(network) == weights(straight[0])


def test_a_finished_training_is_not_done_again(straight, tmp_path):
    trained(store=tmp_path)
    network, outcome = trained(store=tmp_path)
    assert outcome.resumed_at == 4 * 11
    assert weights(network) == weights(straight[0])


def test_a_checkpoint_of_another_architecture_is_refused_and_left_alone(store):
    before = (store / "checkpoint").read_bytes()
    with pytest.raises(ArtifactError, match=r"another architecture.*build.*remove") as told:
        trained({"hidden": [8]}, store=store)
    assert "\n" not in str(told.value)
    assert (store / "checkpoint").read_bytes() == before


@pytest.mark.parametrize(
    "other",
    [{"data_digest": "other rows"}, {"params": {"learning_rate": 0.02}}, {"training": {"seed": 9}}],
)
def test_a_checkpoint_of_other_data_or_options_is_passed_over(store, other):
    assert trained(store=store, **other)[1].resumed_at == 0


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: raw[:-9] + b"!" + raw[-8:]])
def test_a_damaged_checkpoint_is_never_loaded(store, damage):
    path = store / "checkpoint"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedError, match="damaged or forged"):
        trained(store=store)


def test_a_checkpoint_is_due_after_so_many_batches_or_minutes(tmp_path):
    task, network, *_ = made()
    kept = checkpoints(tmp_path, task, network)
    assert [kept.due(steps, 0.0) for steps in (2, 3, 4)] == [False, True, True]
    assert [kept.due(0, seconds) for seconds in (299.0, 300.0)] == [False, True]


def test_weights_that_are_not_numbers_are_never_written(tmp_path, monkeypatch):
    task, network, early, late = made()
    early.target[:] = float("nan")
    kept = checkpoints(tmp_path, task, network)
    monkeypatch.setattr(Training, "_look", _only_when_told(Training._look))
    from airloop.errors import DataError
    from airloop.training.trainers.torch.task import train

    with pytest.raises(DataError, match="not a number"):
        train(task, network, early, late, tmp_path, checkpoints=kept)
    assert kept.read() is None


def _only_when_told(look):
    """As on a GPU, where the loss is looked at only now and then: here every third batch, for a checkpoint."""

    def sometimes(training):
        if training.progress.batch % 3 == 0:
            look(training)

    return sometimes
