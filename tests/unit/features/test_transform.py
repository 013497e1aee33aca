from __future__ import annotations

import sys
import types

import numpy as np
import pandas as pd
import pytest

from airloop.errors import DataError, SpecError
from airloop.features.transform import transform
from airloop.features.truth import labels
from tests.support.loop.specimens import as_request, dataset_spec, model_spec, rows


def test_a_request_and_a_training_row_become_the_same_features():
    frame = rows(20)
    trained = transform(model_spec(), dataset_spec(), frame)
    for start in range(0, len(frame), 7):
        part = frame.iloc[start : start + 7]
        asked = transform(model_spec(), dataset_spec(), as_request(part))
        pd.testing.assert_frame_equal(asked, trained.iloc[start : start + 7].reset_index(drop=True))


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="rain"):
        transform(model_spec(), dataset_spec(), rows(2).drop(columns="rain"))


def test_missing_text_is_a_category_of_its_own():
    spec = dataset_spec()
    columns = spec.columns | {
        "courier": spec.columns["courier"].model_copy(update={"nullable": True})
    }
    features = transform(
        model_spec(), spec.model_copy(update={"columns": columns}), rows(2).assign(courier=None)
    )
    assert set(features["courier"]) == {""}


def module(monkeypatch: pytest.MonkeyPatch, **functions: object) -> str:
    made = types.ModuleType("planted_model")
    for name, function in functions.items():
        setattr(made, name, function)
    monkeypatch.setitem(sys.modules, "planted_model", made)
    from airloop.features import transform as under_test

    under_test._import.cache_clear()
    return "planted_model"


@pytest.mark.parametrize(
    ("features", "error", "what"),
    [
        (lambda frame: frame[["nothing"]], DataError, "KeyError"),
        (lambda _: sys.exit(3), DataError, "SystemExit: 3"),
        (lambda frame: frame[["distance"]].head(1), SpecError, "rows it was given"),
        (lambda frame: frame["distance"], SpecError, "DataFrame"),
        (lambda frame: frame[["day"]], SpecError, "number or a string"),
        (lambda frame: frame[["distance", "distance"]], SpecError, "twice"),
    ],
)
def test_wrong_features_are_one_clear_error(monkeypatch, features, error, what):
    spec = model_spec(module=module(monkeypatch, features=features))
    with pytest.raises(error, match=what):
        transform(spec, dataset_spec(), rows(3))


def test_a_module_without_features_or_that_cannot_be_imported_is_named(monkeypatch):
    with pytest.raises(SpecError, match="def features"):
        transform(model_spec(module=module(monkeypatch)), dataset_spec(), rows(2))
    with pytest.raises(SpecError, match="no_such_module"):
        transform(model_spec(module="no_such_module"), dataset_spec(), rows(2))


@pytest.mark.parametrize(
    "text", ["import sys\nsys.exit(3)", "1 / 0", "def features(:", "import no_such"]
)
def test_a_module_that_cannot_be_imported_is_one_clear_error(monkeypatch, tmp_path, text):
    (tmp_path / "planted_file.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "planted_file", raising=False)
    with pytest.raises(
        SpecError, match=r"the model's module cannot be imported; got .planted_file: "
    ):
        transform(model_spec(module="planted_file"), dataset_spec(), rows(2))


def test_a_label_function_that_fails_is_one_clear_error(monkeypatch):
    made = module(monkeypatch, features=None, label=lambda frame: frame["nothing"])
    with pytest.raises(DataError, match=r"label\(\) failed on these rows"):
        labels(model_spec(module=made), rows(2))


def test_a_label_is_unknown_where_the_truth_is():
    frame = rows(5)
    frame.loc[3, "minutes_late"] = np.nan
    truth = labels(model_spec(), frame)
    assert np.isnan(truth[3])
    assert truth.drop(3).isin([0.0, 1.0]).all()


def test_a_label_that_is_no_class_is_refused(monkeypatch):
    spec = model_spec(module=module(monkeypatch, features=None))
    with pytest.raises(DataError, match="0, 1 or missing"):
        labels(spec, rows(5))


def test_a_target_of_texts_is_told_and_not_taken_for_missing_labels(monkeypatch):
    spec = model_spec(module=module(monkeypatch))
    frame = rows(2).assign(minutes_late=["yes", None, "no"] * 4)
    with pytest.raises(DataError, match=r"a label must be a number; got \['no', 'yes'\]") as error:
        labels(spec, frame)
    assert "label(frame)" in str(error.value)


def test_numbers_become_what_onnx_computes_with():
    features = transform(model_spec(), dataset_spec(), rows(2))
    assert {str(kind) for kind in features.drop(columns="courier").dtypes} == {"float32"}
