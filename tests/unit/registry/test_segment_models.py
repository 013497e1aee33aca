"""The archive of the segments' models: what is in it is what its training wrote, or nothing is opened."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airloop.errors import ArtifactError
from airloop.registry import artifacts
from airloop.registry.frozen import FrozenSpec
from airloop.registry.segments import (
    GLOBAL,
    Routing,
    SegmentEntry,
    SegmentTable,
    archive,
    open_routing,
)
from tests.support.loop.specimens import dataset_spec, model_spec

FROZEN = FrozenSpec(
    model=model_spec(segments="courier"),
    dataset=dataset_spec(),
    features={"courier": "string", "distance": "number"},
)


def entry(name: str, number: int | None) -> SegmentEntry:
    status = "own" if number is not None else "not better"
    return SegmentEntry(segment=name, rows=9, number=number, status=status, reason="r")


def write(folder: Path, models: dict[int, dict[str, bytes]], *entries: SegmentEntry) -> None:
    table = SegmentTable(column="courier", metric="roc_auc", segments=entries)
    (folder / artifacts.SEGMENTS).write_text(table.model_dump_json())
    if models:
        (folder / artifacts.SEGMENT_MODELS).write_bytes(archive(models))


def constant(folder: Path, frozen: FrozenSpec):
    value = float((folder / artifacts.ONNX).read_bytes())
    return lambda rows: np.full(len(rows), value)


def opened(folder: Path, frozen: FrozenSpec = FROZEN) -> Routing | None:
    return open_routing(folder, frozen, constant)


def test_rows_go_to_their_segments_models_in_any_order(tmp_path):
    models = {2: {artifacts.ONNX: b"0.2"}, 7: {artifacts.ONNX: b"0.7"}}
    write(tmp_path, models, entry("van", 2), entry("bike", 7), entry("walk", None))
    routing = opened(tmp_path)
    frame = pd.DataFrame({"courier": ["bike", "walk", "van", None, "bike", "new"]})
    numbers = routing.of(dataset_spec(), frame)
    assert numbers.tolist() == [7, GLOBAL, 2, GLOBAL, 7, GLOBAL]
    asked: list[int] = []

    def overall(rows):
        asked.append(len(rows))
        return np.full(len(rows), 0.5)

    answers = routing.score(numbers, frame, overall)
    assert answers.tolist() == [0.7, 0.5, 0.2, 0.5, 0.7, 0.5]
    assert asked == [3]  # once, for all its rows


def test_a_number_names_a_segment_as_a_text_does(tmp_path):
    frozen = FROZEN.model_copy(
        update={"model": model_spec(segments="parcels", inputs=["day", "courier", "parcels"])}
    )
    table = SegmentTable(column="parcels", metric="roc_auc", segments=(entry("3", 0),))
    (tmp_path / artifacts.SEGMENTS).write_text(table.model_dump_json())
    (tmp_path / artifacts.SEGMENT_MODELS).write_bytes(archive({0: {artifacts.ONNX: b"0.3"}}))
    routing = opened(tmp_path, frozen)
    frame = pd.DataFrame({"parcels": [3, 4]})
    assert routing.of(dataset_spec(), frame).tolist() == [0, GLOBAL]


def test_a_model_without_segments_has_no_routing(tmp_path):
    plain = FROZEN.model_copy(update={"model": model_spec()})
    assert opened(tmp_path, plain) is None
    write(tmp_path, {}, entry("van", None))
    with pytest.raises(ArtifactError, match="its spec does not name"):
        opened(tmp_path, plain)


def test_a_table_without_its_models_and_models_without_their_table_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match="table of segments cannot be read"):
        opened(tmp_path)
    write(tmp_path, {}, entry("van", 1))
    with pytest.raises(ArtifactError, match="does not fit"):
        opened(tmp_path)
    write(tmp_path, {3: {artifacts.ONNX: b"0.3"}}, entry("van", 1))
    with pytest.raises(ArtifactError, match="lacks models"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "name", ["0/model.pkl", "../model.onnx", "/0/model.onnx", "0/a/model.onnx"]
)
def test_a_file_of_another_format_or_place_is_never_unpacked(tmp_path, name):
    write(tmp_path, {}, entry("van", 0))
    with zipfile.ZipFile(tmp_path / artifacts.SEGMENT_MODELS, "w") as packed:
        packed.writestr(name, b"0.1")
    with pytest.raises(ArtifactError, match="format that is never loaded"):
        opened(tmp_path)


def test_an_archive_that_is_none_is_refused(tmp_path):
    write(tmp_path, {}, entry("van", 0))
    (tmp_path / artifacts.SEGMENT_MODELS).write_bytes(b"PK no")
    with pytest.raises(ArtifactError, match="archive of segments cannot be read"):
        opened(tmp_path)


def test_the_same_models_make_the_same_bytes():
    models = {1: {"model.onnx": b"x", "model.skops": b"y"}, 0: {"model.onnx": b"z"}}
    assert archive(models) == archive(dict(reversed(models.items())))


def test_the_line_about_the_table_says_why_a_segment_failed():
    failed = SegmentEntry(
        segment="bike", rows=9, number=None, status="failed", reason="killed 2 times"
    )
    table = SegmentTable(column="courier", metric="roc_auc", segments=(entry("van", 0), failed))
    assert table.reason == (
        "1 of 2 segments have a model of their own; 1 failed: bike (killed 2 times)"
    )
