"""Refusing predictions that cannot be answered in time: for as little as can be, and one after the other.

A crowd that asks again at once asks as often as it is refused: what a refusal costs, and how long it is held, is what is
left to those who are answered. Told all at once it would come again all at once, and whoever is answered would wait for
the whole crowd.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Protocol

import orjson

#: How long a refused request is held, at least and at most, in seconds; and the time between two refusals, where it allows.
LEAST, MOST, APART = 0.04, 0.075, 0.00012
#: A header that is longer is parsed.
_PLAIN_BYTES: Final = 4096
#: What changes where a request ends, what is answered, or what becomes of the connection.
_NOT_PLAIN = (
    b"transfer-encoding",
    b"expect",
    b"upgrade",
    b"\r\nconnection: close",
    b"x-request-id",
)


class Refused(Protocol):
    """A connection whose request is refused."""

    loop: asyncio.AbstractEventLoop

    def release(self) -> None:
        """Tell it now."""


class Refusals:
    """Those that are held, in the order of their turns."""

    def __init__(self) -> None:
        self._held: deque[tuple[float, Refused]] = deque()
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, one: Refused) -> None:
        """Tell it in a moment."""
        now = one.loop.time()
        self._last = min(max(now + LEAST, self._last + APART), now + MOST)
        self._held.append((self._last, one))
        if self._timer is None:
            self._timer = one.loop.call_at(self._last, self._release, one.loop)

    def _release(self, loop: asyncio.AbstractEventLoop) -> None:
        # A loop's clock counts milliseconds.
        now = loop.time() + 0.001
        while self._held and self._held[0][0] <= now:
            self._held.popleft()[1].release()
        self._timer = None
        if self._held:
            self._timer = loop.call_at(self._held[0][0], self._release, loop)


def is_whole(data: bytes) -> bool:
    """Whether this is one request and nothing else, by a header that allows one reading only."""
    end = data.find(b"\r\n\r\n", 0, _PLAIN_BYTES)
    return end >= 0 and _body_of(data[: end + 2]) == len(data) - end - 4


@lru_cache(maxsize=256)
def _body_of(head: bytes) -> int:
    """How long a plain header says that its body is; -1 of any other. A caller's headers are the same each time."""
    head = head.lower()
    first = head.find(b"\r\ncontent-length:")
    if first < 0 or not head[: head.find(b"\r\n")].endswith(b" http/1.1"):
        return -1
    if any(word in head for word in _NOT_PLAIN) or head.count(b"content-length") != 1:
        return -1
    length = head[first + 17 : head.find(b"\r\n", first + 2)].strip()
    return int(length) if length.isdigit() and len(length) < 10 else -1


def answer(status: HTTPStatus, what: str, request_id: str, *, close: bool) -> bytes:
    """A whole answer that is no application's.

    :param request_id: it is put in as it is
    """
    head, body = _parts(status, what, len(request_id), close)
    name = request_id.encode()
    return head % name + body % name


@lru_cache(maxsize=64)
def _parts(status: HTTPStatus, what: str, length: int, close: bool) -> tuple[bytes, bytes]:
    """Header and body with a place for the request's id."""
    body = orjson.dumps({"error": what.replace("%", "%%"), "request_id": "%s"})
    size = len(orjson.dumps({"error": what, "request_id": ""})) + length
    again = "retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    end = "connection: close\r\n" if close else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {size}\r\ncache-control: no-store\r\nx-request-id: %s\r\n{again}{end}\r\n"
    )
    return head.encode(), body
