"""What became of texts on their way to the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from airloop.monitoring.asked.unlike import Mask, Told, Unlike

_KINDS: Final[dict[str, Callable[[str, str], bool]]] = {
    "in another case": lambda sent, delivered: sent.casefold() == delivered.casefold(),
    "with other white space": lambda sent, delivered: sent.split() == delivered.split(),
    "in another encoding": lambda sent, delivered: _mistaken(sent, delivered),
    "a part of it added": lambda sent, delivered: bool(delivered) and delivered in sent,
}


def rewritten(of: Unlike) -> Iterator[Told]:
    """Written otherwise."""
    for told, holds in _KINDS.items():
        yield told, _where(of, holds)
    cut = _where(of, lambda sent, delivered: delivered.startswith(sent))
    if cut.any():
        longest = max(len(sent) for sent, is_cut in zip(of.sent, cut, strict=True) if is_cut)
        yield f"cut off after {longest} characters", cut


def _where(of: Unlike, holds: Callable[[str, str], bool]) -> Mask:
    return np.array(
        [
            isinstance(sent, str) and isinstance(delivered, str) and holds(sent, delivered)
            for sent, delivered in zip(of.sent, of.delivered, strict=True)
        ],
        np.bool_,
    )


def _mistaken(sent: str, delivered: str) -> bool:
    """Whether UTF-8 was read as Latin-1, or what Latin-1 lacks was replaced."""
    if delivered.isascii():
        return False
    return sent in {
        delivered.encode().decode("latin-1"),
        delivered.encode().decode("cp1252", "replace"),
        delivered.encode("ascii", "replace").decode(),
        delivered.encode("ascii", "ignore").decode(),
    }
