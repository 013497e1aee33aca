"""Which version a request belongs to: pure, and the same for the same request in every worker and after every restart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from airloop.serving.requests import InvalidRequestError, Row, plain
from airloop.traffic import ALL, Share, Split
from airloop.vocabulary import Role

#: What the log says of a request that no version of an A/B test can have: its rows belong to both.
OUTSIDE: Final = "outside"
#: ... and of one whose version could not answer, and another one did.
FALLBACK: Final = "fallback"
_ANSWERING = (Role.CANARY, Role.CHALLENGER)


def lot(text: str, salt: str) -> float:
    """Where a text falls between nought and a hundred: evenly, by its hash, as good as drawn."""
    told = hashlib.sha256(f"{salt}\0{text}".encode()).digest()
    return int.from_bytes(told[:8]) / 2**64 * ALL


def by_request(split: Split, request_id: str) -> Share:
    """Of a split without a key: by the request's own id. Who belongs to a canary at 1 % does so at 10 %, too."""
    return _at(split, lot(request_id, _salt(split)))


def by_key(split: Split, rows: Sequence[Row]) -> Share | None:
    """Of a split with a key: by its value in the rows; None where they belong to several versions.

    :raises InvalidRequestError: if a row has none
    """
    key = split.key or ""
    missing = [index for index, row in enumerate(rows) if row.get(key) is None]
    if missing:
        msg = "an A/B test shares requests out by this field, so it must not be null"
        details = [
            {"loc": ["rows", at, key], "msg": msg, "type": "null_key"} for at in missing[:20]
        ]
        raise InvalidRequestError(f"rows.{missing[0]}.{key}: {msg}", details)
    shares = [_at(split, lot(_text(row[key]), _salt(split))) for row in rows]
    return shares[0] if all(share == shares[0] for share in shares) else None


def asked_beside(split: Split, request_id: str) -> Share | None:
    """The shadow, where it gets to see this request."""
    shadow = next((share for share in split.shares if share.role is Role.SHADOW), None)
    if shadow is None or lot(request_id, f"shadow\0{_salt(split)}") >= shadow.weight:
        return None
    return shadow


def _at(split: Split, point: float) -> Share:
    """The one whose part of the hundred a point lies in; the champion's is the last."""
    reached = 0.0
    for share in _others(split.shares):
        reached += share.weight
        if point < reached:
            return share
    return split.champion


def _others(shares: Iterable[Share]) -> list[Share]:
    return [share for share in shares if share.role in _ANSWERING]


def _salt(split: Split) -> str:
    """Another delivery shares the same requests out in another way; another step of the same does not."""
    return split.salt or ":".join(str(share.version) for share in split.shares)


def _text(value: Any) -> str:
    return orjson.dumps(plain(value)).decode()
