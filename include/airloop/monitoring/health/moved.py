"""What a night's moves mean, column by column, in words: a unit, a stand-in for "no value", columns exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from airloop.findings import Finding
from airloop.monitoring.health.clocks import clocks_changed, day_of
from airloop.monitoring.health.exchanges import (
    exchanged,
    exchanged_texts,
    holds,
    of_order,
    restores,
)
from airloop.monitoring.health.gravity import grave, no_cut, upward
from airloop.monitoring.health.night import Night
from airloop.monitoring.health.shapes import (
    of_a_known_unit,
    of_odd_shape,
    of_other_days,
    of_other_units,
    of_stand_ins,
)
from airloop.monitoring.health.signs import lost_signs
from airloop.monitoring.health.texts import folded, rewritten
from airloop.monitoring.health.units import unit_change
from airloop.monitoring.health.untied import untied
from airloop.monitoring.health.variation import MIN_STEP_DAYS, STEP_DAYS, Move, moves
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import CAPPED, FLOORED, PLACES, WHOLE, WITHIN, related

#: In a week in which clocks are changed, times may move by an hour, and by one more on a Sunday.
CLOCKS = 2.1

#: What is told of a column of which nothing else moved.
ALONE = {
    WITHIN: "rows of one moment differ as never before",
    CAPPED: "cut at its highest value",
    FLOORED: "cut at its lowest value",
}

Moves = Mapping[str, Sequence[Move]]


def findings(history: History, night: Night) -> list[Finding]:
    """Every column that changed in one night by more than days do."""
    by_column = _by_column(history, night)
    found: list[Finding] = []
    told: set[str] = set()
    for finding in (
        *of_other_units(history, night),
        *of_stand_ins(history, night),
        *_exchanges(history, night, by_column),
        *lost_signs(history, night.profile),
        *of_odd_shape(history, night),
        *of_other_days(history, night),
    ):
        if not told & set(finding.columns):
            found.append(finding)
            told |= set(finding.columns)
    for name, of in by_column.items():
        # What is of two columns is told of two that were exchanged, or below.
        own = [move for move in of if not related(move.key[1])]
        if (
            own
            and name not in told
            and not (name in history.layout.times and _clocks(history, night, name))
        ):
            found.append(_finding(name, own, history, night))
            told.add(name)
    return [*found, *untied(by_column, told)]


def _by_column(history: History, night: Night) -> dict[str, list[Move]]:
    """The moves that matter, by column."""
    every = [
        move
        for move in moves(history, night.key, night.profile, night.before, night.days)
        if not (upward(move.key[1]) and move.value < move.low)
        and not no_cut(move, history, night.profile)
    ]
    result: dict[str, list[Move]] = {}
    for move in every:
        result.setdefault(move.key[0], []).append(move)
    return {name: left for name, of in result.items() if (left := grave(name, of, history))}


def _exchanges(history: History, night: Night, by_column: Moves) -> Iterator[Finding]:
    """Pairs of columns that have changed places."""
    layout = history.layout
    alone = {name for name, of in by_column.items() if any(not related(m.key[1]) for m in of)}
    inputs = [name for name in layout.numbers if name in layout.inputs and name in night.rows]
    orders = [move for of in by_column.values() for move in of if of_order(move)]
    strange = {name for name, of in by_column.items() if any(m.key[1] == "new" for m in of)}
    pairs = {(move.key[0], move.key[1][2:]) for move in orders}
    for one, other in combinations(inputs, 2):
        back = restores(one, other, orders, night.rows) or holds(
            one, other, strange, history, night.rows
        )
        if not back and (one, other) not in pairs and not {one, other} <= alone:
            continue
        if (
            not back
            and {one, other} & alone
            and _one_has_another_unit(one, other, alone, history, night)
        ):
            continue
        if exchanged(one, other, history, night.profile, night.rows):
            yield Finding("the columns look exchanged", (one, other), lasting=True)
    texts = [name for name in layout.categories if name in alone and name in night.rows]
    for one, other in combinations(texts, 2):
        if exchanged_texts(one, other, history, night.rows):
            yield Finding("the columns look exchanged", (one, other), lasting=True)


def _one_has_another_unit(
    one: str, other: str, alone: set[str], history: History, night: Night
) -> bool:
    """Whether only one of two columns moved by itself, and by a known unit."""
    mine = {one, other} & alone
    if len(mine) != 1:
        return False
    return of_a_known_unit(mine.pop(), history, night)


def _finding(name: str, of: Sequence[Move], history: History, night: Night) -> Finding:
    """What is wrong with one column, as precisely as can be told."""
    what = {move.key[1] for move in of}
    if name == WHOLE:
        return Finding(_shown(of))
    if "missing" in what:
        return Finding(f"values missing as never before ({_shown(of, 'missing')})", (name,))
    if "scattered" in what:
        shown = _shown(of, "scattered")
        return Finding(f"values missing where rows alike have one ({shown})", (name,))
    if name in history.layout.times:
        return Finding(_of_times(name, of, history, night), (name,), lasting=True)
    if name in history.layout.categories:
        if "other" in what and (
            how := rewritten(night.rows[name], history.layout.categories[name])
        ):
            return Finding(how, (name,), lasting=True)
        if how := folded(of, history, night.profile):
            return Finding(how, (name,), moved=True, lasting=True)
        return Finding(f"changed in one night ({_shown(of)})", (name,), moved=True, lasting=True)
    if len(what) == 1 and (told := ALONE.get(*what)):
        return Finding(f"{told} ({_shown(of)})", (name,), moved=True, lasting=True)
    if what & {*PLACES, "spread", "new"} and (
        unit := unit_change(name, history, night.profile, night.before)
    ):
        return Finding(
            f"another unit? {unit.title} ({_shown(of)})",
            (name,),
            moved=not unit.known,
            lasting=True,
        )
    return Finding(f"changed in one night ({_shown(of)})", (name,), moved=True, lasting=True)


def _of_times(name: str, of: Sequence[Move], history: History, night: Night) -> str:
    usual = night.before if len(night.before) else history.matrix
    moved = [
        night.profile.of((name, what)) - float(np.nanmedian(usual[:, history.index[name, what]]))
        for what in ("q05", "median", "q95")
    ]
    hours = float(np.median(moved))
    return f"times shifted by {hours:+.1f} h ({_shown(of)})"


def _clocks(history: History, night: Night, name: str) -> bool:
    """Whether times moved by no more than an hour while clocks were changed somewhere: of UTC nothing else is known."""
    figures = [(name, what) for what in ("q05", "median", "q95")]
    usual = night.before if len(night.before) else history.matrix
    shifts = [
        abs(night.profile.of(key) - float(np.nanmedian(usual[:, history.index[key]])))
        for key in figures
    ]
    return max(shifts) <= CLOCKS and clocks_changed(night.key, _days_back(history, night))


def _days_back(history: History, night: Night) -> int:
    """How far back the day lies that the night's step is taken from: with too few days before it the reference's last."""
    last, now = day_of(history.days[-1]), day_of(night.key)
    if len(night.days) >= MIN_STEP_DAYS or last is None or now is None:
        return STEP_DAYS + 1
    return max((now - last).days, STEP_DAYS + 1)


def _shown(of: Sequence[Move], what: str | None = None) -> str:
    """The gravest move, or one kind of move, beside what is usual."""
    chosen = [move for move in of if what is None or move.key[1] == what]
    move = max(chosen, key=lambda one: one.excess)
    name = move.key[1]
    form = ".3g" if name in PLACES or name in {"spread", WITHIN} else ".1%"
    return f"{name} {move.value:{form}}, usually {move.low:{form}} to {move.high:{form}}"
