"""Who answers how often stands in the ledger, and never contradicts who serves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError

from airloop.contracts import ArtifactRef, Deployment
from airloop.errors import GateError, RequestError, SupersededError
from airloop.ledger import Ledger
from airloop.ledger.faults import VARIABLE
from airloop.ledger.tables import traffic as table
from airloop.traffic import AT_ONCE, Share, Split, Traffic
from airloop.vocabulary import Action, DeploymentKind, Role, Topic
from tests.support.edited_ledger import lift

MODEL, KEY = "m", "promote:m"
BOUNDS = {"error_rate": 0.01, "requests": 100}


def artifact(version: int) -> ArtifactRef:
    return ArtifactRef(uri=f"runs:/{version}/model", digest=f"sha256:{version:064x}")


def share(version: int, role: Role, weight: float) -> Share:
    return Share(version=version, role=role, weight=weight, artifact=artifact(version))


def canary(weight: float = 1, *, step: int = 0, version: int = 2, champion: int = 1) -> Split:
    shares = (
        share(champion, Role.CHAMPION, 100 - weight),
        share(version, Role.CANARY, weight),
    )
    return Split(strategy="canary", step=step, shares=shares, options=BOUNDS)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    """A ledger in which version 1 serves."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create(f"traffic_{time.monotonic_ns()}")
    made = Ledger(url)
    deliver(made, 1)
    return made


def deliver(
    ledger: Ledger, version: int, kind: DeploymentKind = DeploymentKind.PROMOTE
) -> Deployment:
    return ledger.record_deployment(
        ledger.begin_attempt(KEY),
        model=MODEL,
        version=version,
        artifact=artifact(version),
        kind=kind,
        reason="better",
    )


def direct(ledger: Ledger, split: Split, request: str | None = None, **more: Any) -> Traffic:
    fence = ledger.begin_attempt(KEY)
    named = request or f"{split.strategy}:{split.others}:{split.step}"
    return ledger.direct(fence, model=MODEL, split=split, reason="r", request=named, **more)


def test_a_plain_promotion_is_the_champion_alone(ledger: Ledger) -> None:
    found = ledger.traffic(MODEL)
    assert found is not None
    assert (found.strategy, found.number, found.open) == (AT_ONCE, 0, False)
    assert found.shares == (share(1, Role.CHAMPION, 100),)
    assert Ledger.traffic(ledger, "nobody") is None


def test_a_row_is_in_force_with_its_decision_and_the_next_follows_on_it(ledger: Ledger) -> None:
    first = direct(ledger, canary(1), actor="ann")
    assert ledger.traffic(MODEL) == first
    assert (first.number, first.deployment, first.actor) == (1, 1, "ann")
    second = direct(ledger, canary(10, step=1), figures={"disagreement": 0.02})
    assert ledger.traffic(MODEL) == second
    assert ledger.traffics(MODEL) == [second, first]
    decision = ledger.decisions(MODEL, Topic.TRAFFIC)[0]
    assert (decision.action, decision.figures["canary_weight"]) == (Action.DIRECTED, 10)
    assert (decision.figures["canary"], decision.figures["disagreement"]) == (2, 0.02)
    assert ledger.current_deployment(MODEL) == ledger.deployments(MODEL)[0], "who serves stays"
    assert ledger.audit().sound


@pytest.mark.parametrize(
    ("kind", "version"),
    [(DeploymentKind.PROMOTE, 2), (DeploymentKind.ROLLBACK, 1), (DeploymentKind.RETIRE, 1)],
)
def test_a_deployment_ends_it_in_its_own_transaction(
    ledger: Ledger, kind: DeploymentKind, version: int
) -> None:
    direct(ledger, canary(50))
    deliver(ledger, version, kind)
    found = ledger.serving(MODEL)[MODEL].traffic
    if kind is DeploymentKind.RETIRE:
        assert found is None
    else:
        assert found is not None
        assert found.shares == (share(version, Role.CHAMPION, 100),)


def test_the_same_step_twice_is_one_row_also_after_it_is_over(ledger: Ledger) -> None:
    first = direct(ledger, canary(), "canary:2:0")
    assert direct(ledger, canary(50), "canary:2:0") == first
    deliver(ledger, 2)
    assert direct(ledger, canary(), "canary:2:0") == first
    assert len(ledger.traffics(MODEL)) == 1


def shadow(weight: float = 100) -> Share:
    return share(3, Role.SHADOW, weight)


