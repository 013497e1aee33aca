"""A row's link is found by the row, and not by walking along its chain."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """An index; no row changes."""
    op.create_index("ix_airloop_chain_row", "airloop_chain", ["kind", "entity", "place"])
