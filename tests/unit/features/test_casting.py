from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from airloop.errors import DataError
from airloop.features.casting import conform
from tests.support.loop.specimens import as_request, dataset_spec, rows

ALL = ["id", "day", "courier", "distance", "parcels", "stops", "asked_at", "express"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_types_depend_on_the_spec_not_on_the_batch(count):
    frame = rows(3).iloc[:count]
    for given in (frame, as_request(frame), frame.assign(stops=None, express=None, distance=None)):
        types = conform(dataset_spec(), ALL, given).dtypes.astype(str).tolist()
        assert types == [
            "object", "datetime64[ns]", "object", "float64", "int64", "float64", "datetime64[ns, UTC]", "float64",
        ]  # fmt: skip


def test_dates_are_read_from_dates_texts_and_timestamps():
    spec, day = dataset_spec(), pd.Timestamp("2024-03-05")
    for value in ("2024-03-05", dt.date(2024, 3, 5), day, day.tz_localize("UTC")):
        assert conform(spec, ["day"], pd.DataFrame({"day": [value]}))["day"][0] == day


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("distance", "far"),
        ("parcels", 1.5),
        ("parcels", None),
        ("courier", 7),
        ("day", "someday"),
        ("asked_at", "noon"),
        ("express", 2),
    ],
)
def test_a_value_that_does_not_fit_names_its_column(column, value):
    with pytest.raises(DataError, match=rf"column {column}"):
        conform(dataset_spec(), [column], pd.DataFrame({column: [value]}))
