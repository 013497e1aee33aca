from __future__ import annotations

import json

import pytest

from airloop.evaluation.metrics import evaluate
from airloop.registry import artifacts, loader
from airloop.training import conversion
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
