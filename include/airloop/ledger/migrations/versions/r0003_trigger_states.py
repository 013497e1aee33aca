"""A trigger has a state, a lease and, where an equal one trains for it, that one's id; its outcome was half of the state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLE = "airloop_triggers"
#: What each outcome is called as a state; without one a trigger was claimed, or waited.
_STATES = {
    "registered": "passed",
    "rejected": "refused",
    "failed": "failed",
    "abandoned": "lost",
}


def upgrade() -> None:
    """Add the columns, say the states, and drop what they say anew."""
    state = sa.Column("state", sa.String(16), nullable=False, server_default="waiting")
    op.add_column(_TABLE, state)
    op.add_column(_TABLE, sa.Column("lease", sa.DateTime(timezone=True)))
    op.add_column(_TABLE, sa.Column("merged_into", sa.String(64)))
    rows = sa.table(_TABLE, *map(sa.column, ("state", "outcome", "claimed_by")))
    flying = rows.c.outcome.is_(None) & rows.c.claimed_by.is_not(None)
    op.execute(sa.update(rows).where(flying).values(state="claimed"))
    for outcome, name in _STATES.items():
        op.execute(sa.update(rows).where(rows.c.outcome == outcome).values(state=name))
    op.drop_column(_TABLE, "outcome")
