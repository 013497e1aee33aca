"""The parts of the embedded stack: how each is started and how it shows that it is well."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import httpx

from airloop.accounting.limits import allocators
from airloop.devstack.addresses import Addresses
from airloop.devstack.airflow_config import OF_THE_PROCESSOR
from airloop.devstack.environment import CONNECTION
from airloop.devstack.layout import Layout
from airloop.devstack.mlflow import server_environment
from airloop.devstack.ports import HOST
from airloop.devstack.secrets import MLFLOW_SECRETS, Secrets
from airloop.devstack.signin import CONFIG, sign_in_environment
from airloop.registry import credentials
from airloop.settings import Settings
from airloop.specs.sections.addresses import with_driver
from airloop.specs.sections.storage import SECRETS, boto_environment

_TIMEOUT = 10.0


@dataclass(frozen=True)
class Component:
    """One daemon.

    :param healthy: asks it, quickly, whether it does its work; takes the wall clock time it was started at,
        since what an earlier process left behind proves nothing
    :param needs_database: it must not start before Airflow's database is migrated
    """

    name: str
    title: str
    command: tuple[str, ...]
    healthy: Callable[[float], bool]
    address: str = ""
    needs_database: bool = False
    #: Its environment beyond what all parts share.
    env: Mapping[str, str] = field(default_factory=dict)
    #: What it must not have of the caller's environment.
    without: tuple[str, ...] = ()


def components(layout: Layout, addresses: Addresses, settings: Settings) -> list[Component]:
    """All parts, those that take longest to start first."""
    # Connections are Airflow's: they hold the keys of clusters and buckets.
    connections = tuple(name for name in os.environ if name.startswith(CONNECTION))
    return [
        *_services(layout, addresses, settings, connections),
        *_airflow(addresses, settings),
        Component(
            "step-host",
            "step host",
            (sys.executable, "-m", "airloop.execution.host"),
            lambda _: _listens(layout.run / "steps.sock"),
            env={name: os.environ.get(name, value) for name, value in allocators().items()},
            without=connections,
        ),
    ]


def _services(
    layout: Layout, addresses: Addresses, settings: Settings, without: tuple[str, ...]
) -> Iterator[Component]:
    """What runs beside Airflow: MLflow and the prediction service."""
    serving, serving_env = _serving_command(settings, addresses.serving)
    yield Component(
        "mlflow",
        "MLflow",
        (sys.executable, "-m", "airloop.devstack.mlflow", HOST, str(addresses.mlflow)),
        lambda _: _answers(f"{addresses.url('mlflow')}/health"),
        addresses.url("mlflow"),
        env=_mlflow_environment(layout, settings) | _sign_in(layout),
        without=(*without, credentials.USERNAME, credentials.PASSWORD),
    )
    yield Component(
        "serving",
        "prediction service",
        serving,
        lambda _: _answers(f"{addresses.url('serving')}/healthz"),
        addresses.url("serving"),
        env=serving_env,
        without=without,
    )


def _airflow(addresses: Addresses, settings: Settings) -> Iterator[Component]:
    """Airflow's own processes."""
    command = str(Path(sys.executable).parent / "airflow")
    base = addresses.url("airflow")
    # Where a connection holds the bucket's keys, Airflow's processes have no others.
    hidden = tuple(name.upper() for name in SECRETS) if settings.storage_connection else ()

    def part(name: str, title: str, *arguments: str, job: str, **env: str) -> Component:
        def beats(since: float) -> bool:
            return _beats(base, job, since)

        return Component(name, title, (command, *arguments), beats, "", True, env, hidden)

    yield Component(
        "airflow-api",
        "Airflow API server",
        _api_server(command, "core", addresses.airflow),
        lambda _: _health(base, "metadatabase").get("status") == "healthy",
        base,
        needs_database=True,
        without=hidden,
    )
    yield Component(
        "airflow-execution",
        "Airflow execution API",
        _api_server(command, "execution", addresses.execution),
        lambda _: _answers(f"{addresses.url('execution')}/execution/health"),
        needs_database=True,
        without=hidden,
    )
    skip = "--skip-serve-logs"
    yield part("airflow-scheduler", "Airflow scheduler", "scheduler", skip, job="scheduler")
    yield part(
        *("airflow-dag-processor", "Airflow DAG processor", "dag-processor"),
        job="dag_processor",
        **OF_THE_PROCESSOR,
    )
    yield part("airflow-triggerer", "Airflow triggerer", "triggerer", skip, job="triggerer")


def _api_server(airflow: str, app: str, port: int) -> tuple[str, ...]:
    """One of the API server's two halves, a process each.

    In one process they stop each other: a request that changes something writes its line of the audit log on the
    event loop and waits there for SQLite's one writer, which is a task's request that needs the loop to commit.
    """
    return (airflow, "api-server", "--apps", app, "--host", HOST, "--port", str(port))


def _mlflow_environment(layout: Layout, settings: Settings) -> dict[str, str]:
    """Its database and its bucket, by variables: everybody on the machine may read a command line.

    MLflow knows nothing of ``storage_options``; boto3 beneath it asks Amazon unless it is told another server.
    """
    url = settings.stack.mlflow_database_url
    database = with_driver(url) if url else f"sqlite:///{layout.mlflow / 'mlflow.db'}"
    artifacts = settings.stack.mlflow_artifacts_uri or str(layout.mlflow / "artifacts")
    return {**server_environment(database, artifacts), **boto_environment(settings.storage_options)}


def _sign_in(layout: Layout) -> dict[str, str]:
    """Who may come in at MLflow; nobody before the first `up` has made the passwords."""
    config, secrets = layout.mlflow / "users.ini", Secrets(layout.secrets)
    needed = (*MLFLOW_SECRETS.values(), "mlflow_secret_key")
    if not all((secrets.folder / name).exists() for name in needed):
        return {CONFIG: str(config)}
    passwords = {user: secrets[name] for user, name in MLFLOW_SECRETS.items()}
    return sign_in_environment(config, secrets["mlflow_secret_key"], passwords)


def _serving_command(settings: Settings, port: int) -> tuple[tuple[str, ...], dict[str, str]]:
    """The service's own command and what it adds to the environment."""
    from airloop.serving.command import service_command

    command, env = service_command(settings, port)
    return tuple(command), {key: env[key] for key in env if os.environ.get(key) != env[key]}


@cache
def _http() -> httpx.Client:
    """One client for all questions: making one costs 30 ms of CPU, and a start asks hundreds of times."""
    return httpx.Client(timeout=_TIMEOUT, trust_env=False)


def _answers(url: str) -> bool:
    try:
        return _http().get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _health(base: str, part: str) -> dict[str, str | None]:
    """What Airflow says of one of its parts."""
    try:
        answer = _http().get(f"{base}/api/v2/monitor/health")
        found: dict[str, str | None] = answer.json()[part] if answer.is_success else {}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return {}
    return found


def _beats(base: str, job: str, since: float) -> bool:
    """Whether a job is healthy by a heartbeat of its own, not by that of the process before it."""
    health = _health(base, job)
    latest = health.get(f"latest_{job}_heartbeat")
    if health.get("status") != "healthy" or not latest:
        return False
    return datetime.fromisoformat(latest).timestamp() >= since


def _listens(path: Path) -> bool:
    """Whether the step host would answer. It loads its libraries for the first caller who waits: nobody does here."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_TIMEOUT)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
