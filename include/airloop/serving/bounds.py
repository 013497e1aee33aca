"""The dataset's own rules about single values, asked at the door: a value that no partition may hold is not answered.

An expectation that refuses or sets aside a row refuses the request (422); one that warns, or lets a share of rows pass,
is told beside the answer. A row's date may open only partitions that the dataset has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from airloop.specs.dataset import DatasetSpec, Expectation, Severity
from airloop.types.column import ColumnType
from airloop.types.registry import TYPES

BETWEEN, IN_SET = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Bound:
    """A rule about the values of one column; missing ones are another rule's."""

    column: str
    fits: Callable[[Any], bool]
    says: str
    #: Whether a request with another value is refused; else it is told.
    refuses: bool = True
    #: The same for the column's JSON schema, as far as that can say it.
    document: Mapping[str, Any] = field(default_factory=dict)
    #: A value that fits, where the rule says one.
    example: Any = None


def unfit(rows: Sequence[Row], bounds: Iterable[Bound], most: int) -> list[dict[str, Any]]:
    """The details of the values that do not fit, at most so many; never with the value."""
    found: list[dict[str, Any]] = []
    for bound in bounds:
        for index, row in enumerate(rows):
            value = row[bound.column]
            if value is not None and not bound.fits(value):
                found.append(
                    {
                        "loc": ["rows", index, bound.column],
                        "msg": bound.says,
                        "type": "out_of_bounds",
                    }
                )
                if len(found) == most:
                    return found
    return found


def narrow(document: dict[str, Any], by: Mapping[str, Any]) -> None:
    """Say a bound in a column's JSON schema; of a nullable column in the part that is not null."""
    parts = [part for part in document.get("anyOf", [document]) if part.get("type") != "null"]
    for part in parts:
        part.update({name: value for name, value in by.items() if name != "enum"})
    if "enum" in by:
        document["enum"] = by["enum"]


def bounds_of(
    dataset: DatasetSpec, columns: Sequence[str], event_time: str | None
) -> tuple[Bound, ...]:
    """What the dataset says of these columns' values.

    :param columns: as the request names them, be it by a name that a column had before
    """
    names = {dataset.present_names.get(name, name): name for name in columns}
    found = [*_of_time(dataset, event_time, names.values())]
    for one in dataset.expectations:
        column = dataset.columns.get(str(one.arguments.get("column")))
        name = names.get(str(one.arguments.get("column")))
        # A condition on other columns is beyond a bound.
        if column is None or name is None or one.arguments.get("row_condition"):
            continue
        if one.expect == BETWEEN:
            found += _between(one, name, column.type, dataset.timezone)
        elif one.expect == IN_SET:
            found += _in_set(one, name, column.type, nullable=column.nullable)
    return tuple(found)


def _refuses(one: Expectation) -> bool:
    return one.severity is not Severity.WARN and one.arguments.get("mostly") in {None, 1}


def _between(one: Expectation, name: str, kind: ColumnType, zone: str) -> Iterator[Bound]:
    arguments = one.arguments
    low, high = (_value(arguments.get(key), kind, zone) for key in ("min_value", "max_value"))
    if low is None and high is None:
        return
    strict_low, strict_high = bool(arguments.get("strict_min")), bool(arguments.get("strict_max"))

    def fits(value: Any) -> bool:
        above = low is None or value > low or (value == low and not strict_low)
        below = high is None or value < high or (value == high and not strict_high)
        return above and below

    parts = [
        f"{'above' if strict_low else 'at least'} {low}" if low is not None else "",
        f"{'below' if strict_high else 'at most'} {high}" if high is not None else "",
    ]
    says = f"Input should be {' and '.join(filter(None, parts))}, as the dataset's expectations have it"
    document = {}
    if TYPES[kind].number and low is not None:
        document["exclusiveMinimum" if strict_low else "minimum"] = low
    if TYPES[kind].number and high is not None:
        document["exclusiveMaximum" if strict_high else "maximum"] = high
    example = low if low is not None and not strict_low else None
    yield Bound(name, fits, says, _refuses(one), document, example)


def _value(value: Any, kind: ColumnType, zone: str) -> Any:
    """A bound as the column's own values are; None for none, and for one that is not of the column's kind."""
    if TYPES[kind].number:
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if not isinstance(value, str) or not TYPES[kind].moment:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if kind is ColumnType.DATE:
        return moment.date()
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))


def _in_set(one: Expectation, name: str, kind: ColumnType, *, nullable: bool) -> Iterator[Bound]:
    values = one.arguments.get("value_set")
    like = str if TYPES[kind].text else (int, float) if TYPES[kind].number else ()
    if not isinstance(values, list) or not values or not all(isinstance(v, like) for v in values):
        return
    known = frozenset(values)
    shown = ", ".join(map(str, values[:5])) + (", …" if len(values) > 5 else "")
    yield Bound(
        name,
        known.__contains__,
        f"Input should be one of the dataset's {len(known)} values: {shown}",
        _refuses(one),
        {"enum": [*values, None] if nullable else list(values)},
        values[0],
    )


def _of_time(
    dataset: DatasetSpec, event_time: str | None, columns: Iterable[str]
) -> Iterator[Bound]:
    """The days of the dataset; of one that goes on, those to the end of the next year: what is asked lies ahead."""
    if event_time is None or event_time not in columns:
        return
    first, zone = date.fromisoformat(str(dataset.start)), ZoneInfo(dataset.timezone)
    ended = date.fromisoformat(str(dataset.end)) if dataset.end else None

    def last() -> date:
        return ended or date(datetime.now(UTC).year + 1, 12, 31)

    def fits(value: Any) -> bool:
        day = value.astimezone(zone).date() if isinstance(value, datetime) else value
        return first <= day <= last()

    says = f"Input should be a day of the dataset, from {first} to {ended or 'the end of the next year'}"
    years = "|".join(str(year) for year in range(first.year, last().year + 1))
    yield Bound(event_time, fits, says, True, {"pattern": rf"^({years})-"}, first.isoformat())
