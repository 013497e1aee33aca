"""The chains' ends, kept in the step store and in a real MLflow: a tail that was cut off is missed, and nothing hides it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from airloop.check.history import history_lines
from airloop.cli.main import run
from airloop.contracts import Outcome
from airloop.delivery.anchors import MLFLOW, STEP_STORE, Anchor, Anchors
from airloop.delivery.auditing import FULL, accept, examine, watch
from airloop.delivery.watches import HISTORY, standing
from airloop.devstack.needs import _history
from airloop.errors import RequestError, SupersededError
from airloop.ledger import Ledger, guards
from airloop.registry import tracking
from airloop.settings import Settings, load_settings
from airloop.vocabulary import Action, Topic
from tests.support import edited_ledger
from tests.support.edited_ledger import copied, lift, live
from tests.support.servers import MlflowServer

NOW = datetime(2026, 11, 27, 4, tzinfo=UTC)
MINUTES = timedelta(minutes=5)


class World(SimpleNamespace):
    """A ledger, its settings and its anchors."""

    ledger: Ledger
    settings: Settings
    anchors: Anchors

    def watch(self, at: datetime = NOW) -> list[str]:
        return watch(self.ledger, self.settings, self.anchors, at)

    def by_hand(self, *statements: str) -> None:
        with self.ledger._database.engine.begin() as connection:
            lift(connection)
            for statement in statements:
                connection.exec_driver_sql(statement)
            guards.install(connection)

    def cut(self) -> None:
        """Take the decision of `rows` away, and its link."""
        self.by_hand(
            "DELETE FROM airloop_chain WHERE entity = 'rows'",
            "DELETE FROM airloop_decisions WHERE entity = 'rows'",
        )

    def told(self) -> list[Action]:
        return [one.action for one in self.ledger.decisions(HISTORY.entity, Topic.AUDIT)]


@pytest.fixture
def world(mlflow_server: MlflowServer, tmp_path: Path) -> World:
    settings = Settings(
        ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}",
        step_store_uri=str(tmp_path / "steps"),
        mlflow_uri=mlflow_server.url,
    )
    ledger = Ledger(settings.ledger_url)
    live(ledger)
    return World(ledger=ledger, settings=settings, anchors=Anchors(settings))


def test_what_is_anchored_is_the_end_of_every_chain_in_both_places(world: World) -> None:
    assert world.watch() == [f"{MLFLOW} has no anchor of this ledger"]
    kept = world.anchors.kept()
    assert kept is not None
    assert kept.shown
    assert kept.heads == world.anchors.shown() == world.ledger.glance().heads
    world.ledger.record_decision(
        entity="rows", topic=Topic.VALIDATION, action=Action.REFUSED, reason="r"
    )
    assert world.watch(NOW + MINUTES) == []
    moved = world.anchors.kept()
    assert moved is not None
    assert (moved.heads["rows"][0], moved.verified) == (2, NOW)
    assert world.anchors.shown() == moved.heads
    assert world.told() == []


def test_a_tail_that_is_cut_off_is_named_put_down_and_told_everywhere(world: World) -> None:
    world.watch()
    world.cut()
    before = world.anchors.kept()
    lines = world.watch(NOW + MINUTES)
    gone = "airloop_chain of rows, link 1: truncated: link 1 is gone, as"
    assert lines == [f"{gone} {place} knows" for place in (STEP_STORE, MLFLOW)]
    assert world.anchors.kept() == before, "the evidence stays"
    assert world.told() == [Action.DIFFERS]
    alerts = world.ledger.decisions(HISTORY.entity, Topic.ALERT)
    assert world.watch(NOW + 2 * MINUTES) == lines
    assert world.told() == [Action.DIFFERS], "once"
    assert world.ledger.decisions(HISTORY.entity, Topic.ALERT) == alerts
    assert _history(world.settings)[0] is Outcome.BAD
    assert "link 1 is gone" in (standing(world.ledger, HISTORY) or "")
    assert "airloop audit verify" in history_lines(world.settings)[0]


def test_a_deployment_that_is_put_there_by_hand_is_named_at_the_next_look(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Not once a day: whoever follows the ledger would serve it meanwhile."""
    world.watch()
    with world.ledger._database.engine.begin() as connection:
        copied(connection)
    [line] = world.watch(NOW + MINUTES)
    assert line.startswith("airloop_deployments of m, row 3: not what its link says")
    assert world.told() == [Action.DIFFERS]
    assert any(line in message for message in caplog.messages)


