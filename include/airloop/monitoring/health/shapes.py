"""Faults that are known by their own shape, whatever the days' variation says."""

from __future__ import annotations

from collections.abc import Iterator

from airloop.findings import Finding
from airloop.monitoring.health.grids import off_its_grid, rounded
from airloop.monitoring.health.night import Night
from airloop.monitoring.health.plans import cut_off, moved_as_a_whole
from airloop.monitoring.health.signs import mirrored
from airloop.monitoring.health.spikes import newcomer, spike
from airloop.monitoring.health.stale import stale
from airloop.monitoring.health.units import on_another_grid, unit_change
from airloop.monitoring.profiles.history import History

#: More of the columns are no single one's fault.
MOSTLY_STALE = 0.5


def of_a_known_unit(name: str, history: History, night: Night) -> bool:
    """Whether a column moved by a unit that people's differ by."""
    unit = unit_change(name, history, night.profile, night.before)
    return unit is not None and unit.known


def of_other_units(history: History, night: Night) -> Iterator[Finding]:
    """Columns written by another unit, or rounded."""
    for name in history.layout.numbers:
        if name not in night.rows:
            continue
        if (what := rounded(night.rows[name], name, history)) is not None:
            yield Finding(what, (name,), lasting=True)
        elif name in history.layout.known and (
            title := on_another_grid(night.rows[name], name, history)
        ):
            yield Finding(f"another unit? {title}", (name,), lasting=True)


def of_odd_shape(history: History, night: Night) -> Iterator[Finding]:
    """Columns with flipped signs, moved as a whole, with an end missing, or with numbers they never had."""
    for name in history.layout.numbers:
        if mirrored(name, history, night.profile):
            yield Finding("another unit? × -1", (name,), lasting=True)
        offset = moved_as_a_whole(name, night.key, history, night.profile)
        if offset is not None and not of_a_known_unit(name, history, night):
            yield Finding(f"another unit? {offset}", (name,), lasting=True)
        if (end := cut_off(name, history, night.profile)) is not None:
            yield Finding(end, (name,), lasting=True)
        if name in history.layout.known and name in night.rows:
            what = off_its_grid(night.rows[name], name, history)
            if what is not None:
                yield Finding(what, (name,), lasting=True)


def of_other_days(history: History, night: Night) -> Iterator[Finding]:
    """A column or two that are an earlier day's."""
    found = []
    for name in history.layout.numbers:
        before = {key: rows[name] for key, rows in night.samples.items() if name in rows}
        what = stale(name, history, night.rows[name], before) if name in night.rows else None
        if what is not None:
            found.append(Finding(what, (name,)))
    # Of a whole day that came again the rows are told.
    if len(found) <= MOSTLY_STALE * len(history.layout.numbers):
        yield from found


def of_stand_ins(history: History, night: Night) -> Iterator[Finding]:
    """Columns with a number that stands for no value."""
    for name in history.layout.numbers:
        what = spike(name, history, night.profile, night.profiles)
        if what := what or newcomer(name, history, night.profile):
            yield Finding(f"a stand-in for no value? {what}", (name,), lasting=True)
