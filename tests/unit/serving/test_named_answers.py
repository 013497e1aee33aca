"""Several numbers a row: answered, documented, logged and scored by their names; one number as ever."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from airloop.columns import ANSWERS, MODEL_VERSION, PREDICTION
from airloop.contracts import Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.evolution import GONE
from airloop.data.lake.lake import Lake
from airloop.serving.log.frames import read_segment
from airloop.serving.log.predictionlog import log_folder, seal_segments
from airloop.serving.log.records import Answered, decode, encode
from airloop.serving.responses import PredictionResponse
from airloop.serving.scoring import score_partition
from airloop.settings import Settings
from airloop.specs.model import ModelSpec
from tests.support.serving_fakes import (
    GOOD_ROW,
    FakeLedger,
    FakeModel,
    client,
    dataset_spec,
    deployment,
    model_spec,
)

CLASSES = ("low", "high")


def classifier() -> ModelSpec:
    fields = model_spec().model_dump(mode="json", by_alias=True) | {
        "task": "classification",
        "outputs": {"classes": CLASSES},
        "gates": {"primary": "log_loss", "absolute": {"log_loss": {"max": 1}}},
    }
    return ModelSpec.model_validate(fields)


class Classifier(FakeModel):
    """High by a tenth of ``x``."""

    def __init__(self) -> None:
        super().__init__(0.1, classifier())

    def predict(self, frame: pd.DataFrame, now: Any = None) -> np.ndarray:
        high = super().predict(frame, now)
        return np.column_stack([1 - high, high])


class Labeller(FakeModel):
    """High where there is an ``x``."""

    def __init__(self) -> None:
        declared = {"outputs": {"labels": CLASSES}}
        gates = {"gates": {"primary": "f1", "absolute": {"f1": {"min": 0}}}}
        fields = classifier().model_dump(mode="json", by_alias=True) | declared | gates
        super().__init__(1.0, ModelSpec.model_validate(fields))

    def predict(self, frame: pd.DataFrame, now: Any = None) -> np.ndarray:
        high = super().predict(frame, now) > 0
        return np.asarray(self.spec.answer.decided(high.astype(float)))


class Encoder(FakeModel):
    """A place by ``x``."""

    def __init__(self) -> None:
        fields = model_spec().model_dump(mode="json", by_alias=True) | {
            "target": {"delay_days": 1},
            "outputs": {"vector": {"length": 3, "columns": ["late"], "label": "place"}},
            "gates": {"primary": "rmse", "absolute": {"rmse": {"max": 1}}},
        }
        super().__init__(1.0, ModelSpec.model_validate(fields))

    def predict(self, frame: pd.DataFrame, now: Any = None) -> np.ndarray:
        x = super().predict(frame, now)
        return np.column_stack([x, -x, np.ones(len(x))])


def ask(home: Path, model: FakeModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """An answer to two rows, and the service's document."""
    ledger = FakeLedger()
    ledger.deploy(1, model)

    async def main() -> tuple[dict[str, Any], dict[str, Any]]:
        slots = ledger.slots(home)
        await slots.refresh()
        async with client(slots) as http:
            body = {"rows": [GOOD_ROW, {**GOOD_ROW, "x": None}]}
            answer = (await http.post("/predict", json=body)).json()
            document = (await http.get("/openapi.json")).json()
        await slots.close()
        return answer, document

    return asyncio.run(main())


def logged(home: Path) -> list[bytes]:
    (segment,) = seal_segments(log_folder(home, "doubler"))
    return list(read_segment(segment).frames)


def test_an_answer_names_each_number_and_is_as_documented(tmp_path: Path) -> None:
    answer, document = ask(tmp_path, Classifier())
    assert answer["predictions"] == [{"low": 0.8, "high": 0.2}, {"low": 1.0, "high": 0.0}]
    assert PredictionResponse.model_validate(answer).predictions[0] == {"low": 0.8, "high": 0.2}
    found = document["paths"]["/models/doubler/predict"]["post"]["responses"]["200"]
    schema = found["content"]["application/json"]["schema"] | {"components": document["components"]}
    jsonschema.validate(answer, schema)
    answer["predictions"][0].pop("low")
    assert not jsonschema.Draft202012Validator(schema).is_valid(answer)
    frame = decode(logged(tmp_path), dataset_spec())
    assert frame[f"{ANSWERS}high"].to_pylist() == [0.2, 0.0]
    assert frame[PREDICTION].null_count == 2
    assert GONE not in (frame.schema.field(f"{ANSWERS}high").metadata or {})


