"""What the monitors would have said of a night, had this champion served; by the monitors' own functions."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from airloop.columns import LABEL, PARTITION, PREDICTED_AT, PREDICTION
from airloop.contracts import DriftReport
from airloop.data import labels
from airloop.evaluation.metrics import evaluate
from airloop.monitoring import reference
from airloop.monitoring.costs import DayCosts, costs_of
from airloop.monitoring.judging import judge
from airloop.monitoring.reference import Reference
from airloop.monitoring.sequence import NIGHTS, Means
from airloop.monitoring.window import Day, Window, labelled_keys, observe, recent_keys
from airloop.replay.fits import Fits, Made


class Nights:
    """The reports of all nights that a replay looks at; each once."""

    def __init__(self, fits: Fits) -> None:
        self._fits, self._past = fits, fits.past
        past = fits.past
        self._truths = past.frame[[*past.dataset.keys]].copy()
        self._truths[LABEL] = past.truth
        named = [key for key, rows in self._lengths() for _ in range(rows)]
        self._truths[PARTITION] = pd.Series(named, dtype=object)
        self._references: dict[Made, Reference] = {}
        self._days: dict[tuple[Made, int], Day] = {}
        self._spent: dict[tuple[Made, int], DayCosts] = {}
        self._means: dict[tuple[int, Made], Means] = {}
        self._reports: dict[tuple[int, Made, tuple[int, ...], tuple[int, ...]], DriftReport] = {}

    def report(self, night: int, champion: Made, served: Mapping[int, Made]) -> DriftReport:
        """Judge a night.

        :param served: which model answered each partition up to it
        """
        past = self._past
        key = past.keys[night]
        complete = self._places(labelled_keys(past.model, past.dataset, key))
        mine = tuple(one for one in complete if served.get(one) == champion)
        # The nights on which it was judged, as the ledger would know them.
        under = tuple(one for one in range(night - NIGHTS, night) if served.get(one) == champion)
        at = (night, champion, mine, under)
        if at not in self._reports:
            window = self._window(night, champion, complete)
            joined = labels.join(self._logged(champion, mine), window.truths, past.dataset.row_keys)
            profile = self.reference(champion)
            before = [self._means[one, champion] for one in under if (one, champion) in self._means]
            judged = judge(
                past.model,
                past.dataset,
                profile,
                window,
                joined,
                nights=before,
                served=self._costs(champion, served, complete),
                answers=self._answers(champion, night) if served.get(night) == champion else None,
            )
            self._reports[at] = judged.report
            self._means[night, champion] = judged.means
        return self._reports[at]

    def _costs(
        self, champion: Made, served: Mapping[int, Made], complete: list[int]
    ) -> dict[str, DayCosts]:
        """What the champion's answers have cost on the days that it served, up to the last whose labels are complete."""
        past = self._past
        last = complete[-1] if complete else -1
        found = {}
        for place in (one for one, made in served.items() if made == champion and one <= last):
            at = (champion, place)
            if at not in self._spent:
                rows = past.rows(place)
                known = past.known(rows)
                truth, scores = past.truth[rows][known], self._fits.scores(champion, rows)[known]
                costs = costs_of(past.model.task, truth, scores) if len(truth) else {}
                self._spent[at] = DayCosts(len(truth), costs)
            if self._spent[at].rows:
                found[past.keys[place]] = self._spent[at]
        return found

    def _answers(self, champion: Made, night: int) -> pd.Series:
        return pd.Series(self._fits.scores(champion, self._past.rows(night)))

    def reference(self, champion: Made) -> Reference:
        """What the champion's data looked like, as its artifact would keep it."""
        judged = champion.judged
        if judged not in self._references:
            past, split = self._past, self._fits.split(judged)
            held = split.holdout
            truth = held.truth.to_numpy(dtype=float)
            first = int(held.frame.index[0])
            rows = slice(first, int(held.frame.index[-1]) + 1)
            scores = self._fits.scores(judged, rows)[held.frame.index.to_numpy() - first]
            everything = split.everything
            self._references[judged] = reference.build(
                past.model,
                past.dataset,
                everything,
                scores,
                labels=past.truth[everything.index.to_numpy()],
                holdout=evaluate(past.model.task, truth, scores, past.model.metrics),
                held=held,
            )
        return self._references[judged]

    def _window(self, night: int, champion: Made, complete: list[int]) -> Window:
        past = self._past
        key = past.keys[night]
        recent = self._places(recent_keys(past.model, past.dataset, key))
        days = {past.keys[one]: self._seen(champion, one) for one in recent}
        others = {past.keys[one]: self._seen(champion, one) for one in complete}
        newest = past.keys[complete[-1]] if complete else None
        return Window(key, days, self._of(complete), others, newest)

    def _seen(self, champion: Made, place: int) -> Day:
        at = (champion.judged, place)
        if at not in self._days:
            past = self._past
            frame = past.frame.iloc[past.rows(place)]
            self._days[at] = observe(self.reference(champion), frame, past.dataset.keys)
        return self._days[at]

    def _logged(self, champion: Made, mine: tuple[int, ...]) -> pd.DataFrame:
        """The answers that the champion would have logged."""
        logged = self._of(list(mine)).drop(columns=[LABEL])
        scores = [self._fits.scores(champion, self._past.rows(one)) for one in mine]
        logged[PREDICTION] = [one for part in scores for one in part]
        logged[PREDICTED_AT] = 0
        return logged

    def _of(self, places: list[int]) -> pd.DataFrame:
        parts = [self._truths.iloc[self._past.rows(one)] for one in places]
        return pd.concat(parts, ignore_index=True) if parts else self._truths.iloc[:0].copy()

    def _places(self, keys: list[str]) -> list[int]:
        return [self._past.place[key] for key in keys if key in self._past.place]

    def _lengths(self) -> list[tuple[str, int]]:
        starts = self._past.starts
        return [
            (key, starts[number + 1] - starts[number]) for number, key in enumerate(self._past.keys)
        ]
