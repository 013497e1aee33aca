"""The stack on a Postgres and an S3 server of the tests' own, started by docs/production.md word for word.

Its yaml is the environment's file, its shell block is run from a bare environment; only addresses and keys are ours.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from airloop.devstack.airflow import Airflow
from airloop.settings import Settings, load_settings
from tests.support.checkout import ROOT
from tests.support.servers import HOST, PostgresServer, S3Server
from tests.support.stack import Stack, bare_environment, small_config

PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[0]
DATABASES = ("airflow", "mlflow", "ledger", "tuning")


@dataclass(frozen=True)
class Place:
    """The running stack and what it stands on."""

    stack: Stack
    postgres: PostgresServer
    s3: S3Server


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, s3: S3Server
) -> Iterator[Place]:
    """Up for this folder's tests; servers and state end with them."""
    root = tmp_path_factory.mktemp("postgres-s3")
    config = small_config(
        root / "config",
        # Twelve days say too little of how columns vary; what moves beyond chance are a refitted champion's answers.
        training={"window_days": 12, "holdout_days": 3, "refit": True},
        monitoring={"window_days": 1},
    )
    file = config / "environments" / "production.yaml"
    file.write_text(file.read_text().replace("https://s3.example", s3.endpoint))
    for name in DATABASES:
        postgres.create(name)
    script = _ours(SHELL, postgres, s3)
    bare = bare_environment(root, config)
    running = Place(Stack(root / "home", bare | _exported(script, bare)), postgres, s3)
    with Stack(root / "home", bare).up(script):
        yield running


def _ours(script: str, postgres: PostgresServer, s3: S3Server) -> str:
    """The page's block with these servers' addresses and keys."""
    found = script.replace("…@db.example", f"{postgres.password}@{HOST}:{postgres.port}")
    found = found.replace("AWS_ACCESS_KEY_ID='…'", f"AWS_ACCESS_KEY_ID='{s3.key}'")
    found = found.replace("AWS_SECRET_ACCESS_KEY='…'", f"AWS_SECRET_ACCESS_KEY='{s3.secret}'")
    assert "…" not in found
    return found


def _exported(script: str, bare: dict[str, str]) -> dict[str, str]:
    """What the shell holds after the block: the page's other commands are typed into it."""
    exports = "\n".join(line for line in script.splitlines() if line.startswith("export"))
    shown = subprocess.run(
        ["sh", "-ec", f"{exports}\nenv -0"], env=bare, capture_output=True, text=True, check=True
    ).stdout
    pairs = (line.partition("=") for line in shown.split("\0"))
    return {name: value for name, _, value in pairs if name.startswith(("AIRLOOP_", "AWS_"))}


@pytest.fixture
def settings(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The stack's settings, in this process too."""
    for name, value in place.stack.env.items():
        if name.startswith(("AIRLOOP", "AWS_")):
            monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    yield load_settings()
    load_settings.cache_clear()


@pytest.fixture
def airflow(settings: Settings) -> Iterator[Airflow]:
    """Airflow's REST API, signed in."""
    with Airflow.connect(settings) as client:
        yield client
