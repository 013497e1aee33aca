"""Validation with three outcomes: ok, bad, could not tell. Only ok lets a partition in.

A failed expectation blocks the partition, sends its rows to quarantine or only warns, as its severity says.
What cannot be answered blocks too: an empty batch, a column without values, a check that raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airloop.contracts import Check, Outcome, ValidationReport
from airloop.data.lake.streams import Rows, whole
from airloop.data.schema import to_pandas
from airloop.data.sources.conform import Conforming
from airloop.data.sources.raw import Batch, Raw
from airloop.data.validation import structure
from airloop.data.validation.batches import needed, with_rows
from airloop.data.validation.judging import Aside, Parted, Seen
from airloop.data.validation.quarantine import Validated
from airloop.data.validation.suite import Evaluated, evaluate
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
    where = f"config/datasets/{spec.name}.yaml"
    seen = Seen(spec, partition, where)
    for batch in came.each(rows):
        # Of what is refused already nothing is asked but what else is wrong with it.
        if not came.wrong:
            seen.add(batch)
    wrong = [came.wrong[name] for name in spec.columns if name in came.wrong]
    checks = structure.shape_checks(spec, partition, list(came.columns), came.rows, wrong)
    if checks:
        docs_uri = keep_docs([], checks) if keep_docs is not None else None
        return Validated(_report(spec, partition, checks, came.rows, docs_uri=docs_uri))
    checks = structure.content_checks(spec, partition, seen.content)
    evaluated = _evaluated(seen, where)
    checks += [_checked(one) for one in evaluated]
    aside = Aside(evaluated, came.rows)
    parted = Parted(seen, aside)
    good = parted.good
    checks += structure.key_checks(spec, partition, good.num_rows, parted.missing)
    checks.append(_quarantine_check(spec, aside.count, came.rows))
    docs_uri = keep_docs(evaluated, checks) if keep_docs is not None else None
    report = _report(spec, partition, checks, came.rows, aside.count, docs_uri)
    if report.outcome is not Outcome.OK:
        return Validated(report)
    return Validated(report, good, parted.quarantined, parted.digest)


def failures(report: ValidationReport) -> list[Check]:
    """The checks for which a partition is refused."""
    return [check for check in report.checks if _blocks(check)]


def _evaluated(seen: Seen, where: str) -> list[Evaluated]:
    """What was counted on the way; what fails is asked again of GX, which names values, and rows if it must.

    GX's graph of metrics costs a small partition five times the counters; of a large one only rows are looked up.
    """
    rows = seen.spool.rows()
    small = rows.num_rows < LARGE_ROWS
    return [_looked_up(one, rows, where, small=small) for one in seen.suite.verdicts(rows)]


def _looked_up(one: Evaluated, rows: Rows, where: str, *, small: bool) -> Evaluated:
    if small and one.outcome is not Outcome.OK:
        return _named((one.expectation,), rows, where)[0]
    if not _must_name_rows(one):
        return one
    named = with_rows(one, rows, where)
    return _named((one.expectation,), rows, where)[0] if named is None else named


def _named(expectations: tuple[Expectation, ...], rows: Rows, where: str) -> list[Evaluated]:
    return evaluate(expectations, to_pandas(whole(needed(expectations, rows))), where)


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
