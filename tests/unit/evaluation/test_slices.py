"""Slices are seen together: chance in one of twelve is no veto, a broken one is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Outcome
from airloop.evaluation import slices
from airloop.evaluation.shrinkage import pool
from tests.support.loop import specimens
from tests.support.loop.specimens import model_spec

DAYS = tuple(f"2024-03-{day:02}" for day in range(1, 15))
HOLDOUT = DAYS[4:]
COURIERS = [f"c{number:02}" for number in range(12)]
SPEC = model_spec(gates={"slices": ["courier"], "min_slice_rows": 50})


def frame(seed=0):
    rows = specimens.rows(per_day=240, days=DAYS, seed=seed)
    rows["courier"] = np.random.default_rng(seed).choice(COURIERS, len(rows))
    return rows


def answers(truth, strength, seed):
    return 1 / (
        1 + np.exp(-(strength * truth + np.random.default_rng(seed).normal(size=len(truth))))
    )


def judged(rows, ours, theirs):
    return slices.check(specimens.case(ours, theirs, frame=rows, holdout=HOLDOUT, model=SPEC))


def parts(rows):
    probe = specimens.case(frame=rows, holdout=HOLDOUT, model=SPEC)
    return probe.truth, probe.holdout["courier"].to_numpy()


def test_one_of_twelve_that_looks_bad_by_chance_does_not_refuse_a_better_candidate():
    rows = frame()
    truth, courier = parts(rows)
    ours, theirs = answers(truth, 1.8, 1), answers(truth, 1.5, 2)
    bad = np.flatnonzero(courier == "c03")
    # Worse on a few rows of one slice: a loss of 0.065 that its few days do not make certain.
    ours[bad[::4]] = answers(truth, -0.3, 3)[bad[::4]]
    said = judged(rows, ours, theirs)
    assert said.figures["worst"] == "courier=c03"
    assert said.figures["gain"] < -0.03, "alone it would lose more than the margin"
    assert said.outcome is Outcome.OK, said.reason
    assert said.figures["gain"] < said.figures["pooled"]


def test_one_of_twelve_that_is_broken_refuses_a_candidate_that_is_better_elsewhere():
    rows = frame()
    truth, courier = parts(rows)
    ours, theirs = answers(truth, 1.8, 1), answers(truth, 1.5, 2)
    broken = courier == "c03"
    ours[broken] = answers(truth, -1.0, 3)[broken]
    said = judged(rows, ours, theirs)
    assert said.outcome is Outcome.BAD
    assert "1 of 12 slices lost against the champion: courier=c03" in said.reason


def test_a_metric_defined_on_no_slice_could_not_tell():
    rows = frame()
    rows.loc[rows["day"].isin(pd.to_datetime(HOLDOUT)), "minutes_late"] = 100.0
    flat = np.full(len(HOLDOUT) * 240, 0.5)
    assert judged(rows, flat, flat).outcome is Outcome.UNKNOWN


def test_equal_candidates_are_seldom_refused_for_a_slice():
    rows, refused = frame(), 0
    truth, _ = parts(rows)
    for trial in range(40):
        ours, theirs = answers(truth, 1.5, 2 * trial), answers(truth, 1.5, 2 * trial + 1)
        refused += not judged(rows, ours, theirs).ok
    assert refused <= 4


def pooled(gains, errors, rows=None, blocks=None):
    count = len(gains)
    size = np.full(count, 400.0) if rows is None else rows
    return pool(np.array(gains), np.array(errors), size, np.full(count, blocks or 10.0))


def test_what_differs_by_chance_alone_is_drawn_to_one_gain():
    random = np.random.default_rng(1)
    errors = np.full(12, 0.02)
    seen = pooled(0.01 + errors * random.normal(size=12) * 0.8, errors)
    assert np.ptp(seen.gains) < 0.01
    assert seen.errors.max() < 0.01


def test_what_truly_differs_keeps_its_own_gain():
    seen = pooled([0.1, -0.3, 0.1, 0.12], [0.01] * 4)
    assert seen.gains[1] == pytest.approx(-0.3, abs=0.01)


def test_one_slice_alone_is_left_as_it_is():
    assert pooled([-0.2], [0.01]).gains.tolist() == [-0.2]


def test_answers_that_are_the_same_everywhere_are_no_division_by_zero():
    seen = pooled([0.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    assert seen.gains.tolist() == [0.0, 0.0, 0.0]
    assert np.isfinite(seen.errors).all()


def test_an_error_told_from_two_days_leans_on_the_other_slices():
    seen = pool(
        np.array([-0.05, 0.0, 0.01]),
        np.array([1e-4, 0.03, 0.03]),
        np.full(3, 400.0),
        np.array([2.0, 10, 10]),
    )
    assert seen.gains[0] > -0.03, "two days that agree by accident are no certainty"