CHAMPION = share(1, Role.CHAMPION, 100)
UNSOUND: dict[str, tuple[Split, str]] = {
    "too much": (
        canary().model_copy(update={"shares": (CHAMPION, share(2, Role.CANARY, 1))}),
        r"the weights do not add up to 100; got '101'; in the traffic of m; .*percent",
    ),
    "too little": (
        Split(strategy="x", shares=(share(1, Role.CHAMPION, 99),)),
        "the weights do not add up to 100; got '99'",
    ),
    "a role twice": (
        Split(strategy="x", shares=(CHAMPION, shadow(), share(2, Role.SHADOW, 1))),
        "a role is given twice; got 'shadow'",
    ),
    "a version twice": (
        Split(strategy="x", shares=(CHAMPION, share(1, Role.SHADOW, 1))),
        "a version is given twice; got '1'",
    ),
    "nobody": (Split(strategy="x", shares=()), "no version is the champion.*got 'nobody'"),
    "no champion": (
        Split(strategy="x", shares=(share(2, Role.CANARY, 100),), options=BOUNDS),
        "no version is the champion.*got 'canary 2'",
    ),
    "a canary without bounds": (
        canary().model_copy(update={"options": {}}),
        "a canary without bounds would never be stopped",
    ),
    "an A/B test without a key": (
        Split(
            strategy="ab_test",
            shares=(share(1, Role.CHAMPION, 50), share(2, Role.CHALLENGER, 50)),
        ),
        "an A/B test has no key",
    ),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_what_cannot_be_answered_by_is_refused_and_nothing_changes(
    ledger: Ledger, case: str
) -> None:
    split, says = UNSOUND[case]
    with pytest.raises(RequestError, match=says):
        direct(ledger, split, case)
    assert ledger.traffics(MODEL) == []
    assert ledger.decisions(MODEL, Topic.TRAFFIC) == []


def test_a_shadow_answers_nothing_and_counts_apart(ledger: Ledger) -> None:
    found = direct(ledger, Split(strategy="shadow", shares=(CHAMPION, shadow(20))))
    assert [one.weight for one in found.shares] == [100, 20]


def test_a_model_that_never_served_has_nothing_to_share(ledger: Ledger) -> None:
    fence = ledger.begin_attempt("promote:new")
    with pytest.raises(RequestError, match=r"no version serves.*got 'canary'.*in model new"):
        ledger.direct(fence, model="new", split=canary(), reason="r", request="x")
    deliver(ledger, 1, DeploymentKind.RETIRE)
    with pytest.raises(RequestError, match="no version serves"):
        direct(ledger, canary())


def test_its_champion_is_the_version_that_serves(ledger: Ledger) -> None:
    with pytest.raises(GateError, match="version 1 serves, not version 2; in model m, deployment"):
        direct(ledger, canary(version=3, champion=2))


def test_two_deliveries_at_once_are_refused(ledger: Ledger) -> None:
    direct(ledger, canary(10))
    with pytest.raises(
        GateError,
        match=r"under way: canary of canary 2 at 10 %; got 'canary of canary 3'.*rollback m",
    ):
        direct(ledger, canary(1, version=3))
    with pytest.raises(GateError, match=r"under way: .* got 'shadow of shadow 3'"):
        direct(ledger, Split(strategy="shadow", shares=(CHAMPION, shadow())))
    with pytest.raises(GateError, match=r"under way: .* got 'version 3'"):
        deliver(ledger, 3)
    ended = direct(ledger, Split(strategy="canary", shares=(CHAMPION,)), "stop")
    assert ledger.traffic(MODEL) == ended
    assert deliver(ledger, 3).version == 3, "what has ended is in nobody's way"


def test_an_older_attempt_directs_nothing(ledger: Ledger) -> None:
    fence = ledger.begin_attempt(KEY)
    ledger.begin_attempt(KEY)
    with pytest.raises(SupersededError, match="superseded by attempt"):
        ledger.direct(fence, model=MODEL, split=canary(), reason="r", request="x")


def edited(connection: Connection) -> None:
    lift(connection)
    connection.execute(text("UPDATE airloop_traffic SET step = 7 WHERE number = 2"))


def deleted(connection: Connection) -> None:
    lift(connection)
    connection.execute(text("DELETE FROM airloop_traffic WHERE number = 2"))


@pytest.mark.parametrize("hand", [edited, deleted])
def test_what_a_hand_edits_or_deletes_leaves_the_champion_alone_and_is_told(
    ledger: Ledger, hand: Callable[[Connection], None]
) -> None:
    direct(ledger, canary(1))
    direct(ledger, canary(10, step=1))
    with ledger.transaction() as connection:
        hand(connection)
    found = ledger.serving(MODEL)[MODEL]
    assert found.traffic is not None
    assert (found.traffic.open, found.doubted) == (False, None)
    assert "traffic 2 is not followed" in str(found.doubt)
    named = [str(one) for one in ledger.audit().faults if one.table == "airloop_traffic"]
    assert any(f"row 2: {hand.__name__}" in one for one in named), named
    again = direct(ledger, canary(10, step=2))
    assert (again.number, ledger.traffic(MODEL)) == (3, again), "its number is not given twice"


def test_a_row_that_a_hand_puts_there_is_nobodys(ledger: Ledger) -> None:
    first = direct(ledger, canary(1))
    with ledger.transaction() as connection:
        row = connection.execute(select(table)).one()
        said = {**row._mapping, "number": 2, "request": "mine", "step": 3}
        connection.execute(insert(table).values(said))
    assert ledger.traffic(MODEL) == first
    with pytest.raises(GateError, match="bears this delivery's request; got 'mine'"):
        direct(ledger, canary(10), "mine")
    assert direct(ledger, canary(10), "next").number == 3


def test_history_is_only_appended_to(ledger: Ledger) -> None:
    direct(ledger, canary(1))

    def rewrite(statement: str) -> None:
        with ledger.transaction() as connection:
            connection.execute(text(statement))

    for statement in (
        "UPDATE airloop_traffic SET step = 1",
        "DELETE FROM airloop_traffic",
        "INSERT INTO airloop_traffic SELECT * FROM airloop_traffic",
    ):
        with pytest.raises(IntegrityError):
            rewrite(statement)


def test_any_new_row_changes_the_mark(ledger: Ledger) -> None:
    marks = {ledger.deployments_mark()}
    direct(ledger, canary(1))
    marks.add(ledger.deployments_mark())
    direct(ledger, canary(10, step=1))
    marks.add(ledger.deployments_mark())
    assert len(marks) == 3


def test_a_kill_before_the_end_leaves_neither_row_nor_link(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"{KEY}@traffic:after:error")
    with pytest.raises(RuntimeError, match="planted"):
        direct(ledger, canary(1))
    monkeypatch.delenv(VARIABLE)
    assert (ledger.traffics(MODEL), ledger.decisions(MODEL, Topic.TRAFFIC)) == ([], [])
    assert ledger.audit().sound
