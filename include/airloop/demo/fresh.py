"""A fresh state for each telling: what an earlier demo left is moved aside, what anybody else left is not touched."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from airloop.devstack.layout import Layout
from airloop.devstack.state import down
from airloop.errors import RequestError
from airloop.ledger.database import Database
from airloop.ledger.schema import Age, state
from airloop.ledger.tables import attempts, decisions

#: What makes up a loop's state: all of it goes together, or the ledger would speak of rows that are gone.
STATE = (
    "airflow", "artifacts", "bentoml", "demo", "demo-report.json", "ledger.db", "ledger.db-shm", "ledger.db-wal",
    "lake", "mlflow", "predictions", "reports", "steps", "upstream",
)  # fmt: skip
#: Written when a demo begins: the state beside it is the demo's.
MARK = "demo"


def make_room(layout: Layout, *, forced: bool) -> Path | None:
    """Move an earlier state into ``<home>/attic/<time>``; returns where, or None if there was none.

    :param forced: also a state that no demo made
    :raises RequestError: if there is such a state and it is not forced
    """
    used = _holds_work(layout.home)
    is_demo = (layout.home / MARK).exists()
    if used and not is_demo and not forced:
        raise RequestError(
            "this home holds work that no demo made",
            value=str(layout.home),
            remedy="`airloop demo --fresh` moves it aside; or set AIRLOOP_HOME to another folder",
        )
    attic = None
    if used or is_demo:
        down(layout)
        attic = layout.home / "attic" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
        attic.mkdir(parents=True)
        for name in STATE:
            if (layout.home / name).exists():
                (layout.home / name).rename(attic / name)
    layout.create()
    (layout.home / MARK).write_text(
        "The state in this folder was made by `airloop demo`.\n", "utf-8"
    )
    return attic


def _holds_work(home: Path) -> bool:
    """Whether anything was done here beyond `airloop up`, which leaves a ledger in which nothing stands."""
    path = home / "ledger.db"
    if (home / "lake").exists():
        return True
    if not path.exists():
        return False
    database = Database(f"sqlite:///{path}")
    if state(database) is not Age.CURRENT:
        return True
    with database.reading() as connection:
        rows = (
            connection.execute(select(table).limit(1)).first() for table in (attempts, decisions)
        )
        return any(row is not None for row in rows)
