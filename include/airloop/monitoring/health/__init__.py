"""Whether a night's data is sound at all: what looks like drift may be a broken feed, and no model learns from that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from airloop.findings import Finding
from airloop.monitoring.day import Day
from airloop.monitoring.health.clocks import day_of
from airloop.monitoring.health.columns import UNSEEN, broken
from airloop.monitoring.health.moved import findings
from airloop.monitoring.health.night import Night
from airloop.monitoring.health.rows import of_the_whole
from airloop.monitoring.health.variation import STEP_DAYS
from airloop.monitoring.profiles.history import History
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import Floats
from airloop.monitoring.window import Window
from airloop.specs.sections.watching import MonitoringSpec

__all__ = ["Finding", "check"]

#: So many columns that moved together, or this part of all, are the season's doing and not a fault's.
MANY, MANY_PART = 3, 0.25


def check(reference: Reference, window: Window, spec: MonitoringSpec) -> tuple[Finding, ...]:
    """Everything that is wrong with the night."""
    night = window.night
    if night is None:
        return (Finding(f"the partition {window.partition} is missing"),)
    if night.rows == 0:
        return (Finding(f"the partition {window.partition} is empty"),)
    found = list(broken(reference, night, spec))
    if reference.health is not None:
        found = _together(found, list(_changed(reference.health, window, night)))
    return (*of_the_whole(reference, window, night), *found)


def _together(broken: list[Finding], changed: list[Finding]) -> list[Finding]:
    """One finding a column: what is broken in itself is told first, but for unknown texts, of which more may be known."""
    precise = {name for one in changed if not one.moved for name in one.columns}
    result = []
    for one in broken:
        left = tuple(n for n in one.columns if one.what != UNSEEN or n not in precise)
        if left:
            result.append(replace(one, columns=left))
    told = {name for one in result for name in one.columns}
    return result + [one for one in changed if not told & set(one.columns)]


def _changed(history: History, window: Window, night: Day) -> Iterator[Finding]:
    """What changed in this one night, but for what many columns did together; and the labels that came by now."""
    targets = {*history.layout.targets}
    found = findings(history, _night(history, window, window.partition, night))
    inputs = [one for one in found if not targets & {*one.columns}]
    labels = [one for one in found if targets & {*one.columns}]
    together = {name for one in inputs if one.moved for name in one.columns}
    many = len(together) >= max(MANY, math.ceil(MANY_PART * len(history.layout.inputs)))
    yield from (one for one in inputs if not (many and one.moved))
    if not any("missing" in one.what for one in labels):
        # The night's own truth is not all there yet; what there is may be wrong already.
        yield from labels
    day = window.looked_at.get(window.labelled or "")
    if day is not None and day.rows and window.labelled and window.labelled != window.partition:
        for one in findings(history, _night(history, window, window.labelled, day)):
            if targets & {*one.columns}:
                yield replace(one, partition=window.labelled)


def _night(history: History, window: Window, key: str, day: Day) -> Night:
    earlier = [one for one in sorted(window.looked_at) if one < key and window.looked_at[one].rows]
    read = {one: window.looked_at[one].profile(history.layout) for one in earlier[-STEP_DAYS:]}
    before = _before(history, key, {one: history.row(found) for one, found in read.items()})
    return Night(
        key,
        day.profile(history.layout),
        day.sample,
        np.array(list(before.values())).reshape(-1, len(history.keys)),
        tuple(before),
        tuple(read.values()),
        {one: window.looked_at[one].sample for one in read},
    )


def _before(history: History, key: str, read: dict[str, Floats]) -> dict[str, Floats]:
    """The figures of the days just before, as far as they were read or are of the reference."""
    rows = {
        day: row
        for day, row in zip(history.days, history.matrix, strict=True)
        if day < key and _near(day, key)
    } | read
    return {day: rows[day] for day in sorted(rows)[-STEP_DAYS:]}


def _near(day: str, night: str) -> bool:
    """Whether a day of the reference lies just before a night."""
    then, now = day_of(day), day_of(night)
    return then is not None and now is not None and (now - then).days <= STEP_DAYS + 1
