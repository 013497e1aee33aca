"""What a run needs of the stack, asked one by one: a line each, in words that say what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from airloop.contracts import Contract, Outcome
from airloop.devstack.airflow import Airflow
from airloop.devstack.layout import Layout
from airloop.ejection import KINDS
from airloop.errors import AirloopError
from airloop.ledger import open_ledger
from airloop.paths import config_folder
from airloop.serving.client import ServiceClient
from airloop.serving.responses import Condition
from airloop.settings import Settings
from airloop.specs import Catalog
from airloop.specs.pools import read_pools

#: Bytes that a night of the loop may need: a snapshot, a model, logs.
FREE_BYTES = 1_000_000_000
_TIMEOUT = 10.0
_SHOWN = 3


class Need(Contract):
    """One thing that a run needs, and whether it is there."""

    name: str
    outcome: Outcome
    says: str


#: What a check finds: whether it is there, and the words.
Finding = tuple[Outcome, str]


def needs(layout: Layout, settings: Settings, catalog: Catalog) -> tuple[Need, ...]:
    """Ask for all of it, side by side; what cannot be asked could not be told."""
    checks: dict[str, Callable[[], Finding]] = {
        "database": lambda: _database(settings),
        "ledger": lambda: _ledger(settings),
        "pools": lambda: _pools(settings),
        "DAGs": lambda: _dags(settings, catalog),
        "DAG files": lambda: _import_errors(settings),
        "service": lambda: _service(settings),
        "MLflow": lambda: _mlflow(settings),
        "disk": lambda: free_disk(layout),
    }
    with ThreadPoolExecutor(max_workers=len(checks)) as pool:
        found = pool.map(_guarded, checks.values())
    return tuple(
        Need(name=name, outcome=outcome, says=says)
        for name, (outcome, says) in zip(checks, found, strict=True)
    )


def _guarded(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except (AirloopError, httpx.HTTPError, OSError, ValueError, KeyError) as error:
        return Outcome.UNKNOWN, f"could not be asked: {error}"


def _database(settings: Settings) -> Finding:
    answer = httpx.get(
        f"{settings.airflow_url}/api/v2/monitor/health", timeout=_TIMEOUT, trust_env=False
    )
    status = answer.json()["metadatabase"]["status"]
    if status == "healthy":
        return Outcome.OK, "Airflow's database answers"
    return Outcome.BAD, f"Airflow says of its database: {status}; see logs/airflow-api.log"


def _ledger(settings: Settings) -> Finding:
    deployed = open_ledger(settings).last_deployments()
    return Outcome.OK, f"the ledger answers; it knows of {_count(len(deployed), 'delivered model')}"


def _pools(settings: Settings) -> Finding:
    """A task of a pool that is not there stays `scheduled` for ever, without a word."""
    wanted = read_pools(config_folder())
    with Airflow.connect(settings) as airflow:
        there = {one["name"]: one["slots"] for one in airflow.entries("/pools", "pools")}
    missing = [name for name in wanted if name not in there]
    if missing:
        names = ", ".join(missing)
        return Outcome.BAD, f"{names} missing: its tasks wait for ever; run `airloop up`"
    closed = [name for name in wanted if not there[name]]
    if closed:
        return Outcome.BAD, f"{', '.join(closed)} without a slot: run `airloop up`, or give it some"
    told = ", ".join(f"{name} {there[name]}" for name in wanted)
    return Outcome.OK, f"slots by pool: {told}"


def _dags(settings: Settings, catalog: Catalog) -> Finding:
    wanted = expected_dags(catalog)
    with Airflow.connect(settings) as airflow:
        there = set(airflow.dag_ids())
    missing = [name for name in wanted if name not in there]
    if not missing:
        return Outcome.OK, f"all {len(wanted)} are there"
    return Outcome.UNKNOWN, (
        f"{len(missing)} of {len(wanted)} are not there yet ({_some(missing)}): after a start or a new spec "
        "wait a minute; if they stay away, `airloop check` and logs/airflow-dag-processor.log say why"
    )


def expected_dags(catalog: Catalog) -> tuple[str, ...]:
    """The DAGs that the specs ask for; those of a spec that is wrong are told of elsewhere."""
    datasets = [one.name for one in catalog.datasets() if one.error is None]
    models = [one.name for one in catalog.models() if one.error is None]
    return tuple(
        f"{kind}_{name}" for kind in KINDS for name in (datasets if kind == "ingest" else models)
    )


def _import_errors(settings: Settings) -> Finding:
    with Airflow.connect(settings) as airflow:
        errors = airflow.get("/importErrors", limit=_SHOWN)
    if not errors["total_entries"]:
        return Outcome.OK, "Airflow reads all of them"
    first = errors["import_errors"][0]
    said = [line for line in first["stack_trace"].splitlines() if line.strip()]
    more = f" (and {errors['total_entries'] - 1} more)" if errors["total_entries"] > 1 else ""
    return Outcome.BAD, f"{first['filename']} cannot be read{more}: {said[-1].strip()}"


def _service(settings: Settings) -> Finding:
    with ServiceClient(settings) as service:
        endpoints = service.endpoints()
    lame = [one for one in endpoints if one.condition in {Condition.UNREACHABLE, Condition.REFUSED}]
    if lame:
        return Outcome.BAD, f"{lame[0].model}: {lame[0].says or lame[0].error or lame[0].condition}"
    serving = sum(one.condition is Condition.SERVING for one in endpoints)
    return Outcome.OK, f"{serving} of {_count(len(endpoints), 'model')} serve"


def _mlflow(settings: Settings) -> Finding:
    """Not /health, which never asks its database."""
    answer = httpx.get(
        f"{settings.mlflow_uri}/api/2.0/mlflow/experiments/search?max_results=1",
        timeout=_TIMEOUT,
        trust_env=False,
    )
    if answer.is_success:
        return Outcome.OK, "the server and its database answer"
    return Outcome.BAD, f"it answers {answer.status_code}; see logs/mlflow.log"


def free_disk(layout: Layout) -> Finding:
    """Whether there is room for another night."""
    free = shutil.disk_usage(layout.home if layout.home.exists() else layout.home.parent).free
    said = f"{free / 1e9:.1f} GB free at {layout.home}"
    if free >= FREE_BYTES:
        return Outcome.OK, said
    return Outcome.BAD, f"{said}: make room, for instance by `airloop clean --older-than 30d`"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
