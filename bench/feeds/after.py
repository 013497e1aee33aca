"""The nights after a broken one: what follows from it, while it is remembered and once it is mended.

Each fault is planted on one night. Its partition is then left out, as the loop does with an incident that stands, until it is
ingested anew a week later. Every night is judged twice by the loop's own function, on that feed and on a sound one. What
differs is the fault's doing: a night of drift is one on which a training may follow.

python -m bench.feeds.after            everything, kept in .airloop/judge; --short, --again and --docs as of its neighbours
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from tests.support.checkout import ROOT

os.environ.setdefault("AIRLOOP_PROJECT", str(ROOT))
sys.path.insert(0, str(ROOT / "include"))

from airloop.columns import LABEL, PARTITION, PREDICTION
from airloop.contracts import DriftReport
from airloop.data.labels import Labelled
from airloop.features.truth import labels
from airloop.monitoring.day import Day, observe
from airloop.monitoring.judging import judge
from airloop.monitoring.looking import labels_in
from airloop.monitoring.sequence import Means
from airloop.monitoring.window import Window, keys_before, labelled_keys, recent_keys
from airloop.vocabulary import Triage
from bench import machine, section
from bench.feeds.__main__ import NIGHTS
from bench.feeds.days import Days, flights, profile_of, specs
from bench.feeds.faults import FAULTS
from bench.feeds.page import share
from bench.row import SEED

#: After so many nights the partition is ingested anew; then so many more are watched.
MENDED, AFTER = 7, 30
_NOTHING = Labelled(pd.DataFrame(columns=[PARTITION, LABEL, PREDICTION]), 0, 0)


def main(arguments: list[str]) -> int:
    """Measure, keep, and write the page where it is asked for."""
    asked = section.options("feeds.after", __doc__, "one night").parse_args(arguments)

    def measure() -> dict[str, Any]:
        told = {"at": machine.now(), "commit": machine.commit(), "seed": SEED}
        return told | {"faults": aftermath(NIGHTS[: 1 if asked.short else None], SEED)}

    return section.command(asked, "after", measure, render)


class Feed:
    """A year of days before one champion, one of them perhaps broken for a while."""

    def __init__(self, days: Days, last: str) -> None:
        self._days, self.profile = days, profile_of(days, last)
        self._seen: dict[str, Day] = {}
        self._truths: dict[str, pd.DataFrame] = {}

    def judged(
        self,
        night: str,
        means: Sequence[Means],
        left_out: Iterable[str] = (),
        broken: Mapping[str, Day] = MappingProxyType({}),
    ) -> tuple[DriftReport, Means]:
        """A night's report and means.

        :param left_out: partitions whose incident stands
        :param broken: days whose rows are not sound
        """
        model, dataset = specs()
        gone = {*left_out}
        recent = [key for key in recent_keys(model, dataset, night) if key not in gone - {night}]
        days = {key: broken.get(key) or self._day(key) for key in recent}
        complete = labelled_keys(model, dataset, night)
        truths = pd.concat([self._truth(key) for key in complete if key not in gone])
        window = Window(
            night,
            days,
            labels_in(self.profile, truths),
            labelled=keys_before(dataset, night, 1, 1)[0],
        )
        found = judge(model, dataset, self.profile, window, _NOTHING, nights=means)
        return found.report, found.means

    def _day(self, key: str) -> Day:
        if key not in self._seen:
            self._seen[key] = observe(self.profile, self._days[key], specs()[1].keys)
        return self._seen[key]

    def _truth(self, key: str) -> pd.DataFrame:
        if key not in self._truths:
            model, dataset = specs()
            frame = self._days[key]
            truth = frame[[*dataset.keys]].copy()
            truth[LABEL], truth[PARTITION] = labels(model, frame), key
            self._truths[key] = truth
        return self._truths[key]


def aftermath(nights: Sequence[str], seed: int) -> dict[str, Any]:
    """Of each fault on each night: whether it was an incident, and the nights of drift that a sound feed has not."""
    days = flights()
    result: dict[str, Any] = {name: {"incidents": 0, "of": 0, "drift": []} for name in FAULTS}
    for at, night in enumerate(nights):
        feed = Feed(days, str(np.datetime64(night) - 1))
        watched = [str(np.datetime64(night) + after) for after in range(MENDED + AFTER + 1)]
        sound: list[tuple[DriftReport, Means]] = []
        for key in watched:
            sound.append(feed.judged(key, [means for _, means in sound if means]))
        for number, (name, break_) in enumerate(FAULTS.items()):
            rows = break_(days[night], np.random.default_rng([seed, number, at]), days)
            broken = {night: observe(feed.profile, rows, specs()[1].keys)}
            first, means = feed.judged(night, [], (), broken)
            told = result[name]
            told["of"] += 1
            told["incidents"] += first.triage is Triage.INCIDENT
            told["drift"] += _differ(feed, watched, sound, broken, first, means)
    return result


def _differ(
    feed: Feed,
    watched: Sequence[str],
    sound: Sequence[tuple[DriftReport, Means]],
    broken: Mapping[str, Day],
    first: DriftReport,
    means: Means,
) -> list[str]:
    """The nights of drift that a sound feed has not."""
    kept = [means] if means else []
    # A fault that was not heard is in the windows until it is mended.
    gone = (watched[0],) if first.triage is Triage.INCIDENT else ()
    found = [watched[0]] if first.triage is Triage.DRIFT and sound[0][0].triage is not Triage.DRIFT else []  # fmt: skip
    for place, key in enumerate(watched[1:], 1):
        stands = place < MENDED
        report, means = feed.judged(key, kept, gone if stands else (), broken if stands else {})
        if means:
            kept.append(means)
        if report.triage is Triage.DRIFT and sound[place][0].triage is not Triage.DRIFT:
            found.append(key)
    return found


def render(found: Mapping[str, Any]) -> str:
    """The sentence, and a line of each night that follows from some fault, with date, commit and seed."""
    faults = found["faults"]
    of = sum(one["of"] for one in faults.values())
    heard = sum(one["incidents"] for one in faults.values())
    nights = of * (MENDED + AFTER + 1)
    drift = sum(len(one["drift"]) for one in faults.values())
    lines = [
        f"Measured {found['at']} at commit {found['commit']}, seed {found['seed']}, on {machine.cores()}.",
        "",
        f"An incident on the first night: {share(heard, of)}. Nights of drift that the sound feed has not: {share(drift, nights)}.",
    ]
    after: dict[str, list[str]] = {}
    for name, one in faults.items():
        for night in one["drift"]:
            after.setdefault(night, []).append(name)
    if after:
        lines += ["", "| night of drift | after |", "|---|---|"]
    lines += [
        f"| {night} | {len(of)} of {len(faults)} kinds |" for night, of in sorted(after.items())
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
