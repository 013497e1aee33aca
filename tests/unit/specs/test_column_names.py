"""What a column may be called: nearly anything; the rest is told once, with the name, its place and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from airloop.check.specs import check
from airloop.errors import SpecError
from airloop.fields import ColumnName
from airloop.specs.catalog import Catalog
from airloop.specs.dataset import DatasetSpec
from tests.support.loop import free_names as made

SOURCE = {"kind": "python", "function": "tests.support.loop.free_names:rows"}
NAMES = TypeAdapter(ColumnName)
BAD = [
    ("", "a column's name is empty", "give the column a name"),
    ("  ", "a column's name is empty", "give the column a name"),
    ("a\tb", "holds a control character", "on one line"),
    ("a\nb", "holds a control character", "on one line"),
    ("a\x00b", "holds a control character", "on one line"),
    ("a\x85b", "holds a control character", "on one line"),
    ("a\u2028b", "holds a control character", "on one line"),
    (" a", "begins or ends with a blank", "take the blank away"),
    ("a\u00a0", "begins or ends with a blank", "take the blank away"),
    ("airloop_x", "are Airloop's own", "give the column another name"),
    ("AirLoop_x", "are Airloop's own", "give the column another name"),
    ("Select", "differs from select only in capital letters", "another name"),
]


def config(folder: Path, name: str) -> Catalog:
    """A project whose dataset has a column of this name besides; JSON is YAML."""
    spec: dict[str, Any] = made.dataset(SOURCE)
    spec["columns"][name] = {"type": "float"}
    path = folder / "config" / "datasets" / "things.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(spec), encoding="utf-8")
    (folder / "config" / "models").mkdir()
    return Catalog(folder / "config")


@pytest.mark.parametrize(("name", "what", "remedy"), BAD)
def test_a_name_that_cannot_be_is_told_once_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str, remedy: str
) -> None:
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    catalog = config(tmp_path, name)
    with pytest.raises(SpecError, match=r"things\.yaml") as error:
        catalog.dataset("things")
    assert what in str(error.value)
    assert remedy in str(error.value)
    told = [one for one in check(catalog) if one.key.startswith("columns")]
    assert [(one.key, what in one.what, remedy in one.remedy) for one in told] == [
        (f"columns.{name}", True, True)
    ]


@pytest.mark.parametrize("name", ["keys", "partition_column", "expectations"])
def test_names_are_found_wherever_a_dataset_says_them(name: str) -> None:
    spec = made.dataset(SOURCE)
    assert DatasetSpec.model_validate(spec).columns.keys() == spec["columns"].keys()
    wrong = {
        "keys": ["nobody"],
        "partition_column": "nobody",
        "expectations": [
            {"expect": "expect_column_values_to_be_unique", "with": {"column": "nobody"}}
        ],
    }
    with pytest.raises(ValidationError, match="no such column"):
        DatasetSpec.model_validate({**spec, name: wrong[name]})


@given(st.text(min_size=1))
def test_a_name_is_kept_as_it_is_written_or_refused(name: str) -> None:
    try:
        assert NAMES.validate_python(name) == name
    except ValidationError:
        blank = name != name.strip()
        odd = not name.isprintable()
        assert blank or odd
    else:
        assert name == name.strip() != ""
        assert len(name.splitlines()) == 1


@pytest.mark.parametrize("name", made.HOSTILE)
def test_a_name_may_be_any_text(name: str) -> None:
    assert NAMES.validate_python(name) == name
