"""A whole replay: what is fitted, who plays, and on how many cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from airloop.durations import spanned
from airloop.errors import DataError
from airloop.lifeline import end_with_parent
from airloop.paths import put_on_path
from airloop.replay import past as pasts
from airloop.replay.fits import NEAR, Fits, Made
from airloop.replay.judges import Judges
from airloop.replay.nights import Nights
from airloop.replay.past import Past
from airloop.replay.play import WEEK, Player
from airloop.replay.policies import Kind, Policy
from airloop.replay.scoring import Score, score
from airloop.settings import Settings
from airloop.specs import DatasetSpec, ModelSpec
from airloop.storage.files import Files

#: Nights that a replay needs at least, to say anything.
MIN_WEEKS = 4
#: What is told of the progress: done, of how many, and what it is about.
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Asked:
    """What is replayed, and where what was fitted is kept."""

    settings: Settings
    model: ModelSpec
    dataset: DatasetSpec
    cache: Path
    first: str | None = None
    last: str | None = None


class Theatre:
    """One process's past, and who plays on it."""

    def __init__(self, past: Past, cache: Path) -> None:
        self.past, self.fits = past, Fits(past, cache, opening(past))
        files = Files(str(cache), {}, "the replay's cache")
        nights = Nights(self.fits, files)
        self.player = Player(self.fits, nights, Judges(self.fits, files), opening(past))

    def make(self, made: Made, far: bool) -> None:
        """Fit a model, unless it is kept already.

        :param far: it will answer for longer than a fresh model is looked at
        """
        self.fits.answers(made, far=far)

    def play(self, policy: Policy) -> Score:
        """A policy from the first night to the last, and what came of it."""
        return score(self.player, self.player.play(policy))


def opening(past: Past) -> int:
    """The first night: a window's worth of history, a third of all at most.

    :raises DataError: if there is too little history
    """
    cadence, count = past.dataset.cadence, len(past.keys)
    window, held = (
        past.model.training.window_in(cadence),
        past.model.training.holdout_in(cadence),
    )
    first = max(min(window, count // 3), held + 2) - 1
    least = MIN_WEEKS * spanned(WEEK, cadence)
    if count - first <= least:
        raise DataError(
            f"{count} {cadence}s are too short a history: a replay needs {first + 1} to begin and {least} to play",
            where=f"dataset {past.dataset.name}",
            remedy=f"ingest {first + least + 1} {cadence}s, or lower training.holdout",
        )
    return first


def repertoire(past: Past, policies: Iterable[Policy]) -> dict[Made, bool]:
    """The models that will be asked for whatever is decided, the longest fits first; whether each serves for long."""
    first, last, week = opening(past), len(past.keys) - 1, spanned(WEEK, past.dataset.cadence)
    near = spanned(NEAR, past.dataset.cadence)
    # What a training has missed is told by a fresh model a week.
    found = dict.fromkeys((Made(night) for night in range(first, last, week)), False)
    for policy in policies:
        step = policy.every if policy.kind is Kind.CALENDAR else week
        nights = [first] if policy.kind is Kind.NEVER else range(first, last, step)
        refit = policy.refit and policy.kind is Kind.CALENDAR
        # Hindsight asks all models of before, again and again.
        far = policy.kind is not Kind.LOOP and (policy.kind is not Kind.CALENDAR or step > near)
        for made in (Made(night, policy.window, refit) for night in nights):
            found[made] = found.get(made, False) or far
    longest = sorted(found, key=lambda made: (-(made.window or 0), -made.night))
    return {made: found[made] for made in longest}


def replay(
    asked: Asked, past: Past, policies: list[Policy], *, cores: int, tell: Tell
) -> list[Score]:
    """Fit, then play every policy; what was fitted before is taken from the cache.

    :param past: the same history, as this process has read it
    :param cores: processes that work at once; with one, this process does it
    """
    models, alike = repertoire(past, policies), _alike(policies)
    if cores == 1:
        scores = _here(Theatre(past, asked.cache), models, alike, tell)
    else:
        scores = _beside(asked, past, models, alike, cores, tell)
    named = {
        policy.name: replace(scores[one], policy=policy)
        for one, group in alike.items()
        for policy in group
    }
    return [named[policy.name] for policy in policies]


def _beside(
    asked: Asked,
    past: Past,
    models: dict[Made, bool],
    policies: Collection[Policy],
    cores: int,
    tell: Tell,
) -> dict[Policy, Score]:
    scores: dict[Policy, Score] = {}
    total = len(models) + len(policies)
    with _pool(asked, cores) as pool:
        fitting: dict[Future[Any], Made] = {
            pool.submit(_make, made, far): made for made, far in models.items()
        }
        for done, future in enumerate(as_completed(fitting), 1):
            future.result()
            tell(done, total, f"fitted {past.keys[fitting[future].night]}")
        playing: dict[Future[Score], Policy] = {
            pool.submit(_play, policy): policy for policy in hardest_first(policies)
        }
        for done, played in enumerate(as_completed(playing), len(models) + 1):
            scores[playing[played]] = played.result()
            tell(done, total, f"played {playing[played].name}")
    return scores


def _here(
    theatre: Theatre, models: dict[Made, bool], policies: Collection[Policy], tell: Tell
) -> dict[Policy, Score]:
    total = len(models) + len(policies)
    for done, (made, far) in enumerate(models.items(), 1):
        theatre.make(made, far)
        tell(done, total, f"fitted {theatre.past.keys[made.night]}")
    scores = {}
    for done, policy in enumerate(policies, len(models) + 1):
        scores[policy] = theatre.play(policy)
        tell(done, total, f"played {policy.name}")
    return scores


def _alike(policies: Iterable[Policy]) -> dict[Policy, list[Policy]]:
    """The policies that differ, each with those that differ from it by their names alone: the model's own is often tried."""
    groups: dict[Policy, list[Policy]] = {}
    for policy in policies:
        groups.setdefault(replace(policy, name=""), []).append(policy)
    return {group[0]: group for group in groups.values()}


def hardest_first(policies: Iterable[Policy]) -> list[Policy]:
    """Loops ask monitors and gates each night, most of them shadows too: they begin, so that no core waits for the last.

    Those with shadows and those without take turns: two that are alike would fit and judge the same at the same moment.
    """
    known = [*policies]
    loops = [policy for policy in known if policy.kind is Kind.LOOP]
    shadowed = [policy for policy in loops if policy.spec.policy == "by_gain"]
    plain = [policy for policy in loops if policy.spec.policy != "by_gain"]
    others = [policy for policy in known if policy.kind is not Kind.LOOP]
    turns = zip_longest(shadowed, plain)
    return [*(one for turn in turns for one in turn if one is not None), *others]


@contextmanager
def _pool(asked: Asked, cores: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that each have read the past; what they have not begun is dropped when something fails."""
    # Not forked: this process has the threads of the lake's library.
    pool = ProcessPoolExecutor(
        cores, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(asked,)
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


_theatre: list[Theatre] = []


def _begin(asked: Asked) -> None:
    # A replay that is killed leaves nobody at work.
    end_with_parent()
    # One thread for the libraries of this process: as many processes as cores fit at once.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    put_on_path()
    past = pasts.read(
        asked.settings, asked.model, asked.dataset, first=asked.first, last=asked.last
    )
    _theatre[:] = [Theatre(past, asked.cache)]


def _make(made: Made, far: bool) -> None:
    _theatre[0].make(made, far)


def _play(policy: Policy) -> Score:
    return _theatre[0].play(policy)
