from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airloop.contracts import ArtifactRef, Deployment
from airloop.delivery import deployment
from airloop.delivery.delivery import promote
from airloop.delivery.following import confirms
from airloop.delivery.retirement import retire
from airloop.errors import (
    AirloopError,
    ArtifactError,
    GateError,
    RequestError,
    SupersededError,
    UnreachableError,
)
from airloop.exchange.keys import Promote
from airloop.ledger.commit import Stage
from airloop.ledger.faults import PlantedFaultError
from airloop.registry import models
from airloop.settings import Settings
from airloop.vocabulary import Action, Topic
from tests.support.deliveries import MODEL, World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    world = World(tmp_path)

    def fetch(ref: ArtifactRef, _: Settings) -> Path:
        return Path(ref.uri)

    def set_alias(_: str, alias: str, version: int, *, settings: Settings) -> None:
        world.aliases[alias] = version

    monkeypatch.setattr(deployment.artifacts, "fetch", fetch)
    monkeypatch.setattr(models, "set_alias", set_alias)
    monkeypatch.setattr(models, "aliases", lambda *_, **__: dict(world.aliases))
    monkeypatch.setattr(
        models, "remove_alias", lambda _, alias, **__: world.aliases.pop(alias, None)
    )
    return world


def test_a_promotion_is_a_row_then_the_service_then_the_aliases_and_a_decision(world: World):
    world.aliases["challenger"] = 2
    world.promote(1)
    row = world.promote(2)
    assert (row.sequence, row.previous, row.kind) == (2, 1, "promote")
    assert world.served == 2
    assert world.aliases == {"champion": 2, "previous": 1}
    decision = world.ledger.decisions(MODEL)[0]
    assert (decision.topic, decision.action) == (Topic.PROMOTION, Action.PROMOTED)
    assert decision.figures["version"] == 2


def test_a_promotion_ends_its_own_challenge_and_leaves_another_versions(world: World):
    world.aliases["challenger"] = 2
    world.promote(1)
    assert world.aliases == {"champion": 1, "challenger": 2}
    world.promote(2)
    assert world.aliases == {"champion": 2, "previous": 1}


def test_the_same_version_again_changes_nothing(world: World):
    first = world.promote(1)
    assert world.promote(1) == first
    assert world.history() == [("promote", 1)]
    assert len(world.ledger.decisions(MODEL, Topic.PROMOTION)) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("stage", list(Stage))
def test_a_promotion_that_dies_anywhere_converges_when_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch, stage: Stage, moment: str
):
    world.promote(1)
    with monkeypatch.context() as fault:
        fault.setenv("AIRLOOP_FAULT", f"{Promote(MODEL)}@{stage}:{moment}:error")
        with pytest.raises(PlantedFaultError):
            world.promote(2)
    world.promote(2)
    assert world.history() == [("promote", 1), ("promote", 2)]
    assert (world.served, world.aliases["champion"]) == (2, 2)


def test_without_the_service_nothing_is_promoted(world: World):
    world.service.down = True
    with pytest.raises(UnreachableError):
        world.promote(1)
    assert world.history() == []


def test_a_service_lost_after_the_row_is_caught_up_by_the_retry(world: World):
    def lost() -> None:
        world.service.before_refresh = lambda: None
        raise UnreachableError("gone")

    world.service.before_refresh = lost
    with pytest.raises(UnreachableError):
        world.promote(1)
    world.promote(1)
    assert world.history() == [("promote", 1)]
    assert (world.served, world.aliases["champion"]) == (1, 1)


def test_a_version_the_service_refuses_is_taken_back_with_its_reason(world: World):
    world.promote(1)
    world.service.refused = {2}
    with pytest.raises(ArtifactError, match="does not serve version 2"):
        world.promote(2)
    assert world.history() == [("promote", 1), ("promote", 2), ("rollback", 1)]
    assert (world.served, world.aliases["champion"]) == (1, 1)
    assert world.ledger.decisions(MODEL)[0].action == "refused"
    with pytest.raises(GateError, match="delivered before"):
        world.promote(2)


