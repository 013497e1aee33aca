"""Every type from the source to the lake, whatever the source; and what specs, requests and features make of it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from airloop.data.changes import compare
from airloop.data.lake.digest import rows_digest
from airloop.data.schema import to_pandas
from airloop.data.sources.references import read_reference
from airloop.errors import DataError
from airloop.features.casting import conform
from airloop.specs.rules import dataset_rules, pair_rules
from airloop.types.casts.collections import REFERENCE
from airloop.types.column import Column
from airloop.types.registry import TYPES, type_of
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
from tests.unit.data.specimens import spec

DECIMAL: Final = {"type": "decimal", "precision": 10, "scale": 2}
VECTOR: Final = {"type": "vector", "length": 3}
BYTE: Final = {"type": "integer", "bits": 8}

EXACT: Final[dict[str, tuple[dict[str, Any], list[Told], list[Any]]]] = {
    "a whole number of eight bits": (
        BYTE,
        [csv("-128", ""), jsonl("-128", "null"), sql(-128, None), parquet([-128, None])],
        [-128, None],
    ),
    "money": (
        DECIMAL,
        [
            csv("2943.74", ""),
            jsonl("2943.74", "null"),
            sql(2943.74, None),
            sql("2943.740", None),
            parquet([Decimal("2943.74"), None]),
            parquet([2943.74, None]),
            python([2943.74, np.nan]),
        ],
        [2943.74, None],
    ),
    "a time of a day": (
        {"type": "time"},
        [
            csv("23:59", ""),
            jsonl('"23:59:00.000000000"', "null"),
            sql("23:59:00", None),
            parquet([time(23, 59), None]),
            parquet([86_340, None], pa.time32("s")),
            python(pd.Series([time(23, 59), None], dtype=object)),
            python([pd.Timedelta("23:59:00"), pd.NaT]),
        ],
        ["23:59:00.000000", None],
    ),
    "a vector": (
        VECTOR,
        [
            csv('"[1, 2.5, -3]"', ""),
            jsonl("[1, 2.5, -3]", "null"),
            sql("[1, 2.5, -3]", None),
            parquet([[1, 2.5, -3], None]),
            parquet([[1, 2.5, -3], None], pa.large_list(pa.float32())),
            python([np.array([1, 2.5, -3]), None]),
            python(pd.Series([[1, 2.5, -3], None], dtype=object)),
        ],
        [(1.0, 2.5, -3.0), None],
    ),
    "a list of whole numbers": (
        {"type": "list", "of": "integer"},
        [csv('"[9007199254740993]"', "[]"), jsonl("[9007199254740993]", "[]")],
        [(2**53 + 1,), ()],
    ),
    "bytes": (
        {"type": "bytes"},
        [
            csv("/w==", ""),
            jsonl('"/w=="', "null"),
            sql(b"\xff", None),
            parquet([b"\xff", None]),
            parquet([b"\xff", None], pa.binary(1)),
            python(pd.Series([b"\xff", None], dtype=object)),
        ],
        [b"\xff", None],
    ),
}
REFUSED: Final[dict[str, tuple[dict[str, Any], list[Told], str]]] = {
    "a whole number of more bits": (
        BYTE,
        [csv("128"), jsonl("128"), sql(128), parquet([128]), python([128])],
        "128' in row 0 is no integer: it needs more than 8 bits",
    ),
    "money of more digits": (
        DECIMAL,
        [csv("0.125"), jsonl("0.125"), sql("0.125"), parquet([Decimal("0.125")]), python([0.125])],
        "it has more than 10 digits, 2 of them behind the point",
    ),
    "money with a separator": (
        DECIMAL,
        [csv('"1,000"'), jsonl('"1_000"'), sql("1.000,5"), parquet(["inf"])],
        "it is not a number in decimal digits",
    ),
    "no time of a day": (
        {"type": "time"},
        [csv("24:00"), jsonl('"23:59:60"'), sql("7:00"), parquet([1], pa.time64("ns"))],
        "is no time: ",
    ),
    "a time with an offset": (
        {"type": "time"},
        [csv("10:00Z"), python(pd.Series([time(1, tzinfo=UTC)], dtype=object))],
        "is no time: ",
    ),
    "a vector of changing length": (
        VECTOR,
        [
            csv('"[1, 2, 3]"', '"[1, 2]"'),
            jsonl("[1, 2, 3]", "[1, 2]"),
            sql("[1, 2, 3]", "[1, 2]"),
            parquet([[1, 2, 3], [1, 2]]),
            python([[1, 2, 3], [1, 2]]),
        ],
        "in row 1 is no vector: it has 2 numbers, where each has 3",
    ),
    "a vector with a gap": (
        VECTOR,
        [parquet([[1, None, 3]]), parquet([[1.0, np.inf, 3]]), python([[1.0, np.nan, 3]])],
        "one of its numbers is missing, or not finite",
    ),
    "a vector of something else": (
        VECTOR,
        [
            csv('"[1, true, 3]"'),
            jsonl('["a", "b", "c"]'),
            sql('{"a": 1}'),
            parquet([["a", "b", "c"]]),
        ],
        "it is no list of numbers",
    ),
    "no base64": (
        {"type": "bytes"},
        [csv("a"), jsonl('"a"'), sql("a"), parquet(["a"])],
        "it is not written in base64",
    ),
}


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
    assert message.replace("'", "") in str(error.value).replace("'", "")
    assert not (tmp_path / "lake").exists()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "sql", "parquet", "python"])
def test_a_reference_tells_the_size_and_the_digest_of_its_file(kind: str, tmp_path: Path) -> None:
    uri = str(tmp_path / "picture.png")
    Path(uri).write_bytes(b"abc")
    told = {
        "csv": csv(uri, ""),
        "jsonl": jsonl(json.dumps({"uri": uri, "size": 3}), "null"),
        "sql": sql(json.dumps({"uri": uri, "digest": _digest(b"abc")}), None),
        "parquet": parquet([{"uri": uri, "size": 3, "digest": _digest(b"abc")}, None]),
        "python": python(pd.Series([{"uri": uri}, None], dtype=object)),
    }[kind]
    [reference, missing] = ingested(told, tmp_path, {"type": "file"})
    assert (reference, missing) == ({"uri": uri, "size": 3, "digest": _digest(b"abc")}, None)
    assert read_reference(reference) == b"abc"
    Path(uri).write_bytes(b"abd")
    with pytest.raises(DataError, match="the file's bytes were changed: its digest is"):
        read_reference(reference)


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder whose path a message shows whole; a worker's own ``tmp_path`` is longer."""
    with tempfile.TemporaryDirectory(prefix="near-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("kind", ["jsonl", "sql", "parquet", "python"])
@pytest.mark.parametrize(
    ("said", "why"),
    [({"size": 4}, "its size is 3, not 4"), ({"digest": "sha256:0"}, "its digest is sha256:")],
)
def test_a_reference_to_a_file_whose_bytes_changed_is_refused(
    kind: str, said: dict[str, Any], why: str, tmp_path: Path, near: Path
) -> None:
    uri = str(near / "picture.png")
    Path(uri).write_bytes(b"abc")
    value = {"uri": uri, **said}
    told = {
        "jsonl": jsonl(json.dumps(value)),
        "sql": sql(json.dumps(value)),
        "parquet": parquet([value]),
        "python": python(pd.Series([value], dtype=object)),
    }[kind]
    with pytest.raises(DataError) as error:
        ingested(told, tmp_path, {"type": "file"})
    assert f"{uri}' in row 0 is no file: {why}" in str(error.value)


def test_a_reference_to_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no file: there is no such file"):
        ingested(csv(str(tmp_path / "none")), tmp_path, {"type": "file"})


@pytest.mark.parametrize(
    ("column", "path", "what"),
    [
        ({"type": "vector"}, ("columns", "v", "length"), "a required key is missing"),
        ({"type": "decimal"}, ("columns", "v", "scale"), "a required key is missing"),
        ({"type": "float", "bits": 32}, ("columns", "v", "bits"), "of type float has no bits"),
        (
            {"type": "decimal", "precision": 2, "scale": 3},
            ("columns", "v", "scale"),
            "is larger than precision (2)",
        ),
    ],
)
def test_a_key_that_a_type_lacks_or_needs_is_told(
    column: dict[str, Any], path: tuple[str, ...], what: str
) -> None:
    data = spec().model_dump(mode="json", by_alias=True)
    [issue] = dataset_rules({**data, "columns": {**data["columns"], "v": column}})
    assert issue.path == path
    assert what in issue.what


@pytest.mark.parametrize("kind", ["vector", "list", "bytes", "file", "decimal"])
def test_a_value_that_names_no_row_is_no_key(kind: str) -> None:
    data = spec().model_dump(mode="json", by_alias=True)
    column = {"type": kind, "scale": 0, "length": 1}
    told = dataset_rules({**data, "keys": ["v"], "columns": {**data["columns"], "v": column}})
    assert f"a column of type {kind} names no rows" in [issue.what for issue in told]


@pytest.mark.parametrize("kind", TYPES)
def test_a_model_is_refused_an_input_that_no_request_can_say(kind: str) -> None:
    told = pair_rules({"inputs": ["v"]}, {"columns": {"v": {"type": kind}}})
    refused = [issue.what for issue in told if "can be no input" in issue.what]
    assert bool(refused) == (kind in {"list", "bytes", "file"})


@pytest.mark.parametrize(
    ("column", "right", "wrong"),
    [
        (BYTE, [127, -128, 1.0], [128, -129, 1.5, "1", True]),
        ({"type": "integer"}, [2**63 - 1, -(2**63)], [2**63, 1.5, "1", True]),
        (DECIMAL, [0.25, 99999999.99, 5], [0.125, 1e8, "1"]),
        ({"type": "time"}, ["23:59", "23:59:59.5"], ["24:00", "7:00", "10:00Z", 5]),
        (VECTOR, [[1, 2.5, 3]], [[1, 2], [1, 2, 3, 4], [1, "2", 3], 1, [1, 2, float("inf")]]),
    ],
)
def test_a_request_says_a_value_of_the_type_or_is_refused(
    column: dict[str, Any], right: list[Any], wrong: list[Any]
) -> None:
    contract = Column.model_validate(column)
    adapter = TypeAdapter(type_of(contract).annotation(contract))
    for value in (*right, type_of(contract).specimen(contract)):
        assert adapter.validate_python(value, strict=True) == value
    for value in wrong:
        with pytest.raises(ValidationError):
            adapter.validate_python(value, strict=True)
    assert adapter.json_schema()


@pytest.mark.parametrize(
    ("column", "asked", "got"),
    [
        (VECTOR, [[1, 2.5, 3], None], [(1, 2.5, 3), None]),
        (DECIMAL, [Decimal("0.25"), None], [0.25, np.nan]),
        ({"type": "time"}, ["23:59", None], [pd.Timedelta("23:59:00"), pd.NaT]),
    ],
)
def test_features_get_the_same_from_a_request_and_from_the_lake(
    column: dict[str, Any], asked: list[Any], got: list[Any]
) -> None:
    columns = {**spec().model_dump(mode="json")["columns"], "v": column}
    dataset = spec(columns=columns)
    contract = dataset.columns["v"]
    logged = type_of(contract).logged(asked)
    stored = to_pandas(pa.table({"v": pa.array(logged, type_of(contract).arrow(contract))}))
    for frame in (pd.DataFrame({"v": pd.Series(asked, dtype=object)}), stored):
        found = conform(dataset, ["v"], frame)["v"]
        pd.testing.assert_series_equal(found, pd.Series(got, name="v", dtype=found.dtype))


SPECIMENS: Final = {
    "bytes": (pa.binary(), [b"a", None], [b"b", None]),
    "list": (pa.list_(pa.float64()), [[1.0, 2.0], None], [[1.0], [2.0]]),
    "decimal": (pa.decimal128(10, 2), [Decimal(1), None], [Decimal("1.01"), None]),
    "file": (
        REFERENCE,
        [{"uri": "a", "size": 1, "digest": "b"}, None],
        [{"uri": "a", "size": 1, "digest": "c"}, None],
    ),
}


@pytest.mark.parametrize("kind", SPECIMENS)
def test_rows_of_any_type_have_a_digest_and_are_compared(kind: str) -> None:
    arrow, before, after = SPECIMENS[kind]
    tables = [pa.table({"id": ["x", "y"], "v": pa.array(one, arrow)}) for one in (before, after)]
    digest = rows_digest(tables[0])
    assert digest == rows_digest(tables[0].take([1, 0]))
    assert digest != rows_digest(tables[1])
    longer = pa.concat_tables([tables[1], tables[0]])[2:]  # of an array with an offset
    assert digest == rows_digest(longer)
    assert compare(tables[0], tables[0].take([1, 0]), ["id"], digest).changed == 0
    changed = compare(tables[0], tables[1], ["id"], digest)
    assert changed.columns == {"v": 2 if kind == "list" else 1}
