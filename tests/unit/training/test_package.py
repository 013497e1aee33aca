from __future__ import annotations

import json

import numpy as np
import pytest

from airloop.errors import SpecError
from airloop.evaluation.metrics import evaluate
from airloop.registry import artifacts, loader
from airloop.training import conversion
from tests.support.loop import model as code
from tests.support.loop.artifact import pack_one


@pytest.mark.parametrize("runtime", ["onnx", "sklearn"])
def test_what_is_recorded_is_what_the_runtime_that_serves_answers(tmp_path, monkeypatch, runtime):
    if runtime != "onnx":
        monkeypatch.setattr(conversion, "_onnx", lambda *_: 1 / 0)
    packed = pack_one(tmp_path)
    model = loader.open_folder(packed.folder, packed.ref.digest)
    assert model.runtime == runtime
    answers = model.predict(packed.holdout)
    # To the last digit: two runtimes may differ in it, and ties then move a rank metric.
    assert (packed.served.scores == answers).all()
    recorded = json.loads((packed.folder / artifacts.METRICS).read_bytes())
    asked_again = evaluate(model.spec.task, packed.served.truth, answers, model.spec.metrics)
    assert {name: recorded[name] for name in asked_again} == asked_again
    examples = json.loads((packed.folder / artifacts.EXAMPLES).read_bytes())
    assert examples["scores"] == answers[: len(examples["scores"])].tolist()


def test_a_features_rows_that_differs_in_one_row_of_the_holdout_is_refused(tmp_path, monkeypatch):
    def by_columns(columns, far=np.inf):
        day = columns["day"].astype("datetime64[D]").astype(np.int64)
        rain = np.where(columns["distance"] < far, columns["rain"], -1.0)
        named = {name: columns[name] for name in ("courier", "distance")}
        return {**named, "rain": rain, "weekday": (day + 3) % 7}

    monkeypatch.setattr(code, "features_rows", by_columns, raising=False)
    packed = pack_one(tmp_path / "good")  # the control
    farthest = packed.holdout["distance"].max()
    monkeypatch.setattr(code, "features_rows", lambda columns: by_columns(columns, farthest))
    with pytest.raises(SpecError, match=r"features_rows.. makes other features.*rain is .* in row"):
        pack_one(tmp_path / "bad")
