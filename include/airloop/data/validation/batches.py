"""Great Expectations where the data is: a suite over many rows, with only its columns, a batch at a time.

GX's pandas engine copies and hashes the whole frame for each check. Here GX says which metrics an expectation
needs, :mod:`airloop.data.validation.counting` counts them in one pass over Arrow batches, and GX gives the verdict.
An expectation that needs anything else is evaluated by GX itself on a frame of its columns alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from great_expectations.core import ExpectationValidationResult
from great_expectations.exceptions import GreatExpectationsError
from great_expectations.execution_engine import PandasExecutionEngine

from airloop.contracts import DatasetRef, Outcome
from airloop.data.lake.lake import BATCH_ROWS, Lake
from airloop.data.lake.streams import Rows, Stream, whole
from airloop.data.schema import to_pandas
from airloop.data.validation.counting import Duplicates, Metric, Unexpected, metric_for
from airloop.data.validation.suite import Evaluated, build, columns_of, evaluate, needed_columns
from airloop.specs.dataset import Expectation

#: Failing values that a reason quotes.
_SHOWN: Final = 3
_VERDICT_ONLY: Final = {"result_format": {"result_format": "BOOLEAN_ONLY"}}


def rows_in(lake: Lake, ref: DatasetRef) -> Rows:
    """A partition set in the lake, at its pinned version."""
    return Stream(lake.schema(ref), ref.rows, lambda names: lake.batches(ref, names))


@dataclass(frozen=True)
class _Asked:
    """An expectation by its text, which tells a date from a text of it as JSON would not."""

    text: str
    expectation: Expectation = field(compare=False)
    where: str


@dataclass(frozen=True)
class _Known:
    """GX's own object for an expectation, its configuration, and the metrics it needs by their names."""

    built: Any
    configuration: Any
    needs: dict[str, Any]


@dataclass(frozen=True)
class _Counted:
    """An expectation all of whose metrics can be counted."""

    known: _Known
    metrics: dict[Any, Metric]


def evaluate_batches(
    expectations: tuple[Expectation, ...], rows: Rows, where: str
) -> list[Evaluated]:
    """What each expectation says of all rows, in their order; the same as on one frame.

    Failing rows are not named: :func:`airloop.data.validation.suite.evaluate` does that.

    :raises SpecError: if GX does not know an expectation or its arguments
    """
    counts = SuiteCounts(expectations, rows.schema, where)
    for batch in counts.looked_at(rows):
        counts.add(batch)
    return counts.verdicts(rows)


class SuiteCounts:
    """What a suite's expectations need to know of rows, counted while the rows pass by.

    :raises SpecError: if GX does not know an expectation or its arguments
    """

    def __init__(
        self, expectations: tuple[Expectation, ...], schema: pa.Schema, where: str
    ) -> None:
        self._expectations, self._where = expectations, where
        self._counters: dict[Any, Metric] = {}
        known = [_known(_Asked(repr(one), one, where)) for one in expectations]
        self._planned = [_plan(one, schema, self._counters) for one in known]
        self._columns = _columns(expectations, self._planned, schema)

    def looked_at(self, rows: Rows) -> Iterable[pa.RecordBatch]:
        """Batches of the columns that are counted; none where nothing is."""
        if not self._counters:
            return ()
        return rows.select(self._columns).to_batches(max_chunksize=BATCH_ROWS)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch's rows."""
        for metric in self._counters.values():
            metric.add(batch)

    def verdicts(self, rows: Rows) -> list[Evaluated]:
        """What each expectation says, in their order, now that all rows were counted.

        :param rows: the same, for what one look at them does not tell
        """
        self._look_again(rows)
        pairs = list(zip(self._expectations, self._planned, strict=True))
        left = tuple(one for one, plan in pairs if plan is None)
        by_gx = iter(_on_a_frame(left, rows, self._where))
        return [_verdict(one, plan) if plan is not None else next(by_gx) for one, plan in pairs]

    def _look_again(self, rows: Rows) -> None:
        again = [
            metric
            for metric in self._counters.values()
            if isinstance(metric, Duplicates) and metric.needs_second_pass()
        ]
        for batch in self.looked_at(rows) if again else ():
            for metric in again:
                metric.add(batch)


