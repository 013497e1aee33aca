"""Validation with three outcomes: ok, bad, could not tell. Only ok lets a partition in.

A failed expectation blocks the partition, sends its rows to quarantine or only warns, as its severity says.
What cannot be answered blocks too: an empty batch, a column without values, a check that raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from airloop.columns import AT, REASONS
from airloop.contracts import Check, Outcome, ValidationReport
from airloop.data.schema import to_pandas
from airloop.data.sources.conform import Conforming
from airloop.data.sources.raw import Batch, Raw
from airloop.data.validation import structure
from airloop.data.validation.batches import evaluate_batches, rows_of, with_rows
from airloop.data.validation.quarantine import Validated
from airloop.data.validation.suite import Evaluated, declared_and_implied, evaluate, needed_columns
from airloop.specs.dataset import DatasetSpec, Expectation, Severity

#: From this many rows on, only rows that must be named are looked up; below, every failing value is shown.
LARGE_ROWS = 100_000

#: Keeps what the expectations and the checks said as a page and returns its link; None where none is wanted.
KeepDocs = Callable[[list[Evaluated], list[Check]], str | None]


def validate(
    spec: DatasetSpec,
    partition: str,
    rows: Raw | Batch | Iterable[Batch],
    keep_docs: KeepDocs | None = None,
) -> Validated:
    """Check one partition's raw rows against its spec.

    :param keep_docs: called with what each expectation said, and each check; its return value becomes the report's ``docs_uri``
    :raises SpecError: if an expectation is not one that GX knows
    """
    came = Conforming(spec)
    table, wrong = came.all(rows)
    checks = structure.shape_checks(spec, partition, list(came.columns), came.rows, wrong)
    if checks:
        docs_uri = keep_docs([], checks) if keep_docs is not None else None
        return Validated(_report(spec, partition, checks, came.rows, docs_uri=docs_uri))
    checks = structure.content_checks(spec, partition, table)
    evaluated = _evaluated(spec, table)
    checks += [_checked(one) for one in evaluated]
    reasons = _reasons(evaluated)
    schema, batches = table.schema, table.to_batches()
    del table
    good, quarantined = _split(schema, batches, reasons)
    checks += structure.key_checks(spec, partition, good)
    checks.append(_quarantine_check(spec, len(reasons), came.rows))
    docs_uri = keep_docs(evaluated, checks) if keep_docs is not None else None
    report = _report(spec, partition, checks, came.rows, len(reasons), docs_uri)
    if report.outcome is not Outcome.OK:
        return Validated(report)
    return Validated(report, good, quarantined)


def failures(report: ValidationReport) -> list[Check]:
    """The checks for which a partition is refused."""
    return [check for check in report.checks if _blocks(check)]


def _evaluated(spec: DatasetSpec, table: pa.Table) -> list[Evaluated]:
    """The suite counted over batches; what fails is asked again of GX, which names values, and rows if it must.

    GX's graph of metrics costs a small partition five times the counters; of a large one only rows are looked up.
    """
    expectations = declared_and_implied(spec)
    where = f"config/datasets/{spec.name}.yaml"
    small = table.num_rows < LARGE_ROWS
    return [
        _looked_up(one, table, where, small=small)
        for one in evaluate_batches(expectations, rows_of(table), where)
    ]


def _looked_up(one: Evaluated, table: pa.Table, where: str, *, small: bool) -> Evaluated:
    if small and one.outcome is not Outcome.OK:
        return _named((one.expectation,), table, where)[0]
    if not _must_name_rows(one):
        return one
    named = with_rows(one, table, where)
    return _named((one.expectation,), table, where)[0] if named is None else named


def _named(expectations: tuple[Expectation, ...], table: pa.Table, where: str) -> list[Evaluated]:
    looked_at = table.select(needed_columns(expectations, table.column_names))
    return evaluate(expectations, to_pandas(looked_at), where)


def _must_name_rows(evaluated: Evaluated) -> bool:
    quarantines = evaluated.expectation.severity is Severity.QUARANTINE
    return quarantines and evaluated.outcome is Outcome.BAD and not evaluated.rows


def _report(
    spec: DatasetSpec,
    partition: str,
    checks: list[Check],
    rows: int,
    quarantined: int = 0,
    docs_uri: str | None = None,
) -> ValidationReport:
    blocking = {check.outcome for check in checks if _blocks(check)}
    outcome = next((one for one in (Outcome.BAD, Outcome.UNKNOWN) if one in blocking), Outcome.OK)
    if not checks:
        outcome = Outcome.UNKNOWN
    return ValidationReport(
        dataset=spec.name,
        partition=partition,
        outcome=outcome,
        checks=tuple(checks),
        rows=rows,
        quarantined=quarantined,
        docs_uri=docs_uri,
    )


def _blocks(check: Check) -> bool:
    return not check.ok and check.figures.get("severity") == Severity.BLOCK.value


def _checked(evaluated: Evaluated) -> Check:
    """An expectation's verdict as a check. Only one that names its failing rows can quarantine them."""
    severity = evaluated.expectation.severity
    if severity is Severity.QUARANTINE:
        nameless = evaluated.outcome is Outcome.BAD and not evaluated.rows
        if nameless or evaluated.outcome is Outcome.UNKNOWN:
            severity = Severity.BLOCK
    return structure.check(
        evaluated.name, evaluated.outcome, evaluated.reason, severity, **evaluated.figures
    )


def _reasons(evaluated: list[Evaluated]) -> dict[int, str]:
    """Why each quarantined row is, by its position. A check that passed, by ``mostly``, names none."""
    reasons: dict[int, list[str]] = {}
    for one in evaluated:
        quarantines = one.expectation.severity is Severity.QUARANTINE
        if quarantines and one.outcome is Outcome.BAD:
            for row in one.rows or ():
                reasons.setdefault(row, []).append(one.name)
    return {row: "; ".join(names) for row, names in sorted(reasons.items())}


def _quarantine_check(spec: DatasetSpec, quarantined: int, rows: int) -> Check:
    fraction = quarantined / rows
    allowed = spec.max_quarantine_fraction
    too_many = fraction > allowed or quarantined == rows
    return structure.check(
        "quarantined rows are few",
        Outcome.BAD if too_many else Outcome.OK,
        f"{quarantined} of {rows} rows quarantined ({fraction:.2%}, max_quarantine_fraction allows {allowed:.2%})",
        quarantined=quarantined,
        fraction=fraction,
        allowed=allowed,
    )


def _split(
    schema: pa.Schema, batches: list[pa.RecordBatch], reasons: dict[int, str]
) -> tuple[pa.Table, pa.Table]:
    """Good rows and others. The batches are taken out of their list: they and what becomes of them are not held together."""
    kept = np.ones(sum(one.num_rows for one in batches), np.bool_)
    kept[list(reasons)] = False
    good, bad, start = [], [], 0
    batches.reverse()
    while batches:
        batch = batches.pop()
        mask = kept[start : start + batch.num_rows]
        start += batch.num_rows
        if not mask.all():
            bad.append(batch.filter(pa.array(~mask)))
            batch = batch.filter(pa.array(mask))
        good.append(batch)
    at = pa.array([datetime.now(UTC)] * len(reasons), pa.timestamp("us", "UTC"))
    aside = pa.Table.from_batches(bad, schema)
    aside = aside.append_column(REASONS, pa.array(list(reasons.values()), pa.string()))
    return pa.Table.from_batches(good, schema), aside.append_column(AT, at)