def test_new_rows_after_the_cut_hide_nothing(world: World) -> None:
    world.watch()
    world.cut()
    world.ledger.record_decision(
        entity="rows", topic=Topic.VALIDATION, action=Action.PASSED, reason="sound"
    )
    for line, place in zip(world.watch(NOW + MINUTES), (STEP_STORE, MLFLOW), strict=True):
        assert f"replaced: not the link that was anchored in {place}" in line


FORGED = {"later": timedelta(days=9999), "now": timedelta()}


@pytest.mark.parametrize("late", FORGED.values(), ids=FORGED)
def test_who_rewrites_ledger_and_step_store_does_not_move_mlflow(
    world: World, late: timedelta
) -> None:
    world.watch()
    honest = world.anchors.shown()
    world.by_hand("DELETE FROM airloop_chain", "DELETE FROM airloop_decisions")
    at = NOW + MINUTES
    world.anchors.keep(Anchor(at=at, verified=at + late, shown=True, heads={}))
    for look in (1, 2):
        gone = "airloop_chain of m, link 1: truncated: links 1 to 18 are gone, as MLflow knows"
        assert gone in world.watch(at + look * MINUTES)
        assert world.anchors.shown() == honest, "the evidence stays"
        live_on(world, f"honest {look}")
    assert Action.DIFFERS in world.told()


def live_on(world: World, reason: str) -> None:
    world.ledger.record_decision(
        entity="rows", topic=Topic.VALIDATION, action=Action.PASSED, reason=reason
    )


def test_an_anchor_of_a_time_to_come_is_told_and_every_row_compared(world: World) -> None:
    world.watch()
    kept = world.anchors.kept()
    assert kept is not None
    world.by_hand("UPDATE airloop_decisions SET reason = 'x' WHERE id = 'd2'")
    for name in ("at", "verified"):
        world.anchors.keep(kept.model_copy(update={name: NOW + 999 * FULL}))
        lines = world.watch(NOW + MINUTES)
        assert "airloop_decisions of m, link 2, row d2: edited" in lines
        assert [one for one in lines if "of a time to come" in one]
    assert world.watch(NOW + 2 * MINUTES) == []


def test_no_head_in_mlflow_goes_backwards_but_by_a_person(world: World) -> None:
    """Two looks at once: the later one's anchor stays."""
    early = world.ledger.glance().heads
    live_on(world, "later")
    world.watch()
    later = world.anchors.shown()
    other = {**later, "rows": (later["rows"][0], "sha256:other")} if later else {}
    for heads in (early, {}, other):
        with pytest.raises(SupersededError, match="keeps it"):
            world.anchors.show(heads)
    assert world.anchors.shown() == later
    world.anchors.show(early, anew=True)
    assert world.anchors.shown() == early


def test_an_anchored_link_that_was_taken_out_is_missed_at_once(world: World) -> None:
    world.watch()
    live_on(world, "later")
    world.by_hand("DELETE FROM airloop_chain WHERE entity = 'rows' AND sequence = 1")
    lines = world.watch(NOW + MINUTES)
    gone = "airloop_chain of rows, link 1: deleted: link 1 is gone, as"
    assert lines == [f"{gone} {place} knows" for place in (STEP_STORE, MLFLOW)]


@pytest.mark.parametrize("place", [STEP_STORE, MLFLOW])
def test_either_place_tells_without_the_other(world: World, place: str) -> None:
    world.watch()
    world.cut()
    if place == MLFLOW:
        world.anchors._store.remove(world.anchors._name)
    else:
        client = tracking.client(world.settings)
        found = client.get_experiment_by_name(world.anchors._experiment)
        client.delete_experiment_tag(found.experiment_id, "airloop.head.rows")
    audit, unasked = examine(world.ledger, world.anchors)
    assert [one for one in audit.faults if f"as {place} knows" in one.says]
    assert bool(unasked) == (place == MLFLOW)


def test_an_edited_row_is_found_once_a_day_and_stands_until_it_is_right_again(world: World) -> None:
    world.watch()
    world.by_hand("UPDATE airloop_decisions SET reason = 'x' WHERE id = 'd2'")
    assert world.watch(NOW + MINUTES) == []
    (line,) = world.watch(NOW + FULL)
    assert line == "airloop_decisions of m, link 2, row d2: edited"
    world.by_hand("UPDATE airloop_decisions SET reason = 'reason 2' WHERE id = 'd2'")
    assert world.watch(NOW + FULL + MINUTES) == []
    assert world.told() == [Action.DIFFERS], "a glance does not see that it is right"
    assert world.watch(NOW + 2 * FULL) == []
    assert world.told() == [Action.MENDED, Action.DIFFERS]
    assert standing(world.ledger, HISTORY) is None


