"""How a column's dates are written: a format that would leave something to be made up is refused where it stands."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.unit.data.specimens import spec


def columns(**column: str) -> dict[str, dict[str, str]]:
    return {**spec().model_dump(mode="json")["columns"], "born": column}


@pytest.mark.parametrize("form", ["%Y%m%d", "%d.%m.%y", "%j/%Y", "%d %b %Y at %H:%M:%S.%f %z"])
def test_a_format_with_a_whole_date_is_fine(form: str) -> None:
    assert spec(columns=columns(type="timestamp", format=form)).columns["born"].format == form


@pytest.mark.parametrize(
    ("kind", "form", "what"),
    [
        ("string", "%Y%m%d", "a column of type string has no format"),
        ("date", "%Y-%m", "a format must hold the year, the month and the day"),
        ("date", "%d.%m.", "a format must hold the year, the month and the day"),
        ("timestamp", "%H:%M", "a format must hold the year, the month and the day"),
        ("date", "%Y%m%Q", "no such directive"),
        ("date", "%Y%m%d%d", "names a directive twice"),
        ("date", "%Y%m%d %z", "a date has no offset"),
        ("timestamp", "%Y%m%d %I:%M", "%I and %p stand together"),
        ("timestamp", "%Y%m%d %H:%M %p", "%I and %p stand together"),
        ("date", "yyyy-mm-dd", "a format must hold the year, the month and the day"),
    ],
)
def test_a_format_that_leaves_something_open_is_refused(kind: str, form: str, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        spec(columns=columns(type=kind, format=form))
