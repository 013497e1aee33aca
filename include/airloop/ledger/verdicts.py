"""What became of the trainings that the loop asked for: each night's figures, and whether its model shipped."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, exists, select

from airloop.figures import Figures
from airloop.ledger.tables import decisions, triggers
from airloop.ledger.triggers import is_in
from airloop.vocabulary import Action, Cause, Topic, TriggerState


def before(
    connection: Connection, model: str, partition: str, causes: tuple[Cause, ...], limit: int
) -> list[tuple[Figures, bool]]:
    """The last so many of nights before a partition, the oldest first, in one query.

    A training whose gates could not tell says nothing of the next one's chance, and a failed one neither. Nor does one
    whose gates are not known: a verdict of an older ledger does not name the trigger, and may have been "could not tell".

    :returns: the figures of the decision to train, and whether its model was registered
    """
    asked = decisions.alias("asked")
    night: Any = asked.c.figures["partition"].as_string()
    gate = decisions.alias("gate")
    told = exists().where(
        gate.c.entity == model,
        gate.c.topic == Topic.GATE,
        gate.c.action.in_((Action.PASSED, Action.REFUSED)),
        gate.c.figures["trigger"].as_string() == triggers.c.id,
    )
    query = (
        select(asked.c.figures, triggers.c.state)
        .join(triggers, (triggers.c.model == asked.c.entity) & (triggers.c.partition == night))
        .where(asked.c.entity == model, asked.c.topic == Topic.RETRAINING)
        .where(asked.c.action == Action.RETRAIN, triggers.c.partition < partition)
        .where(triggers.c.cause.in_(causes), told)
        .where(is_in((TriggerState.PASSED, TriggerState.REFUSED)))
        .order_by(triggers.c.partition.desc(), triggers.c.number.desc())
        .limit(limit)
    )
    found = connection.execute(query).all()
    return [(row.figures, row.state == TriggerState.PASSED) for row in reversed(found)]
