"""Which rows of a delivery the gates keep."""

from __future__ import annotations

import pandas as pd
import pytest

from airloop.data.splitting import held_out
from airloop.errors import DataError
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from tests.support.loop import specimens

ROWS = pd.DataFrame({"id": [f"i{number}" for number in range(200)]})
DATASET: DatasetSpec = specimens.dataset_spec()


def model(by: str, column: str | None = None) -> ModelSpec:
    return specimens.model_spec(training={"split": {"by": by, "column": column}})


def test_a_group_is_on_one_side() -> None:
    frame = ROWS.assign(courier=[f"c{number % 40}" for number in range(200)])
    chosen = held_out(model("group", "courier"), DATASET, frame)
    assert 0 < chosen.sum() < 200
    assert frame.assign(held=chosen).groupby("courier")["held"].nunique().max() == 1


def test_a_split_by_a_column_of_one_group_says_so() -> None:
    frame = ROWS.assign(courier="everybody")
    with pytest.raises(DataError, match="all rows are on one side: courier has 1 groups") as error:
        held_out(model("group", "courier"), DATASET, frame)
    assert "training.split" in str(error.value)
    assert "name a column of more groups" in str(error.value)
