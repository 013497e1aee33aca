"""Boosters of XGBoost, LightGBM and CatBoost are trained, stored and answered alike from their files, or refused before a fit."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airloop.data.snapshot import split
from airloop.errors import ArtifactError, DataError, SpecError
from airloop.plugins.registry import TRAINERS, load
from airloop.registry import loader
from airloop.registry.formats.boosters import ubjson
from airloop.registry.formats.boosters.flat import Table
from airloop.registry.formats.boosters.model import FILES, columns, open_boosted
from airloop.specs.model import ModelSpec
from airloop.training.fitted import fit
from airloop.training.package import pack
from airloop.training.probes import MISSING, UNSEEN
from airloop.training.trainer import FitJob, FitPlace
from airloop.training.trainers import scikit
from airloop.training.trainers.boosting import fitting, libraries
from tests.support.loop import boosters
from tests.support.loop.outcomes import CLASSES
from tests.support.loop.pairs import VALUES
from tests.support.loop.places import VECTOR
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, model_spec, rows

for _library in boosters.LIBRARIES:
    pytest.importorskip(_library)

KNOWN = {
    "xgboost": libraries.XGBoost(),
    "lightgbm": libraries.LightGBM(),
    "catboost": libraries.CatBoost(),
}


#: What is declared of each kind, the module that knows its truth, and the gates.
SEVERAL: dict[str, tuple[Any, str, Any]] = {
    "classes": (CLASSES, "outcomes", {"primary": "log_loss", "absolute": {"log_loss": {"max": 9}}}),
    "quantiles": ([0.1, 0.5, 0.9], "values", {"primary": "pinball", "absolute": {"pinball": {"max": 9}}}),
    "values": (VALUES, "pairs", {"primary": "relative_rmse", "absolute": {"relative_rmse": {"max": 1}}}),
    "vector": (VECTOR, "places", {"primary": "rmse", "absolute": {"rmse": {"max": 9}}}),
}  # fmt: skip


def several(which: str, params: dict[str, Any] | None = None, **changes: Any) -> ModelSpec:
    """The spec of a model of more than one number."""
    library, kind = which.split(", ")[:2]
    declared, module, gates = SEVERAL[kind]
    fields = {
        "module": f"tests.support.loop.boosters_{module}",
        "task": "classification" if kind == "classes" else "regression",
        "outputs": {kind: declared},
        "inputs": ["courier", "distance", "rain"],
        "training": {"trainer": library, "params": {"which": which, **(params or {})}},
        "gates": gates,
    }
    if kind in {"values", "vector"}:
        fields["target"] = {"column": None}
    return model_spec(**fields | changes)


def spec_of(which: str, params: dict[str, Any] | None = None) -> ModelSpec:
    if which.split(", ")[1] in SEVERAL:
        return several(which, params)
    library = which.partition(",")[0]
    task = "regression" if which in boosters.VALUES or "regression" in which else "classification"
    numbers = which.endswith("alone") and library != "catboost"
    gates = {} if task == "classification" else {"primary": "mae", "absolute": {"mae": {"max": 99}}}
    module = f"tests.support.loop.boosters{'_numbers' if numbers else ''}"
    return model_spec(
        module=module if task == "classification" else f"{module}_values",
        task=task,
        inputs=["courier", "distance", "rain"],
        training={"trainer": library, "params": {"which": which, **(params or {})}},
        gates=gates,
    )


def job_of(which: str, folder: Path, count: int = 40, params: Any = None) -> FitJob:
    spec = spec_of(which)
    frame = rows(per_day=count)
    features = boosters.features(frame)
    truth = pd.Series(np.arange(len(features)) % 2, dtype="float64")
    if not count:
        features = pd.DataFrame()
    return FitJob(spec, features, truth, params or {"which": which}, False, FitPlace(folder))


@pytest.mark.parametrize("which", boosters.CASES)
def test_it_answers_from_its_file_as_its_library_did(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the library itself fitted, before anything was made of it.
    seen: list[Any] = []
    library = KNOWN[which.partition(",")[0]]
    native = library.native
    monkeypatch.setattr(type(library), "native", lambda _, one: seen.append(one) or native(one))
    spec = spec_of(which)
    parts = split(spec, dataset_spec(), rows(per_day=60), HOLDOUT)
    fitted = fit(spec, dataset_spec(), parts, {})
    folder = tmp_path / "model"
    package = pack(spec, dataset_spec(), parts, fitted, folder, trained_on=DAYS[:-2])
    assert (folder / FILES[library.name][0]).exists()
    model = loader.open_folder(folder, package.digest)
    head, one = fitted.estimator.head, spec.answer

    def theirs(features: pd.DataFrame) -> Any:
        matrix = features if head is None else columns(head.transform(features))
        if spec.task == "classification":
            said = seen[0].predict_proba(matrix)
            return said if one.shape else said[:, 1]
        said = np.column_stack([last.predict(matrix) for last in seen])
        said = np.sort(said, axis=1) if one.levels else said
        return said.reshape(len(matrix), *one.shape)

    answers = model.predict(parts.holdout.frame)
    assert answers.shape == (len(parts.holdout.frame), *one.shape)
    assert (answers.std(axis=0) > 0).all()
    assert model.predict(parts.holdout.frame.iloc[:0]).shape == (0, *one.shape)
    np.testing.assert_allclose(answers, theirs(fitted.features), rtol=1e-6, atol=1e-7)
    # One row alone, and a thousand, to the last bit.
    many = pd.concat([fitted.features] * (1 + 1000 // len(fitted.features))).head(1000)
    np.testing.assert_array_equal(model.scorer(many)[: len(answers)], answers)
    alone = [model.scorer(fitted.features.iloc[[place]])[0] for place in range(20)]
    np.testing.assert_array_equal(alone, answers[:20])
    # Of unseen and of missing values, and beside each threshold.
    asked = pd.concat(probes(fitted.features))
    np.testing.assert_allclose(model.scorer(asked), theirs(asked), rtol=1e-6, atol=1e-7)
    matrix = beside(fitted)
    named = matrix
    if head is None and library.categorical is None:
        named = pd.DataFrame(matrix, columns=fitted.features.columns)
    if spec.task == "classification":
        said = seen[0].predict_proba(named)
        said = said if one.shape else said[:, -1]
    else:
        said = np.column_stack([last.predict(named) for last in seen])
    heard = fitted.estimator.booster.answer(matrix)
    np.testing.assert_allclose(heard, said.reshape(heard.shape), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("library", boosters.LIBRARIES)
def test_quantiles_never_cross_and_hold_their_shares(library: str, tmp_path: Path) -> None:
    spec = several(f"{library}, quantiles")
    parts = split(spec, dataset_spec(), rows(per_day=60), HOLDOUT)
    fitted = fit(spec, dataset_spec(), parts, {})
    assert (np.diff(fitted.scores) >= 0).all()
    below = (fitted.truth[:, :1] <= fitted.scores).mean(axis=0)
    np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.12)


@pytest.mark.parametrize("library", boosters.LIBRARIES)
@pytest.mark.parametrize("there", [(0, 2), (0, 1, 3)])
def test_a_class_that_a_fit_for_a_choice_lacks_is_given_nothing(
    library: str, there: tuple[int, ...], tmp_path: Path
) -> None:
    which = f"{library}, classes"
    spec = several(which, outputs={"classes": [*CLASSES, "cancelled"]})
    features = boosters.features(rows(per_day=40))
    truth = pd.Series(np.resize(there, len(features)), dtype="float64")
    job = FitJob(spec, features, truth, {"which": which}, False, FitPlace(tmp_path))
    answers = fitting.fit(job, KNOWN[library]).score(features)
    assert answers.shape == (len(features), 4)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    assert set(np.nonzero(answers.sum(axis=0))[0]) == {*there}
    with pytest.raises(DataError, match=r"the same label; got 'early'"):
        fitting.fit(replace(job, truth=truth * 0), KNOWN[library])


@pytest.mark.parametrize("library", boosters.LIBRARIES)
def test_two_classes_are_answered_by_their_names_too(library: str, tmp_path: Path) -> None:
    which = f"{library}, classes"
    spec = several(which, outputs={"classes": ["early", "late"]})
    features = boosters.features(rows(per_day=40))
    truth = (features["distance"] > 5).astype("float64")
    job = FitJob(spec, features, truth, {"which": which}, False, FitPlace(tmp_path))
    model = fitting.fit(job, KNOWN[library])
    answers = model.score(features)
    assert (answers.argmax(axis=1) == truth).mean() > 0.9
    fitting.save(model, tmp_path)
    opened = open_boosted(model.library, model.head, tmp_path, spec.answer)
    np.testing.assert_array_equal(opened.score(features), answers)
    other = several(which).answer
    with pytest.raises(ArtifactError, match=r"answers another question.*early, on-time, late"):
        open_boosted(model.library, model.head, tmp_path, other)


@pytest.mark.parametrize("library", boosters.LIBRARIES)
def test_labels_are_the_likeliest_class_from_the_file_as_well(library: str, tmp_path: Path) -> None:
    gates = {"primary": "f1", "absolute": {"error_rate": {"max": 1}}}
    likely = several(f"{library}, classes")
    spec = several(f"{library}, classes", outputs={"labels": CLASSES}, gates=gates)
    parts = split(spec, dataset_spec(), rows(per_day=60), HOLDOUT)
    fitted = fit(spec, dataset_spec(), parts, {})
    probable = fit(likely, dataset_spec(), parts, {}).scores
    np.testing.assert_array_equal(fitted.scores, np.eye(3)[probable.argmax(axis=1)])
    assert fitted.metrics["error_rate"] < 0.5
    package = pack(spec, dataset_spec(), parts, fitted, tmp_path / "model", trained_on=DAYS[:-2])
    opened = loader.open_folder(tmp_path / "model", package.digest)
    np.testing.assert_array_equal(opened.predict(parts.holdout.frame), fitted.scores)


UNASKED = [
    (
        "xgboost, classes",
        {"objective": "multi:softmax"},
        r"model of classes early, on-time, late.*softprob",
    ),
    ("xgboost, values", {"multi_strategy": "multi_output_tree"}, "one_output_per_tree"),
    ("xgboost, quantiles", {"quantile_alpha": 0.3}, r"stand in outputs\.quantiles"),
    ("xgboost, quantiles", {"objective": "reg:absoluteerror"}, "use one of reg:quantileerror"),
    ("lightgbm, classes", {"objective": "multiclassova"}, "use one of multiclass"),
    ("lightgbm, quantiles", {"alpha": 0.3}, r"stand in outputs\.quantiles"),
    ("lightgbm, values", {"objective": "quantile"}, "values late, cost.*use one of"),
    ("catboost, classes", {"loss_function": "MultiClassOneVsAll"}, "use one of MultiClass"),
    ("catboost, quantiles", {"loss_function": "MultiQuantile:alpha=0.2,0.8"}, "stand in outputs"),
    ("catboost, values", {"loss_function": "MAE"}, "use one of MultiRMSE"),
]


@pytest.mark.parametrize(("which", "params", "told"), UNASKED)
def test_a_loss_that_answers_something_else_is_refused_before_any_fit(
    which: str, params: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = which.partition(",")[0]
    task = "classification" if "classes" in which else "regression"
    bad = f"{which}, bad"
    monkeypatch.setitem(
        boosters.CASES, bad, boosters.behind(boosters.codes, library, task, **params)
    )
    monkeypatch.setattr(fitting, "_fitted", None)  # it never comes to that
    with pytest.raises(SpecError, match=told):
        load(TRAINERS, library).rehearse(job_of(bad, tmp_path))


def probes(features: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows with an unseen and a missing value of each feature."""
    first = features.head(5)
    return [
        first.assign(**{name: value})
        for name in features.columns
        for value in ((UNSEEN, MISSING) if features[name].dtype == object else (np.float32("nan"),))
    ]


