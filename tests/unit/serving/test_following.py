"""A deployment that a hand put into the ledger, or edited, is not followed, on a real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text

from airloop.contracts import Deployment
from airloop.delivery.mirror import Shown, wanted_aliases
from airloop.delivery.rollback import _target
from airloop.errors import GateError, RequestError
from airloop.ledger import Ledger
from airloop.ledger.accepting import link
from airloop.ledger.tables import deployments
from airloop.serving.responses import Condition, EndpointState
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.following import Following
from airloop.vocabulary import DeploymentKind
from tests.support.edited_ledger import lift
from tests.support.serving_fakes import FakeModel, artifact

MODEL = "doubler"


def deliver(ledger: Ledger, version: int) -> Deployment:
    return ledger.record_deployment(
        ledger.begin_attempt(f"promote:{MODEL}"),
        model=MODEL,
        version=version,
        artifact=artifact(version),
        kind=DeploymentKind.PROMOTE,
        reason="better",
        request=f"promote:{version}",
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    for version in (1, 2):
        deliver(made, version)
    return made


def put(connection: Connection, **fields: Any) -> None:
    """A row after the last that says all that the loop would say, and bears no link."""
    row = connection.execute(select(deployments).where(deployments.c.sequence == 2)).one()
    said = {"sequence": 3, "version": 9, "request": None, "artifact_uri": artifact(9).uri}
    said |= {"artifact_digest": artifact(9).digest, **fields}
    connection.execute(insert(deployments).values({**row._mapping, **said}))


def forged(connection: Connection) -> None:
    put(connection)


def retired(connection: Connection) -> None:
    put(connection, kind=DeploymentKind.RETIRE)


def no_deployment(connection: Connection) -> None:
    put(connection, artifact_digest="none")


def edited(connection: Connection) -> None:
    lift(connection)
    connection.execute(
        text("UPDATE airloop_deployments SET version = 9, artifact_uri = 'runs:/9/model' WHERE sequence = 2")
    )  # fmt: skip


def unlinked(connection: Connection) -> None:
    lift(connection)
    connection.execute(text("DELETE FROM airloop_chain WHERE kind = 'deployment' AND key = '2'"))


HANDS: dict[str, Callable[[Connection], None]] = {
    "put there": forged,
    "retired": retired,
    "put there, and no deployment at all": no_deployment,
    "edited": edited,
    "its link taken away": unlinked,
}

OF_THE_ROW_THAT_SERVES = ("edited", "its link taken away")


@contextmanager
def service(home: Path, ledger: Ledger) -> Iterator[Callable[[], EndpointState]]:
    """A service's endpoints as they follow a ledger; called, they look at it once more and say what they do."""
    following, models = Following(), {artifact(n).uri: FakeModel(float(n)) for n in (1, 2, 3, 9)}
    slots = Endpoints(
        home,
        models=lambda: [MODEL],
        deployed=lambda: following.all(ledger),
        deployed_one=lambda model: following.one(ledger, model),
        doubt=following.doubt,
        load=lambda ref: models[ref.uri],
    )
    with asyncio.Runner() as runner:

        def look() -> EndpointState:
            runner.run(slots.refresh(MODEL))
            return slots.states(MODEL)[0]

        yield look
        runner.run(slots.close())


@pytest.mark.parametrize("hand", HANDS)
def test_the_service_goes_on_with_what_the_loop_delivered_and_says_so(
    ledger: Ledger, tmp_path: Path, hand: str, caplog: pytest.LogCaptureFixture
) -> None:
    with service(tmp_path, ledger) as look:
        assert (look().version, look().error) == (2, None)
        with ledger.transaction() as connection:
            HANDS[hand](connection)
        for state in (look(), look()):
            assert (state.version, state.condition) == (2, Condition.SERVING)
            if hand in OF_THE_ROW_THAT_SERVES:
                continue  # it was proven when it was followed; the audit tells
            assert "past Airloop, or edited; `airloop audit verify`" in str(state.error)
            assert str(state.error) in state.says
        told = [one for one in caplog.messages if "is not followed" in one]
        assert len(told) == (hand not in OF_THE_ROW_THAT_SERVES), "once"
    with service(tmp_path, ledger) as look:
        state = look()
        left = 1 if hand in OF_THE_ROW_THAT_SERVES else 2
        assert (state.version, state.condition) == (left, Condition.SERVING)
        assert "is not followed" in str(state.error)


@pytest.mark.parametrize("hand", HANDS)
def test_the_loop_reads_no_champion_there_and_a_rollback_leads_out(
    ledger: Ledger, tmp_path: Path, hand: str
) -> None:
    with ledger.transaction() as connection:
        HANDS[hand](connection)
    with pytest.raises(GateError, match="past Airloop, or edited"):
        ledger.current_deployment(MODEL)
    last = ledger.last_deployments().get(MODEL)
    if last is not None:
        assert wanted_aliases(ledger, MODEL, Shown(last=last)) == {}, "the aliases stay"
    current, target = _target(ledger, MODEL, None, 3)
    assert target.version == (1 if hand in OF_THE_ROW_THAT_SERVES else 2)
    assert current is None, "so that a row is written whatever the forged one says"
    with service(tmp_path, ledger) as look:
        assert look().error
        back = ledger.record_deployment(
            ledger.begin_attempt(f"promote:{MODEL}"),
            model=MODEL,
            version=target.version,
            artifact=target.artifact,
            kind=DeploymentKind.ROLLBACK,
            reason="out of it",
            request="out of it",
        )
        assert (back.previous, ledger.current_deployment(MODEL)) == (target.version, back)
        state = look()
        assert (state.version, state.sequence, state.error) == (target.version, back.sequence, None)


def test_a_version_that_never_served_but_by_a_hand_is_nothing_to_go_back_to(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        forged(connection)
    with pytest.raises(RequestError, match="never served"):
        _target(ledger, MODEL, 9, 3)


def test_who_has_nothing_that_is_proven_answers_with_nothing(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    deliver(ledger, 1)
    with ledger.transaction() as connection:
        lift(connection)
        connection.execute(text("UPDATE airloop_deployments SET version = 9"))
    with service(tmp_path, ledger) as look:
        state = look()
        assert (state.version, state.condition) == (None, Condition.REFUSED)
        assert "deployment 1 is not followed" in state.says
    assert ledger.proven_deployments([MODEL]) == {}


def test_a_row_that_a_person_accepts_is_followed_from_then_on(
    ledger: Ledger, tmp_path: Path
) -> None:
    """One of an older Airloop's, which linked nothing."""
    with ledger.transaction() as connection:
        forged(connection)
    with service(tmp_path, ledger) as look:
        assert look().version == 2
        with ledger.transaction() as connection:
            link(connection, f"airloop_deployments/{MODEL}/3")
        assert (look().version, look().error) == (9, None)
