"""A ledger as Airloop 0.1 left it: its own tables, with a few rows in each."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from sqlalchemy import JSON, Connection, Engine, NullPool, bindparam, create_engine, make_url, text

from tests.support.checkout import ROOT

AT = "2026-11-21 03:00:00+00:00"
_DECISION = {"reason": "r", "at": AT, "actor": "ann", "figures": {}}
ROWS: dict[str, list[dict[str, Any]]] = {
    "airloop_attempts": [{"key": "train:m:1", "token": 4, "owner": "run/1#4", "at": AT}],
    "airloop_triggers": [
        {"id": "t1", "model": "m", "cause": "on_demand", "dedup_key": "on_demand:run/1", "reason": "r", "at": AT,
         "claimed_by": "run/1", "outcome": "registered"},
        {"id": "t2", "model": "m", "cause": "drift", "dedup_key": "night:2013-07-08", "reason": "r",
         "partition": "2013-07-08", "at": AT},
    ],
    "airloop_decisions": [
        {**_DECISION, "id": "d1", "model": "m", "subject": "gate", "action": "passed", "figures": {"auc": 0.7}},
        {**_DECISION, "id": "d2", "model": "m", "subject": "algorithm", "action": "boosting",
         "figures": {"boosting": 0.7, "linear": 0.6}},
        {**_DECISION, "id": "d3", "model": "rows", "subject": "validation", "action": "refuse"},
    ],
    "airloop_deployments": [
        {"model": "m", "sequence": 1, "version": 7, "artifact_uri": "runs:/1/model",
         "artifact_digest": "sha256:" + "0" * 64, "kind": "promote", "reason": "r", "at": AT,
         "fence_key": "promote:m", "fence_token": 1, "request": "promote:7"},
    ],
    "airloop_usage": [
        {"key": "train:m:1", "token": 4, "part": 0, "step": "train", "subject": "m", "wall_seconds": 1.5,
         "cpu_seconds": 2.5, "gpu_seconds": 0.0, "peak_host_bytes": 5 << 40, "peak_gpu_bytes": 0, "run_id": "r",
         "version": 7, "at": AT},
    ],
}  # fmt: skip


def make_old_ledger(url: str, *, schema: int = 2) -> None:
    """Create it, of schema 1 (which had no table of usage) or 2."""
    parsed = make_url(url)
    kind = parsed.get_backend_name().removesuffix("ql")
    script = (ROOT / "tests" / "golden" / f"ledger-0.1-{kind}.sql").read_text(encoding="utf-8")
    if kind == "sqlite":
        with closing(sqlite3.connect(str(parsed.database))) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(script)
    with _engine(url).begin() as connection:
        if kind == "postgres":
            connection.exec_driver_sql(script)
        connection.execute(text("INSERT INTO airloop_schema VALUES (:v)"), {"v": schema})
        if schema == 1:
            connection.execute(text("DROP TABLE airloop_usage"))
        for table, rows in ROWS.items():
            if schema == 1 and table == "airloop_usage":
                continue
            for row in rows:
                _insert(connection, table, row)


def insert_row(url: str, table: str, row: dict[str, Any]) -> None:
    """One row more."""
    with _engine(url).begin() as connection:
        _insert(connection, table, row)


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(row)
    statement = text(f"INSERT INTO {table} ({names}) VALUES (:{', :'.join(row)})")
    if "figures" in row:
        statement = statement.bindparams(bindparam("figures", type_=JSON))
    connection.execute(statement, row)


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    driver = "sqlite" if sqlite else "postgresql+psycopg2"
    return create_engine(parsed.set(drivername=driver), poolclass=NullPool)
