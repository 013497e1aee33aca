from __future__ import annotations

import numpy as np
import pytest

from airloop.registry import artifacts
from airloop.training import conversion
from airloop.training.trainers import scikit
from tests.support.loop.artifact import pack_one


def test_the_onnx_model_is_kept_where_it_answers_the_same(tmp_path):
    packed = pack_one(tmp_path)
    assert packed.conversion.kept, packed.conversion.reason
    assert packed.conversion.difference < 1e-6
    assert (packed.folder / artifacts.ONNX).exists()


def test_an_onnx_model_that_answers_otherwise_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(
        conversion, "onnx_scorer", lambda path, frozen: lambda rows: np.full(len(rows), 0.5)
    )
    packed = pack_one(tmp_path)
    assert not packed.conversion.kept
    assert "differ" in packed.conversion.reason
    assert not (packed.folder / artifacts.ONNX).exists()


def test_a_model_that_cannot_be_converted_still_becomes_an_artifact(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "_onnx", lambda *_: 1 / 0)
    packed = pack_one(tmp_path)
    assert not packed.conversion.kept
    assert (packed.folder / artifacts.SKOPS).exists()


def test_without_the_patch_skl2onnx_refuses_boosted_trees(tmp_path, monkeypatch):
    from contextlib import nullcontext

    monkeypatch.setattr(scikit, "_plain_integers", nullcontext)
    assert not pack_one(tmp_path).conversion.kept


@pytest.mark.parametrize("value", [[True, False], (np.True_, np.False_)])
def test_booleans_in_a_list_become_integers(value):
    assert scikit._integers(value) == [1, 0]