def test_a_guard_that_is_gone_is_seen_at_once(world: World) -> None:
    world.watch()
    with world.ledger._database.engine.begin() as connection:
        edited_ledger.dropped(connection)
    (line,) = world.watch(NOW + MINUTES)
    assert "was dropped" in line


def test_where_mlflow_does_not_answer_the_step_store_has_it_and_mlflow_gets_it_later(
    world: World,
) -> None:
    here = world.settings.mlflow_uri
    gone = world.settings.model_copy(update={"mlflow_uri": "http://127.0.0.1:9"})
    lines = watch(world.ledger, gone, Anchors(gone), NOW)
    assert all(line.startswith(MLFLOW) for line in lines)
    kept = world.anchors.kept()
    assert kept is not None
    assert not kept.shown
    audit, unasked = examine(world.ledger, Anchors(gone))
    assert audit.sound
    assert "could not be asked" in unasked[0]
    assert world.settings.mlflow_uri == here
    assert world.watch(NOW + MINUTES) == [f"{MLFLOW} has no anchor of this ledger"]
    assert world.anchors.shown() == kept.heads


@pytest.mark.parametrize("who", ["a bit", "a hand without the key"])
def test_an_anchor_that_is_damaged_or_forged_is_named_told_and_no_proof(
    world: World, who: str
) -> None:
    world.watch()
    path = Path(world.settings.step_store_uri) / world.anchors._name
    whole = path.read_bytes()
    forged = whole.replace(b"rows", b"rowz") if who == "a bit" else b"0" * 64 + whole[64:]
    path.write_bytes(forged)
    world.ledger.record_decision(
        entity="rows", topic=Topic.VALIDATION, action=Action.REFUSED, reason="one more"
    )
    [said] = world.watch(NOW + MINUTES)
    assert "the step store: its anchor was not written by this installation" in said
    assert str(path) in said
    assert "airloop audit anchor --reason" in said
    assert path.read_bytes() == forged, "the evidence stays"
    assert standing(world.ledger, HISTORY)
    audit, unasked = examine(world.ledger, world.anchors)
    assert [str(fault) for fault in audit.faults] == [said]
    assert unasked == []
    accept(world.ledger, world.anchors, "nobody knows who wrote it", "ann")
    assert world.watch(datetime.now(UTC)) == []


def test_a_ledger_of_a_backup_is_accepted_by_a_person_and_on_record(world: World) -> None:
    world.watch()
    world.cut()
    world.watch(NOW + MINUTES)
    accept(world.ledger, world.anchors, "the backup of Monday", "ann")
    assert world.watch(datetime.now(UTC)) == []
    last = world.ledger.decisions(HISTORY.entity, Topic.AUDIT)[0]
    assert (last.action, last.actor) == (Action.MENDED, "ann")
    assert "the backup of Monday" in last.reason
    world.by_hand("UPDATE airloop_decisions SET reason = 'x' WHERE id = 'd2'")
    with pytest.raises(RequestError, match="does not hold"):
        accept(world.ledger, world.anchors, "again", "ann")


def test_another_ledger_beside_the_same_stores_has_anchors_of_its_own(
    world: World, tmp_path: Path
) -> None:
    world.watch()
    other = world.settings.model_copy(update={"ledger_url": f"sqlite:///{tmp_path / 'b.db'}"})
    assert Anchors(other).kept() is None
    assert watch(Ledger(other.ledger_url), other, Anchors(other), NOW) == [
        f"{MLFLOW} has no anchor of this ledger"
    ]


def test_the_commands_verify_and_anchor(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ledger_url", "step_store_uri", "mlflow_uri"):
        monkeypatch.setenv(f"AIRLOOP__{name.upper()}", str(getattr(world.settings, name)))
    load_settings.cache_clear()
    world.watch()
    world.cut()
    assert run(["audit", "verify"]) == 1
    assert "truncated: link 1 is gone, as MLflow knows" in capsys.readouterr().err
    assert run(["audit", "anchor", "--reason", f"backup {uuid.uuid4().hex}"]) == 0
    assert run(["audit", "verify"]) == 0
    load_settings.cache_clear()
