"""The ledger's words: a decision has a topic and an entity, usage an entity, and every action is one of a known few."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DECISIONS = sa.table(
    "airloop_decisions",
    sa.column("number", sa.Integer),
    sa.column("topic", sa.String),
    sa.column("action", sa.String),
    sa.column("figures", sa.JSON),
)
#: What every release before Alembic refuses to open: it knew 2 at most.
_CLOSED = 3


def upgrade() -> None:
    """Rename, and put the two kinds of action that were free text into words."""
    for table, old, new in (
        ("airloop_decisions", "subject", "topic"),
        ("airloop_decisions", "model", "entity"),
        ("airloop_usage", "subject", "entity"),
    ):
        op.alter_column(table, old, new_column_name=new)
    for table, old in (("airloop_decisions", "model"), ("airloop_usage", "subject")):
        op.drop_index(f"ix_{table}_{old}", table)
        op.create_index(f"ix_{table}_entity", table, ["entity"])
    with _appended_only_lifted():
        _rewrite_actions()
    op.execute(sa.text("UPDATE airloop_schema SET version = :version").bindparams(version=_CLOSED))


def _rewrite_actions() -> None:
    connection, action = op.get_bind(), _DECISIONS.c.action
    refused = (_DECISIONS.c.topic == "validation") & (action == "refuse")
    connection.execute(sa.update(_DECISIONS).where(refused).values(action="refused"))
    # The algorithm that won stood as the action; it is a figure now, like the others' scores.
    for row in connection.execute(
        sa.select(_DECISIONS).where(_DECISIONS.c.topic == "algorithm")
    ).all():
        values = {
            "action": "chosen",
            "figures": {**row.figures, "algorithm.chosen": row.action},
        }
        connection.execute(
            sa.update(_DECISIONS).where(_DECISIONS.c.number == row.number).values(values)
        )


@contextmanager
def _appended_only_lifted() -> Iterator[None]:
    """Lift the database's own refusal to change a decision, for this transaction alone."""
    if op.get_bind().dialect.name == "postgresql":
        name = "airloop_decisions_append_only"
        op.execute(f"ALTER TABLE airloop_decisions DISABLE TRIGGER {name}")
        yield
        op.execute(f"ALTER TABLE airloop_decisions ENABLE TRIGGER {name}")
        return
    name = "airloop_decisions_no_UPDATE"
    made = op.get_bind().exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?", (name,)
    )
    statement = made.scalar_one()
    op.execute(f"DROP TRIGGER {name}")
    yield
    op.get_bind().exec_driver_sql(statement)
