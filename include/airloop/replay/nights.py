"""What the monitors would have said of a night, had this champion served; by the monitors' own functions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from airloop.columns import PARTITION, PREDICTED_AT
from airloop.contracts import Contract, DriftReport
from airloop.data import labels
from airloop.evaluation.metrics import Floats, evaluate
from airloop.monitoring import reference
from airloop.monitoring.answers import counted
from airloop.monitoring.costs import DayCosts, costs_of
from airloop.monitoring.day import Day, observe
from airloop.monitoring.judging import judge
from airloop.monitoring.looking import labels_in
from airloop.monitoring.reference import Reference
from airloop.monitoring.sequence import Means
from airloop.monitoring.sketch import Counts
from airloop.monitoring.window import Window, labelled_keys, recent_keys
from airloop.replay.fits import Fits, Made
from airloop.replay.memory import Known
from airloop.storage.files import Files


class Told(Contract):
    """A night as it was judged."""

    report: DriftReport
    #: The night's own means, which later nights are held against.
    means: Means
    #: The earlier incidents that it proves to be drift.
    proven: tuple[tuple[str, str], ...] = ()


_NOTHING = Known()


class Nights:
    """The reports of all nights that a replay looks at; each once, for all policies and processes that share the files.

    :param files: where references and reports are kept
    """

    def __init__(self, fits: Fits, files: Files) -> None:
        self._fits, self._past, self._files = fits, fits.past, files
        past = fits.past
        named = past.frame[[*past.dataset.keys]]
        self._truths = labels.with_truths(named, past.model.answer, past.truth)
        keys = [key for key, rows in self._lengths() for _ in range(rows)]
        self._truths[PARTITION] = pd.Series(keys, dtype=object)
        self._references: dict[Made, Reference] = {}
        self._days: dict[tuple[Made, int], Day] = {}
        self._spent: dict[tuple[Made, int], DayCosts] = {}

    def told(
        self,
        night: int,
        champion: Made,
        served: Mapping[int, Made],
        known: Known = _NOTHING,
        before: Sequence[Means] = (),
    ) -> Told:
        """Judge a night.

        :param served: which model answered each partition up to it
        :param known: the incidents of the nights before
        :param before: the means of the sound nights before, under this champion
        """
        days = sorted(one for one, made in served.items() if made == champion and one <= night)
        told = (*known.left_out, sorted(known.mislabelled), known.earlier, before)
        name = self._name("nights", champion, self._past.keys[night], days, told)
        if (content := self._files.read(name)) is not None:
            return Told.model_validate_json(content)
        found = self._judged(night, champion, served, known, before)
        self._files.write(name, found.model_dump_json().encode())
        return found

    def _judged(
        self,
        night: int,
        champion: Made,
        served: Mapping[int, Made],
        known: Known,
        before: Sequence[Means],
    ) -> Told:
        past = self._past
        key = past.keys[night]
        wrong = known.mislabelled - {key}
        complete = self._places(labelled_keys(past.model, past.dataset, key))
        labelled = [one for one in complete if past.keys[one] not in wrong]
        mine = tuple(one for one in complete if served.get(one) == champion)
        spent = self._costs(champion, served, complete)
        window = self._window(night, champion, complete, labelled, known.left_out)
        judged = judge(
            past.model,
            past.dataset,
            self.reference(champion),
            window,
            labels.join(self._logged(champion, mine), self._of(labelled), past.dataset.row_keys),
            known.earlier,
            nights=before,
            served={one: costs for one, costs in spent.items() if one not in wrong},
            answers=self._answers(champion, night) if served.get(night) == champion else {},
        )
        proven = tuple((one.partition, one.digest) for one in judged.proven)
        return Told(report=judged.report, means=judged.means, proven=proven)

    def _name(self, folder: str, made: Made, *more: object) -> str:
        """Of what monitoring is asked about: other rows, models or bounds are other reports."""
        both = [self._fits.name(one) for one in (made.judged, made)]
        told = f"{both}\0{self._bounds}\0{more}"
        return f"{folder}/{hashlib.sha256(told.encode()).hexdigest()[:32]}.json"

    @cached_property
    def _bounds(self) -> str:
        past = self._past
        return f"{past.model.monitoring.model_dump_json()}\0{past.model.metrics}\0{past.dataset.model_dump_json()}"

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
                truth, scores = past.judged(rows)[known], self._fits.scores(champion, rows)[known]
                costs = (
                    costs_of(past.model.goal, truth, scores, past.model.answer.each)
                    if len(truth)
                    else {}
                )
                self._spent[at] = DayCosts(len(truth), costs)
            if self._spent[at].rows:
                found[past.keys[place]] = self._spent[at]
        return found

    def _answers(self, champion: Made, night: int) -> Mapping[str, Counts]:
        answers = self._table(self._fits.scores(champion, self._past.rows(night)))
        return counted(self.reference(champion), answers)

    def _table(self, scores: Floats) -> pd.DataFrame:
        columns = self._past.model.answer.columns
        return pd.DataFrame(scores.reshape(-1, len(columns)), columns=list(columns))

    def reference(self, champion: Made) -> Reference:
        """What the champion's data looked like, as its artifact would keep it."""
        judged = champion.judged
        if judged not in self._references:
            name = self._name("references", judged)
            if (content := self._files.read(name)) is not None:
                self._references[judged] = Reference.model_validate_json(content)
            else:
                self._references[judged] = found = self._profiled(judged)
                self._files.write(name, found.model_dump_json().encode())
        return self._references[judged]

    def _profiled(self, judged: Made) -> Reference:
        past, split = self._past, self._fits.split(judged)
        held = split.holdout
        truth = past.model.answer.truths(held.truth.to_numpy(dtype=float))
        also, each = past.model.metrics, past.model.answer.each
        first = int(held.frame.index[0])
        rows = slice(first, int(held.frame.index[-1]) + 1)
        scores = self._fits.scores(judged, rows)[held.frame.index.to_numpy() - first]
        everything = split.everything
        return reference.build(
            past.model,
            past.dataset,
            everything,
            scores,
            labels=past.truth[everything.index.to_numpy()],
            holdout=evaluate(past.model.goal, truth, scores, also, each),
            held=held,
        )

    def _window(
        self,
        night: int,
        champion: Made,
        complete: list[int],
        labelled: list[int],
        left_out: Collection[str],
    ) -> Window:
        """As the live loop looks: without what is known to be broken, but for the night, and for labels that are sound."""
        past = self._past
        key = past.keys[night]
        recent = self._places(recent_keys(past.model, past.dataset, key))
        wanted = [one for one in recent if past.keys[one] not in left_out or one == night]
        others = [one for one in labelled if past.keys[one] not in left_out]
        newest = past.keys[complete[-1]] if complete else None
        return Window(
            key,
            {past.keys[one]: self._seen(champion, one) for one in wanted},
            labels_in(self.reference(champion), self._of(labelled)),
            {past.keys[one]: self._seen(champion, one) for one in others},
            newest,
        )

    def _seen(self, champion: Made, place: int) -> Day:
        at = (champion.judged, place)
        if at not in self._days:
            past = self._past
            frame = past.frame.iloc[past.rows(place)]
            self._days[at] = observe(self.reference(champion), frame, past.dataset.keys)
        return self._days[at]

    def _logged(self, champion: Made, mine: tuple[int, ...]) -> pd.DataFrame:
        """The answers that the champion would have logged."""
        logged = self._of(list(mine)).drop(columns=[*self._past.model.answer.labels])
        scores = [self._fits.scores(champion, self._past.rows(one)) for one in mine]
        answers = [self._table(part) for part in scores or [np.empty(0)]]
        logged = pd.concat([logged, pd.concat(answers, ignore_index=True)], axis=1)
        return logged.assign(**{PREDICTED_AT: 0})

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
