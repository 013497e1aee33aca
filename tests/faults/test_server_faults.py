"""An ingest on a real S3 server and a real Postgres, one of which dies in its middle and comes back."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deltalake import DeltaTable

from airloop.ledger import Ledger
from airloop.settings import Settings
from airloop.storage.options import delta_options
from tests.faults.harness import UNPUBLISHED, Ended, run, start
from tests.faults.ingesting import IngestScenario
from tests.support.servers import PostgresServer, S3Server

_numbers = itertools.count()


@dataclass(frozen=True)
class ServedScenario(IngestScenario):
    """The same partition's life, its lake in a bucket and its ledger in Postgres."""

    lake_uri: str = ""
    ledger_url: str = field(default="", repr=False)
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def settings(self) -> Settings:
        return Settings(
            lake_uri=self.lake_uri,
            ledger_url=self.ledger_url,
            reports_uri=str(self.folder / "reports"),
            storage_options=dict(self.options),
        )

    def ledger(self) -> Ledger:
        return Ledger(self.ledger_url)

    def commits(self) -> int:
        uri = f"{self.lake_uri}/events"
        table = DeltaTable(uri, storage_options=delta_options(uri, dict(self.options)))
        return sum("airloop" in entry for entry in table.history())


@dataclass(frozen=True)
class Server:
    """What dies, and how it is told of."""

    die: Callable[[], None]
    come_back: Callable[[], None]
    word: str


@pytest.fixture
def scenario(tmp_path: Path, s3: S3Server, postgres: PostgresServer) -> ServedScenario:
    number = next(_numbers)
    made = ServedScenario(
        tmp_path,
        lake_uri=s3.uri(f"faults-{number}/lake"),
        ledger_url=postgres.create(f"faults_{number}"),
        options=tuple(s3.options.items()),
    )
    made.prepare()
    return made


@pytest.fixture(params=["s3", "postgres"])
def server(request: pytest.FixtureRequest, s3: S3Server, postgres: PostgresServer) -> Server:
    bucket = Server(s3.kill, s3.start, "UnreachableError: the lake cannot be used")
    database = Server(postgres.stop, postgres.start, "UnreachableError: the ledger's database")
    return {"s3": bucket, "postgres": database}[request.param]


def _outage(scenario: ServedScenario, point: str, server: Server) -> Ended:
    """Kill the server while an ingest sleeps at a point; how the ingest ended without it."""
    child = start(scenario, f"{point}:pause")
    child.wait_until_stopped()
    server.die()
    try:
        child.signal(signal.SIGCONT)
        return child.wait()
    finally:
        server.come_back()


@pytest.mark.parametrize("point", ["stage:before", "fence:before"])
def test_an_ingest_whose_server_dies_fails_for_now_and_converges(
    scenario: ServedScenario, server: Server, point: str
) -> None:
    ended = _outage(scenario, point, server)
    assert ended.error.startswith(server.word), ended
    assert run(scenario) == Ended(0)
    assert scenario.visible() is not None
    assert scenario.commits() == 1


@pytest.mark.parametrize(("sabotage", "commits"), [("", 1), ("not asking", 2)])
def test_a_bucket_that_dies_after_the_commit_gets_no_second_one(
    scenario: ServedScenario, s3: S3Server, sabotage: str, commits: int
) -> None:
    """With its control: an attempt that does not ask what is public commits again."""
    bucket = Server(s3.kill, s3.start, "UnreachableError: the lake cannot be used")
    ended = _outage(scenario, "verify:before", bucket)
    assert ended.error.startswith(bucket.word), ended
    assert run(scenario, sabotage=sabotage) == Ended(0)
    assert scenario.commits() == commits


def test_an_outage_that_ends_in_time_is_not_noticed(
    scenario: ServedScenario, server: Server
) -> None:
    child = start(scenario, f"{UNPUBLISHED[0]}:pause")
    child.wait_until_stopped()
    server.die()
    server.come_back()
    child.signal(signal.SIGCONT)
    assert child.wait() == Ended(0)
    assert scenario.visible() is not None
    assert scenario.commits() == 1
