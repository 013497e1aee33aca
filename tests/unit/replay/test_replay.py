"""A replay tells a world that changed from one that did not, and says what each way to decide was worth."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import DriftReport
from airloop.errors import DataError, RequestError
from airloop.partition import Cadence
from airloop.policy.findings import NewData
from airloop.replay import past as pasts
from airloop.replay.account import Account, account
from airloop.replay.arrivals import fresh_at
from airloop.replay.fits import Fits, Made
from airloop.replay.nights import Nights
from airloop.replay.page import html, lines, summary
from airloop.replay.past import Past
from airloop.replay.policies import Kind, chosen, standing, tried
from airloop.replay.replay import Asked, hardest_first, opening, replay
from airloop.replay.scoring import Score, regret
from airloop.settings import Settings
from airloop.specs.sections.watching import NewDataSpec, RetrainingSpec
from airloop.storage.files import Files
from airloop.training.chosen import Choice
from airloop.training.validation import with_training
from tests.unit.replay.conftest import DAYS, TURN, world

#: In the quiet world only those that might train for nothing.
NAMES = {
    TURN: ("never", "drift alone", "performance alone", "by_gain", "oracle"),
    None: ("never", "every 30d", "by_gain"),
}


def silent(done: int, total: int, what: str) -> None:
    assert 0 < done <= total
    assert what


@pytest.fixture(scope="module")
def played(past: Callable[..., Past], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each world's scores, by the policy's name."""
    found: dict[int | None, dict[str, Score]] = {}

    def play(turn: int | None) -> dict[str, Score]:
        if turn not in found:
            one = past(turn)
            policies = chosen(standing(one.model.retraining, Cadence.DAY, DAYS), NAMES[turn])
            asked = Asked(Settings(), one.model, one.dataset, tmp_path_factory.mktemp("cache"))
            scores = replay(asked, one, policies, cores=1, tell=silent)
            found[turn] = {score.policy.name: score for score in scores}
        return found[turn]

    return play


def test_where_the_world_turns_over_a_gain_trains_soon_and_is_taken(played: Any) -> None:
    scores = played(TURN)
    never, gain, oracle = (scores[name].mean()[0] for name in ("never", "by_gain", "oracle"))
    assert gain > never + 0.1
    assert oracle > gain - 0.02
    first = next(night for night in scores["by_gain"].nights if night >= "2013-02-25")
    assert first <= "2013-03-10"
    assert scores["by_gain"].wrong_promotions == 0


def test_where_nothing_happens_only_the_calendar_trains(played: Any) -> None:
    scores = played(None)
    assert scores["by_gain"].trainings <= scores["every 30d"].trainings + 1
    assert scores["by_gain"].mean()[0] > scores["never"].mean()[0] - 0.01
    assert scores["never"].missed == 0


def test_never_misses_the_weeks_after_the_turn(played: Any) -> None:
    assert played(TURN)["never"].missed >= 4
    assert played(TURN)["never"].trainings == 0


def test_a_covariate_signal_alone_is_blind_to_a_change_of_meaning(played: Any) -> None:
    """Neither input moves: only performance and gain can see it."""
    scores = played(TURN)
    assert scores["performance alone"].mean()[0] > scores["drift alone"].mean()[0] + 0.02


def test_every_decision_is_told_with_its_reason(played: Any) -> None:
    decisions = played(TURN)["by_gain"].decisions
    assert len(decisions) == DAYS - 2 - opening_night()
    trained = [one for one in decisions if one.action == "retrain"]
    assert [one.night for one in trained] == list(played(TURN)["by_gain"].nights)
    assert any("gain +" in one.reason for one in trained)


def opening_night() -> int:
    return 13


def test_the_account_compares_and_can_be_drawn(past: Callable[..., Past], played: Any) -> None:
    one = past(TURN)
    found = account(one, list(played(TURN).values()), [played(TURN)["by_gain"]])
    assert found.row("never").regret.low is not None
    assert found.row("never").regret.low > 0
    assert found.row(found.best).regret.mean == 0
    assert found.proposal is not None
    assert found.proposal.loss.mean == 0
    assert found.proposal.chosen_on[1] < found.proposal.shown_on[0]
    assert Account.model_validate(json.loads(found.model_dump_json())) == found
    page = html(found)
    assert page.count("<svg") == 2
    assert found.proposal.sentence.split(";")[0] in page
    assert len(lines(found)) == len(found.rows) + 1
    assert "best that could be followed" in summary(found)


