"""What became of a column's texts: written in another case, or one counted as another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from airloop.monitoring.health.variation import Move

#: Most of the unknown texts must be known ones in another writing.
MOST = 0.5
#: What one category lost, another gained, give or take this part.
ALIKE = 0.35


def rewritten(values: pd.Series, known: Sequence[str]) -> str | None:
    """Texts that are known ones but for case and blanks; None where they are not."""
    present = values[values.notna()].astype(str)
    strange = present[~present.isin(known)]
    plain = {one.strip().casefold(): one for one in known}
    same = strange[strange.str.strip().str.casefold().isin(plain)]
    if same.empty or len(same) < MOST * len(strange):
        return None
    example = str(same.iloc[0])
    return f"written otherwise: {example!r} for {plain[example.strip().casefold()]!r}"


def folded(of: Iterable[Move]) -> str | None:
    """One category that took over (a part of) another; None where no two shares moved against each other."""
    shares = [move for move in of if move.key[1].startswith("= ")]
    lost = [(move.low - move.value, move) for move in shares if move.value < move.low]
    gained = [(move.value - move.high, move) for move in shares if move.value > move.high]
    if not lost or not gained:
        return None
    less, more = max(lost, key=lambda one: one[0])[1], max(gained, key=lambda one: one[0])[1]
    loss, gain = _middle(less) - less.value, more.value - _middle(more)
    if abs(loss - gain) > ALIKE * max(loss, gain):
        return None
    return (
        f"{less.key[1][2:]!r} counted as {more.key[1][2:]!r}: "
        f"{less.value:.0%} of the rows instead of {less.low:.0%} to {less.high:.0%}"
    )


def _middle(move: Move) -> float:
    return (move.low + move.high) / 2
