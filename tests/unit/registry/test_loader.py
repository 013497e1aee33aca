from __future__ import annotations

import errno
import json
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from airloop.errors import ArtifactError, SpecError, StorageFullError, UnreachableError
from airloop.features import transform as transform_module
from airloop.registry import artifacts, loader
from airloop.registry.artifacts import write_manifest
from airloop.registry.formats import bounds
from airloop.registry.tolerance import RUNTIMES
from airloop.settings import Settings
from airloop.training.trainers import scikit
from tests.support.loop.specimens import DAYS, as_request


def resealed(folder):
    """The folder with a manifest that fits what is in it now: an attacker who can write digests, too."""
    (folder / artifacts.MANIFEST).unlink()
    return write_manifest(folder, model="lateness", task="classification")


def opened(folder):
    digest = resealed(folder)
    artifacts.verify(folder, digest)
    return loader.open_folder(folder, digest)


def test_both_formats_answer_as_the_estimator_did(packed, copy):
    assert packed.conversion.kept
    by_onnx = loader.open_folder(copy, packed.ref.digest)
    (copy / artifacts.ONNX).unlink()
    by_skops = loader.open_folder(copy, packed.ref.digest)
    assert (by_onnx.runtime, by_skops.runtime) == ("onnx", "sklearn")
    for model in (by_onnx, by_skops):
        answers = model.predict(packed.holdout)
        assert np.abs(answers - packed.fitted.scores).max() < RUNTIMES
    assert by_onnx.trained_on == DAYS[:-2]


def test_missing_values_and_unseen_categories_are_answered_alike(packed, copy):
    strange = packed.holdout.head(50).assign(rain=np.nan, courier="drone", distance=np.nan)
    by_onnx = loader.open_folder(copy, packed.ref.digest).predict(strange)
    (copy / artifacts.ONNX).unlink()
    by_skops = loader.open_folder(copy, packed.ref.digest).predict(strange)
    assert np.abs(by_onnx - by_skops).max() < RUNTIMES


def test_fetching_verifies_and_a_damaged_cache_is_fetched_anew(packed, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    settings = Settings()
    folder = artifacts.fetch(packed.ref, settings)
    (folder / artifacts.ONNX).write_bytes(b"damaged")
    assert loader.load(packed.ref, settings).runtime == "onnx"
    assert not list((tmp_path / "artifacts").glob(".fetch-*"))


def test_a_damaged_cache_stays_until_a_whole_copy_is_there(packed, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    settings = Settings()
    folder = artifacts.fetch(packed.ref, settings)
    (folder / artifacts.EXAMPLES).write_bytes(b"damaged")

    def away(*_: object) -> Path:
        raise UnreachableError("MLflow does not answer")

    with monkeypatch.context() as down:
        down.setattr(artifacts, "_download", away)
        with pytest.raises(UnreachableError):
            artifacts.fetch(packed.ref, settings)
    assert (folder / artifacts.MANIFEST).exists()
    assert (folder / artifacts.EXAMPLES).read_bytes() == b"damaged"
    assert artifacts.fetch(packed.ref, settings) == folder
    artifacts.verify(folder, packed.ref.digest)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageFullError),
        (OSError(errno.EIO, "Input/output error"), UnreachableError),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), ArtifactError),
    ],
)
def test_a_disk_that_is_full_for_a_second_is_no_verdict_on_the_artifact(
    packed, tmp_path, monkeypatch, error, kind
):
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))

    def failing(**_: object) -> str:
        raise error

    monkeypatch.setattr("mlflow.artifacts.download_artifacts", failing)
    ref = packed.ref.model_copy(update={"uri": "runs:/0123/model"})
    with pytest.raises(kind):
        artifacts.fetch(ref, Settings(mlflow_uri="http://127.0.0.1:1"))


def test_an_artifact_that_is_not_there_is_named(packed, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    gone = packed.ref.model_copy(update={"uri": (tmp_path / "gone").as_uri()})
    with pytest.raises(ArtifactError, match="not there"):
        artifacts.fetch(gone, Settings())


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.joblib", "python_model.pkl", "code.py", "conda.yaml"]
)
def test_a_file_of_another_format_is_never_accepted(copy, name):
    class Mine:
        def __reduce__(self):
            return (print, ("run",))

    (copy / name).write_bytes(pickle.dumps(Mine()))
    with pytest.raises(ArtifactError, match="format that is never loaded"):
        opened(copy)