def test_a_fit_is_made_once_and_then_read(
    past: Callable[..., Past], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = past(None)
    first = Fits(one, tmp_path).answers(Made(40))

    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("airloop.replay.fits.fit", refuse)
    again = Fits(one, tmp_path).answers(Made(40))
    assert np.array_equal(first.scores, again.scores)
    with pytest.raises(AssertionError, match="fitted again"):  # the control
        Fits(one, tmp_path).answers(Made(41))


def test_a_refit_answers_for_days_that_it_has_not_seen_and_its_twin_for_the_others(
    past: Callable[..., Past], tmp_path: Path
) -> None:
    fits = Fits(past(None), tmp_path)
    judged, refit = Made(40), Made(40, refit=True)
    assert fits.days(refit).training == fits.days(judged).all
    held = fits.past.rows(fits.past.place[fits.days(judged).holdout[0]])
    assert np.array_equal(fits.scores(refit, held), fits.scores(judged, held))
    later = fits.past.rows(41)
    assert not np.array_equal(fits.scores(refit, later), fits.scores(judged, later))


def test_the_order_in_which_policies_play_changes_nothing(
    past: Callable[..., Past], tmp_path: Path
) -> None:
    one = past(TURN)
    policies = chosen(
        standing(one.model.retraining, Cadence.DAY, DAYS), ["performance alone", "never"]
    )
    asked = Asked(Settings(), one.model, one.dataset, tmp_path)
    there = replay(asked, one, policies, cores=1, tell=silent)
    back = replay(asked, one, policies[::-1], cores=1, tell=silent)[::-1]
    assert [score.nights for score in there] == [score.nights for score in back]
    assert all(np.array_equal(a.primary, b.primary) for a, b in zip(there, back, strict=True))


def test_no_two_loops_that_would_do_the_same_begin_side_by_side() -> None:
    policies = standing(RetrainingSpec(), Cadence.DAY, DAYS)
    names = [policy.name for policy in hardest_first(policies)]
    assert names[:4] == ["gain alone", "drift alone", "by_gain", "performance alone"]
    assert sorted(names) == sorted(policy.name for policy in policies)


def test_policies_that_differ_by_their_names_alone_are_played_once_under_both(
    past: Callable[..., Past], tmp_path: Path
) -> None:
    one, told = past(None), []
    [never] = chosen(standing(one.model.retraining, Cadence.DAY, DAYS), ["never"])
    other = dataclasses.replace(never, name="the same by another name")
    asked = Asked(Settings(), one.model, one.dataset, tmp_path)
    scores = replay(
        asked, one, [never, other], cores=1, tell=lambda _done, _all, what: told.append(what)
    )
    assert [score.policy for score in scores] == [never, other]
    assert [what for what in told if what.startswith("played")] == ["played never"]
    assert np.array_equal(scores[0].primary, scores[1].primary)


def test_an_unknown_policy_is_refused_with_those_there_are(past: Callable[..., Past]) -> None:
    known = standing(past(None).model.retraining, Cadence.DAY, DAYS)
    with pytest.raises(RequestError, match="by_gain") as told:
        chosen(known, ["by_gian"])
    assert "there is no such policy" in str(told.value)


def test_a_history_too_short_says_how_long_it_must_be(past: Callable[..., Past]) -> None:
    one = past(None)
    short = dataclasses.replace(one, keys=one.keys[:30], starts=one.starts[:31])
    with pytest.raises(DataError, match="30 days are too short a history"):
        opening(short)


def test_the_regret_of_the_best_is_nothing_and_of_a_worse_one_beyond_chance() -> None:
    random = np.random.default_rng(0)
    best = random.normal(0.7, 0.02, 140)
    assert regret(best, best, week=7, higher=True).high == 0
    worse = regret(best - 0.05, best, week=7, higher=True)
    assert (round(worse.mean, 6), worse.blocks) == (0.05, 20)
    assert worse.low > 0
    unsure = regret(best + random.normal(0, 0.05, 140), best, week=7, higher=True)
    assert unsure.low < 0 < unsure.high


def test_thresholds_are_tried_around_the_specs_own(past: Callable[..., Past]) -> None:
    found = tried(past(None).model.retraining)
    assert len({policy.name for policy in found}) == len(found) == 6
    assert {policy.spec.policy for policy in found} == {"by_gain"}


def test_a_threshold_that_is_tried_is_the_one_that_decides(
    past: Callable[..., Past], tmp_path: Path
) -> None:
    """Where nothing happens: who asks for less certainty trains more often for nothing."""
    one = past(None)
    policies = [
        policy
        for policy in tried(one.model.retraining)
        if policy.spec.at_least_every == "60d" and policy.spec.confidence in {0.6, 0.95}
    ]
    asked = Asked(Settings(), one.model, one.dataset, tmp_path)
    easy, sure = replay(asked, one, policies, cores=1, tell=silent)
    assert easy.trainings > sure.trainings


def test_a_window_left_open_is_chosen_by_what_was_known_and_kept(
    past: Callable[..., Past], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = past(TURN)
    training = one.model.training.model_copy(update={"window_days": None, "window": "auto"})
    model = one.model.model_copy(update={"training": training})
    opened = dataclasses.replace(one, model=model)
    night = TURN + 20
    fits = Fits(opened, tmp_path, first=night)
    assert (
        fits.window(night).window == 30
    )  # of 30, 60 and all: after the turn the old days only mislead
    assert len(fits.days(Made(night)).all) == 30
    assert fits.window(night + 29) == fits.window(night)

    def refuse(*_: object) -> None:
        raise AssertionError("chosen again")

    monkeypatch.setattr("airloop.replay.choices.choose_among", refuse)
    assert Fits(opened, tmp_path, first=night).window(night).window == 30
    with pytest.raises(AssertionError, match="chosen again"):  # a choice ages
        Fits(opened, tmp_path, first=night).window(night + 30)


def test_a_model_whose_rows_fade_is_another_and_is_fitted_so(
    past: Callable[..., Past], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = past(TURN)
    opened = dataclasses.replace(one, model=with_training(one.model, window_days=None))
    made = Made(TURN + 8)
    found = []
    for half_life in (None, "3d"):
        choice = Choice(1_000_000, "told", {}, half_life)
        monkeypatch.setattr("airloop.replay.choices.choose_among", lambda *_, it=choice: it)
        fits = Fits(opened, tmp_path / str(half_life), first=made.night)
        # What was chosen is kept, too.
        kept = Fits(opened, tmp_path / str(half_life), first=made.night)
        assert kept.window(made.night) == fits.window(made.night) == choice
        found.append((fits.name(made), fits.by_day(made, made.night, "roc_auc")))
    (plain, alike), (other, fading) = found
    assert plain != other
    assert fading > alike + 0.1


def test_what_arrived_is_counted_by_the_calendar_where_a_day_is_lacking(
    model: Any, dataset: Any
) -> None:
    """As the live loop counts it: a delay is of days, not of partitions that happen to be there."""
    frame = world(None)
    day = pd.Timestamp("2013-02-14")
    target = model.target.model_copy(update={"delay_days": 3})
    late = model.model_copy(update={"target": target})
    past = pasts.of(late, dataset, frame[frame["day"] != day])
    spec = RetrainingSpec(new_data=NewDataSpec(partitions=5))
    night, last = past.place["2013-02-20"], "2013-02-12"
    # Known since the 15th: 16 to 20 are new, and the labels of 13 to 17 have come, but for the 14th.
    assert fresh_at(past, spec, [], night, last) == NewData(5, 400, 320)
    assert fresh_at(past, RetrainingSpec(), [], night, last) is None


def test_a_fresh_model_answers_two_weeks_and_one_that_stays_the_rest_of_one_fit(
    past: Callable[..., Past], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = past(None)
    fits, made = Fits(one, tmp_path), Made(40)
    near = fits.answers(made)
    monkeypatch.setattr("airloop.replay.fits.fit", None)
    assert near.end == one.starts[40 + 14 + 1]
    last = one.rows(len(one.keys) - 1)
    whole = fits.scores(made, slice(near.begin, last.stop))
    assert len(whole) == last.stop - near.begin
    assert np.array_equal(whole[: len(near.scores)], near.scores.astype(float))
    again = Fits(one, tmp_path).answers(made)
    assert again.end == last.stop, "what was answered to the end is taken instead"


def test_a_nights_report_is_made_once_for_all_who_ask(
    past: Callable[..., Past], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, files = past(None), Files(str(tmp_path), {}, "the cache")
    champion = Made(40)
    served = dict.fromkeys(range(41, 52), champion)

    def reports() -> list[DriftReport]:
        nights = Nights(Fits(one, tmp_path), files)
        return [nights.told(night, champion, served).report for night in range(48, 52)]

    first = reports()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("judged again")

    monkeypatch.setattr("airloop.replay.nights.judge", refuse)
    assert reports() == first
    served[51] = Made(45)  # the control: the night's own answers are another model's
    with pytest.raises(AssertionError, match="judged again"):
        reports()


def test_the_loops_of_a_replay_refit_where_the_models_trainings_do() -> None:
    spec = RetrainingSpec()
    for refit in (True, False):
        known = standing(spec, Cadence.DAY, DAYS, refit=refit)
        assert {one.refit for one in known if one.kind is Kind.LOOP} == {refit}
        assert {one.refit for one in tried(spec, refit=refit)} == {refit}
