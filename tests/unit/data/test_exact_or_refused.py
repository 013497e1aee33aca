"""A value comes in as it is, or its partition is refused in one sentence: the same verdict whatever the source."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airloop.errors import DataError
from tests.support.kinds_of_source import (
    URL,
    Told,
    cases,
    csv,
    ingested,
    jsonl,
    parquet,
    python,
    sql,
)

BIG: Final = 2**53 + 1
INT96: Final = {"use_deprecated_int96_timestamps": True}
LAST: Final = datetime(2261, 12, 31, 23, 59, 59, 999_999)
YEARS: Final = "only the years 1678 to 2261 can be kept"
FINER: Final = "finer than a microsecond"
US: Final = pa.timestamp("us")

LATIN: Final = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"], pa.binary()).buffers())
NO_ZONE: Final = pa.timestamp("us", "Foo/Bar")

#: A column's contract, its values as each source has them, and what they are in the lake.
EXACT: Final[dict[str, tuple[dict[str, Any], list[Told], list[Any]]]] = {
    "a 64-bit id beside a gap": (
        {"type": "integer"},
        [
            csv(str(BIG), ""),
            jsonl(str(BIG), "null"),
            sql(BIG, None),
            parquet([BIG, None]),
            python([BIG], [np.nan]),
            python(pd.Series([BIG, None], dtype="Int64")),
        ],
        [BIG, None],
    ),
    "a whole number written with a point": (
        {"type": "integer"},
        [
            csv("12.0", ""),
            jsonl("12.0", "null"),
            jsonl('"12.0"', '""'),
            sql(12.0, None),
            sql("12.0", None),
            parquet([12.0, np.nan]),
            parquet([Decimal("12.0"), None]),
            python([12.0, np.nan]),
        ],
        [12, None],
    ),
    "a truth value as a number": (
        {"type": "boolean"},
        [
            csv("1", "0", ""),
            jsonl("1", "0", "null"),
            jsonl("true", "false", "null"),
            jsonl("1.0", "0.0", "null"),
            csv("1.0", "0.0", ""),
            sql(1, 0, None),
            sql("1.0", "0", None),
            parquet([1, 0, None]),
            parquet([1.0, 0.0, np.nan]),
            parquet([Decimal("1.0"), Decimal("0.0"), None]),
            python([1.0, 0.0, np.nan]),
        ],
        [True, False, None],
    ),
    "a decimal that no float is": (
        {"type": "float"},
        [
            csv("2943.74", ""),
            jsonl("2943.74", "null"),
            sql("2943.74", None),
            parquet([Decimal("2943.74"), None]),
            python(pd.Series([Decimal("2943.74"), None], dtype=object)),
        ],
        [2943.74, None],
    ),
    "the smallest number there is": (
        {"type": "float"},
        [
            csv("5e-324", "0e-999"),
            jsonl("5e-324", "0e-999"),
            sql(5e-324, 0.0),
            parquet([5e-324, 0.0]),
        ],
        [5e-324, 0.0],
    ),
    "the last moment that can be kept": (
        {"type": "timestamp"},
        [
            csv(f"{LAST.isoformat()}Z"),
            jsonl(f'"{LAST.isoformat()}Z"'),
            csv(f"{LAST.isoformat()}000Z"),
            csv(f" {LAST.isoformat(' ')} +00"),
            sql(f"{LAST.isoformat()}+00:00"),
            parquet([LAST], US),
            parquet([LAST], pa.timestamp("ns")),
            parquet([LAST], US, **INT96),
            python([LAST]),
            python(pd.Series([LAST], dtype=object)),
        ],
        [pd.Timestamp(LAST, tz=UTC)],
    ),
    "the first day that can be kept": (
        {"type": "date"},
        [
            csv("1678-01-01"),
            jsonl('"1678-01-01"'),
            sql("1678-01-01 00:00:00.000000"),
            parquet([date(1678, 1, 1)]),
            parquet([datetime(1678, 1, 1)], pa.timestamp("s")),
            parquet([datetime(1678, 1, 1)], US, **INT96),
            python(pd.Series([date(1678, 1, 1)], dtype=object)),
        ],
        [pd.Timestamp("1678-01-01")],
    ),
    "a whole date as a moment": (
        {"type": "timestamp"},
        [csv("2013-01-05"), jsonl('"2013-01-05"'), sql("2013-01-05"), parquet([date(2013, 1, 5)])],
        [pd.Timestamp("2013-01-05", tz=UTC)],
    ),
    "a date in a declared format": (
        {"type": "date", "format": "%Y%m%d"},
        [
            csv("20130105", ""),
            jsonl('"20130105"', "null"),
            sql("20130105", None),
            parquet([" 20130105", None]),
        ],
        [pd.Timestamp("2013-01-05"), None],
    ),
    "a moment in a declared format": (
        {"type": "timestamp", "format": "%d.%m.%Y %H:%M %z"},
        [csv("05.01.2013 11:30 +0100"), sql("5.1.2013 10:30 Z")],
        [pd.Timestamp("2013-01-05 10:30", tz=UTC)],
    ),
}

#: Likewise, with what the refusal says.
REFUSED: Final[dict[str, tuple[dict[str, Any], list[Told], str]]] = {
    "a moment at the end of the calendar": (
        {"type": "timestamp"},
        [
            csv("9999-12-31T00:00:00Z"),
            jsonl('"9999-12-31T00:00:00Z"'),
            csv("0001-01-01T00:00:00"),
            sql("9999-12-31 23:59:59.999999"),
            parquet([datetime(9999, 12, 31)], US),
            parquet([datetime(9999, 12, 31)], US, **INT96),
            parquet([datetime(1, 1, 1)], US, **INT96),
            parquet([2**62], pa.timestamp("ms"), version="2.6"),
            parquet([datetime(2262, 1, 1)], pa.timestamp("ns")),
            python(pd.Series([datetime(9999, 12, 31)], dtype=object)),
        ],
        f"is no timestamp: {YEARS}",
    ),
    "a date at the end of the calendar": (
        {"type": "date"},
        [
            csv("9999-12-31"),
            jsonl('"9999-12-31"'),
            sql("0001-01-01"),
            parquet([date(9999, 12, 31)]),
            parquet([10**7], pa.date32()),
            parquet([(67_549 - 1970) * 365], pa.date32()),
            parquet([datetime(9999, 12, 31)], US, **INT96),
            python(pd.Series([date(9999, 12, 31)], dtype=object)),
        ],
        f"is no date: {YEARS}",
    ),
    "a nanosecond": (
        {"type": "timestamp"},
        [
            csv("2013-01-05T10:00:00.123456789Z"),
            jsonl('"2013-01-05T10:00:00.123456789Z"'),
            parquet([1], pa.timestamp("ns")),
            parquet([1_000_001], pa.timestamp("ns"), **INT96),
            python([pd.Timestamp(1)]),
        ],
        FINER,
    ),
    **{
        f"the text {text} as a moment": (
            {"type": "timestamp"},
            [csv(text), jsonl(f'"{text}"'), sql(text), parquet([text]), python([text])],
            f"'{text}' in row 0 is no timestamp",
        )
        for text in ("now", "today", "2013", "2013-01", "20130105")
    },
    "a text in another format than the declared one": (
        {"type": "date", "format": "%d.%m.%Y"},
        [csv("2013-01-05"), sql("31.02.2013"), parquet(["05.01.13"])],
        "is no date: it is not written as the column's format %d.%m.%Y says",
    ),
    "a date that was cut": (
        {"type": "date", "format": "%Y%m%d"},
        [csv("2013011"), sql("201311"), parquet(["2013111"])],
        "is no date: it has fewer digits than the column's format %Y%m%d says",
    ),
    "a time that was cut": (
        {"type": "timestamp", "format": "%d.%m.%Y %H%M"},
        [csv("5.1.2013 103"), python(["05.01.2013 10"])],
        "is no timestamp: it",
    ),
    "a hexadecimal number": (
        {"type": "integer"},
        [csv("0x10"), jsonl('"0x10"'), sql("0x10"), parquet(["0X10"]), python(["0x10"])],
        "is no integer: whole numbers are written in decimal digits",
    ),
    "a number that a float cannot hold": (
        {"type": "float"},
        [
            csv("1e-400"),
            csv("1e400"),
            jsonl("1e-400"),
            jsonl("1e400"),
            sql("-1E-400"),
            parquet(["1e-400"]),
            python(["1e400"]),
        ],
        "is no float: it is beyond what 64 bits can hold",
    ),
    "another number as a truth value": (
        {"type": "boolean"},
        [
            parquet([Decimal("0.99999999999999999999")]),
            csv("2"),
            csv("0.5"),
            jsonl("0.5"),
            sql(2),
            sql(0.5),
            parquet([2]),
            parquet([0.5]),
            python([-1]),
        ],
        "is no boolean",
    ),
    "bytes that are no text": ({"type": "string"}, [parquet(LATIN)], "its bytes are not UTF-8"),
    **{
        f"bytes that are no text as {kind}": ({"type": kind}, [parquet(LATIN)], f"is no {kind}")
        for kind in ("integer", "float", "boolean", "timestamp", "date")
    },
    **{
        f"a moment in a zone that nobody knows as {kind}": (
            {"type": kind},
            [parquet([1], NO_ZONE)],
            f"is no {kind}",
        )
        for kind in ("string", "float", "date")
    },
    "a list of moments that Python does not know": (
        {"type": "string"},
        [parquet([[2**61]], pa.list_(US))],
        "is no string",
    ),
    "dates among moments": (
        {"type": "date"},
        [
            python(pd.Series([date(2013, 1, 5), datetime(2013, 1, 5)], dtype=object)),
            python(["2013-01-05"], [pd.Timestamp("2013-01-05")]),
        ],
        "a mixture",
    ),
}

#: Which moment it is, or what the refusal says, of a local time and a choice.
CLOCKS: Final[list[tuple[str, dict[str, str], str]]] = [
    ("2013-11-03T01:30:00", {}, "comes twice in America/New_York, unless `ambiguous: earlier"),
    ("2013-11-03T01:30:00", {"ambiguous": "earlier"}, "2013-11-03T05:30:00+00:00"),
    ("2013-11-03T01:30:00", {"ambiguous": "later"}, "2013-11-03T06:30:00+00:00"),
    ("2013-03-10T02:30:00", {}, "never comes in America/New_York, unless `nonexistent: shift`"),
    ("2013-03-10T02:30:00", {"nonexistent": "shift"}, "2013-03-10T07:00:00+00:00"),
    ("2013-03-10T02:30:00", {"ambiguous": "later"}, "never comes"),
]


@pytest.fixture(autouse=True)
def _database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, f"sqlite:///{tmp_path / 'source.db'}")


@pytest.mark.parametrize(("column", "told", "values"), cases(EXACT))
def test_it_comes_in_as_it_is(
    column: dict[str, Any], told: Told, values: list[Any], tmp_path: Path
) -> None:
    assert ingested(told, tmp_path, column) == values


@pytest.mark.parametrize(("column", "told", "message"), cases(REFUSED))
def test_it_is_refused_in_one_sentence_and_nothing_changes(
    column: dict[str, Any], told: Told, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        ingested(told, tmp_path, column)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(("text", "choice", "said"), CLOCKS)
@pytest.mark.parametrize(
    "kind",
    [
        csv,
        lambda text: jsonl(f'"{text}"'),
        sql,
        lambda text: parquet([datetime.fromisoformat(text)]),
    ],
)
def test_a_local_time_that_is_twice_or_never_is_as_the_dataset_says(
    kind: Any, text: str, choice: dict[str, str], said: str, tmp_path: Path
) -> None:
    here = {"timezone": "America/New_York", **choice}
    if said.endswith("+00:00"):
        moment = pd.Timestamp(datetime.fromisoformat(said))
        assert ingested(kind(text), tmp_path, {"type": "timestamp"}, **here) == [moment]
        return
    with pytest.raises(DataError, match="is no timestamp") as error:
        ingested(kind(text), tmp_path, {"type": "timestamp"}, **here)
    assert said in str(error.value)


def test_the_first_of_a_million_values_that_is_wrong_is_named() -> None:
    from airloop.data.sources.conform import conform
    from tests.unit.data.specimens import spec

    prices = pa.array(["1.5"] * 1_000_000 + ["dear", "cheap"])
    [problem] = conform(spec(), pa.table({"price": prices}))[1]
    assert (problem.value, problem.row) == ("dear", 1_000_000)


@pytest.mark.parametrize("kind", ["complex128", "Sparse[float]"])
def test_a_column_of_an_odd_kind_without_rows_is_refused(kind: str) -> None:
    from airloop.data.sources.conform import conform
    from tests.unit.data.specimens import spec

    empty = pd.DataFrame({"price": pd.Series([], dtype=kind)})
    [problem] = conform(spec(), empty)[1]
    assert (problem.row, problem.value) == (None, "a column without rows")


@pytest.mark.parametrize("kind", ["integer", "float", "boolean", "timestamp", "date"])
def test_an_empty_quoted_cell_is_missing_unless_it_is_text(kind: str) -> None:
    from airloop.data.sources.conform import conform
    from tests.unit.data.specimens import spec

    columns = {**spec().model_dump(mode="json")["columns"], "v": {"type": kind}}
    value = "2013-01-05" if kind in {"timestamp", "date"} else "1"
    cells = pa.table({"v": [value, ""], "note": ["", "a"]})
    table, wrong = conform(spec(columns=columns), cells)
    assert (wrong, table["v"].is_null().to_pylist()) == ([], [False, True])
    assert table["note"].to_pylist() == ["", "a"]
