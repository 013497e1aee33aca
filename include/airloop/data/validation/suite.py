"""A dataset's expectations as a Great Expectations suite, and what evaluating it says.

GX alone is no gate: it passes an empty frame, an all-missing column, an infinite value and an empty suite
(all intended by its makers). :mod:`airloop.data.validation.quality` asks those questions first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

# Read when GX is imported and when a context is made: nothing is reported to anybody.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context.types.base import ProgressBarsConfig

from airloop.contracts import Outcome
from airloop.errors import SpecError
from airloop.specs.dataset import DatasetSpec, Expectation, Severity
from airloop.types.column import ColumnType
from airloop.types.registry import type_of

if TYPE_CHECKING:
    import pandas as pd

_BOUNDS = ("min_value", "max_value")
_SETS = ("expect_column_values_to_be_in_set", "expect_column_values_to_not_be_in_set")
#: Expectations about the table that need no particular column.
_ROW_COUNTS = frozenset({"expect_table_row_count_to_be_between", "expect_table_row_count_to_equal"})


@dataclass(frozen=True)
class Evaluated:
    """What one expectation said."""

    expectation: Expectation
    outcome: Outcome
    reason: str
    figures: dict[str, float | int | str | None]
    #: Positions of the rows that failed; None where the expectation cannot name rows.
    rows: Sequence[int] | None
    #: GX's own result, for Data Docs.
    gx: Any = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The expectation with its columns: ``expect_column_values_to_be_unique(flight_id)``."""
        return label(self.expectation)


def label(expectation: Expectation) -> str:
    """An expectation's name with the columns it is about."""
    columns = ", ".join(columns_of(expectation))
    return f"{expectation.expect}({columns})" if columns else expectation.expect


def columns_of(expectation: Expectation) -> tuple[str, ...]:
    """The columns an expectation names."""
    arguments = expectation.arguments
    one = [arguments[key] for key in ("column", "column_A", "column_B") if key in arguments]
    many = [*arguments.get("column_list", ()), *arguments.get("column_set", ())]
    return tuple(dict.fromkeys([*one, *many]))


def declared_and_implied(spec: DatasetSpec) -> tuple[Expectation, ...]:
    """The YAML's expectations, and those that its ``nullable: false`` and ``keys`` already state.

    That a key is there has a check of its own, which names the column and the partition.
    """
    if not spec.expectations:
        return ()
    implied = [
        _expectation("expect_column_values_to_not_be_null", column=name)
        for name, column in spec.columns.items()
        if not column.nullable and name not in spec.keys
    ]
    if len(spec.keys) == 1:
        implied.append(_expectation("expect_column_values_to_be_unique", column=spec.keys[0]))
    else:
        implied.append(
            _expectation("expect_compound_columns_to_be_unique", column_list=list(spec.keys))
        )
    blocking = {label(one) for one in spec.expectations if one.severity is Severity.BLOCK}
    return (
        *(_with_moments(spec, one) for one in spec.expectations),
        *(one for one in implied if label(one) not in blocking),
    )


def _with_moments(spec: DatasetSpec, expectation: Expectation) -> Expectation:
    """An expectation whose bounds and values of a date or a timestamp are moments: YAML has texts, which GX compares with none."""
    column = spec.columns.get(str(expectation.arguments.get("column")))
    if column is None or not type_of(column).moment:
        return expectation
    zone = ZoneInfo(spec.timezone) if column.type is ColumnType.TIMESTAMP else None
    bounds: dict[str, Any] = {
        key: _moment(value, zone)
        for key, value in expectation.arguments.items()
        if key in _BOUNDS and isinstance(value, str)
    }
    allowed = expectation.arguments.get("value_set")
    if expectation.expect in _SETS and isinstance(allowed, list):
        bounds["value_set"] = [
            _moment(one, zone) if isinstance(one, str) else one for one in allowed
        ]
    return expectation.model_copy(update={"arguments": {**expectation.arguments, **bounds}})


def _moment(text: str, zone: ZoneInfo | None) -> datetime | str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # GX says what is wrong with it
        return text
    if zone is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=zone).astimezone(UTC)


