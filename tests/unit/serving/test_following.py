"""A deployment that a hand put into the ledger, or edited, is not followed, on a real ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Row, event, insert, select, text

from airloop.contracts import Deployment
from airloop.delivery.mirror import aliases_of, shown
from airloop.delivery.rollback import _target
from airloop.errors import GateError, RequestError
from airloop.ledger import Ledger, attempts, serving
from airloop.ledger.accepting import link
from airloop.ledger.chain import Kind
from airloop.ledger.deployments import record
from airloop.ledger.proofs import holds
from airloop.ledger.tables import deployments
from airloop.serving.responses import Condition, EndpointState
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.following import WHOLE_SECONDS, Following
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


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create(f"following_{time.monotonic_ns()}")
    made = Ledger(url)
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


def deleted(connection: Connection) -> None:
    lift(connection)
    connection.execute(text("DELETE FROM airloop_deployments WHERE sequence = 2"))


HANDS: dict[str, Callable[[Connection], None]] = {
    "put there": forged,
    "retired": retired,
    "put there, and no deployment at all": no_deployment,
    "edited": edited,
    "its link taken away": unlinked,
    "deleted": deleted,
}

OF_THE_ROW_THAT_SERVES = ("edited", "its link taken away", "deleted")


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
            assert "past Airloop, edited or deleted; `airloop audit verify`" in str(state.error)
            assert str(state.error) in state.says
        told = [one for one in caplog.messages if "is not followed" in one]
        assert len(told) == 1, "once"
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
    with pytest.raises(GateError, match="past Airloop, edited or deleted"):
        ledger.current_deployment(MODEL)
    assert aliases_of(ledger, MODEL) == {}, "the aliases stay"
    assert list(shown(ledger)[MODEL].versions) == [1 if hand in OF_THE_ROW_THAT_SERVES else 2]
    current, target, _ = _target(ledger, MODEL, None)
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
        _target(ledger, MODEL, 9)


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
    (found,) = ledger.serving().values()
    assert (found.proven, found.champion, found.doubted) == (None, None, 1)


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


def test_what_is_put_back_as_it_was_is_no_longer_told(ledger: Ledger, tmp_path: Path) -> None:
    with service(tmp_path, ledger) as look:
        look()
        with ledger.transaction() as connection:
            lift(connection)
            connection.execute(
                text("UPDATE airloop_deployments SET reason = 'x' WHERE sequence = 2")
            )
        assert "deployment 2 is not followed" in str(look().error), "whatever of it is edited"
        with ledger.transaction() as connection:
            connection.execute(
                text("UPDATE airloop_deployments SET reason = 'better' WHERE sequence = 2")
            )
        assert (look().error, look().version) == (None, 2)


def test_a_tail_that_is_cut_off_under_a_service_is_told_and_the_next_delivery_is_followed(
    ledger: Ledger, tmp_path: Path
) -> None:
    """A backup that was brought back looks the same: its next row has a number that was followed already."""
    with service(tmp_path, ledger) as look:
        assert look().version == 2
        with ledger.transaction() as connection:
            unlinked(connection)
            connection.execute(text("DELETE FROM airloop_deployments WHERE sequence = 2"))
        state = look()
        assert (state.version, state.condition) == (2, Condition.SERVING)
        assert "deployment 2 is not followed" in str(state.error)
        deliver(ledger, 9)
        assert (look().version, look().sequence, look().error) == (9, 2, None)


def test_a_row_that_has_not_changed_is_not_proven_once_more(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    following, proofs = Following(), list[int]()

    def counted(kind: Kind, row: Row[Any]) -> bool:
        proofs.append(row.sequence)
        return holds(kind, row)

    monkeypatch.setattr(serving, "holds", counted)
    assert [following.all(ledger)[MODEL].version for _ in range(3)] == [2, 2, 2]
    assert proofs == [2]


def test_while_no_row_is_new_one_row_is_asked_for_and_a_hand_s_edit_is_told_within_a_minute(
    ledger: Ledger,
) -> None:
    now, statements = [1_000.0], list[str]()
    following = Following(clock=lambda: now[0])
    assert following.all(ledger)[MODEL].version == 2
    event.listen(
        ledger._database.engine,
        "before_cursor_execute",
        lambda *args: statements.append(args[2]),
    )
    assert following.all(ledger)[MODEL].version == 2
    assert sum("SELECT" in one and "airloop" in one for one in statements) == 1
    with ledger.transaction() as connection:
        edited(connection)
    assert (following.all(ledger)[MODEL].version, following.doubt(MODEL)) == (2, None)
    now[0] += WHOLE_SECONDS
    assert following.all(ledger)[MODEL].version == 2
    assert "deployment 2 is not followed" in str(following.doubt(MODEL))


def test_rows_that_are_committed_in_another_order_than_written_are_all_followed(
    request: pytest.FixtureRequest,
) -> None:
    ledger = Ledger(request.getfixturevalue("postgres").create(f"order_{time.monotonic_ns()}"))
    following = Following(clock=lambda: 0.0)
    for version in (1, 2):
        deliver(ledger, version)
    with ledger.transaction() as connection:
        # Written before the other's row, and committed after a look that has seen that one.
        fence = attempts.begin(connection, "promote:other")
        record(
            connection,
            fence,
            model="other",
            version=5,
            artifact=artifact(5),
            kind=DeploymentKind.PROMOTE,
            reason="better",
        )
        deliver(ledger, 3)
        assert {one.version for one in following.all(ledger).values()} == {3}
    assert {name: one.version for name, one in following.all(ledger).items()} == {
        MODEL: 3,
        "other": 5,
    }


@pytest.mark.parametrize("hand", [name for name in HANDS if name != "edited"])
def test_a_row_or_a_link_that_comes_or_goes_is_seen_at_the_next_look(
    ledger: Ledger, hand: str
) -> None:
    following = Following(clock=lambda: 0.0)
    following.all(ledger)
    with ledger.transaction() as connection:
        HANDS[hand](connection)
    assert following.all(ledger)[MODEL].version == 2
    assert "is not followed" in str(following.doubt(MODEL))


def test_a_look_that_fails_half_way_is_made_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = Following(clock=lambda: 0.0)
    following.all(ledger)
    deliver(ledger, 3)
    with monkeypatch.context() as broken:
        broken.setattr(serving, "holds", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            following.all(ledger)
    assert following.all(ledger)[MODEL].version == 3


def test_however_many_rows_a_hand_puts_there_as_much_is_asked(ledger: Ledger) -> None:
    asked = list[int]()
    for rows in (1, 2_000):
        with ledger.transaction() as connection:
            row = connection.execute(select(deployments).where(deployments.c.sequence == 2)).one()
            forged = [
                {**row._mapping, "sequence": 2 + rows + n, "request": None} for n in range(rows)
            ]
            connection.execute(insert(deployments), forged)
        statements = list[str]()
        event.listen(
            ledger._database.engine,
            "before_cursor_execute",
            lambda *args, told=statements: told.append(args[2]),
        )
        with pytest.raises(GateError, match="past Airloop"):
            ledger.current_deployment(MODEL)
        assert [one.version for one in ledger.deployments(MODEL)] == [2, 1]
        asked.append(len(statements))
    assert asked[0] == asked[1] < 20
