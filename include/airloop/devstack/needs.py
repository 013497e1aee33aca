"""What a run needs of the stack, asked one by one: a line each, in words that say what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from airloop.contracts import Contract, Outcome
from airloop.delivery.anchors import STEP_STORE, Anchors
from airloop.delivery.differences import differences
from airloop.delivery.watches import HISTORY, LAKE, standing
from airloop.devstack.airflow import Airflow
from airloop.devstack.layout import Layout
from airloop.errors import AirloopError, UnreachableError
from airloop.ledger import open_ledger
from airloop.paths import config_folder
from airloop.registry import credentials
from airloop.serving.client import ServiceClient
from airloop.serving.responses import Condition
from airloop.settings import Settings
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


def needs(layout: Layout, settings: Settings, *, guessed: bool = False) -> tuple[Need, ...]:
    """Ask for all of it, side by side; what cannot be asked could not be told.

    :param guessed: the settings are wrong, and these hold the addresses alone: where the ledger is nobody knows
    """
    checks: dict[str, Callable[[], Finding]] = {
        "database": lambda: _database(settings),
        "ledger": lambda: _unknown_place() if guessed else _ledger(settings),
        "history": lambda: _unknown_place() if guessed else _history(settings),
        "lake": lambda: _unknown_place() if guessed else _lake(settings),
        "pools": lambda: _pools(settings),
        "DAGs": lambda: _dags(settings),
        "DAG files": lambda: _import_errors(settings),
        "service": lambda: _service(settings),
        "MLflow": lambda: _mlflow(settings, guessed),
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
    except (AirloopError, httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
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
    deployed = open_ledger(settings).serving()
    if doubts := [f"{name}: {one.doubt}" for name, one in sorted(deployed.items()) if one.doubt]:
        return Outcome.BAD, f"it differs from what the loop wrote: {_some(doubts)}"
    return Outcome.OK, f"the ledger answers; it knows of {_count(len(deployed), 'delivered model')}"


def _lake(settings: Settings) -> Finding:
    """By what the last look at all of it found: to look takes as long as to read it."""
    if (said := standing(open_ledger(settings), LAKE)) is not None:
        return Outcome.BAD, said
    return Outcome.OK, "no look found a file that is not as it was written"


def _history(settings: Settings) -> Finding:
    """By the guards and the anchored links, and by what the last look at every row found."""
    ledger, kept = open_ledger(settings), Anchors(settings).kept()
    found = ledger.glance({} if kept is None else {STEP_STORE: kept.heads})
    if (said := standing(ledger, HISTORY)) is not None:
        return Outcome.BAD, said
    if not found.sound:
        return Outcome.BAD, f"{found.faults[0]}; `airloop audit verify` names all"
    if kept is None:
        return Outcome.OK, "not anchored yet: the DAG airloop_audit does it within five minutes"
    told = (
        f"anchored {kept.at:%Y-%m-%d %H:%M} UTC, every row compared {kept.verified:%Y-%m-%d %H:%M}"
    )
    return Outcome.OK, f"as it was written; {told}"


def _unknown_place() -> Finding:
    return Outcome.UNKNOWN, "could not be asked: the settings, which say where it is, are wrong"


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


def _dags(settings: Settings) -> Finding:
    with Airflow.connect(settings) as airflow:
        found = airflow.dag_presence()
    if found.absent:
        more = len(found.absent) - _SHOWN
        told = "; ".join(found.absent[:_SHOWN])
        return Outcome.BAD, told + (f"; and {_count(more, 'spec')} more" if more > 0 else "")
    if found.there == found.expected:
        return Outcome.OK, f"all {found.expected} are there"
    return Outcome.UNKNOWN, (
        f"{found.there} of {found.expected} are there yet: after a start or a new spec wait a minute; if the others stay "
        "away, `airloop check` and logs/airflow-dag-processor.log say why"
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
    serving = sum(one.condition in {Condition.SERVING, Condition.RESTING} for one in endpoints)
    return Outcome.OK, f"{serving} of {_count(len(endpoints), 'model')} serve"


def _mlflow(settings: Settings, guessed: bool) -> Finding:
    """Not /health, which never asks its database."""
    try:
        who = credentials.pair(settings)
    except UnreachableError as error:
        return Outcome.BAD, str(error)
    answer = httpx.get(
        f"{settings.mlflow_uri}/api/2.0/mlflow/experiments/search?max_results=1",
        auth=who,
        timeout=_TIMEOUT,
        trust_env=False,
    )
    if answer.status_code in credentials.REFUSALS:
        return Outcome.BAD, str(credentials.refusal(settings, answer.status_code))
    if not answer.is_success:
        return Outcome.BAD, f"it answers {answer.status_code}; see logs/mlflow.log"
    if guessed:
        return Outcome.OK, "the server and its database answer"
    differing = [str(one) for one in differences(open_ledger(settings), settings)]
    if not differing:
        return Outcome.OK, "the server and its database answer, and say what the ledger says"
    return (
        Outcome.BAD,
        f"it differs from the ledger: {_some(differing)}; run `airloop reconcile`",
    )


def _some(told: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return "; ".join(told[:_SHOWN]) + more


def free_disk(layout: Layout) -> Finding:
    """Whether there is room for another night."""
    free = shutil.disk_usage(layout.home if layout.home.exists() else layout.home.parent).free
    said = f"{free / 1e9:.1f} GB free at {layout.home}"
    if free >= FREE_BYTES:
        return Outcome.OK, said
    return Outcome.BAD, f"{said}: make room, for instance by `airloop clean --older-than 30d`"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
