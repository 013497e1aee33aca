"""The typed request of a model, made from its columns: keys and inputs, nothing else."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from airloop.contracts import Contract
from airloop.errors import RequestError
from airloop.serving.bounds import bounds_of, narrow, unfit
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.types.column import Column, ColumnType
from airloop.types.registry import type_of

#: Errors shown for one request: more would only repeat themselves, row by row.
MAX_ERRORS = 20

Row = dict[str, Any]

#: Each string of a JSON text; the group is there where the string is a key.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"(\s*:)?')


class EndpointsQuery(Contract):
    """What the endpoints are asked for: one model, or all. A parameter that is misspelt is refused, not passed over."""

    model: str | None = None


class InvalidRequestError(RequestError):
    """The body is not what the model's schema asks for; ``details`` says where, never with the input."""

    def __init__(self, what: str, details: Sequence[dict[str, Any]]) -> None:
        self.details = list(details)
        super().__init__(what, remedy="GET /docs shows the schema with an example")


class RequestSchema:
    """Parses request bodies of one model version: strict types, no unknown field, finite numbers.

    Every column must be named; ``null`` is allowed where the dataset says nullable. Values that the dataset's own
    expectations exclude are refused, or told, by their severity.

    :param now: the dataset as the project has it, where that is known: whose rules and dates count
    """

    def __init__(
        self, spec: ModelSpec, dataset: DatasetSpec, now: DatasetSpec | None = None
    ) -> None:
        self.columns = tuple(dict.fromkeys((*dataset.keys, *spec.inputs)))
        self.inputs = spec.inputs
        self._row = _row_model(spec.name, self.columns, dataset)
        bounds = bounds_of(now or dataset, self.columns, spec.serving.event_time)
        self._bounds = tuple(bound for bound in bounds if bound.refuses)
        self._told = tuple(bound for bound in bounds if not bound.refuses)
        self.placeholder: Row = self._made_up(dataset)
        self.model: type[BaseModel] = create_model(
            f"{spec.name}_request",
            __config__=ConfigDict(extra="forbid", strict=True),
            rows=(
                list[self._row],  # type: ignore[name-defined]
                Field(min_length=1, max_length=spec.serving.max_rows),
            ),
        )

    def parse(self, body: bytes) -> list[Row]:
        """The rows of a request body, as dicts in column order.

        :raises InvalidRequestError: naming row and field, for anything the schema does not allow
        """
        try:
            request = self.model.model_validate_json(body)
        except ValidationError as error:
            details = self._details(error)
            first = details[0]
            what = f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg']}"
            raise InvalidRequestError(what, details) from None
        columns = self.columns
        # The parser keeps the last of equal keys, so a body with more keys than the schema has names one twice.
        if _more_keys(body, 1 + len(request.rows) * len(columns)):  # type: ignore[attr-defined]
            raise _twice(body)
        rows = [dict(zip(columns, vars(row).values(), strict=True)) for row in request.rows]  # type: ignore[attr-defined]
        if self._bounds and (details := unfit(rows, self._bounds, MAX_ERRORS)):
            first = details[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidRequestError(f"{where}: {first['msg']}", details)
        return rows

    def warnings(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """What the dataset's expectations only warn of: answered, and told."""
        return unfit(rows, self._told, MAX_ERRORS) if self._told else []

    def _made_up(self, dataset: DatasetSpec) -> Row:
        row = {
            name: type_of(dataset.columns[name]).specimen(dataset.columns[name])
            for name in self.columns
        }
        for bound in self._bounds:
            if bound.example is not None:
                kind = dataset.columns[bound.column].type
                moment = kind is ColumnType.TIMESTAMP and isinstance(bound.example, str)
                row[bound.column] = f"{bound.example}T12:00:00Z" if moment else plain(bound.example)
        return row

    def _details(self, error: ValidationError) -> list[dict[str, Any]]:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        details = []
        for item in found[:MAX_ERRORS]:
            loc = tuple(part[:64] if isinstance(part, str) else part for part in item["loc"])
            message = item["msg"]
            if item["type"] == "extra_forbidden":
                near = difflib.get_close_matches(str(loc[-1]), (*self.columns, "rows"), n=1)
                message = "unknown field" + (f"; did you mean {near[0]!r}?" if near else "")
            details.append({"loc": list(loc), "msg": message, "type": item["type"]})
        return details

    def document(self) -> dict[str, Any]:
        """The request's JSON schema, for the docs page."""
        document = self.model.model_json_schema(ref_template="#/components/schemas/{model}")
        fields = document["$defs"][self._row.__name__]["properties"]
        for bound in self._bounds:
            narrow(fields[bound.column], bound.document)
        return document


def _more_keys(body: bytes, expected: int) -> bool:
    """Whether valid JSON has more keys than expected; the texts are looked at only where its colons allow it."""
    return body.count(b":") > expected and sum(map(bool, _STRINGS.findall(body))) > expected


def _twice(body: bytes) -> InvalidRequestError:
    """The error for a body that names a key twice: which of the values was meant, nobody can tell."""
    doubled: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        counts = Counter(key for key, _ in pairs)
        doubled.extend(key for key, times in counts.items() if times > 1)

    json.loads(body, object_pairs_hook=look)
    details = [
        {"loc": [key[:64]], "msg": "the field is there more than once", "type": "doubled"}
        for key in dict.fromkeys(doubled)
    ]
    return InvalidRequestError(f"{doubled[0]}: {details[0]['msg']}", details[:MAX_ERRORS])


def plain(value: Any) -> Any:
    """A value as JSON has it: dates, times and timestamps in ISO 8601."""
    return value.isoformat() if isinstance(value, date | time) else value


def _row_model(name: str, columns: Sequence[str], dataset: DatasetSpec) -> type[BaseModel]:
    # Positional field names with the column as alias: a column may be called anything, even "class".
    fields: dict[str, Any] = {
        f"c{index}": (
            _annotation(dataset.columns[column]),
            Field(alias=column, description=dataset.columns[column].description or None),
        )
        for index, column in enumerate(columns)
    }
    config = ConfigDict(extra="forbid", strict=True)
    model: type[BaseModel] = create_model(f"{name}_row", __config__=config, **fields)
    return model


def _annotation(column: Column) -> Any:
    kind = type_of(column).annotation(column)
    return kind | None if column.nullable else kind
