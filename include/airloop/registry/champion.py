"""Whether the champion is still the one that a candidate was compared with."""

from __future__ import annotations

from airloop.contracts import Deployment
from airloop.errors import GateError


def check_compared(
    current: Deployment | None, compared_with: int | None, candidate: str, own: int | None = None
) -> None:
    """Better than the champion then is not better than the champion now.

    :param candidate: what was compared, for the message
    :param own: its version, where it has one: that it serves already is another attempt's doing
    :raises GateError: if another one serves than it was compared with
    """
    serving = current.version if current is not None else None
    if serving == compared_with or (own is not None and serving == own):
        return
    raise GateError(
        f"the champion changed since {candidate} was compared with it",
        value=f"{_named(serving)} serves, compared with {_named(compared_with)}",
        remedy="train again: the candidate is then compared with the one that serves",
    )


def _named(version: int | None) -> str:
    return f"version {version}" if version is not None else "none"
