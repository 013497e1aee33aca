"""The tables of Airloop 0.1: its schema 2, made of what schema 1 already had.

They are written out here: what the code calls its tables goes on changing, what 0.1 left does not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the one table that schema 1 did not have; all others are there, or this is no ledger of ours."""
    if sa.inspect(op.get_bind()).has_table("airloop_usage"):
        return
    op.create_table(
        "airloop_usage",
        sa.Column("key", sa.String(300), primary_key=True),
        sa.Column("token", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(63), nullable=False, index=True),
        sa.Column("wall_seconds", sa.Double, nullable=False),
        sa.Column("cpu_seconds", sa.Double, nullable=False),
        sa.Column("gpu_seconds", sa.Double, nullable=False),
        sa.Column("gpu_utilisation", sa.Double),
        sa.Column("peak_host_bytes", sa.BigInteger, nullable=False),
        sa.Column("peak_gpu_bytes", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("run_id", sa.String(64), index=True),
        sa.Column("version", sa.Integer),
        sa.Column("at", _INSTANT, nullable=False),
    )
