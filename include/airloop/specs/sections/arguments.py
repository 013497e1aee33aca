"""The arguments of expectations as values: what kind each takes, and what its column can be compared with.

Great Expectations would say some of it in the night, when it builds an expectation; some it never says: a share of
``"0.9"`` is turned into a number, a set of numbers is in no column of texts, and every row fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from airloop.issues import KeyPath, SpecIssue
from airloop.types.column import Type
from airloop.types.registry import written

_Test = Callable[[Any], bool]
#: What an argument takes, in words, and whether a value is that.
_Kind = tuple[str, _Test]


def _number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(float(value))
    )


def _count(value: Any) -> bool:
    return _number(value) and value >= 0 and float(value).is_integer()


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _list_of(test: _Test, least: int = 1) -> _Test:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(test, value))


def _one_of(*words: str) -> _Kind:
    return f"must be {' or '.join(words)}", lambda value: value in words


def _scalar(value: Any) -> bool:
    return isinstance(value, str | bool) or _number(value)


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


_FLAG: _Kind = ("must be true or false", _flag)
_NUMBER: _Kind = ("must be a number", _number)
_COUNT: _Kind = ("must be a whole number that is not negative", _count)
_SHARE: _Kind = ("must be a number from 0 to 1", _share)
_TEXT: _Kind = ("must be a text", _text)
_TEXTS: _Kind = ("must be a list of texts", _list_of(_text))
_MAPPING: _Kind = ("must be a mapping", _mapping)
_BOUND: _Kind = ("must be a number, or a date in quotes", lambda one: _number(one) or _moment(one))

_KINDS: Mapping[str, _Kind] = {
    **dict.fromkeys(("strict_min", "strict_max", "strictly", "or_equal", "ties_okay"), _FLAG),
    **dict.fromkeys(("double_sided", "exact_match", "bucketize_data"), _FLAG),
    **dict.fromkeys(("mostly", "tail_weight_holdout", "internal_weight_holdout"), _SHARE),
    **dict.fromkeys(("threshold", "sum_total", "multiplier"), _NUMBER),
    **dict.fromkeys(("value", "column_index"), _COUNT),
    **dict.fromkeys(("column", "column_A", "column_B", "regex", "like_pattern"), _TEXT),
    **dict.fromkeys(("strftime_format", "type_", "escape", "row_condition"), _TEXT),
    **dict.fromkeys(("regex_list", "like_pattern_list", "type_list", "column_set"), _TEXTS),
    "column_list": ("must be a list of columns", _list_of(_text)),
    **dict.fromkeys(("json_schema", "partition_object", "quantile_ranges"), _MAPPING),
    "value_set": ("must be a list of texts, numbers or truth values", _list_of(_scalar)),
    "value_pairs_set": ("must be a list of pairs", _list_of(_pair)),
    "match_on": _one_of("any", "all"),
    "method": _one_of("iqr", "std"),
    **dict.fromkeys(("min_value", "max_value"), _BOUND),
}
#: Of what the bounds of an expectation are, where not of the values themselves.
_COUNTS = ("row_count", "column_count", "unique_value_count", "value_lengths")
_FIGURES = ("mean", "median", "stdev", "sum", "kl_divergence")
_BOUNDS = ("min_value", "max_value")


def argument_rules(
    name: str, arguments: Mapping[str, Any], columns: Mapping[str, Any], path: KeyPath
) -> Iterator[SpecIssue]:
    """What is wrong with the values of an expectation's arguments; a null is one that is left out.

    :param columns: the dataset's columns, as its file has them
    """
    type_ = written(columns.get(str(arguments.get("column"))))
    wrong = False
    for argument, value in arguments.items():
        words, test = _kind(name, argument, type_)
        if value is not None and not test(value):
            wrong = True
            yield SpecIssue((*path, argument), words, value)
    low, high = (arguments.get(key) for key in _BOUNDS)
    if (
        not wrong
        and low is not None
        and high is not None
        and type(low) is type(high)
        and low > high
    ):
        what = f"is smaller than min_value ({low}): nothing lies between"
        yield SpecIssue((*path, "max_value"), what, high)


def _kind(name: str, argument: str, column: Type | None) -> _Kind:
    if argument in _BOUNDS:
        return _bound(name, column)
    if argument == "value_set" and column is not None and column.text:
        return "must be a list of texts, as the column's are (in quotes)", _list_of(_text_or_empty)
    if argument == "value_set" and column is not None and column.number:
        return "must be a list of numbers, as the column's are", _list_of(_number)
    return _KINDS.get(argument, ("", lambda _: True))


def _text_or_empty(value: Any) -> bool:
    return isinstance(value, str)


def _bound(name: str, column: Type | None) -> _Kind:
    """The bounds of counts and shares are those of any column, the others those of the column's own values."""
    if any(word in name for word in _COUNTS):
        return _COUNT
    if "proportion" in name:
        return _SHARE
    if any(f"_{word}_" in name for word in _FIGURES):
        return _NUMBER
    if column is None:
        return _BOUND
    if column.moment:
        return "must be a date in quotes, as the column's values are", _moment
    if column.number:
        return _NUMBER
    if column.text:
        return "bounds no column of texts: it has no order", lambda _: False
    if not column.segments:
        return f"bounds no column of type {column.name}: none has an order", lambda _: False
    return _BOUND
