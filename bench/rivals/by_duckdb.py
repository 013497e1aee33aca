"""Counts as one writes them with DuckDB."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import duckdb


def counts(path: str, bins: dict[str, Any]) -> dict[str, list[int]]:
    """How many values of each column fall between its edges, or are each of its names."""
    numbers = {name: one["edges"] for name, one in bins.items() if one["edges"]}
    asked = [
        f"count(*) FILTER ({name} >= {edge!r})" for name, edges in numbers.items() for edge in edges
    ]
    connection = duckdb.connect()
    source = f"read_parquet('{path}')"
    rows, *beyond = connection.sql(f"SELECT count(*), {', '.join(asked)} FROM {source}").fetchall()[
        0
    ]
    found = {}
    for name, edges in numbers.items():
        steps = [rows, *beyond[: len(edges)], 0]
        beyond = beyond[len(edges) :]
        found[name] = [a - b for a, b in pairwise(steps)]
    for name, one in bins.items():
        if name not in numbers:
            tally = dict(
                connection.sql(f"SELECT {name}, count(*) FROM {source} GROUP BY 1").fetchall()
            )
            known = [tally.pop(category, 0) for category in one["categories"]]
            found[name] = [*known, sum(tally.values())]
    return found
