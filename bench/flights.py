"""Made-up flights with the demo's columns: as many rows a day as a bench wants."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from airloop.paths import config_folder
from airloop.specs import Catalog
from airloop.specs.dataset import DatasetSpec

TEXTS = {"carrier": ["UA", "AA", "B6", "DL"], "origin": ["EWR", "JFK", "LGA"], "dest": ["IAH"]}


def spec() -> DatasetSpec:
    """The demo's dataset."""
    return Catalog(config_folder()).dataset("flights")


def day_of(chance: np.random.Generator, day: date, rows: int, planted: int = 0) -> pa.Table:
    """One day.

    :param planted: rows with an impossible distance
    """
    columns: dict[str, pa.Array] = {
        "flight_id": pa.array([f"{day}-UA-{number}-EWR" for number in range(rows)]),
        "flight_date": pa.array([day] * rows, pa.date32()),
        "time_hour": pa.array(np.full(rows, np.datetime64(day, "us")), pa.timestamp("us", "UTC")),
    }
    for name, column in spec().columns.items():
        if name in TEXTS:
            columns[name] = pa.array(chance.choice(TEXTS[name], rows))
        elif column.type == "integer":
            columns[name] = pa.array(chance.integers(0, 1440, rows))
        elif name not in columns:
            columns[name] = pa.array(chance.uniform(20, 100, rows))
    distance = chance.uniform(100, 5000, rows)
    # Not a whole number: readers that guess a column's type by its first rows would take it for one of integers.
    distance[:planted] = -1.5
    columns["distance"] = pa.array(distance)
    return pa.table({name: columns[name] for name in spec().columns})