def needed_columns(expectations: tuple[Expectation, ...], have: list[str]) -> list[str]:
    """The columns a suite looks at: all of them where an expectation is about the table's shape."""
    wanted: set[str] = set()
    for expectation in expectations:
        columns = columns_of(expectation)
        if not columns and expectation.expect not in _ROW_COUNTS:
            return have
        wanted.update(columns)
    return [name for name in have if name in wanted] or have[:1]


def evaluate(
    expectations: tuple[Expectation, ...], frame: pd.DataFrame, where: str
) -> list[Evaluated]:
    """Run the suite over a frame.

    :param where: the spec, for the message where an expectation is not one
    :returns: what each expectation said, in their order
    :raises SpecError: if GX does not know an expectation or its arguments
    """
    suite = gx.ExpectationSuite(
        name=where, expectations=[build(one, i, where) for i, one in enumerate(expectations)]
    )
    rows = any(one.severity is Severity.QUARANTINE for one in expectations)
    batch = _batch_definition().get_batch(batch_parameters={"dataframe": frame})
    result = batch.validate(suite, result_format="COMPLETE" if rows else "SUMMARY")
    found = {one.expectation_config.meta["airloop"]: one for one in result.results}
    return [_evaluated(one, found.get(i)) for i, one in enumerate(expectations)]


def build(expectation: Expectation, index: int, where: str) -> Any:
    """GX's own object for one expectation.

    :raises SpecError: if there is no such expectation, or not with these arguments
    """
    names = _classes()
    if expectation.expect not in names:
        raise SpecError(
            "no such expectation", value=expectation.expect, where=where, valid=sorted(names)
        )
    try:
        return names[expectation.expect](**expectation.arguments, meta={"airloop": index})
    except Exception as error:  # pydantic's, of either version, and GX's own ValueErrors
        first = str(error).splitlines()
        raise SpecError(
            f"{expectation.expect} does not take these arguments: {' '.join(first[:3])}",
            value=expectation.arguments,
            where=where,
        ) from error


@cache
def _classes() -> dict[str, Any]:
    """GX's expectations by their snake_case names."""
    result = {}
    for name in dir(gx.expectations):
        found = getattr(gx.expectations, name)
        kind = getattr(found, "expectation_type", None)
        if name.startswith("Expect") and isinstance(kind, str):
            result[kind] = found
    return result


@cache
def _batch_definition() -> BatchDefinition[Any]:
    """One ephemeral context for the life of the process: nothing is read from or kept on disk."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("airloop").add_dataframe_asset("partition")
    return asset.add_batch_definition_whole_dataframe("whole")


def _evaluated(expectation: Expectation, found: Any | None) -> Evaluated:
    if found is None:
        return Evaluated(expectation, Outcome.UNKNOWN, "the check gave no result", {}, None)
    raised = _exception(found.exception_info)
    if raised is not None:
        reason = f"the check raised: {raised}"
        return Evaluated(expectation, Outcome.UNKNOWN, reason, {}, None, found)
    result = found.result or {}
    figures = {
        key: _plain(result[key])
        for key in ("observed_value", "unexpected_count", "unexpected_percent")
        if key in result and _plain(result[key]) is not None
    }
    positions = result.get("unexpected_index_list")
    rows = None if positions is None else tuple(int(one) for one in positions)
    if found.success:
        return Evaluated(expectation, Outcome.OK, "as expected", figures, rows, found)
    return Evaluated(expectation, Outcome.BAD, _reason(result), figures, rows, found)


def _reason(result: Mapping[str, Any]) -> str:
    if "unexpected_count" in result:
        count, of = result["unexpected_count"], result.get("element_count")
        sample = result.get("partial_unexpected_list") or []
        shown = ", ".join(repr(value) for value in sample[:3] if value == value)  # no NaN
        return f"{count} of {of} values fail" + (f", such as {shown}" if shown else "")
    return f"observed {result.get('observed_value')!r}"


def _exception(info: Mapping[str, Any] | None) -> str | None:
    """The message of what a check raised; GX nests it by metric where a metric raised it."""
    if not info:
        return None
    entries = [info] if "raised_exception" in info else list(info.values())
    for entry in entries:
        if isinstance(entry, Mapping) and entry.get("raised_exception"):
            return str(entry.get("exception_message")).splitlines()[0]
    return None


def _expectation(kind: str, **arguments: Any) -> Expectation:
    return Expectation(expect=kind, **{"with": arguments})


def _plain(value: Any) -> float | int | str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return value
