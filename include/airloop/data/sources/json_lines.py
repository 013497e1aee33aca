"""JSON lines, read strictly: an object a line, each number as it is written."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import IO, Any, Final

import pandas as pd

from airloop.data.sources.checked import CheckedBytes
from airloop.errors import DataError

_BATCH_ROWS: Final = 50_000
#: More digits than a float has for sure.
_EXACT: Final = 15
#: More than any type of whole numbers takes.
_DIGITS: Final = 80
_REMEDY: Final = "write one object a line, as JSON has it"


def read_json_lines(
    file: IO[bytes], url: str, options: dict[str, Any], max_bytes: int
) -> Iterator[pd.DataFrame]:
    """A file's rows, in batches. What a line does not name is missing in its row.

    :raises DataError: if a line is no object, or names a column twice, naming the line
    """
    checked = CheckedBytes(file, url, max_bytes)
    lines = enumerate(io.BufferedReader(checked), 1)
    decoder = json.JSONDecoder(
        object_pairs_hook=_object,
        parse_float=_number,
        parse_int=_whole,
        parse_constant=_no_constant,
    )
    empty = True
    while some := list(islice(lines, _BATCH_ROWS)):
        rows = [_row(line, f"{url}, line {number}", decoder) for number, line in some]
        names = list(dict.fromkeys(name for row in rows for name in row))
        empty = False
        columns = {name: _alike([row.get(name) for row in rows]) for name in names}
        yield pd.DataFrame(
            {name: pd.Series(values, dtype=object) for name, values in columns.items()},
            index=range(len(rows)),
        )
    if empty:
        raise DataError("the partition is empty", where=url, remedy="the file has no line")
    checked.told_cut(options)


def _row(line: bytes, where: str, decoder: json.JSONDecoder) -> dict[str, Any]:
    try:
        row = decoder.decode(line.decode())
    except UnicodeDecodeError as error:
        raise DataError("the line is not UTF-8", where=where, remedy="write it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        what = "the line is no JSON: " + str(error).split(": line ", 1)[0]
        shown = line[:80].decode(errors="replace").rstrip()
        raise DataError(what, value=shown, where=where, remedy=_REMEDY) from error
    if not isinstance(row, dict):
        raise DataError("the line is no object", value=row, where=where, remedy=_REMEDY)
    return row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it names {twice} twice")
    return found


def _number(text: str) -> float | Decimal:
    """A float where it says what is written; else the digits themselves, for the column's type to take or refuse."""
    number = float(text)
    if math.isfinite(number) and number and len(text) <= _EXACT:
        return number
    written = Decimal(text)
    return number if math.isfinite(number) and written == Decimal(repr(number)) else written


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= _DIGITS else Decimal(text)


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _alike(values: list[Any]) -> list[Any]:
    """Floats and whole numbers beside a decimal as decimals: they are one kind, numbers."""
    if not any(isinstance(one, Decimal) for one in values):
        return values
    return [
        Decimal(repr(one)) if isinstance(one, int | float) and not isinstance(one, bool) else one
        for one in values
    ]
