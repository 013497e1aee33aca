"""What Great Expectations does not ask: is there anything here, and is it what the spec says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from airloop.contracts import Check, Outcome
from airloop.data.sources.conform import WrongType
from airloop.data.validation.suite import columns_of
from airloop.specs.dataset import DatasetSpec, Severity

#: Fewer rows may all lack a value by chance.
FEW: Final = 20


def shape_checks(
    spec: DatasetSpec, partition: str, columns: list[str], rows: int, wrong: list[WrongType]
) -> list[Check]:
    """What stops every further question: an empty batch or suite, a missing column, a wrong type."""
    checks = []
    if not spec.expectations:
        checks.append(
            check(
                "suite is not empty",
                Outcome.UNKNOWN,
                "the suite is empty: nothing would be checked",
            )
        )
    if rows == 0:
        checks.append(check("batch is not empty", Outcome.UNKNOWN, "the batch is empty: no rows"))
        if not columns:
            return checks
    missing = [name for name in spec.columns if name not in columns]
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        checks.append(
            check(
                "all columns are there",
                Outcome.BAD,
                f"{noun} {', '.join(missing)} missing in partition {partition}",
            )
        )
    checks += [_wrong_type(problem) for problem in wrong]
    return checks


class ContentCounts:
    """What :func:`content_checks` has to know of a partition's rows, counted while they pass by."""

    def __init__(self, spec: DatasetSpec, partition: str) -> None:
        self._spec, self._partition = spec, partition
        self.rows = 0
        #: Missing and infinite values by column.
        self.missing: Counter[str] = Counter()
        self.infinite: Counter[str] = Counter()
        #: Rows whose own time lies outside of the partition.
        self.others = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch's rows."""
        self.rows += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self.missing[name] += column.null_count
            if pa.types.is_floating(column.type):
                self.infinite[name] += pc.sum(pc.is_inf(column)).as_py() or 0
        self.others += self._of_others(batch)

    def _of_others(self, batch: pa.RecordBatch) -> int:
        if self._spec.partition_column is None:
            return 0
        column, one = batch[self._spec.partition_column], self._spec.partition(self._partition)
        first, after = (one.start, one.end) if pa.types.is_timestamp(column.type) else one.days
        outside = pc.or_kleene(
            pc.less(column, pa.scalar(first, column.type)),
            pc.greater_equal(column, pa.scalar(after, column.type)),
        )
        return pc.sum(pc.fill_null(outside, False)).as_py() or 0


def content_checks(spec: DatasetSpec, partition: str, counts: ContentCounts) -> list[Check]:
    """Infinite values, columns without any value, and rows of another partition."""
    checks = []
    guarded = _guarded(spec)
    for name in spec.columns:
        infinite = counts.infinite[name]
        if counts.missing[name] == counts.rows and name in spec.keys:
            continue  # told by the keys' own check
        if counts.missing[name] == counts.rows:
            # Of a nullable column, and of so few rows, it may be chance: a row a day lacks a value now and then.
            chance = spec.columns[name].nullable and counts.rows < FEW
            blocks = name in guarded and not chance
            checks.append(
                check(
                    f"{name} has values",
                    Outcome.UNKNOWN,
                    f"all {counts.rows} values of {name} are missing",
                    Severity.BLOCK if blocks else Severity.WARN,
                )
            )
        elif infinite:
            checks.append(
                check(
                    f"{name} is finite",
                    Outcome.BAD,
                    f"{infinite} values of {name} are infinite",
                    unexpected_count=infinite,
                )
            )
    checks += _of_other_partitions(spec, partition, counts.others)
    return checks


def key_checks(
    spec: DatasetSpec, partition: str, rows: int, missing: Mapping[str, int]
) -> list[Check]:
    """Rows that no key names, of those that would go in.

    :param rows: how many would
    :param missing: of their values, by key
    """
    return [
        check(
            f"{name} names every row",
            Outcome.BAD,
            f"{missing[name]} of {rows} rows of {partition} have no value in the key column {name}",
            unexpected_count=missing[name],
        )
        for name in spec.keys
        if missing[name]
    ]


def check(
    name: str,
    outcome: Outcome,
    reason: str,
    severity: Severity = Severity.BLOCK,
    **figures: float | int | str | None,
) -> Check:
    """A check with its severity among its figures, where a reader of the report finds it."""
    return Check(
        name=name, outcome=outcome, reason=reason, figures={"severity": severity.value, **figures}
    )


def _wrong_type(problem: WrongType) -> Check:
    row = "" if problem.row is None else f" in row {problem.row}"
    shown = repr(problem.value)
    shown = shown if len(shown) <= 80 else f"{shown[:80]}…"
    why = f": {problem.why}" if problem.why else ""
    return check(
        f"{problem.column} is {problem.wanted.value}",
        Outcome.BAD,
        f"column {problem.column} is wrongly typed: {shown}{row} is no {problem.wanted.value}{why}",
    )


def _guarded(spec: DatasetSpec) -> set[str]:
    """The columns that something depends on: not nullable, or under an expectation that matters."""
    names = {name for name, column in spec.columns.items() if not column.nullable}
    for expectation in spec.expectations:
        if expectation.severity is not Severity.WARN:
            names.update(columns_of(expectation))
    return names


def _of_other_partitions(spec: DatasetSpec, partition: str, others: int) -> list[Check]:
    """Rows whose own time lies outside of the partition; a delivery has no time of its own."""
    if not others:
        return []
    return [
        check(
            f"rows are of the partition's {spec.cadence}",
            Outcome.BAD,
            f"{others} rows have another {spec.partition_column} than {partition}",
            unexpected_count=others,
        )
    ]
