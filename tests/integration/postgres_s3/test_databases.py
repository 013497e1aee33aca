"""The databases of docs/kubernetes.md, step 1, made by its commands on a Postgres of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from tests.support.checkout import ROOT
from tests.support.kubernetes_page import needed, section
from tests.support.servers import BINARIES, HOST, PostgresServer

#: Which role owns which databases.
OWNERS = {"airflow": ("airflow",), "mlflow": ("mlflow",), "airloop": ("airloop", "tuning")}
PASSWORDS = {
    "airflow": "AIRFLOW_DB_PASSWORD",
    "mlflow": "MLFLOW_DB_PASSWORD",
    "airloop": "LEDGER_PASSWORD",
}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    if not BINARIES:
        pytest.skip("no Postgres on this machine: apt-get install postgresql-15")
    server = PostgresServer("postgres")
    try:
        server.start()
        yield server
    finally:
        server.close()


def test_each_role_reaches_its_own_databases_and_no_other(server: PostgresServer) -> None:
    script = "\n".join(one for one in section("1. Databases") if not needed(one))
    script = script.replace("postgres.example", HOST)
    script = script.replace("the-password-of-postgres", server.password)
    bare = {"PATH": f"{BINARIES[-1]}:{os.defpath}", "PGPORT": str(server.port)}
    done = subprocess.run(
        ["sh", "-ec", f"{script}\nenv -0"], cwd=ROOT, env=bare, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    shown = dict(line.partition("=")[::2] for line in done.stdout.split("\0") if line)
    for role, databases in OWNERS.items():
        for name in (name for names in OWNERS.values() for name in names):
            login = f"{role}:{shown[PASSWORDS[role]]}@{HOST}:{server.port}"
            assert _reached(f"postgresql+psycopg2://{login}/{name}") == (name in databases)


def _reached(url: str) -> bool:
    engine = create_engine(url)
    try:
        engine.connect().close()
    except OperationalError as error:
        if "permission denied" not in str(error):
            raise
        return False
    finally:
        engine.dispose()
    return True