def beside(fitted: Any) -> Any:
    """What a booster is asked, at each of its thresholds and at the next number on each side."""
    model = fitted.estimator
    given = fitted.features.head(2)
    rows = columns(given if model.head is None else model.head.transform(given))
    rows = rows.toarray() if hasattr(rows, "toarray") else rows
    found = []
    for place, cut in cuts(model.library, model.content):
        for value in (cut, *(np.nextafter(cut, np.float32(side)) for side in (-np.inf, np.inf))):
            found.append(rows.copy())
            found[-1][:, place] = value
    assert found
    return np.concatenate(found)


def cuts(library: str, content: bytes) -> set[tuple[int, np.float32]]:
    """Each feature's thresholds in the trees."""
    if library == "XGBoost":
        booster = ubjson.loads(content)["learner"]["gradient_booster"]
        trees = booster.get("gbtree", booster)["model"]["trees"]
        pairs = (
            pair
            for tree in trees
            for pair in zip(tree["split_indices"], tree["split_conditions"], strict=True)
        )
    elif library == "LightGBM":
        lines = [line.partition("=")[::2] for line in content.decode().split("\n")]
        named = {
            key: [float(one) for name, told in lines if name == key for one in told.split(" ")]
            for key in ("split_feature", "threshold")
        }
        pairs = zip(named["split_feature"], named["threshold"], strict=True)
    else:
        floats = Table(content[8:]).table(1).tables(5)
        pairs = ((one.scalar(2, "i", -1), cut) for one in floats for cut in one.numbers(3, "f"))
    # A node that was pruned splits by a feature of this number.
    gone = 2**31 - 1
    return {(int(at), np.float32(cut)) for at, cut in pairs if at != gone and abs(cut) < 1e30}


