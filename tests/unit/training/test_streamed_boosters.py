"""Boosters whose rows stream are those of rows in memory, to the last bit; what could not be is refused before a fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from airloop.data import row_stream, streamed_split
from airloop.data.lake.lake import Lake
from airloop.data.streamed_split import divided
from airloop.errors import SpecError
from airloop.plugins.trainer import trainer_issues
from airloop.specs.model import ModelSpec
from airloop.training.fitted import Fitted, fit
from airloop.training.trainer import FitJob, FitPlace, FitStream, open_trainer
from airloop.training.trainers.boosting import heads, learners
from airloop.training.trainers.boosting import rows as row_files
from airloop.training.trainers.boosting.rows import RowFile
from tests.support.loop import boosters
from tests.support.loop.project import Project
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, rows
from tests.unit.registry.test_boosters import spec_of

#: Steps before it that learn from all rows at once.
SCALED = ("behind steps", "by its target", ", classes")
TAKEN = [
    one for one in boosters.CASES if not one.startswith("catboost") and not one.endswith(SCALED)
]
EARLY = [one for one in TAKEN if "stopped early" in one]


def streamed(spec: ModelSpec) -> ModelSpec:
    told = spec.model_dump(mode="json", by_alias=True)
    told["training"] |= {"stream": True, "window": "6d", "window_days": None}
    return ModelSpec.model_validate(told)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    home = tmp_path_factory.mktemp("streamed")
    frame = rows(per_day=500)
    # Of a courier that a sample passes over.
    frame.loc[777, "courier"] = "zeppelin"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(home))
        project = Project(home, dataset_spec().model_dump(mode="json", by_alias=True))
        project.put(dataset_spec(), frame)
    return project.lake


@pytest.fixture
def both(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A booster of the rows in memory and one of them as a stream, of which a tenth is held."""
    monkeypatch.setattr(streamed_split, "SAMPLE_ROWS", 300)
    monkeypatch.setattr(row_stream, "BATCH_ROWS", 170)
    monkeypatch.setattr(row_files, "BATCH_ROWS", 230)
    monkeypatch.setattr(learners, "BATCH_ROWS", 230)
    ref = lake.snapshot("deliveries", DAYS)

    def made(which: str) -> tuple[Fitted, Fitted]:
        specs = spec_of(which), streamed(spec_of(which))
        one, other = (
            fit(spec, dataset_spec(), divided(lake, spec, dataset_spec(), ref, HOLDOUT))
            for spec in specs
        )
        assert one.training_rows == other.training_rows
        return one, other

    return made


@pytest.mark.parametrize("which", sorted({*TAKEN} - {*EARLY}))
def test_a_streamed_booster_is_that_of_rows_in_memory(which: str, both: Any) -> None:
    one, other = both(which)
    assert other.estimator.content == one.estimator.content
    np.testing.assert_array_equal(other.scores, one.scores)


@pytest.mark.parametrize("seed", [1, 7])
def test_bins_are_made_from_the_same_sample_of_rows(
    seed: int, both: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more rows than LightGBM's 200,000 it takes some."""
    made = boosters.behind(
        boosters.codes, "lightgbm", "classification", subsample_for_bin=400, random_state=seed
    )
    monkeypatch.setitem(boosters.CASES, "lightgbm, monotone", made)
    one, other = both("lightgbm, monotone")
    assert other.estimator.content == one.estimator.content


@pytest.mark.parametrize("which", EARLY)
def test_a_streamed_booster_stops_early_by_rows_of_its_own(
    which: str, both: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = both(which)
    for name, value in one.metrics.items():
        assert other.metrics[name] == pytest.approx(value, rel=0.1, abs=0.02), name
    (last, booster), name = boosters.CASES[which]().steps[-1], "early_stopping_rounds"
    build = boosters.CASES[which]
    monkeypatch.setitem(
        boosters.CASES, which, lambda: build().set_params(**{f"{last}__{name}": None})
    )
    assert booster.get_params()[name]
    _, whole = both(which)
    assert len(other.estimator.content) < 0.7 * len(whole.estimator.content)


def test_every_category_of_the_stream_is_known(both: Any) -> None:
    _, other = both("lightgbm, monotone")
    encoder = other.estimator.head.steps[0][1].named_transformers_["text"]
    assert encoder.categories_[0].tolist() == ["bike", "van", "walk", "zeppelin"]


def _behind(step: Any) -> Any:
    table = ColumnTransformer([("text", step, ["courier"])], remainder="passthrough")
    return make_pipeline(table, boosters.estimator("xgboost", "classification"))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: make_pipeline(StandardScaler(), _behind(OrdinalEncoder())), "learns from all rows"),
        (lambda: _behind(OrdinalEncoder(min_frequency=2)), "OrdinalEncoder with min_frequency"),
        (lambda: _behind(OneHotEncoder(max_categories=2)), "OneHotEncoder with max_categories"),
        (
            lambda: make_pipeline(
                boosters.codes(),
                boosters.estimator("xgboost", "classification", tree_method="exact"),
            ),
            "use auto or hist",
        ),
    ],
)  # fmt: skip
def test_what_needs_all_rows_is_refused_before_a_fit(
    made: Any, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(boosters.CASES, "xgboost, monotone", made)
    trainer, job = open_trainer("xgboost"), job_of(tmp_path)
    with pytest.raises(SpecError, match=said):
        trainer.rehearse(job)
    with pytest.raises(SpecError, match=said):
        trainer.fit(job)


def job_of(folder: Path) -> FitJob:
    spec = streamed(spec_of("xgboost, monotone"))
    frame = rows(per_day=30)
    features = boosters.features(frame)
    truth = pd.Series(np.arange(len(frame)) % 2, dtype="float64")
    stream = FitStream(len(frame), lambda: iter([(features, truth)]))
    params = dict(spec.training.params)
    return FitJob(spec, features, truth, params, False, FitPlace(folder), stream=stream)


def test_a_sparse_matrix_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wide = ColumnTransformer([("text", OneHotEncoder(), ["courier"])], sparse_threshold=1.0)

    def made() -> Any:
        return make_pipeline(wide, boosters.estimator("xgboost", "classification"))

    monkeypatch.setitem(boosters.CASES, "xgboost, monotone", made)
    with pytest.raises(SpecError, match="sparse_output=False"):
        open_trainer("xgboost").fit(job_of(tmp_path))


def test_a_column_of_too_many_values_is_no_category(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(heads, "MAX_VALUES", 2)
    with pytest.raises(
        SpecError, match="too many values to be encoded as a category; got 'courier: 3'"
    ):
        open_trainer("xgboost").fit(job_of(tmp_path))  # fmt: skip


def test_catboost_takes_no_stream_and_the_refusal_names_who_does() -> None:
    with pytest.raises(ValueError, match="trainer catboost fits all rows at once"):
        streamed(spec_of("catboost, monotone"))
    (issue,) = trainer_issues({"trainer": "catboost", "stream": True})
    assert issue.remedy == "leave it out, or set trainer: lightgbm or torch or xgboost"


def test_rows_are_read_by_their_places_and_leave_no_file(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.float32).reshape(20, 3)
    with RowFile(tmp_path) as kept:
        for part in np.array_split(values, 3):
            kept.add(part, part[:, 0].astype(np.float64))
        assert list(tmp_path.iterdir()) == []
        assert len(kept) == 20
        np.testing.assert_array_equal(kept.read(6, 9), values[6:9])
        np.testing.assert_array_equal(kept.whole(), values)
        np.testing.assert_array_equal(np.concatenate(list(kept.parts())), values)
        np.testing.assert_array_equal(kept.target, values[:, 0])
