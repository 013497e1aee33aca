"""History is chained: a table of links, one for each row that there is, and an actor in every covered row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airloop.ledger import chain

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ACTOR = """UPDATE airloop_deployments SET actor = decided.actor FROM airloop_decisions AS decided
WHERE decided.id = airloop_deployments.model || ':deployment:' || airloop_deployments.sequence"""


def upgrade() -> None:
    """Who delivered stands in the decision beside; who asked for a training of before nobody knows any more.

    The guards that refuse it are lifted, for this transaction alone: :func:`airloop.ledger.migration.migrate` makes all of
    them anew.
    """
    _lift()
    for table in ("airloop_triggers", "airloop_deployments"):
        actor = sa.Column("actor", sa.Text, nullable=False, server_default="airloop")
        op.add_column(table, actor)
    op.execute(_ACTOR)
    op.create_table(
        "airloop_chain",
        sa.Column("entity", sa.String(63), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("content", sa.String(80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scheme", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(80), nullable=False),
    )
    # The scheme names its columns: what it makes of these rows is the same for ever.
    chain.adopt(op.get_bind())


def _lift() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER airloop_deployments_append_only ON airloop_deployments")
    else:
        op.execute("DROP TRIGGER airloop_deployments_no_UPDATE")