def test_a_file_beside_the_manifest_or_a_link_is_refused(packed, copy):
    (copy / "extra.bin").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"extra\.bin"):
        artifacts.verify(copy, packed.ref.digest)
    (copy / "extra.bin").unlink()
    (copy / artifacts.METRICS).unlink()
    (copy / artifacts.METRICS).symlink_to(packed.folder / artifacts.METRICS)
    with pytest.raises(ArtifactError, match="plain files"):
        artifacts.verify(copy, packed.ref.digest)


def hostile(path):
    """A skops file that holds a function, with metadata that claims it may."""
    skops.io.dump(Pipeline([("run", FunctionTransformer(np.vectorize(print)))]), path)


def test_a_type_that_is_not_on_our_list_is_refused(copy):
    (copy / artifacts.ONNX).unlink()
    hostile(copy / artifacts.SKOPS)
    (copy / artifacts.MLMODEL).write_text(
        "flavors: {sklearn: {skops_trusted_types: [numpy.vectorize]}}"
    )
    with pytest.raises(ArtifactError, match="trust list"):
        opened(copy)


def test_without_our_list_that_type_would_have_been_built(copy, monkeypatch):
    hostile(copy / artifacts.SKOPS)
    foreign = tuple(skops.io.get_untrusted_types(file=copy / artifacts.SKOPS))
    assert foreign
    monkeypatch.setattr(loader, "TRUSTED_TYPES", loader.TRUSTED_TYPES | set(foreign))
    assert loader.read_skops(copy / artifacts.SKOPS)["run"]


def test_training_refuses_what_the_loader_would(packed, tmp_path):
    made = Pipeline([("run", FunctionTransformer(np.vectorize(print)))])
    with pytest.raises(SpecError, match="never be loaded"):
        scikit.save(made, tmp_path)


def change(path, act):
    model = onnx.load(path, load_external_data=False)
    act(model)
    path.write_bytes(model.SerializeToString())