def test_the_same_training_gives_the_same_bytes(tmp_path: Path) -> None:
    for which in ("xgboost", "lightgbm", "catboost"):
        digests = set()
        for _ in range(2):
            job = job_of(f"{which}, classification, behind steps", tmp_path, 100)
            model = fitting.fit(job, KNOWN[which])
            digests.add(hashlib.sha256(model.content).hexdigest())
        assert len(digests) == 1, which


@pytest.mark.parametrize("library", boosters.LIBRARIES)
def test_stopping_early_keeps_the_best_iteration(library: str, tmp_path: Path) -> None:
    job = job_of(f"{library}, classification, stopped early", tmp_path, 100)
    with_all = job_of(f"{library}, classification, behind steps", tmp_path, 100)
    # Labels made by chance: nothing is learned after the first iterations, of 300.
    short, long = (fitting.fit(one, KNOWN[library]) for one in (job, with_all))
    assert len(short.content) < len(long.content) * 3


def objective(truth: Any, scores: Any) -> Any:
    return scores - truth, np.ones_like(scores)


class Callback:
    def after_iteration(self, *_: Any) -> bool:
        return False


REFUSED = [
    ("xgboost", {"objective": objective}, "objective is code"),
    ("xgboost", {"callbacks": [Callback()]}, "callbacks is code"),
    ("xgboost", {"eval_metric": objective}, "eval_metric is code"),
    ("xgboost", {"objective": "rank:pairwise"}, "minimises this"),
    ("xgboost", {"booster": "gblinear"}, "models with this booster"),
    ("xgboost", {"missing": -1.0}, "a missing value is NaN"),
    ("lightgbm", {"objective": objective}, "objective is code"),
    ("lightgbm", {"objective": "multiclass"}, "minimises this"),
    ("lightgbm", {"linear_tree": True}, "models with this linear_tree"),
    ("catboost", {"loss_function": Callback()}, "loss_function is code"),
    ("catboost", {"eval_metric": Callback()}, "eval_metric is code"),
    ("catboost", {"loss_function": "MultiClass"}, "minimises this"),
    ("catboost", {"text_features": ["courier"]}, "models with this text_features"),
]


