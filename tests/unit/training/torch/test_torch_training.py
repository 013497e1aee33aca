from __future__ import annotations

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from airloop.data.snapshot import split
from airloop.errors import DataError, RequestError, SpecError
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.training.fitted import fit
from airloop.training.trainers.torch import optimiser as module
from airloop.training.trainers.torch.table import Share, StreamedRows, write_parquet
from airloop.training.trainers.torch.task import source_of
from tests.support.loop.specimens import HOLDOUT, dataset_spec, rows
from tests.support.loop.torch import made, table_rows, torch_spec, trained, weights


def fitted(params=None, run=None, **changes):
    spec = torch_spec(params, **changes)
    parts = split(spec, dataset_spec(), rows(), HOLDOUT)
    return fit(spec, dataset_spec(), parts, run)


def test_it_learns_as_well_as_boosted_trees():
    made = fitted()
    assert made.metrics["roc_auc"] > 0.8
    assert ((made.scores > 0) & (made.scores < 1)).all()


def test_it_learns_a_regression_in_the_targets_own_unit():
    gates = {"primary": "rmse", "absolute": {"rmse": {"max": 10.0}}, "slices": []}
    made = fitted(task="regression", module="tests.support.loop.torch_regression", gates=gates)
    assert made.metrics["r2"] > 0.3
    assert abs(made.scores.mean() - made.truth.mean()) < 1.5


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    assert weights(trained()[0]) == weights(trained()[0])
    assert weights(trained()[0]) != weights(trained(training={"seed": 2})[0])


def test_training_stops_when_the_later_rows_gain_nothing_more():
    _, outcome = trained({"epochs": 60, "patience": 2, "learning_rate": 0.05})
    progress = outcome.progress
    assert progress.epoch == progress.best_epoch + 3 < 60
    best = min(loss for _, loss in progress.history)
    assert progress.history[progress.best_epoch][1] == best == progress.best_loss


def test_the_best_epochs_weights_are_kept_not_the_last():
    task, network, early, late = made({"epochs": 60, "patience": 2, "learning_rate": 0.05})
    from airloop.training.trainers.torch.task import train

    outcome = train(task, network, early, late, None)  # type: ignore[arg-type]
    with torch.no_grad():
        answers = network.from_dense(late.codes, late.dense)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(answers, late.target)
    assert float(loss) == pytest.approx(outcome.progress.best_loss, rel=1e-5)
    assert outcome.progress.history[-1][1] > outcome.progress.best_loss


def test_a_loss_that_is_not_a_number_stops_and_names_the_batch():
    task, network, early, late = made()
    early.dense[700:] = float("inf")
    from airloop.training.trainers.torch.task import train

    with pytest.raises(
        DataError, match=r"loss is not a number.*epoch 1, batch 1 of 11.*learning_rate"
    ):
        train(task, network, early, late, None)  # type: ignore[arg-type]


def test_the_gradients_norm_is_cut():
    task, network, early, _ = made({"clip_norm": 0.01})
    step = module.Optimiser(network, task.options, torch.device("cpu"), None)
    batch = next(
        iter(source_of(early, torch.device("cpu"), task.options, None).batches(0, 64, 0, Share()))
    )
    step.step(batch)
    norm = torch.linalg.vector_norm(torch.cat([one.grad.reshape(-1) for one in step.parameters]))
    assert float(norm) <= 0.0101


class Memory:
    """A device that holds only so many rows at once."""

    def __init__(self, monkeypatch, most: int) -> None:
        original = TabularNetwork.from_dense

        def from_dense(network, codes, dense):
            if network.training and len(dense) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
            return original(network, codes, dense)

        monkeypatch.setattr(TabularNetwork, "from_dense", from_dense)


def test_out_of_memory_goes_on_with_half_the_batch_and_the_same_result(monkeypatch, caplog):
    whole = trained({"dropout": 0.0})[1]
    Memory(monkeypatch, most=64)
    halved = trained({"dropout": 0.0})[1]
    assert caplog.text.count("CUDA out of memory") == 1
    assert np.allclose(whole.progress.history, halved.progress.history, rtol=1e-5)


