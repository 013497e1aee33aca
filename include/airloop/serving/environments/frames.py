"""What a version's own process says: a byte that tells the kind, then the content."""

from __future__ import annotations

from typing import Final

#: It has opened its version; answers, as float64; what went wrong.
READY, ANSWER, ERROR = b"RAE"
#: Longer is nobody's answer: a million rows of 32 numbers.
MAX_BYTES: Final = 256 * 2**20
