"""Traffic: which versions answer beside the champion, and how often."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it, empty: of every deployment so far the version answered everything, which needs no row."""
    op.create_table(
        "airloop_traffic",
        sa.Column("model", sa.String(63), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("deployment", sa.Integer, nullable=False),
        sa.Column("strategy", sa.String(63), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("shares", sa.JSON, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("key", sa.String(63)),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fence_key", sa.String(300), nullable=False),
        sa.Column("fence_token", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False, server_default="airloop"),
        sa.Column("request", sa.String(300), nullable=False),
        sa.UniqueConstraint("model", "request"),
    )
