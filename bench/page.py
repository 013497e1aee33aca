"""The Airloop page of 100 models with 60 nights each: the CPU of one answer, as Airflow's API server makes it.

The route's own function is called, with its template and its Content-Security-Policy; Airflow's login is not in it. The
yardstick reads the same records of all models by two queries and parses them, and draws nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from airloop.contracts import Decision
from airloop.ledger import Ledger, decisions, open_ledger
from airloop.ledger.tables import deployments
from airloop.settings import load_settings
from airloop.specs import load_catalog
from airloop.vocabulary import Action, Topic
from bench.sides import Side, middle, timed
from bench.specs import config_of

MODELS, NIGHTS, ROUNDS = 100, 60, 5
DECISIONS = """
SELECT figures, reason, at FROM (
    SELECT *, row_number() OVER (PARTITION BY entity, topic ORDER BY number DESC) AS place FROM airloop_decisions
) AS numbered WHERE place <= :nights
"""


def measure(short: bool = False) -> dict[str, Any]:
    """CPU of the page of many models, of one, and of the two queries."""
    many, nights = (3, 5) if short else (MODELS, NIGHTS)
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        sides = {f"{count} models": _page(Path(scratch), count, nights) for count in (1, many)}
        queries = _rounds(lambda: _queries(open_ledger(load_settings()), nights))
    return {
        "values": {
            "cpu_ms": 1000 * sides[f"{many} models"].cpu,
            "queries": sides[f"{many} models"].cpu / queries.cpu,
        },
        "sides": {name: side.shown() for name, side in (*sides.items(), ("queries", queries))},
    }


def _page(scratch: Path, count: int, nights: int) -> Side:
    home = scratch / str(count)
    os.environ |= {
        "AIRLOOP_HOME": str(home),
        "AIRLOOP_CONFIG": str(config_of(scratch / f"config-{count}", count)),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }
    load_settings.cache_clear()
    load_catalog.cache_clear()
    from airloop_operators.ui.app import page

    ledger = open_ledger(load_settings())
    names = load_catalog().model_names()
    for name in names:
        _history(ledger, name, nights)

    def answer() -> None:
        reply = page()
        if len(names) != count or any(name.encode() not in reply.body for name in names):
            raise RuntimeError(bytes(reply.body[:500]).decode())

    answer()  # warm
    return _rounds(answer)


def _rounds(work: Callable[[], object]) -> Side:
    return middle([timed(work)[1] for _ in range(ROUNDS)])


def _history(ledger: Ledger, model: str, nights: int) -> None:
    """What so many nights leave: a metric and an answer each. One transaction: writing is not what is measured."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    # The ledger writes one decision a transaction, which would take minutes here.
    with ledger._database.writing() as connection:
        for night in range(nights):
            at = start + timedelta(days=night)
            figures = {"partition": f"{at:%Y-%m-%d}", "roc_auc": 0.7, "promised": 0.71}
            answered = {"partition": f"{at:%Y-%m-%d}", "features_drifted": 2, "triage": "nothing"}
            for topic, action, found in (
                (Topic.PERFORMANCE, Action.MEASURED, figures),
                (Topic.RETRAINING, Action.NOTHING, answered),
            ):
                decision = Decision(
                    id=f"{model}:{topic}:{night}", entity=model, topic=topic, action=action,
                    reason="a quiet night", figures=found, at=at, actor="bench",
                )  # fmt: skip
                decisions.record(connection, decision)


def _queries(ledger: Ledger, nights: int) -> int:
    with ledger._database.reading() as connection:
        rows = connection.execute(text(DECISIONS), {"nights": nights}).fetchall()
        current = connection.execute(select(deployments)).fetchall()
    return len([json.loads(row.figures) for row in rows]) + len(current)
