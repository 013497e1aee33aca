"""What a new version of a partition changes: rows added, removed and changed, matched by the keys that name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import StringConstraints

from airloop.contracts import Contract
from airloop.data.plain import plain

#: Of a partition's rows, in the scheme of now or of before.
ContentDigest = Annotated[str, StringConstraints(pattern=r"\A(rows-sum256|sha256):[0-9a-f]{64}\Z")]
_BEFORE: Final = "airloop_before"
_AFTER: Final = "airloop_after"


class Changes(Contract):
    """Against the version with the digest ``before``."""

    before: ContentDigest
    added: int
    removed: int
    #: Rows that are there before and after, with another value in some column ...
    changed: int
    #: ... and in which: only columns in which any is.
    columns: dict[str, int]

    def __str__(self) -> str:
        """For people, in one line."""
        parts = [
            f"{count} rows {what}"
            for what, count in (("added", self.added), ("removed", self.removed))
            if count
        ]
        if self.changed:
            ordered = sorted(self.columns.items(), key=lambda one: (-one[1], one[0]))
            told = ", ".join(f"{name} {count}" for name, count in ordered[:10])
            parts.append(f"{self.changed} rows changed ({told})")
        return ", ".join(parts) or "the same rows, written in another way"


def compare(before: pa.Table, after: pa.Table, keys: Sequence[str], digest: str) -> Changes:
    """What changed between two versions of a partition's rows.

    :param keys: the columns that name a row, once in each
    :param digest: of the rows before
    """
    places = _placed(before, keys, _BEFORE).join(
        _placed(after, keys, _AFTER), keys=list(keys), join_type="inner"
    )
    both = places.num_rows
    old, new = before.take(places[_BEFORE]), after.take(places[_AFTER])
    differs = pa.array([False] * both, pa.bool_())
    columns = {}
    for name in dict.fromkeys([*before.column_names, *after.column_names]):
        if name not in keys and (differing := _differing(name, old, new)) is not None:
            columns[name] = pc.sum(differing).as_py() or 0
            differs = pc.or_(differs, differing)
    return Changes(
        before=digest,
        added=after.num_rows - both,
        removed=before.num_rows - both,
        changed=pc.sum(differs).as_py() or 0,
        columns={name: count for name, count in columns.items() if count},
    )


def _placed(table: pa.Table, keys: Sequence[str], name: str) -> pa.Table:
    """The keys, with each row's place."""
    return table.select(list(keys)).append_column(name, pa.array(range(table.num_rows), pa.int64()))


def _differing(name: str, old: pa.Table, new: pa.Table) -> pa.Array | None:
    """Which rows have another value in a column; a value is another one than a missing one."""
    first, second = (_values(table, name) for table in (old, new))
    if first is None or second is None:
        there = second if first is None else first
        return None if there is None else pc.is_valid(there)
    if first.type != second.type:
        first = first.cast(second.type)
    unequal = pc.fill_null(pc.not_equal(first, second), False)
    return pc.or_(unequal, pc.xor(pc.is_valid(first), pc.is_valid(second)))


def _values(table: pa.Table, name: str) -> pa.Array | None:
    """A column in one piece, NaN taken as missing; None where the table lacks it."""
    if name not in table.column_names:
        return None
    values = table[name].combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    values = plain(values)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values
