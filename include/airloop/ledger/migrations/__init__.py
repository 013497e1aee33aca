"""What brings a ledger of an older Airloop to today's tables: Alembic's scripts."""