@lru_cache(maxsize=4096)
def _known(asked: _Asked) -> _Known:
    """Kept, since making GX's object and asking what it needs costs more than counting a small partition."""
    built = build(asked.expectation, 0, asked.where)
    try:
        needs = built.get_validation_dependencies(
            execution_engine=_engine(), runtime_configuration=dict(_VERDICT_ONLY)
        ).metric_configurations
    # Which metrics it needs depends on the frame: GX evaluates it there.
    except GreatExpectationsError:
        needs = {}
    return _Known(built, built.configuration, dict(needs))


def _plan(known: _Known, schema: pa.Schema, counters: dict[Any, Metric]) -> _Counted | None:
    """The counters an expectation needs, shared with others that need the same; None if one is unknown."""
    metrics: dict[Any, Metric] = {}
    for name, configuration in known.needs.items():
        domain = configuration.metric_domain_kwargs
        shared = counters.get(configuration.id)
        metric = shared or metric_for(
            name, domain.get("column"), configuration.metric_value_kwargs, schema
        )
        if metric is None or domain.get("row_condition"):
            return None
        metrics[configuration.id] = metric
    counters.update(metrics)
    return _Counted(known, metrics) if metrics else None


def _columns(
    expectations: tuple[Expectation, ...], planned: list[_Counted | None], schema: pa.Schema
) -> list[str]:
    counted = tuple(
        one for one, plan in zip(expectations, planned, strict=True) if plan is not None
    )
    wanted = {name for one in counted for name in columns_of(one)}
    return [name for name in schema.names if name in wanted] or schema.names[:1]


def _verdict(expectation: Expectation, plan: _Counted) -> Evaluated:
    totals = {key: metric.total() for key, metric in plan.metrics.items()}
    # What GX asks of an expectation's author; its caller `metrics_validate` would look for the needs again.
    said = plan.known.built._validate(
        {name: totals[one.id] for name, one in plan.known.needs.items()},
        runtime_configuration=dict(_VERDICT_ONLY),
        execution_engine=_engine(),
    )
    result = ExpectationValidationResult(
        success=bool(said["success"]), expectation_config=plan.known.configuration
    )
    by_name = {key[0]: total for key, total in totals.items()}
    rows = by_name["table.row_count"]
    # The expectation's own metric is the last it names; missing values, where named before, do not count.
    failing = [count for name, count in by_name.items() if name.endswith("unexpected_count")]
    figures: dict[str, float | int | str | None] = {"observed_value": rows}
    reason = f"observed {rows}"
    if failing:
        there = rows - sum(failing[:-1])
        share = 100 * failing[-1] / there if there else None
        figures = {"unexpected_count": failing[-1], "unexpected_percent": share}
        reason = f"{failing[-1]} of {rows} values fail"
    result.result = {"element_count": rows, **figures}
    if result.success:
        return Evaluated(expectation, Outcome.OK, "as expected", figures, None, result)
    return Evaluated(expectation, Outcome.BAD, reason, figures, None, result)


def with_rows(one: Evaluated, rows: Rows, where: str) -> Evaluated | None:
    """A failed expectation with the rows that failed and the first values; None where only GX can name them."""
    known = _known(_Asked(repr(one.expectation), one.expectation, where))
    plan = _plan(known, rows.schema, {})
    metrics = plan.metrics.items() if plan is not None else ()
    # The expectation's own is the last, as in :func:`_verdict`.
    own = [metric for key, metric in metrics if key[0].endswith("unexpected_count")]
    metric = own[-1] if own else None
    if not isinstance(metric, Unexpected):
        return None
    places, shown, start = array("q"), list[Any](), 0
    for batch in rows.select([metric.column]).to_batches(max_chunksize=BATCH_ROWS):
        failed = np.flatnonzero(metric.failed(batch))
        places.frombytes((failed + start).astype(np.int64).tobytes())
        shown += batch.column(0).take(pa.array(failed[: _SHOWN - len(shown)])).to_pylist()
        start += batch.num_rows
    such = ", ".join(repr(value) for value in shown if value is not None)
    reason = f"{one.reason}, such as {such}" if such else one.reason
    return replace(one, rows=places, reason=reason)


def _on_a_frame(left: tuple[Expectation, ...], rows: Rows, where: str) -> list[Evaluated]:
    if not left:
        return []
    return evaluate(left, to_pandas(whole(needed(left, rows))), where)


def needed(expectations: tuple[Expectation, ...], rows: Rows) -> Rows:
    """The columns a suite looks at."""
    return rows.select(needed_columns(expectations, rows.column_names))


@cache
def _engine() -> PandasExecutionEngine:
    """GX asks the engine which metrics it has; this one computes none."""
    return PandasExecutionEngine()
