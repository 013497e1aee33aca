"""The life of a reason to train: what may follow on what, in the drawing and in the database."""

from __future__ import annotations

from itertools import product

import pytest
from sqlalchemy import update

from airloop.ledger import Ledger
from airloop.ledger import triggers as rows
from airloop.ledger.life import FINAL, FLYING, MOVES, REPAIRABLE, before
from airloop.ledger.tables import triggers
from airloop.vocabulary import TriggerState


def test_each_state_is_reached_and_only_the_final_ones_are_left_by_nothing() -> None:
    reached = {TriggerState.WAITING}.union(*MOVES.values())
    assert reached == set(TriggerState)
    assert {one for one in TriggerState if not MOVES[one]} == FINAL
    assert FINAL | FLYING | REPAIRABLE | {TriggerState.WAITING} == set(TriggerState)


def test_nothing_waits_again_and_nothing_is_claimed_twice() -> None:
    assert before(TriggerState.WAITING) == ()
    assert not FLYING & set(before(TriggerState.CLAIMED))


def test_the_database_takes_exactly_the_moves_of_the_drawing(ledger: Ledger) -> None:
    for number, (old, new) in enumerate(product(TriggerState, TriggerState)):
        trigger, _ = ledger.emit_trigger(model="m", cause="drift", dedup_key=f"{number}", reason="")
        mine = triggers.c.id == trigger.id
        with ledger.transaction() as connection:
            connection.execute(update(triggers).where(mine).values(state=old))
            rows.move(connection, mine, new)
            expected = new if new in MOVES[old] else old
            assert rows.state_of(connection, trigger.id) is expected, (old, new)


@pytest.mark.parametrize("end", sorted(FINAL))
def test_a_training_that_begins_late_changes_no_end(ledger: Ledger, end: TriggerState) -> None:
    trigger, _ = ledger.emit_trigger(model="m", cause="drift", dedup_key="k", reason="")
    ledger.finish_trigger(trigger.id, end)
    with ledger.transaction() as connection:
        rows.start(connection, trigger.id)
        assert rows.state_of(connection, trigger.id) is end
        assert rows.state_of(connection, "unknown") is None