def outside(model):
    tensor = onnx.helper.make_tensor("secret", onnx.TensorProto.FLOAT, [1], [1.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    model.graph.initializer.append(tensor)


def hidden(model):
    tensor = onnx.helper.make_tensor("secret", onnx.TensorProto.FLOAT, [1], [1.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["unused"], value=tensor))


def foreign(model):
    model.graph.node.append(onnx.helper.make_node("Run", [], ["unused"], domain="com.example"))


@pytest.mark.parametrize(
    ("act", "what"),
    [(outside, "outside its file"), (hidden, "outside its file"), (foreign, "not standard")],
)
def test_an_onnx_model_that_reaches_out_is_refused(copy, act, what):
    change(copy / artifacts.ONNX, act)
    with pytest.raises(ArtifactError, match=what):
        opened(copy)


@pytest.mark.parametrize("name", [artifacts.ONNX, artifacts.SPEC, artifacts.EXAMPLES])
def test_garbage_under_a_valid_digest_is_one_clear_error(copy, name):
    (copy / name).write_bytes(b"\x00garbage\xff" * 20)
    with pytest.raises(ArtifactError):
        opened(copy)


def test_garbage_for_skops_is_one_clear_error(copy):
    (copy / artifacts.ONNX).unlink()
    (copy / artifacts.SKOPS).write_bytes(b"not a zip")
    with pytest.raises(ArtifactError, match="skops file cannot be read"):
        opened(copy)


def test_code_that_changed_since_training_is_noticed(copy, monkeypatch):
    import tests.support.loop.model as code

    original = code.features
    monkeypatch.setattr(
        code, "features", lambda frame: original(frame.assign(rain=frame["rain"] * 25.4))
    )
    transform_module._import.cache_clear()
    with pytest.raises(ArtifactError, match="no longer answers"):
        opened(copy)


def test_features_with_other_columns_are_noticed(copy, monkeypatch):
    import tests.support.loop.model as code

    original = code.features
    monkeypatch.setattr(code, "features", lambda frame: original(frame).drop(columns="rain"))
    with pytest.raises(ArtifactError, match="no longer makes the columns"):
        opened(copy)


def by_columns(columns):
    """What the tests' ``features(frame)`` makes, of arrays."""
    day = columns["day"].astype("datetime64[D]").astype(np.int64)
    named = {name: columns[name] for name in ("courier", "distance", "rain")}
    return {**named, "weekday": (day + 3) % 7}


@pytest.mark.parametrize("by_rows", [None, by_columns])
def test_a_request_is_answered_as_rows_of_a_table_are(packed, copy, monkeypatch, by_rows):
    import tests.support.loop.model as code

    monkeypatch.setattr(code, "features_rows", by_rows, raising=False)
    rows = packed.holdout.head(60).assign(rain=[None, 0.5] * 30)
    asked = as_request(rows).to_dict("list")
    by_onnx = loader.open_folder(copy, packed.ref.digest)
    (copy / artifacts.ONNX).unlink()
    by_skops = loader.open_folder(copy, packed.ref.digest)
    for model in (by_onnx, by_skops):
        assert model.by_rows is by_rows
        np.testing.assert_array_equal(model.answer(asked), model.predict(rows))


def test_a_features_rows_that_answers_otherwise_is_noticed(copy, monkeypatch):
    import tests.support.loop.model as code

    def wrong(columns):
        return by_columns(columns) | {"rain": columns["rain"] * 25.4}

    monkeypatch.setattr(code, "features_rows", by_columns, raising=False)
    assert opened(copy).by_rows is by_columns  # the control
    monkeypatch.setattr(code, "features_rows", wrong)
    with pytest.raises(ArtifactError, match="no longer answers"):
        opened(copy)
    monkeypatch.setattr(code, "features_rows", lambda columns: {"rain": columns["rain"]})
    with pytest.raises(ArtifactError, match="no longer makes the columns"):
        opened(copy)


def test_examples_that_are_empty_prove_nothing(copy):
    (copy / artifacts.EXAMPLES).write_text(json.dumps({"inputs": {}, "scores": []}))
    with pytest.raises(ArtifactError):
        opened(copy)


def test_no_rows_get_no_answers(packed):
    model = loader.open_folder(packed.folder, packed.ref.digest)
    assert model.predict(packed.holdout.head(0)).shape == (0,)


def test_an_answer_that_is_not_a_number_is_an_error(packed):
    from dataclasses import replace

    model = loader.open_folder(packed.folder, packed.ref.digest)
    broken = replace(model, scorer=lambda rows: np.full(len(rows), np.nan))
    with pytest.raises(ArtifactError, match="with a number"):
        broken.predict(packed.holdout)


def test_plain_estimators_need_no_entry_on_the_list(tmp_path):
    estimator = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    skops.io.dump(estimator, tmp_path / "plain.skops")
    assert loader.read_skops(tmp_path / "plain.skops").coef_ == estimator.coef_


@pytest.mark.parametrize(
    ("field", "value"), [("left", 10**6), ("right", 0), ("feature_idx", 999), ("feature_idx", -1)]
)
def test_a_tree_that_points_outside_itself_is_refused(copy, field, value):
    estimator = loader.read_skops(copy / artifacts.SKOPS)
    estimator["model"]._predictors[3][0].nodes[field][0] = value
    skops.io.dump(estimator, copy / artifacts.SKOPS)
    with pytest.raises(ArtifactError, match="outside itself"):
        loader.read_skops(copy / artifacts.SKOPS)


def test_without_the_check_of_bounds_it_would_have_been_loaded(copy, monkeypatch):
    estimator = loader.read_skops(copy / artifacts.SKOPS)
    estimator["model"]._predictors[3][0].nodes["left"][0] = 10**6
    skops.io.dump(estimator, copy / artifacts.SKOPS)
    monkeypatch.setattr(bounds, "check_bounds", lambda estimator, path: None)
    assert loader.read_skops(copy / artifacts.SKOPS)["model"]