def test_a_label_is_answered_by_its_name_and_logged_as_a_column_a_class(tmp_path: Path) -> None:
    answer, document = ask(tmp_path, Labeller())
    assert answer["predictions"] == ["high", "low"]
    assert PredictionResponse.model_validate(answer).predictions == ("high", "low")
    found = document["paths"]["/models/doubler/predict"]["post"]["responses"]["200"]
    schema = found["content"]["application/json"]["schema"] | {"components": document["components"]}
    jsonschema.validate(answer, schema)
    answer["predictions"][0] = "middling"
    assert not jsonschema.Draft202012Validator(schema).is_valid(answer)
    frame = decode(logged(tmp_path), dataset_spec())
    assert frame[f"{ANSWERS}high"].to_pylist() == [1.0, 0.0]
    assert frame[f"{ANSWERS}low"].to_pylist() == [0.0, 1.0]


def test_a_vector_is_answered_as_a_list_and_logged_by_place(tmp_path: Path) -> None:
    answer, document = ask(tmp_path, Encoder())
    assert answer["predictions"] == [[2.0, -2.0, 1.0], [0.0, 0.0, 1.0]]
    assert PredictionResponse.model_validate(answer).predictions[0] == (2.0, -2.0, 1.0)
    found = document["paths"]["/models/doubler/predict"]["post"]["responses"]["200"]
    schema = found["content"]["application/json"]["schema"] | {"components": document["components"]}
    jsonschema.validate(answer, schema)
    answer["predictions"][0].pop()
    assert not jsonschema.Draft202012Validator(schema).is_valid(answer)
    frame = decode(logged(tmp_path), dataset_spec())
    assert frame[f"{ANSWERS}1"].to_pylist() == [-2.0, 0.0]


def test_one_number_keeps_its_answer_its_document_and_the_bytes_of_its_log(tmp_path: Path) -> None:
    answer, document = ask(tmp_path, FakeModel())
    assert answer["predictions"] == [4.0, 0.0]
    found = document["paths"]["/models/doubler/predict"]["post"]["responses"]["200"]
    assert found["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/PredictionBody"
    }
    (said,) = orjson.loads(logged(tmp_path)[0])
    assert list(said) == ["id", "version", "at", "dates", "rows", "predictions"]
    at = datetime(2013, 3, 1, 12, tzinfo=UTC)
    one = Answered("r1", 3, at, [{"x": 2.0}], [4.0], None, dataset_spec())
    # As releases before wrote it, and read it.
    assert encode([one]) == (
        b'[{"id":"r1","version":3,"at":"2013-03-01T12:00:00+00:00","dates":["2013-03-01"],'
        b'"rows":[{"x":2.0}],"predictions":[4.0]}]'
    )


def test_versions_that_answer_differently_share_a_log_and_the_scores(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    lake, at = Lake(Settings()), datetime(2013, 3, 1, 12, tzinfo=UTC)
    told: list[Any] = [[4.0], [{"low": 0.25, "high": 0.75}]]
    frames = [
        encode([Answered("r", 1, at, [{"x": 1.0}], one, None, dataset_spec())]) for one in told
    ]
    both = decode(frames, dataset_spec())
    assert both[PREDICTION].to_pylist() == [4.0, None]
    assert both[f"{ANSWERS}low"].to_pylist() == [None, 0.25]
    row = {**GOOD_ROW, "day": at.date(), "late": 1.0}
    rows = pa.Table.from_pylist([row], pa.schema([
        ("key", pa.string()), ("day", pa.date32()), ("x", pa.float64()), ("n", pa.int64()),
        ("class", pa.string()), ("late", pa.float64()),
    ]))  # fmt: skip
    lake.replace_partition(
        "things", "2013-03-01", rows, partition_column="day",
        fence=Fence(key="ingest", token=1), digest=rows_digest(rows, without=["day"]),
    )  # fmt: skip
    for number, model in ((1, FakeModel()), (2, Classifier())):
        fence = Fence(key="score:doubler:2013-03-01", token=number)
        ref = score_partition(lake, model, dataset_spec(), deployment(number), "2013-03-01", fence)
    found = lake.read(ref).set_index(MODEL_VERSION)
    assert found.loc[1, PREDICTION] == 4.0
    assert np.isnan(found.loc[2, PREDICTION])
    assert found.loc[2, f"{ANSWERS}high"] == 0.2