def test_an_artifact_with_other_bytes_is_never_deployed(world: World):
    version = world.version(1)
    fence = world.ledger.begin_attempt(str(Promote(MODEL)))
    (Path(version.artifact.uri) / "manifest.json").write_text("swapped")
    with pytest.raises(ArtifactError):
        promote(world.ledger, world.settings, fence, version, "", service=world.service)
    assert world.history() == []


def test_an_older_version_never_replaces_a_newer_champion(world: World):
    world.promote(3)
    with pytest.raises(GateError, match="newer than version 2"):
        world.promote(2)
    assert world.served == 3


def _promote_what_was_compared_before_the_rollback(world: World) -> None:
    """Version 3 beat version 2; then version 1 serves again, which it was never compared with."""
    world.promote(1)
    world.promote(2)
    version = world.version(3)
    world.rollback()
    fence = world.ledger.begin_attempt(str(Promote(MODEL)))
    promote(world.ledger, world.settings, fence, version, "", service=world.service)


def test_a_version_compared_with_another_champion_is_not_promoted(world: World):
    with pytest.raises(GateError, match="changed since version 3") as caught:
        _promote_what_was_compared_before_the_rollback(world)
    assert caught.value.value == "version 1 serves, compared with version 2"
    assert world.served == 1
    assert world.history()[-1] == ("rollback", 1)


def test_a_retry_never_undoes_a_persons_rollback(world: World):
    world.promote(1)
    world.promote(2)
    world.rollback()
    with pytest.raises(GateError, match="a later decision"):
        world.promote(2)
    assert world.served == 1


def test_the_service_confirms_only_the_deployment_that_it_follows(world: World):
    first, second = world.promote(1), world.promote(2)
    state = world.service.refresh(MODEL)
    assert confirms(state, second)
    assert not confirms(state.model_copy(update={"version": 1}), second)
    assert not confirms(state.model_copy(update={"sequence": first.sequence}), second)
    assert not confirms(state.model_copy(update={"sequence": None, "version": None}), second)
    with pytest.raises(SupersededError, match="another deployment"):
        confirms(state, first)


def test_an_attempt_that_was_overtaken_changes_nothing(world: World):
    old = world.ledger.begin_attempt(str(Promote(MODEL)))
    world.promote(1)
    with pytest.raises(SupersededError):
        promote(world.ledger, world.settings, old, world.version(2), "", service=world.service)
    assert world.history() == [("promote", 1)]


def test_eight_promoters_at_once_leave_a_gapless_history_and_one_of_theirs_serving(world: World):
    def one(number: int) -> str:
        try:
            world.promote(number)
        except AirloopError as error:
            return type(error).__name__
        return "promoted"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(one, range(1, 9)))
    history = world.ledger.deployments(MODEL)[::-1]
    assert [deployment.sequence for deployment in history] == list(range(1, len(history) + 1))
    versions = [deployment.version for deployment in history]
    assert versions == sorted(set(versions)), "never a version older than the one before"
    assert outcomes.count("promoted") >= 1
    assert set(outcomes) <= {"promoted", "SupersededError", "GateError"}


def test_a_rollback_returns_to_the_previous_champion_and_is_idempotent(world: World):
    world.promote(1)
    world.promote(2)
    first = world.rollback()
    for _ in range(3):
        assert world.rollback() == first
    assert world.history() == [("promote", 1), ("promote", 2), ("rollback", 1)]
    assert world.served == 1
    assert world.aliases == {"champion": 1, "previous": 2}
    decision = world.ledger.decisions(MODEL)[0]
    assert (decision.topic, decision.action) == (Topic.ROLLBACK, Action.ROLLED_BACK)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("stage", list(Stage))
def test_a_rollback_that_dies_anywhere_converges_when_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch, stage: Stage, moment: str
):
    world.promote(1)
    world.promote(2)
    with monkeypatch.context() as fault:
        fault.setenv("AIRLOOP_FAULT", f"{Promote(MODEL)}@{stage}:{moment}:error")
        with pytest.raises(PlantedFaultError):
            world.rollback()
    world.rollback()
    assert world.history()[2:] == [("rollback", 1)]
    assert (world.served, world.aliases["champion"]) == (1, 1)


