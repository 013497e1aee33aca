"""What became of a column's texts: written in another case, or one counted as another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from airloop.monitoring.health.variation import Move
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import Profile

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


def folded(of: Iterable[Move], history: History, night: Profile) -> str | None:
    """One category that took over (a part of) another; None where no other gained what one lost."""
    shares = [move for move in of if move.key[1].startswith("= ")]
    gains = {
        key: night.of(key) - float(np.nanmedian(history.series(key)))
        for key in history.keys
        if shares and key[0] == shares[0].key[0] and key[1].startswith("= ")
    }
    lost = [move for move in shares if move.value < move.low]
    if not lost:
        return None
    less = min(lost, key=lambda one: gains[one.key])
    more = max(gains, key=lambda key: gains[key])
    loss, gain = -gains[less.key], gains[more]
    if abs(loss - gain) > ALIKE * max(loss, gain):
        return None
    return (
        f"{less.key[1][2:]!r} counted as {more[1][2:]!r}: "
        f"{less.value:.0%} of the rows instead of {less.low:.0%} to {less.high:.0%}"
    )