def test_the_memory_that_was_short_is_free_before_the_halves_begin(monkeypatch):
    """The exception's frames hold the very activations that filled the device."""
    original, held, alive = TabularNetwork.from_dense, [], []

    def from_dense(network, codes, dense):
        if network.training and len(dense) > 64:
            activations = torch.zeros(8)
            held.append(weakref.ref(activations))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        alive.extend(one for one in held if one() is not None)
        return original(network, codes, dense)

    monkeypatch.setattr(TabularNetwork, "from_dense", from_dense)
    trained()
    assert held
    assert alive == []


def test_out_of_memory_even_so_is_told_in_one_line(monkeypatch):
    Memory(monkeypatch, most=63)
    with pytest.raises(SpecError) as told:
        trained()
    line = str(told.value)
    assert line.startswith("CUDA out of memory, even with half the batch; got 128")
    assert "batch_rows" in line
    assert "\n" not in line


def test_a_run_that_went_on_in_halves_resumes_in_halves(monkeypatch, tmp_path, caplog):
    Memory(monkeypatch, most=64)
    trained(store=tmp_path)
    caplog.clear()
    trained(store=tmp_path)
    assert "CUDA out of memory" not in caplog.text


@pytest.mark.parametrize("numbers", [1, 2])
def test_rows_that_do_not_fit_are_streamed_each_once_an_epoch_in_another_order(tmp_path, numbers):
    _, _, early, _ = made()
    # Of several values a row has several targets.
    if numbers > 1:
        early = replace(early, target=torch.stack([early.target, early.dense[:, 0]], dim=1))
    write_parquet(early, tmp_path / "rows.parquet")
    source = StreamedRows(tmp_path / "rows.parquet", torch.device("cpu"))
    epochs = [list(source.batches(seed, 100, 0, Share())) for seed in (1, 1, 2)]
    for batches in epochs:
        seen = np.concatenate([table_rows(batch) for batch in batches])
        assert sorted(map(bytes, seen)) == sorted(map(bytes, table_rows(early)))
        assert [batch.rows for batch in batches[:-1]] == [100] * (len(batches) - 1)
    assert torch.equal(epochs[0][3].dense, epochs[1][3].dense)
    assert not torch.equal(epochs[0][3].dense, epochs[2][3].dense)
    later = list(source.batches(1, 100, 5, Share()))
    assert torch.equal(later[0].dense, epochs[0][5].dense)


def test_a_streamed_training_learns_as_well():
    assert fitted({"resident_mb": 0}).metrics["roc_auc"] > 0.8


@pytest.mark.parametrize("source", ["resident", "streamed"])
def test_the_shares_of_all_processes_are_the_batch(tmp_path, source):
    task, _, early, _ = made({"resident_mb": 0 if source == "streamed" else None})
    rows_ = source_of(early, torch.device("cpu"), task.options, tmp_path)
    whole = list(rows_.batches(7, 100, 0, Share()))
    parts = [list(rows_.batches(7, 100, 0, Share(rank, 3))) for rank in range(3)]
    for number, batch in enumerate(whole):
        joined = torch.cat([part[number].load().dense for part in parts])
        assert torch.equal(joined, batch.load().dense)


@pytest.mark.parametrize("source", ["resident", "streamed"])
def test_a_batch_is_written_into_the_place_of_an_earlier_one(tmp_path, source):
    """What a recorded step on a GPU does before each replay."""
    task, _, early, _ = made({"resident_mb": 0 if source == "streamed" else None})
    rows_ = source_of(early, torch.device("cpu"), task.options, tmp_path)
    first, second = list(rows_.batches(7, 100, 0, Share()))[:2]
    place, before = first.buffer(), first.load()
    place.fill(second)
    for name in ("codes", "dense", "target"):
        assert torch.equal(getattr(place.load(), name), getattr(second.load(), name))
    assert not torch.equal(before.dense, second.load().dense)
    assert torch.equal(first.load().dense, before.dense)


@pytest.mark.parametrize(
    "params", [{"epochs": -1}, {"batch_rows": "many"}, {"hidden": [0.5]}, {"hiden": [3]}]
)
def test_a_wrong_parameter_is_laid_to_the_run_or_to_the_spec(params):
    with pytest.raises(RequestError):
        fitted(run=params)
    # What the spec itself can tell, it tells when it is read.
    with pytest.raises((SpecError, ValidationError)):
        fitted(params)


def test_a_build_that_returns_no_module_is_refused():
    with pytest.raises(SpecError, match=r"must return an nn\.Module"):
        fitted(module="tests.support.loop.model", params={}, training={"params": {"epochs": 1}})
