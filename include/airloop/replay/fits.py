"""The models of a replay: each fitted once, its answers to later rows kept on disk under what it was made from.

Most of them are asked about a few weeks alone: a shadow candidate, a weekly calendar's model, the fresh one that tells what was
missed. Only a champion that stays answers the rest of a history, which costs as much as half of a fit.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.data.snapshot import Days, Part, Split, choose_days
from airloop.durations import spanned
from airloop.evaluation.metrics import Floats, metric
from airloop.registry.frozen import Scorer
from airloop.registry.loaded import LoadedModel
from airloop.replay.answers import Answers
from airloop.replay.choices import Choices, scheme
from airloop.replay.past import Past
from airloop.specs import ModelSpec
from airloop.storage.files import Files
from airloop.training.chosen import Choice, with_window
from airloop.training.fitted import fit

#: Fits whose answers stay in memory, and models that can still be asked for more.
_KEPT, _MODELS = 64, 32
#: How long after its night a model answers at first: as long as scoring looks ahead.
NEAR = "14d"


@dataclass(frozen=True, order=True)
class Made:
    """A model as it could be made on a night."""

    #: The night, as its place in the history.
    night: int
    #: Of the window, in partitions; None for the spec's.
    window: int | None = None
    #: Trained on the held-out days, too, once the other had shown that it is good.
    refit: bool = False
    #: Partitions that were known to be broken then.
    left_out: tuple[str, ...] = ()

    @property
    def judged(self) -> Made:
        """The one that was judged, where this is its refit."""
        return replace(self, refit=False)


class Fits:
    """All models that a replay asks for.

    :param folder: where they are kept
    :param first: the first night of the replay: where the spec leaves the window open, it is chosen then
    """

    def __init__(self, past: Past, folder: Path, first: int = 0) -> None:
        self.past = past
        self._files = Files(str(folder), {}, "the replay's cache")
        self._answers = lru_cache(_KEPT)(self._load)
        # One that is promoted answers the rest of the history, and need not be fitted again for that.
        self._fitted = lru_cache(_MODELS)(self._fit)
        self._days: dict[Made, Days] = {}
        self._choices = Choices(past, self._files, first)
        self._metrics: dict[tuple[Made, int, str], float] = {}

    def days(self, made: Made) -> Days:
        """Its training days and those held out.

        :raises DataError: if there is too little history
        """
        if made not in self._days:
            past = self.past
            there = past.sound(made.night, made.left_out)
            days = choose_days(self._model(made), past.dataset, there, past.keys[made.night])
            self._days[made] = Days(days.all, days.holdout) if made.refit else days
        return self._days[made]

    def _model(self, made: Made) -> ModelSpec:
        """The spec, with the window that this model is made on."""
        model = self.past.model
        if made.window is not None:
            return with_window(model, made.window)
        if not model.training.auto:
            return model
        return self.window(made.night, made.left_out).applied(model)

    def window(self, night: int, left_out: tuple[str, ...] = ()) -> Choice:
        """The window that was chosen last: :meth:`airloop.replay.choices.Choices.window`."""
        return self._choices.window(night, left_out)

    def answers(self, made: Made, *, far: bool = False) -> Answers:
        """Its answers, from its first held-out row on; a refit's from the row after its last day on.

        :param far: up to the last row of the history
        """
        return self._answers(made, far)

    def scores(self, made: Made, rows: slice) -> Floats:
        """Its answers to rows; a refit's judged twin answers for it on days that the refit has learned from."""
        if made.refit:
            line = self.past.starts[self.past.place[self.days(made).all[-1]] + 1]
            if rows.start < line:
                twin = self.scores(made.judged, slice(rows.start, min(line, rows.stop)))
                rest = slice(max(line, rows.start), rows.stop)
                return np.concatenate([twin, self.scores(made, rest)]) if rows.stop > line else twin
        found = self.answers(made)
        if rows.stop > found.end:
            found = self.answers(made, far=True)
        part = found.scores[rows.start - found.begin : rows.stop - found.begin]
        return part.astype(np.float64)

    def by_day(self, made: Made, night: int, name: str) -> float:
        """A metric of one partition; NaN where its rows do not define it."""
        at = (made, night, name)
        if at not in self._metrics:
            rows = self.past.rows(night)
            known = self.past.known(rows)
            truth, scores = self.past.judged(rows)[known], self.scores(made, rows)[known]
            self._metrics[at] = metric(name, truth, scores)
        return self._metrics[at]

    def loaded(self, made: Made) -> LoadedModel:
        """The model as the gates ask one, its answers looked up by the rows' places."""
        past = self.past

        def scorer(features: pd.DataFrame) -> Floats:
            rows = features.index.to_numpy()
            first = int(rows.min())
            wanted: Floats = self.scores(made, slice(first, int(rows.max()) + 1))[rows - first]
            return wanted

        return LoadedModel(
            spec=past.model,
            dataset=past.dataset,
            digest=self.name(made),
            runtime=past.model.training.trainer,
            features=tuple(past.features.columns),
            trained_on=self.days(made.judged).training,
            scorer=scorer,
        )

    def split(self, made: Made) -> Split:
        """The rows of its window, as a training has them."""
        days = self.days(made)
        held = self._rows(days.holdout)
        line = held.start if not made.refit else held.stop
        begin = self.past.rows(self.past.place[days.all[0]]).start
        everything = self.past.frame.iloc[begin : held.stop]
        if made.left_out:
            everything = everything[self.sound(made, slice(begin, held.stop))]
        return Split(everything, self._part(made, slice(begin, line)), self._part(made, held))

    def sound(self, made: Made, rows: slice) -> npt.NDArray[np.bool_]:
        """Which of some rows are of partitions that were not known to be broken when the model was made."""
        found = np.ones(rows.stop - rows.start, dtype=bool)
        for key in made.left_out:
            part = self.past.rows(self.past.place[key])
            found[max(part.start - rows.start, 0) : max(part.stop - rows.start, 0)] = False
        return found

    def name(self, made: Made) -> str:
        """Of what it was made from: the same rows, code and parameters are the same model."""
        days = self.days(made)
        digests = [self.past.digests[key] for key in days.training]
        fades = self._model(made).training.half_life
        told = f"{scheme()}\0{self.past.code}\0{days}\0{fades}\0{digests}\0{self._last}"
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    @cached_property
    def _last(self) -> str:
        """What the answers reach up to, and of which rows they are."""
        digests = [self.past.digests[key] for key in self.past.keys]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def _rows(self, days: tuple[str, ...]) -> slice:
        place = self.past.place
        return self.past.rows(place[days[0]], place[days[-1]])

    def _part(self, made: Made, rows: slice) -> Part:
        sound = self.sound(made, rows)
        known = self.past.known(rows) & sound
        frame = self.past.frame.iloc[rows][known]
        truth = self.past.as_truth(rows, known)
        return Part(frame, truth, int(sound.sum() - len(frame)))

    def _load(self, made: Made, far: bool) -> Answers:
        name = f"fits/{self.name(made)}"
        for kept in (f"{name}-far.npz", *(() if far else (f"{name}.npz",))):
            if (content := self._files.read(kept)) is not None:
                return Answers.unpacked(content)
        found = self._asked(made, far)
        self._files.write(f"{name}-far.npz" if far else f"{name}.npz", found.packed())
        return found

    def _fit(self, made: Made) -> tuple[Scorer, float]:
        """The model, and the seconds of CPU that it took."""
        past, rows = self.past, self.split(made)
        began = time.process_time()
        fitted = fit(self._model(made), past.dataset, rows)
        return fitted.scorer(past.model.answers), time.process_time() - began

    def _asked(self, made: Made, far: bool) -> Answers:
        past = self.past
        scorer, spent = self._fitted(made)
        held = self._rows(self.days(made).holdout)
        begin = held.stop if made.refit else held.start
        last = len(past.keys) - 1
        near = min(made.night + spanned(NEAR, past.dataset.cadence), last)
        end = past.starts[(last if far else near) + 1]
        scores = np.empty((0, *past.model.answer.shape), np.float32)
        if begin < end:
            scores = np.asarray(scorer(past.features.iloc[begin:end]), np.float32)
        return Answers(begin, scores, spent)
