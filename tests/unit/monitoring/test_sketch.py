from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airloop.monitoring.sketch import Kind, count, cut

FLOATS = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=60)


@settings(max_examples=50, deadline=None)
@given(FLOATS, FLOATS)
def test_the_sketch_of_two_batches_is_the_sum_of_their_sketches(
    left: list[float], right: list[float]
) -> None:
    bins = cut("x", Kind.NUMERIC, pd.Series([*left, *right], dtype=float))
    both = count(bins, pd.Series([*left, *right], dtype=float))
    merged = count(bins, pd.Series(left, dtype=float)) + count(bins, pd.Series(right, dtype=float))
    assert both.bins.tolist() == merged.bins.tolist()
    assert (both.rows, both.missing, both.infinite) == (
        merged.rows,
        merged.missing,
        merged.infinite,
    )
    assert (both.low, both.high) == (merged.low, merged.high)
    assert both.present + both.missing + both.infinite == both.rows


def test_quantile_bins_hold_equal_shares() -> None:
    values = pd.Series(np.random.default_rng(0).lognormal(size=50_000))
    counts = count(cut("x", Kind.NUMERIC, values), values).bins
    assert len(counts) == 10
    assert counts.min() > 0.09 * len(values)
    assert counts.max() < 0.11 * len(values)


def test_a_value_that_fills_many_rows_has_a_bin_of_its_own() -> None:
    rain = pd.Series([0.0] * 900 + list(np.linspace(0.01, 1, 100)))
    assert count(cut("rain", Kind.NUMERIC, rain), rain).bins.max() == 900


def test_missing_infinite_and_foreign_values_are_counted_apart() -> None:
    bins = cut("x", Kind.NUMERIC, pd.Series(np.arange(100.0)))
    seen = count(bins, pd.Series([1.0, None, np.inf, -np.inf, "7", "n/a"], dtype=object))
    assert (seen.rows, seen.missing, seen.infinite, seen.wrong, seen.present) == (6, 1, 2, 2, 1)


@pytest.mark.parametrize(
    ("values", "wrong"), [([1, 2, 3], 3), (["A", 2, None], 1), ([None, None], 0), ([], 0)]
)
def test_numbers_among_texts_are_foreign(values: list[object], wrong: int) -> None:
    bins = cut("c", Kind.CATEGORY, pd.Series(["A", "B"]))
    assert count(bins, pd.Series(values)).wrong == wrong


def test_an_unknown_category_is_counted_as_other() -> None:
    bins = cut("c", Kind.CATEGORY, pd.Series(["A", "A", "B"]))
    assert count(bins, pd.Series(["A", "B", "C", None])).bins.tolist() == [1, 1, 1]


def test_rare_categories_beyond_the_limit_are_other() -> None:
    values = pd.Series([f"c{index}" for index in range(300)] + ["c0"])
    bins = cut("c", Kind.CATEGORY, values)
    assert bins.truncated
    assert bins.categories[0] == "c0"
    assert count(bins, values).bins[-1] == 100
