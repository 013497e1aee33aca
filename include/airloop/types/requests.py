"""How values are written in a request: what is accepted, and the JSON schema that says so."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from airloop.types.years import FIRST_YEAR, LAST_YEAR

#: The same as a pattern: a JSON schema knows no range of dates.
_YEARS = r"(16(7[89]|[89]\d)|1[789]\d\d|2[01]\d\d|22([0-5]\d|6[01]))"
_DAY = rf"^{_YEARS}-\d\d-\d\d$"
_MOMENT = rf"^{_YEARS}-\d\d-\d\d[Tt ]"
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?$"
_FIRST_DAY, _LAST_DAY = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
#: A day more on each side: a year is meant as it is written, whatever its offset from UTC.
_FIRST = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - timedelta(days=1)
_LAST = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) + timedelta(days=1)
_LARGEST = sys.float_info.max


class _Form:
    """A value's core schema with the JSON schema that stands for it, and one error for whatever does not fit."""

    def __init__(self, core: CoreSchema, document: JsonSchemaValue, expected: str) -> None:
        self._core, self._document, self._expected = core, document, expected

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            self._core,
            custom_error_type="not_in_schema",
            custom_error_message=f"Input should be {self._expected}",
        )

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self._document)


def _text(pattern: str, parsed: CoreSchema) -> CoreSchema:
    # The pattern first: by itself the parser takes "1362096000" for a date too.
    return core_schema.chain_schema([core_schema.str_schema(strict=True, pattern=pattern), parsed])


def whole(bits: int) -> Any:
    """Whole numbers of so many bits. As JSON Schema has it: ``1.0`` is one, ``"1"`` and ``true`` are none."""
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    core = core_schema.union_schema(
        [
            core_schema.int_schema(strict=True, ge=lowest, le=highest),
            core_schema.no_info_after_validator_function(
                int,
                # Beyond 64 bits a parser makes a float of a whole number: -2**63 may have been one below it.
                core_schema.float_schema(
                    strict=True,
                    gt=lowest - (bits < 64),
                    lt=highest + 1,
                    multiple_of=1,
                    allow_inf_nan=False,
                ),
            ),
        ],
        mode="left_to_right",
    )
    document = {"type": "integer", "minimum": lowest, "maximum": highest}
    return Annotated[int, _Form(core, document, f"a whole number of at most {bits} bits")]


def decimal(precision: int, scale: int) -> Any:
    """Numbers of so many digits, so many of them behind the point."""

    def fits(value: float) -> float:
        if -Decimal(repr(value)).as_tuple().exponent > scale and value % 1:  # type: ignore[operator]
            raise ValueError("more digits behind the point")
        return value

    largest = float(10 ** (precision - scale))
    core = core_schema.no_info_after_validator_function(
        fits,
        core_schema.float_schema(strict=True, allow_inf_nan=False, gt=-largest, lt=largest),
    )
    document = {"type": "number", "exclusiveMinimum": -largest, "exclusiveMaximum": largest}
    what = f"a number of at most {precision} digits, {scale} of them behind the point"
    return Annotated[float, _Form(core, document, what)]


def vector(of: str, length: int) -> Any:
    """Lists of so many numbers."""
    item = whole(64) if of == "integer" else NUMBER
    return Annotated[list[item], Field(min_length=length, max_length=length)]  # type: ignore[valid-type]


NUMBER: Any = Annotated[
    float,
    Field(allow_inf_nan=False, json_schema_extra={"minimum": -_LARGEST, "maximum": _LARGEST}),
]
MOMENT: Any = Annotated[
    datetime,
    _Form(
        _text(
            _MOMENT,
            core_schema.datetime_schema(strict=False, tz_constraint="aware", ge=_FIRST, le=_LAST),
        ),
        {"type": "string", "format": "date-time", "pattern": _MOMENT},
        f"a timestamp with its offset, such as 2000-01-01T00:00:00Z, of the years {FIRST_YEAR} to {LAST_YEAR}",
    ),
]
DAY: Any = Annotated[
    date,
    _Form(
        _text(_DAY, core_schema.date_schema(strict=False, ge=_FIRST_DAY, le=_LAST_DAY)),
        {"type": "string", "format": "date", "pattern": _DAY},
        f"a date written YYYY-MM-DD, of the years {FIRST_YEAR} to {LAST_YEAR}",
    ),
]
TIME: Any = Annotated[
    str,
    _Form(
        core_schema.str_schema(strict=True, pattern=_TIME),
        {"type": "string", "pattern": _TIME},
        "a time of a day, such as 23:59 or 23:59:59.5",
    ),
]
