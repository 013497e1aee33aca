"""A delivery by its strategy, look after look: on, wait and back, with the figures in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airloop.contracts import ArtifactRef
from airloop.delivery import deployment
from airloop.delivery.progress import Delivering, Progress
from airloop.delivery.strategies.builtin import CanarySpec, ShadowSpec
from airloop.errors import ArtifactError, GateError, UnreachableError
from airloop.exchange.keys import Promote
from airloop.ledger import Ledger
from airloop.ledger.faults import VARIABLE, PlantedFaultError
from airloop.plugins.rollout import RolloutSpec
from airloop.registry import models
from airloop.settings import Settings
from airloop.vocabulary import Action, Role, Topic
from tests.support.deliveries import MODEL, World

CANARY, SHADOW = CanarySpec(kind="canary"), ShadowSpec(kind="shadow")
TIMES = (0,) * 20 + (300,) + (0,) * 33
CHAMPION = {"asked": 3000, "answered": 3000, "times": tuple(10 * one for one in TIMES)}
GOOD: dict[str, Any] = {"asked": 300, "answered": 300, "compared": 300, "times": TIMES}


class Delivery:
    """Version 1 serves, version 2 is delivered."""

    def __init__(self, world: World, rollout: RolloutSpec = CANARY) -> None:
        self.world, self.rollout = world, rollout
        world.promote(1)
        self.version = world.version(2)
        self.counts()

    def counts(self, **seen: Any) -> None:
        self.world.service.counted = {1: CHAMPION, 2: GOOD | seen}

    def look(self, minutes: float = 0, number: int = 2) -> Progress:
        ledger = self.world.ledger
        version = self.version if number == 2 else self.world.version(number)
        delivering = Delivering(
            ledger,
            self.world.settings,
            ledger.begin_attempt(str(Promote(MODEL))),
            version,
            "passed its gates",
            rollout=self.rollout,
            service=self.world.service,
        )
        return delivering.look(datetime.now(UTC) + timedelta(minutes=minutes))

    @property
    def weights(self) -> list[float]:
        """Of the candidate, row by row."""
        rows = reversed(self.world.ledger.traffics(MODEL))
        return [one.others[0].weight if one.others else 0 for one in rows]

    def decided(self, topic: Topic = Topic.TRAFFIC) -> list[tuple[str, str]]:
        found = reversed(self.world.ledger.decisions(MODEL, topic))
        return [(str(one.action), one.reason) for one in found]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setattr(deployment.artifacts, "fetch", lambda ref, _: Path(ref.uri))
    for name in ("set_alias", "remove_alias"):
        monkeypatch.setattr(models, name, lambda *_, **__: None)
    monkeypatch.setattr(models, "aliases", lambda *_, **__: {})
    return World(tmp_path)


@pytest.fixture
def delivery(world: World) -> Delivery:
    return Delivery(world)


def test_a_good_version_goes_from_step_to_step_until_it_serves(delivery: Delivery) -> None:
    says = [delivery.look().says for _ in range(3)]
    assert says == [f"step {n}: canary at {weight} %" for n, weight in ((1, 1), (2, 10), (3, 50))]
    done = delivery.look().deployment
    assert done is not None
    assert (done.version, delivery.world.served, delivery.weights) == (2, 2, [1, 10, 50])
    assert "300 requests within all bounds" in done.reason
    traffic = delivery.world.ledger.traffic(MODEL)
    assert traffic is not None
    assert not traffic.open
    assert [action for action, _ in delivery.decided()] == ["directed"] * 3 + ["passed"]
    assert delivery.world.ledger.decisions(MODEL, Topic.TRAFFIC)[0].figures["asked"] == 300
    assert delivery.look().deployment == done, "looked at once more it has been delivered"


def test_one_of_which_too_little_is_known_waits_and_says_so_once(delivery: Delivery) -> None:
    delivery.look()
    delivery.counts(asked=3, answered=3)
    for _ in range(3):
        found = delivery.look()
        assert (found.deployment, found.wait_seconds) == (None, 30)
        assert "3 of 200 requests" in found.says
    assert [action for action, _ in delivery.decided()] == ["directed", "wait"]
    assert delivery.look(minutes=31).says == "step 2: canary at 10 %"


def test_a_bad_one_goes_back_by_itself_and_stays_out(delivery: Delivery) -> None:
    delivery.look()
    delivery.look()
    delivery.counts(failed=40)
    with pytest.raises(GateError, match="taken back at step 2: 40 of 300 requests it could not"):
        delivery.look()
    assert (delivery.weights, delivery.world.served) == ([1, 10, 0], 1)
    assert delivery.decided(Topic.PROMOTION)[-1][0] == Action.REFUSED
    last = delivery.world.ledger.decisions(MODEL, Topic.PROMOTION)[0]
    assert (last.figures["version"], last.figures["errors"]) == (2, 40)
    delivery.counts()
    with pytest.raises(GateError, match="was taken out of the traffic: version 2 was taken back"):
        delivery.look()
    assert delivery.weights == [1, 10, 0]


def test_a_shadow_is_judged_and_then_serves(world: World) -> None:
    delivery = Delivery(world, SHADOW)
    assert delivery.look().says == "step 1: shadow at 100 %"
    (champion, shadow) = world.ledger.traffics(MODEL)[0].shares
    assert (champion.weight, shadow.role) == (100, Role.SHADOW)
    assert delivery.look().deployment is not None


def test_a_shadow_that_answers_otherwise_never_serves(world: World) -> None:
    delivery = Delivery(world, SHADOW)
    delivery.look()
    delivery.counts(differing=250)
    with pytest.raises(GateError, match="250 of 300 rows it answers otherwise"):
        delivery.look()
    assert world.served == 1


def test_a_person_stops_it_at_any_step_and_asked_twice_nothing_more_happens(
    delivery: Delivery,
) -> None:
    delivery.look()
    delivery.look()
    for _ in range(2):
        assert delivery.world.rollback().version == 1
    assert delivery.weights == [1, 10, 0]
    with pytest.raises(GateError, match="was taken out of the traffic: it is worse"):
        delivery.look()
    assert delivery.world.history() == [("promote", 1)]


def test_the_first_version_and_a_strategy_without_steps_are_delivered_at_once(world: World) -> None:
    delivery = Delivery(world, RolloutSpec(kind="all_at_once"))
    assert delivery.look().deployment is not None
    assert world.ledger.traffics(MODEL) == []
    assert world.served == 2


def test_a_model_that_never_served_is_delivered_at_once(world: World) -> None:
    delivery = Delivery.__new__(Delivery)
    delivery.world, delivery.rollout, delivery.version = world, CANARY, world.version(2)
    assert delivery.look().deployment is not None


def test_another_version_meanwhile_is_refused(delivery: Delivery) -> None:
    delivery.look()
    with pytest.raises(GateError, match="another delivery is under way: canary of canary 2 at 1 %"):
        delivery.look(number=3)
    with pytest.raises(GateError, match="another delivery is under way"):
        delivery.world.promote(3)
    assert delivery.weights == [1]


def test_a_version_that_the_service_refuses_is_taken_back(delivery: Delivery) -> None:
    delivery.world.service.refused.add(2)
    with pytest.raises(ArtifactError, match="does not answer by version 2"):
        delivery.look()
    assert (delivery.weights, delivery.world.served) == ([1, 0], 1)
    assert "not what was recorded" in delivery.decided(Topic.PROMOTION)[-1][1]


def test_while_the_service_is_down_nothing_is_decided(delivery: Delivery) -> None:
    delivery.look()
    delivery.world.service.down = True
    with pytest.raises(UnreachableError):
        delivery.look(minutes=500)
    assert delivery.weights == [1]
    delivery.world.service.down = False
    assert delivery.look().says == "step 2: canary at 10 %"


def test_one_that_no_gate_let_through_meets_no_request(delivery: Delivery) -> None:
    digest = "sha256:" + "f" * 64
    other = ArtifactRef(uri=delivery.version.artifact.uri, digest=digest)
    delivery.version = delivery.version.model_copy(update={"artifact": other})
    with pytest.raises(GateError, match="the ledger does not say that these bytes passed"):
        delivery.look()
    assert delivery.weights == []


def test_bounds_that_change_meanwhile_change_no_delivery_that_is_under_way(
    delivery: Delivery,
) -> None:
    delivery.look()
    delivery.rollout = CanarySpec(kind="canary", weights=(1, 2, 3), requests=10_000)
    assert delivery.look().says == "step 2: canary at 10 %"


@pytest.mark.parametrize("step", range(4))
def test_killed_in_any_step_it_goes_on_in_that_step(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """As a restart of Airflow or of the machine does: what is left is the ledger."""
    for _ in range(step):
        delivery.look()
    key = Promote(MODEL)
    fault = f"{key}@traffic:after:error" if step < 3 else f"{key}@publish:after:error"
    monkeypatch.setenv(VARIABLE, fault)
    with pytest.raises(PlantedFaultError):
        delivery.look()
    monkeypatch.delenv(VARIABLE)
    delivery.world.ledger = Ledger(Settings().ledger_url)
    delivery.world.service.ledger = delivery.world.ledger
    looks = 0
    while delivery.look().deployment is None:
        looks += 1
    assert (delivery.weights, delivery.world.served, looks) == ([1, 10, 50], 2, 3 - step)
    assert delivery.world.ledger.audit().sound