@pytest.mark.parametrize(("library", "params", "told"), REFUSED)
def test_what_cannot_be_stored_is_refused_before_any_fit(
    library: str, params: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = boosters.behind(boosters.codes, library, "classification", **params)
    monkeypatch.setitem(boosters.CASES, f"{library}, bad", made)
    job = job_of(f"{library}, bad", tmp_path)
    monkeypatch.setattr(fitting, "_fitted", None)  # it never comes to that
    with pytest.raises(SpecError, match=told) as refused:
        load(TRAINERS, library).rehearse(job)
    assert refused.value.remedy


@pytest.mark.parametrize("library", boosters.LIBRARIES)
def test_a_booster_inside_of_something_else_is_refused_by_name(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression

    for made in (
        lambda: CalibratedClassifierCV(boosters.estimator(library, "classification")),
        LogisticRegression,
        lambda: boosters.estimator(library, "regression"),
    ):
        monkeypatch.setitem(boosters.CASES, f"{library}, bad", made)
        with pytest.raises(SpecError, match=f"trainer {library} keeps") as refused:
            load(TRAINERS, library).rehearse(job_of(f"{library}, bad", tmp_path))
        assert "last step of a Pipeline" in refused.value.remedy


@pytest.mark.parametrize("library", boosters.LIBRARIES)
def test_texts_that_a_booster_does_not_take_are_refused(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = boosters.alone(library, "classification")
    monkeypatch.setitem(boosters.CASES, f"{library}, bad", made)
    with pytest.raises(SpecError, match=r"takes no texts.*courier"):
        load(TRAINERS, library).rehearse(job_of(f"{library}, bad", tmp_path))


@pytest.mark.parametrize("library", boosters.LIBRARIES)
def test_a_step_with_a_function_is_refused(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    def made() -> Any:
        head = make_pipeline(boosters.codes(), FunctionTransformer(objective_free))
        return make_pipeline(head, boosters.estimator(library, "classification"))

    monkeypatch.setitem(boosters.CASES, f"{library}, bad", made)
    with pytest.raises(SpecError, match="never be loaded"):
        load(TRAINERS, library).rehearse(job_of(f"{library}, bad", tmp_path))


def objective_free(values: Any) -> Any:
    return values * 2


@pytest.mark.parametrize("library", boosters.LIBRARIES)
def test_the_scikit_learn_trainer_names_the_right_one(library: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="never be loaded") as refused:
        scikit.rehearse(job_of(f"{library}, classification, behind steps", tmp_path))
    assert f"trainer: {library}" in refused.value.remedy


def test_rows_that_do_not_do_are_told_apart(tmp_path: Path) -> None:
    job = job_of("xgboost, classification, behind steps", tmp_path)
    one_class = FitJob(
        job.model, job.features, job.truth * 0 + 2, job.params, False, FitPlace(tmp_path)
    )
    with pytest.raises(DataError, match="first 240 rows"):
        load(TRAINERS, "xgboost").rehearse(one_class)
