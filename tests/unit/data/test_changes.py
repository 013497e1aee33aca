"""What a new version of a partition changed."""

from __future__ import annotations

import math

import pyarrow as pa

from airloop.data.changes import Changes, compare

BEFORE = "sha256:" + "0" * 64


def changes(before: dict[str, list[object]], after: dict[str, list[object]]) -> Changes:
    return compare(pa.table(before), pa.table(after), ["k", "l"], BEFORE)


def told(added: int = 0, removed: int = 0, changed: int = 0, **columns: int) -> Changes:
    return Changes(before=BEFORE, added=added, removed=removed, changed=changed, columns=columns)


KEYS: dict[str, list[object]] = {"k": [1, 1, 2], "l": ["a", "b", "a"]}


def test_rows_are_matched_by_all_their_keys_in_whatever_order() -> None:
    after = {"k": [2, 1, 3], "l": ["a", "a", "a"], "x": [9, 1, 4]}
    assert changes({**KEYS, "x": [1, 2, 3]}, after) == told(added=1, removed=1, changed=1, x=1)


def test_a_row_counts_once_however_many_of_its_columns_changed() -> None:
    after = {**KEYS, "x": [1, 5, 5], "y": ["a", "z", None]}
    assert changes({**KEYS, "x": [1, 2, 3], "y": ["a", "b", "c"]}, after) == told(
        changed=2, x=2, y=2
    )


def test_a_value_that_is_missing_differs_from_one_that_is_there_and_not_from_another() -> None:
    after = {**KEYS, "x": [None, 2.0, math.nan]}
    assert changes({**KEYS, "x": [math.nan, None, None]}, after) == told(changed=1, x=1)


def test_a_column_that_came_or_went_changed_where_it_has_values() -> None:
    assert changes(KEYS, {**KEYS, "x": [1, None, 2]}) == told(changed=2, x=2)
    assert changes({**KEYS, "x": [1, None, 2]}, KEYS) == told(changed=2, x=2)


def test_what_is_as_it_was_has_no_changes() -> None:
    rows = {**KEYS, "x": [0.0, -1.5, None]}
    assert changes(rows, {**KEYS, "x": [-0.0, -1.5, None]}) == told()
    assert str(told()) == "the same rows, written in another way"


def test_it_is_told_in_one_line_what_changed_most_first() -> None:
    assert str(told(3, 1, 7, x=2, y=5, z=2)) == (
        "3 rows added, 1 rows removed, 7 rows changed (y 5, x 2, z 2)"
    )
