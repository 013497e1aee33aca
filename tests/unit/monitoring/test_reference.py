from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from airloop.errors import ArtifactError, DataError
from airloop.monitoring import reference
from airloop.monitoring.reference import Reference
from airloop.specs import DatasetSpec, ModelSpec

MakeFrame = Callable[..., pd.DataFrame]


def test_a_reference_survives_its_file(quiet_reference: Reference, tmp_path: Path) -> None:
    reference.write(quiet_reference, tmp_path)
    assert reference.read(tmp_path) == quiet_reference


def test_it_knows_every_input_and_every_day(quiet_reference: Reference, model: ModelSpec) -> None:
    assert tuple(one.bins.column for one in quiet_reference.columns) == model.inputs
    assert len(quiet_reference.days) == 60
    assert sum(quiet_reference.day_rows) == quiet_reference.rows == 30_000
    assert quiet_reference.holdout == {"roc_auc": 0.8}


def test_a_frame_without_an_input_makes_no_reference(
    model: ModelSpec, dataset: DatasetSpec, make_frame: MakeFrame
) -> None:
    frame = pd.DataFrame({"day": [pd.Timestamp("2013-01-01")], "carrier": ["AA"]})
    with pytest.raises(DataError, match="x0"):
        reference.build(model, dataset, frame)


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"model": "guess"'])
def test_a_damaged_reference_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / reference.FILE).write_bytes(content)
    with pytest.raises(ArtifactError, match="train the model again"):
        reference.read(tmp_path)


def test_rows_in_any_order_make_the_same_reference(
    model: ModelSpec, dataset: DatasetSpec, make_frame: MakeFrame
) -> None:
    frame = pd.concat([make_frame(seed, f"2013-01-0{seed}", rows=80) for seed in range(1, 6)])
    shuffled = frame.sample(frac=1, random_state=3)
    made = reference.build(model, dataset, frame, labels=frame["y"])
    again = reference.build(model, dataset, shuffled, labels=shuffled["y"])
    assert made.days == again.days == tuple(f"2013-01-0{day}" for day in range(1, 6))
    for one, other in zip(made.columns, again.columns, strict=True):
        assert one.day_counts == other.day_counts
        assert one.day_totals == pytest.approx(other.day_totals)
    assert made.label is not None
    assert again.label is not None
    assert made.label.day_counts == again.label.day_counts
