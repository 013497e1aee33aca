"""What runs: `airloop status` and `airloop down`."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from airloop import ejection
from airloop.check import broken, runtime
from airloop.check.cluster import found_lines, kept
from airloop.contracts import Contract, Outcome
from airloop.devstack.addresses import NOWHERE, Addresses, known_addresses
from airloop.devstack.components import Component, components
from airloop.devstack.layout import Layout
from airloop.devstack.needs import Need, needs
from airloop.devstack.processes import ProcessRecord, forget, read_ended, read_records, stop
from airloop.errors import AirloopError, SpecError
from airloop.execution.pods.kubeconfig import connection_variable
from airloop.paths import dags_folder
from airloop.settings import Settings, in_force, read_settings
from airloop.specs.catalog import load_catalog
from airloop.specs.sections.servers import ServingSettings
from airloop.vocabulary import Topic

State = Literal["running", "not well", "crashed", "stopped"]


class ComponentState(Contract):
    """One part, now."""

    name: str
    title: str
    state: State
    pid: int | None
    uptime_seconds: int | None
    address: str
    log: str


class StackState(Contract):
    """The whole stack, now."""

    home: str
    running: bool
    components: tuple[ComponentState, ...]
    #: The kinds of DAG whose file is the project's own (`airloop eject`).
    owned: tuple[str, ...] = ()
    #: Which ledger, lake and service are in force, and who says so.
    in_force: tuple[str, ...] = ()
    #: What asks for a person though every part runs: a spec that is wrong, a model that is deployed without one.
    findings: tuple[str, ...] = ()
    #: The cluster that the steps' pods go to, as whom, with which rights.
    cluster: tuple[str, ...] = ()
    #: What a run needs, asked while the stack runs.
    needs: tuple[Need, ...] = ()
    #: Of each model whose past was replayed: what came of it.
    replays: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """All of it runs and a run has what it needs, or none of it does: nothing asks for a person."""
        states = {part.state for part in self.components}
        there = all(need.outcome is Outcome.OK for need in self.needs)
        return not self.findings and there and (states <= {"running"} or states <= {"stopped"})


def status(layout: Layout) -> StackState:
    """Ask every part, side by side. What is wrong with the project's own files is a finding, and hides nothing else."""
    records = read_records(layout.run) if layout.run.exists() else {}
    addresses = _addresses(layout)
    settings, wrong = read_settings()
    guessed = settings is None
    settings = settings or _guessed(addresses)
    owned, foreign = _owned()
    parts = components(layout, addresses or NOWHERE, settings)
    with ThreadPoolExecutor(max_workers=len(parts)) as pool:
        states = list(pool.map(lambda part: _state(part, records.get(part.name), layout), parts))
    return StackState(
        home=str(layout.home),
        running=all(part.state == "running" for part in states),
        components=tuple(states),
        owned=owned,
        in_force=() if guessed else in_force(settings),
        findings=(
            *(f"the settings are wrong: {error}" for error in wrong),
            *runtime.strangers(),
            *foreign,
            *broken.sentences(load_catalog()),
            *(_orphans(settings) if records and not guessed else ()),
        ),
        cluster=_cluster(layout, None if guessed else settings) if records else (),
        needs=needs(layout, settings, guessed=guessed) if records else (),
        replays=_replays(settings) if records and not guessed else (),
    )


def _addresses(layout: Layout) -> Addresses | None:
    try:
        return known_addresses(layout)
    except SpecError:  # the file is a layer of the settings: their fault says it
        return None


def _guessed(addresses: Addresses | None) -> Settings:
    """Settings that hold the addresses of the last `up` and are else as if nothing were set: nobody is refused by them."""
    if addresses is None:
        return Settings.model_construct()
    return Settings.model_construct(
        airflow_url=addresses.url("airflow"),
        mlflow_uri=addresses.url("mlflow"),
        serving=ServingSettings(url=addresses.url("serving")),
    )


def _owned() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds of DAG that the project ejected, or what is wrong with a file that bears the name of one."""
    try:
        return tuple(ejection.owned(dags_folder())), ()
    except SpecError as error:
        return (), (str(error),)


def _cluster(layout: Layout, settings: Settings | None) -> tuple[str, ...]:
    """Asked anew where this shell holds the connection; else what `up` found, its token's time counted from now."""
    if settings and connection_variable(settings.kubernetes.connection_id) in os.environ:
        return tuple(found_lines(settings, load_catalog()))
    found = kept(layout.cluster)
    return () if found is None else tuple(found.lines())


def _orphans(settings: Settings) -> tuple[str, ...]:
    from airloop.check.orphans import orphans
    from airloop.ledger import open_ledger

    try:
        return orphans(load_catalog(), open_ledger(settings))
    except AirloopError as error:
        return (f"models without a spec could not be looked for: {error}",)


def _replays(settings: Settings) -> tuple[str, ...]:
    """The newest of each model; nothing where the ledger does not answer, as the needs say."""
    from airloop.ledger import open_ledger

    try:
        found = open_ledger(settings).newest_decisions(Topic.REPLAY)
    except AirloopError:
        return ()
    return tuple(found[model].reason for model in sorted(found))


def down(layout: Layout) -> tuple[int, int]:
    """End every process of this stack; returns how many parts ran and how many processes were killed."""
    if not layout.run.exists():
        return 0, 0
    records = [*read_records(layout.run).values(), *read_ended(layout.run)]
    alive = [record for record in records if record.alive]
    stack_id = layout.secrets / "stack_id"
    mark = stack_id.read_text(encoding="utf-8").strip() if stack_id.exists() else "none"
    killed = stop(records, mark)
    forget(layout.run)
    for path in (*layout.run.glob("*.sock"), layout.provisioned):
        path.unlink(missing_ok=True)
    return len(alive), killed


def _state(part: Component, record: ProcessRecord | None, layout: Layout) -> ComponentState:
    state: State = "stopped"
    if record is not None:
        # `down` removes the record: one that is left without its process is a crash.
        state = (
            "crashed"
            if not record.alive
            else "running"
            if part.healthy(record.started_at)
            else "not well"
        )
    alive = record is not None and record.alive
    return ComponentState(
        name=part.name,
        title=part.title,
        state=state,
        pid=record.pid if record and alive else None,
        uptime_seconds=int(time.time() - record.started_at) if record and alive else None,
        address=part.address if alive else "",
        log=str(layout.logs / f"{part.name}.log"),
    )
