"""The history as the lake has it: read whole or in part, and what cannot be replayed is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from airloop.errors import RequestError
from airloop.replay import past as pasts
from airloop.replay.policies import chosen, standing
from airloop.replay.replay import Asked, replay
from airloop.settings import Settings
from airloop.specs import DatasetSpec, ModelSpec
from tests.support.toy_lake import filled
from tests.unit.replay.conftest import TURN, MakePast, world

#: Of the world's days, those that are in the lake, and their rows.
DAYS, ROWS = 50, 50 * 80


@pytest.fixture(scope="module")
def settings(dataset: DatasetSpec, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return filled(tmp_path_factory.mktemp("past"), dataset, world(TURN)[:ROWS])


def test_the_lakes_rows_are_the_past(
    settings: Settings, model: ModelSpec, dataset: DatasetSpec, past: MakePast
) -> None:
    read, expected = pasts.read(settings, model, dataset), past(TURN)
    assert read.keys == expected.keys[:DAYS]
    assert read.starts == expected.starts[: DAYS + 1]
    assert np.allclose(read.features["far"], expected.features["far"][:ROWS])
    part = pasts.read(settings, model, dataset, first="2013-01-10", last="2013-02-09")
    assert (part.keys[0], part.keys[-1], len(part.keys)) == ("2013-01-10", "2013-02-09", 31)


def test_days_that_are_not_there_are_named(
    settings: Settings, model: ModelSpec, dataset: DatasetSpec
) -> None:
    with pytest.raises(RequestError, match="that day is not in the lake; got '2014-01-01'"):
        pasts.read(settings, model, dataset, last="2014-01-01")


def test_deliveries_have_no_history(settings: Settings, model: ModelSpec) -> None:
    fields = {"cadence": "snapshot", "partition_column": None}
    deliveries = DatasetSpec.model_validate(
        {
            "name": "world",
            "description": "d",
            "owner": "tests",
            "source": {"kind": "python", "function": "somewhere:rows"},
            "start": "2013-01-01",
            "keys": ["id"],
            "columns": {"id": {"type": "string", "nullable": False}},
            "expectations": [{"expect": "expect_table_row_count_to_be_between"}],
            **fields,
        }
    )
    with pytest.raises(RequestError, match="no history to replay"):
        pasts.read(settings, model, deliveries)


def test_two_processes_find_what_one_finds(
    settings: Settings, model: ModelSpec, dataset: DatasetSpec, tmp_path: Path
) -> None:
    one = pasts.read(settings, model, dataset)
    policies = chosen(standing(model.retraining, dataset.cadence, DAYS), ["never"])
    told: list[int] = []
    alone, both = (
        replay(
            Asked(settings, model, dataset, tmp_path / str(cores)),
            one,
            policies,
            cores=cores,
            tell=lambda done, total, what: told.append(done),
        )
        for cores in (1, 2)
    )
    assert all(np.array_equal(a.primary, b.primary) for a, b in zip(alone, both, strict=True))
    assert told[: len(told) // 2] == told[len(told) // 2 :]
