"""A shadow candidate against a real lake: better, no better, and where nothing can be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import ArtifactRef, Deployment, DriftReport
from airloop.data.lake.lake import Lake
from airloop.data.rows import rows_in
from airloop.errors import DataError
from airloop.evaluation import twins
from airloop.ledger import Ledger
from airloop.ledger.incidents import Incident
from airloop.settings import Settings
from airloop.specs import ModelSpec
from airloop.specs.sections.watching import NewDataSpec, RetrainingSpec
from airloop.training import evidence, shadow
from airloop.training.evidence import Night, gather
from airloop.vocabulary import Action, Cause, Topic, Triage, TriggerState
from tests.support.small_world import FLIGHTS, guess, small_world
from tests.support.toy_lake import filled

DATASET = small_world(FLIGHTS)
MODEL = ModelSpec.model_validate(
    guess(
        training={"window_days": 10, "holdout_days": 4, "min_rows": 100},
        gates={"primary": "roc_auc", "absolute": {"roc_auc": {"min": 0.5}}},
    )
)
FIRST = date(2013, 1, 1)
DAYS = [str(FIRST + timedelta(days=number)) for number in range(20)]
NIGHT = DAYS[-1]


def rows_of(day: str, rows: int = 120) -> pd.DataFrame:
    random = np.random.default_rng(int(day.replace("-", "")))
    far, wet = random.normal(size=(2, rows))
    return pd.DataFrame(
        {
            "id": [f"{day}-{index}" for index in range(rows)],
            "day": date.fromisoformat(day),
            "far": far,
            "wet": wet,
            "late": (far + random.normal(size=rows) > 0).astype(float),
        }
    )


def champion(skill: float, trained_on: Sequence[str]) -> Any:
    """One that looks at the right column, or at its opposite."""

    def predict(frame: pd.DataFrame, dataset: Any = None) -> Any:
        return 1 / (1 + np.exp(-skill * frame["far"].to_numpy()))

    return SimpleNamespace(spec=MODEL, predict=predict, trained_on=tuple(trained_on), refit_of=None)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    frame = pd.concat([rows_of(day) for day in DAYS], ignore_index=True)
    return Lake(filled(tmp_path_factory.mktemp("shadow"), DATASET, frame))


def test_a_better_shadow_tells_its_gain_on_days_that_neither_learned_from(lake: Lake) -> None:
    found = shadow.cast(lake, MODEL, DATASET, lambda: (champion(-1, DAYS[:17]), None), NIGHT)
    assert found.training == tuple(DAYS[10:16])
    assert (found.gain.days, found.gain.rows) == (3, 360)
    assert found.gain.gain > 0.3
    assert 0 < found.gain.low < found.gain.gain < found.gain.high
    assert found.cpu_seconds > 0


def test_a_shadow_that_is_no_better_says_so(lake: Lake) -> None:
    found = shadow.cast(lake, MODEL, DATASET, lambda: (champion(1, DAYS[:10]), None), NIGHT)
    assert (found.gain.days, found.gain.low <= 0) == (4, True)


def test_the_judged_twin_stands_for_a_refitted_champion_on_the_days_that_only_that_one_saw(
    lake: Lake,
) -> None:
    """The refit has learned from three of the four days, of which it answers better than it could."""
    refitted, twin = champion(9, DAYS[:19]), champion(-1, DAYS[:16])
    found = shadow.cast(lake, MODEL, DATASET, lambda: (refitted, twin), NIGHT)
    assert found.gain.days == 4
    with pytest.raises(DataError, match="did not learn from 1 of the last 4"):
        shadow.cast(lake, MODEL, DATASET, lambda: (refitted, None), NIGHT)
    frame = pd.concat([rows_of(day) for day in DAYS[16:]], ignore_index=True)
    answers = twins.impartial(
        refitted, twin, DATASET, frame, rows_in(DATASET, frame, refitted.trained_on)
    )
    assert (answers[:360] == twin.predict(frame)[:360]).all()
    assert (answers[360:] == refitted.predict(frame)[360:]).all()


@pytest.mark.parametrize(
    ("trained_on", "until", "why"),
    [
        (DAYS, NIGHT, "did not learn from 0 of the last 4 partitions"),
        (DAYS[:18], NIGHT, "did not learn from 2 of the last 4 partitions"),
        (DAYS[:1], DAYS[3], "4 days are not enough"),
    ],
)
def test_without_history_that_neither_saw_nothing_can_be_told(
    lake: Lake, trained_on: list[str], until: str, why: str
) -> None:
    with pytest.raises(DataError, match=why):
        shadow.cast(lake, MODEL, DATASET, lambda: (champion(1, trained_on), None), until)


def test_an_earlier_night_learns_from_no_later_day(lake: Lake) -> None:
    found = shadow.cast(lake, MODEL, DATASET, lambda: (champion(-1, DAYS[:1]), None), DAYS[12])
    assert max(found.training) < DAYS[12]


def test_what_was_found_broken_is_not_learned_from(lake: Lake) -> None:
    found = shadow.cast(
        lake, MODEL, DATASET, lambda: (champion(-1, DAYS[:10]), None), NIGHT, {DAYS[12]}
    )
    assert DAYS[12] not in found.training
    assert found.training == (*DAYS[9:12], *DAYS[13:16])


@pytest.fixture
def night(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Night]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    opened: list[str] = []

    def load(ref: ArtifactRef, settings: Settings) -> Any:
        opened.append(ref.uri)
        return champion(-1, DAYS[:10])

    monkeypatch.setattr(twins.loader, "load", load)

    def make(partition: str = NIGHT) -> Night:
        deployment = Deployment(
            model="guess",
            sequence=1,
            version=1,
            previous=None,
            artifact=ArtifactRef(uri="runs:/1/model", digest="sha256:" + "0" * 64),
            kind="promote",
            reason="r",
            at="2013-01-20T00:00:00Z",
        )
        reference: Any = SimpleNamespace(days=tuple(DAYS[:14]), opened=opened)
        return Night(
            settings=Settings(lake_uri=lake.uri),
            ledger=ledger,
            lake=lake,
            model=MODEL,
            dataset=DATASET,
            deployment=deployment,
            reference=reference,
            partition=partition,
            fence=ledger.begin_attempt(f"monitor:guess:{partition}"),
        )

    return make


def report(partition: str = NIGHT, triage: Triage = Triage.NOTHING) -> DriftReport:
    return DriftReport(
        model="guess",
        partition=partition,
        reference_rows=1,
        current_rows=120,
        features=(),
        triage=triage,
        reason="r",
    )


def test_a_shadow_is_recorded_with_figures_and_not_fitted_twice(
    night: Callable[..., Night],
) -> None:
    one = night()
    first = gather(one, report())
    [told] = one.ledger.decisions("guess", Topic.SHADOW)
    assert (told.action, told.figures["partition"]) == (Action.MEASURED, NIGHT)
    assert told.figures["cpu_seconds"]
    assert first.shadow is not None
    assert told.figures["gain"] == first.shadow.gain
    # A repeated night, and one after a killed step, gets the one it had.
    assert gather(night(), report()).shadow == first.shadow
    assert len(one.reference.opened) == 1  # type: ignore[attr-defined]
    assert len(one.ledger.decisions("guess", Topic.SHADOW)) == 1


def test_shadows_keep_their_cadence_and_drift_asks_for_one_between(
    night: Callable[..., Night],
) -> None:
    assert gather(night(DAYS[16]), report(DAYS[16])).shadow is not None
    assert gather(night(DAYS[18]), report(DAYS[18])).shadow is None
    assert gather(night(DAYS[18]), report(DAYS[18], Triage.DRIFT)).shadow is not None


def test_a_broken_night_and_the_old_rule_fit_none(night: Callable[..., Night]) -> None:
    assert gather(night(), report(triage=Triage.INCIDENT)) == evidence.Evidence()
    assert night().ledger.decisions("guess", Topic.SHADOW) == []


def test_an_old_night_fits_none_since_nothing_could_follow(night: Callable[..., Night]) -> None:
    assert gather(night(DAYS[12]), report(DAYS[12], Triage.DRIFT)).shadow is None
    assert gather(night(DAYS[13]), report(DAYS[13], Triage.DRIFT)).shadow is not None


def test_what_cannot_be_told_leaves_the_night_its_answer(
    night: Callable[..., Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = champion(1, DAYS)
    monkeypatch.setattr(twins.loader, "load", lambda ref, settings: seen)
    found = gather(night(), report(triage=Triage.DRIFT))
    assert found.shadow is None
    assert "did not learn from 0 of the last 4 partitions" in found.no_shadow


@pytest.mark.parametrize("policy", ["by_gain", "on_drift"])
def test_what_is_fresh_is_counted_from_the_last_training_whatever_became_of_it(
    night: Callable[..., Night], policy: str
) -> None:
    """Labels are a partition late: those of the night's own day are not complete."""
    retraining = RetrainingSpec(policy=policy, new_data=NewDataSpec(partitions=5))
    asked = replace(night(), model=MODEL.model_copy(update={"retraining": retraining}))
    first = gather(asked, report()).fresh
    assert first is not None
    delay = MODEL.target.delay_in(DATASET.cadence)
    assert (first.partitions, first.rows, first.labels) == (
        6 - delay,
        120 * (6 - delay),
        120 * (6 - delay),
    )
    trigger, _ = asked.ledger.emit_trigger(
        model="guess", cause=Cause.NEW_DATA, dedup_key="k", reason="r", partition=DAYS[17]
    )
    asked.ledger.finish_trigger(trigger.id, TriggerState.REFUSED)
    since = gather(asked, report()).fresh
    assert since is not None
    assert (since.partitions, since.labels) == (
        DAYS.index(NIGHT) - 17,
        120 * (DAYS.index(NIGHT) - 17),
    )
    lost, _ = asked.ledger.emit_trigger(
        model="guess", cause=Cause.NEW_DATA, dedup_key="l", reason="r", partition=NIGHT
    )
    asked.ledger.finish_trigger(lost.id, TriggerState.LOST)
    assert gather(asked, report()).fresh == since
    assert gather(night(), report()).fresh is None


def test_new_data_and_traffic_are_those_since_the_champions_days(
    night: Callable[..., Night],
) -> None:
    found = gather(night(), report())
    assert found.new_data is not None
    assert (found.new_data.partitions, found.new_data.rows) == (6, 720)
    assert found.traffic == 120
    assert found.cost is None


def test_a_shadow_and_the_count_of_new_data_leave_out_what_is_broken(
    night: Callable[..., Night],
) -> None:
    one = night()
    one.ledger.remember_incident(
        Incident(
            model="guess",
            dataset="world",
            partition=DAYS[14],
            digest="sha256:1",
            reason="it broke",
            at=datetime(2013, 1, 15, tzinfo=UTC),
        )
    )
    found = gather(one, report())
    assert found.new_data is not None
    assert found.new_data.partitions == 5
    [told] = one.ledger.decisions("guess", Topic.SHADOW)
    assert told.reason.startswith(f"a model of {DAYS[9]}..{DAYS[15]}: ")
