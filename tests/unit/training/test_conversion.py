from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from airloop.registry import artifacts
from airloop.training import conversion, plots
from airloop.training.probes import disparity
from airloop.training.trainers import scikit_graph
from tests.support.checkout import ROOT
from tests.support.loop.artifact import pack_one
from tests.support.loop.specimens import model_spec


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

    monkeypatch.setattr(scikit_graph, "_plain_integers", nullcontext)
    assert not pack_one(tmp_path).conversion.kept


PLAIN = {
    "linear": (LogisticRegression(), "double"),
    "bayes": (GaussianNB(), "double"),
    "network": (MLPClassifier(max_iter=30, random_state=1), "double"),
    "tree": (DecisionTreeClassifier(max_depth=4), "float"),
    "forest": (RandomForestClassifier(5, random_state=1), "float"),
    "boosted": (HistGradientBoostingClassifier(max_iter=5), "float"),
    "scaled": (make_pipeline(StandardScaler(), LogisticRegression()), "double"),
}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("kind", PLAIN)
def test_an_estimator_that_takes_a_table_is_converted_without_a_column_transformer(kind):
    """Each of them takes one input in skl2onnx, and a graph has one for each feature."""
    estimator, number = PLAIN[kind]
    random = np.random.default_rng(4)
    rows = pd.DataFrame(random.normal(size=(200, 3)).astype("f4"), columns=["a", "b c", "d"])
    estimator.fit(rows, rows["a"] + rows["d"] > 0)
    spec = SimpleNamespace(task="classification")
    frozen = SimpleNamespace(features=dict.fromkeys(rows, "number"), model=spec)
    session = onnxruntime.InferenceSession(scikit_graph.onnx(estimator, frozen, number))
    assert [one.name for one in session.get_inputs()] == list(rows)
    kind_ = "f8" if number == "double" else "f4"
    found = session.run(None, {name: rows[[name]].to_numpy(kind_) for name in rows})[-1]
    np.testing.assert_allclose(found, estimator.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize("value", [[True, False], (np.True_, np.False_)])
def test_booleans_in_a_list_become_integers(value):
    assert scikit_graph._integers(value) == [1, 0]


def test_a_graphs_inputs_are_called_as_the_features():
    """The converter makes ``a_b`` of ``a b``, and ``a_b1`` of ``a_b`` that comes after it."""
    from onnx import TensorProto, helper

    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("a_b", "a_b1")]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Sub", ["a_b", "a_b1"], ["out"])], "airloop", inputs, [output]
    )
    scikit_graph._name_inputs(graph, ["a b", "a_b"])
    assert [one.name for one in graph.input] == ["a b", "a_b"]
    assert list(graph.node[0].input) == ["a b", "a_b"]


def test_importance_and_probes_take_a_column_of_any_name(tmp_path):
    names = ["self", "$a$ $", "日付"]
    rows = pd.DataFrame({name: np.arange(9.0, dtype="f4") + at for at, name in enumerate(names)})

    def scorer(asked: pd.DataFrame) -> np.ndarray:
        return asked["self"].to_numpy(dtype="f8")

    truth = rows["self"].to_numpy(dtype="f8")
    found = plots.permutation_importance("mae", rows, truth, scorer, seed=1)
    assert set(found) == set(names)
    gates = {"primary": "mae", "absolute": {"mae": {"max": 9}}}
    plots.draw(tmp_path, model_spec(task="regression", gates=gates), truth, truth, found, "mae")
    assert (tmp_path / "feature_importance.png").stat().st_size
    assert disparity(rows, scorer, scorer, 1e-9) == ""


FEATURES = pd.DataFrame(
    {
        "courier": np.array(["bike", "van", "bike", "van"], dtype=object),
        "distance": np.ones(4, "f4"),
    }
)


def refuses_unseen(rows: pd.DataFrame) -> np.ndarray:
    if not rows["courier"].isin(["bike", "van", ""]).all():
        raise ValueError("Found unknown categories")
    return np.full(len(rows), 0.5)


def answers_all(rows: pd.DataFrame) -> np.ndarray:
    return np.full(len(rows), 0.5)


def nan_for_missing(rows: pd.DataFrame) -> np.ndarray:
    return rows["distance"].to_numpy(dtype=np.float64) * 0.5


def raises_for_missing(rows: pd.DataFrame) -> np.ndarray:
    if rows["distance"].isna().any():
        raise ValueError("Input contains NaN")
    return np.full(len(rows), 0.5)


def other_for_empty(rows: pd.DataFrame) -> np.ndarray:
    return np.where(rows["courier"] == "", 0.7, 0.5)


@pytest.mark.parametrize(
    ("ours", "theirs", "says"),
    [
        (answers_all, answers_all, ""),
        (refuses_unseen, refuses_unseen, ""),
        (raises_for_missing, nan_for_missing, ""),  # an error and a NaN are both a no
        (refuses_unseen, answers_all, "an unseen value of courier: ONNX answers where it refuses"),
        (answers_all, refuses_unseen, "an unseen value of courier: the estimator answers"),
        (answers_all, other_for_empty, "a missing value of courier: answers differ by up to 0.2"),
        (answers_all, nan_for_missing, "a missing value of distance: the estimator answers"),
    ],
)
def test_both_forms_must_say_the_same_of_unseen_and_missing_values(ours, theirs, says):
    found = disparity(FEATURES, ours, theirs, 1.0)
    assert found.startswith(says)
    assert bool(found) is bool(says)


def test_onnx_that_answers_what_the_estimator_refuses_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "disparity", lambda *_: "an unseen value of courier: no")
    packed = pack_one(tmp_path)
    assert not packed.conversion.kept
    assert packed.conversion.reason == "an unseen value of courier: no"


TRAIN = """
import sys, pathlib
from tests.support.loop.artifact import pack_one
from tests.support.loop.specimens import model_spec
print(pack_one(pathlib.Path(sys.argv[1])).ref.digest)
"""


def test_two_equal_trainings_give_the_same_bytes(tmp_path):
    digests = set()
    for seed in range(2):
        # Processes of their own: other addresses in memory, other hashes of texts, another second on the clock.
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", TRAIN, str(tmp_path / str(seed))],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-2_000:]
        digests.add(ended.stdout.strip())
    assert len(digests) == 1
