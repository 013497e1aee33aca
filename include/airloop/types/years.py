"""The years that dates and timestamps may have, wherever they come in."""

from __future__ import annotations

from typing import Final

#: Those that a nanosecond timestamp can hold: a date outside would overflow in pandas.
FIRST_YEAR: Final = 1678
LAST_YEAR: Final = 2261
