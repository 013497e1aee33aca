from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from include.errors import ArtifactError, DataError
from include.monitoring import reference
from include.monitoring.reference import Reference
from include.specs import DatasetSpec, ModelSpec


def test_a_reference_survives_its_file(quiet_reference: Reference, tmp_path: Path) -> None:
    reference.write(quiet_reference, tmp_path)
    assert reference.read(tmp_path) == quiet_reference


def test_it_knows_every_input_and_every_day(quiet_reference: Reference, model: ModelSpec) -> None:
    assert tuple(one.bins.column for one in quiet_reference.columns) == model.inputs
    assert len(quiet_reference.days) == 60
    assert sum(quiet_reference.day_rows) == quiet_reference.rows == 30_000
    assert quiet_reference.holdout == {"roc_auc": 0.8}


def test_a_frame_without_an_input_makes_no_reference(
    model: ModelSpec, dataset: DatasetSpec, make_frame: object
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
