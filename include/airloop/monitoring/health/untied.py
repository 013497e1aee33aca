"""Values that never came together: one category counted as another has the other's distances, and its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from airloop.findings import Finding
from airloop.monitoring.health.variation import Move
from airloop.monitoring.profiles.ties import SIGN


def untied(by_column: Mapping[str, Sequence[Move]], told: Collection[str]) -> Iterator[Finding]:
    """The column whose values come with others' as they never did, if that of none of them is told already."""
    broken = [move for of in by_column.values() for move in of if move.key[1].startswith(SIGN)]
    left = [move for move in broken if not {_other(move), move.key[0]} & {*told}]
    if not left:
        return
    worst = max(left, key=lambda one: one.value)
    often = Counter(name for move in left for name in (move.key[0], _other(move)))
    most = max(often.values())
    # A column that is of all the pairs that broke is the one; of a single pair nobody can tell.
    names = [name for name, number in often.items() if number == most]
    yield Finding(
        f"{worst.key[0]} and {_other(worst)} come together as never before, in {worst.value:.1%} of the rows "
        f"(usually {worst.high:.1%} at most)",
        tuple(names if len(names) <= 2 else (worst.key[0], _other(worst))),
        lasting=True,
    )


def _other(move: Move) -> str:
    return move.key[1].removeprefix(SIGN)
