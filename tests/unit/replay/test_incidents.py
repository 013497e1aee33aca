"""A replay remembers what broke, as the live loop does: it is left out of windows, references and trainings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from airloop.replay import past as pasts
from airloop.replay.fits import Fits, Made
from airloop.replay.judges import Judges
from airloop.replay.memory import Memory
from airloop.replay.nights import Nights
from airloop.replay.past import Past
from airloop.replay.play import Player, Run
from airloop.replay.policies import Kind, Policy
from airloop.storage.files import Files
from airloop.vocabulary import Triage
from tests.unit.replay.conftest import TURN, world

#: The day of the turn, after which a training comes soon.
BROKEN = "2013-02-25"
FIRST = 30


@pytest.fixture(scope="module")
def broken(past: Callable[..., Past]) -> Past:
    """The world that turns over; on that day nothing was measured."""
    frame, sound = world(TURN), past(TURN)
    day = frame["day"] == np.datetime64(BROKEN)
    return pasts.of(sound.model, sound.dataset, frame.assign(wet=frame["wet"].mask(day, -999.0)))


def play(past: Past, cache: Path) -> tuple[Run, Fits]:
    fits, files = Fits(past, cache, FIRST), Files(str(cache), {}, "the cache")
    player = Player(fits, Nights(fits, files), Judges(fits, files), FIRST)
    return player.play(Policy("by_gain", Kind.LOOP, spec=past.model.retraining)), fits


def test_a_broken_night_is_an_incident_and_in_no_later_training(
    broken: Past, tmp_path: Path
) -> None:
    run, fits = play(broken, tmp_path)
    triage = {one.night: one.triage for one in run.decisions}
    assert triage[BROKEN] is Triage.INCIDENT
    later = [made for night, made, *_ in run.trainings if broken.keys[night] > BROKEN]
    reach = [made for made in later if fits.days(made).all[0] < BROKEN]
    assert reach, "a training whose window spans the night"
    assert all(BROKEN not in fits.days(made).all for made in later)
    rows = fits.split(reach[0]).everything
    assert BROKEN not in set(rows["day"].astype(str))
    assert rows["wet"].min() > -999


def test_control_who_remembers_nothing_learns_from_it(
    broken: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airloop.replay.memory.incidents_of", lambda *_: [])
    run, fits = play(broken, tmp_path)
    later = [made for night, made, *_ in run.trainings if broken.keys[night] > BROKEN]
    assert any(BROKEN in fits.days(made).all for made in later)


def test_a_model_made_without_a_partition_is_another_one(broken: Past, tmp_path: Path) -> None:
    fits, night = Fits(broken, tmp_path), broken.place[BROKEN] + 3
    whole, without = Made(night), Made(night, left_out=(BROKEN,))
    assert fits.name(whole) != fits.name(without)
    assert len(fits.days(without).all) == len(fits.days(whole).all)
    assert fits.days(without).all[0] < fits.days(whole).all[0]
    held, others = fits.split(without).holdout.frame, fits.split(without).training.frame
    assert {BROKEN}.isdisjoint(held["day"].astype(str))
    assert len(held) + len(others) == 80 * len(fits.days(without).all)


def test_a_window_is_judged_without_what_broke_before_it(broken: Past, tmp_path: Path) -> None:
    watched = broken.model.monitoring.model_copy(update={"window_days": 3})
    model = broken.model.model_copy(update={"monitoring": watched})
    broken = dataclasses.replace(broken, model=model)
    fits = Fits(broken, tmp_path)
    nights = Nights(fits, Files(str(tmp_path), {}, "the cache"))
    champion, loop = Made(FIRST), Memory()
    served = dict.fromkeys(range(FIRST + 1, len(broken.keys)), champion)
    rows = []
    for key in (BROKEN, broken.keys[broken.place[BROKEN] + 1]):
        known = loop.known(broken.model, fits.days(champion).all[-1])
        told = nights.told(broken.place[key], champion, served, known, loop.before(champion))
        loop.judged(
            broken.model, broken.dataset, champion, told.report, told.means, told.proven
        )  # fmt: skip
        rows.append((told.report.triage, told.report.current_rows))
    size = broken.model.monitoring.window_in(broken.dataset.cadence)
    assert rows[0] == (Triage.INCIDENT, 80 * size)
    assert rows[1][1] == 80 * (size - 1)
    assert loop.left_out == (BROKEN,)