def test_a_rollback_can_name_any_version_that_served(world: World):
    for number in (1, 2, 3):
        world.promote(number)
    assert world.rollback(to_version=1).version == 1
    assert world.rollback(to_version=3).version == 3
    with pytest.raises(RequestError, match="never served"):
        world.rollback(to_version=9)


def test_a_rollback_stands_where_the_service_is_down(world: World):
    world.promote(1)
    world.promote(2)
    world.service.down = True
    assert world.rollback().version == 1
    world.service.down = False
    assert world.service.refresh(MODEL).version == 1


def lose_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The artifact store is empty, MLflow is down."""

    def gone(*_: object) -> Path:
        raise ArtifactError("the artifact is not there")

    def down(*_: object, **__: object) -> None:
        raise UnreachableError("MLflow does not answer")

    monkeypatch.setattr(deployment.artifacts, "fetch", gone)
    monkeypatch.setattr(models, "set_alias", down)


def test_a_rollback_to_a_version_warm_in_memory_needs_neither_its_files_nor_mlflow(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    first = world.promote(1)
    world.promote(2)
    world.service.warm = first.artifact
    lose_everything(world, monkeypatch)
    assert world.rollback().version == 1
    assert world.served == 1
    assert world.ledger.decisions(MODEL)[0].action == "rolled back"


def test_a_rollback_to_a_version_that_nobody_holds_still_wants_its_files(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.promote(1)
    world.promote(2)
    lose_everything(world, monkeypatch)
    with pytest.raises(ArtifactError, match="not there"):
        world.rollback()
    assert world.served == 2


def retired(world: World, reason: str = "nobody asks for it") -> Deployment:
    return retire(world.ledger, world.settings, MODEL, reason, service=world.service)


def test_a_retired_model_has_no_traffic_no_aliases_and_its_reason_on_record(world: World):
    world.promote(1)
    world.promote(2)
    row = retired(world)
    assert (row.kind, row.version) == ("retire", 2)
    assert world.ledger.current_deployment(MODEL) is None
    assert world.served is None
    assert world.aliases == {}
    decision = world.ledger.decisions(MODEL)[0]
    assert (decision.topic, decision.reason) == (Topic.RETIREMENT, "nobody asks for it")
    assert retired(world, "again") == row
    assert len(world.history()) == 3


def test_a_retired_model_comes_back_by_a_rollback_or_a_promotion(world: World):
    world.promote(1)
    world.promote(2)
    retired(world)
    assert world.rollback().version == 2
    assert world.served == 2
    retired(world)
    assert world.rollback(to_version=1).version == 1
    retired(world)
    assert world.promote(3).version == 3


def test_a_retirement_stands_where_the_service_is_down(world: World):
    world.promote(1)
    world.service.down = True
    retired(world)
    world.service.down = False
    assert world.service.refresh(MODEL).version is None


def test_only_what_once_served_is_retired(world: World):
    with pytest.raises(RequestError, match="ever served"):
        retired(world)


def test_there_must_be_something_to_roll_back_to(world: World):
    with pytest.raises(RequestError, match="nothing is deployed"):
        world.rollback()
    world.promote(1)
    with pytest.raises(RequestError, match="no champion before"):
        world.rollback()
    assert world.served == 1


def test_control_without_the_fence_an_overtaken_attempt_does_change_something(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    from airloop.ledger import attempts

    old = world.ledger.begin_attempt(str(Promote(MODEL)))
    world.promote(1)
    monkeypatch.setattr(attempts, "check", lambda *_, **__: None)
    promote(world.ledger, world.settings, old, world.version(2), "", service=world.service)
    assert world.history() == [("promote", 1), ("promote", 2)]


def test_control_without_the_monotonic_check_an_older_version_replaces_a_newer_one(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.promote(3)
    monkeypatch.setattr(deployment, "check_newer", lambda *_: None)
    world.promote(2)
    assert world.served == 2


def test_control_without_the_comparison_it_would_be(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deployment, "check_compared", lambda *_: None)
    _promote_what_was_compared_before_the_rollback(world)
    assert world.served == 3
