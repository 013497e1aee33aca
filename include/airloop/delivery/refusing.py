"""What a version must refuse: each of its fields missing, of another type or null where it may not be, and who has no token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import httpx
import orjson

from airloop.contracts import Check, Outcome
from airloop.delivery.asked import asking, checked

if TYPE_CHECKING:
    from airloop.serving.environments.loading import Loaded
    from airloop.serving.requests import Row
    from airloop.settings import Settings

NAME: Final = "refuses bad input"
_REFUSED: Final = frozenset({httpx.codes.UNPROCESSABLE_ENTITY})
#: A model may have no answer for a row that lacks a value; it must not fail over it.
_TAKEN_OR_REFUSED: Final = _REFUSED | {httpx.codes.OK}

#: What is sent, what it is called, and which statuses are right.
_Case = tuple[str, bytes, dict[str, str], frozenset[int]]


def refusals(settings: Settings, model: Loaded, rows: Sequence[Row]) -> Check:
    """Whether what must be refused is refused, field by field."""
    count = 0
    with asking(settings) as http:
        for what, body, headers, right in _cases(model, rows):
            path = f"/models/{model.spec.name}/predict"
            got = http.post(path, content=body, headers=headers).status_code
            if got not in right:
                reason = f"{what} was answered {got}, not {' or '.join(map(str, sorted(right)))}"
                return checked(NAME, Outcome.BAD, reason)
            count += 1
    return checked(
        NAME, Outcome.OK, f"{count} kinds of bad rows and a wrong token are refused", kinds=count
    )


def _cases(model: Loaded, rows: Sequence[Row]) -> Iterator[_Case]:
    # A NaN in a field of text would be refused for being no text.
    places = ((row, name) for row in rows for name in row if isinstance(row[name], float))
    row, number = next(places, (rows[0], next(iter(rows[0]))))
    marked = _body({**row, number: "\x00"}).replace(b'"\\u0000"', b"NaN")
    yield "NaN", marked, {}, _REFUSED
    yield "an unknown field", _body({**row, "no_such_field": 1}), {}, _REFUSED
    yield "a missing field", _body({}), {}, _REFUSED
    wrong = {"authorization": "Bearer no"}
    yield "a wrong token", _body(row), wrong, frozenset({httpx.codes.UNAUTHORIZED})
    for name in row:
        lacking = {other: value for other, value in row.items() if other != name}
        yield f"a row without {name}", _body(lacking), {}, _REFUSED
        yield f"{name} of another type", _body({**row, name: {"no": "value"}}), {}, _REFUSED
        nullable = model.dataset.columns[name].nullable
        right = _TAKEN_OR_REFUSED if nullable else _REFUSED
        yield f"{name} as null", _body({**row, name: None}), {}, right


def _body(row: dict[str, Any]) -> bytes:
    return orjson.dumps({"rows": [row]})
