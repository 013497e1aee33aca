"""What was broken is remembered: a table of incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create it, empty: of what broke before nobody knows today whether it was mended."""
    op.create_table(
        "airloop_incidents",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("dataset", sa.String(63), nullable=False, index=True),
        sa.Column("partition", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("columns", sa.JSON, nullable=False),
        sa.Column("lasting", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("resolution", sa.Text),
        sa.Column("resolved_at", _INSTANT),
        sa.Column("actor", sa.Text),
        sa.UniqueConstraint("model", "partition", "digest"),
    )
