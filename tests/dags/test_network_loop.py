"""flight_delay_torch once around the loop, by process and by pods: the same spec but for ``compute``.

Nothing is stood in for: Airflow's own DAGs run the real steps on real flights, beside a real MLflow server and the
real prediction service. Where the spec says ``kubernetes``, the steps that may are pods of the HTTP double; the others are
forks of a step host, as under `airloop up`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from airloop.contracts import Outcome
from airloop.delivery.rollback import rollback
from airloop.demo.rows import partition_rows
from airloop.devstack.mlflow import server_environment
from airloop.ledger import open_ledger
from airloop.plugins.metric import standard
from airloop.registry import models
from airloop.serving.client import ServiceClient
from airloop.serving.command import service_command
from airloop.settings import load_settings
from airloop.specs import load_catalog
from tests.support.checkout import ROOT
from tests.support.cluster import Cluster, Node
from tests.support.step_host import step_host

MODEL = "flight_delay_torch"
FIRST, ASKED, LAST = "2013-01-01", "2013-01-07", "2013-01-08"
IMAGE = "registry.example/airloop-step:1.4.0"
#: As pods, where the spec says so.
STEPS = ["train", "evaluate", "monitor"]
LoadDags = Callable[..., dict[str, Any]]


def small(folder: Path, compute: str) -> None:
    """The project's config with six days of training and little to learn; only ``compute`` is the test's to move."""
    shutil.copytree(ROOT / "config", folder)
    path = folder / "models" / f"{MODEL}.yaml"
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    # A refit is the same fit again, and would triple what the test pays for.
    spec["training"] |= {"window_days": 6, "holdout_days": 2, "refit": False}
    spec["gates"] |= {"absolute": {"roc_auc": {"min": 0.5}}, "baseline_margin": 0.0}
    spec["gates"] |= {"confidence": 0.51, "slices": []}
    spec |= {"compute": compute, "resources": {"steps": STEPS}}
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    environment = folder / "environments" / "local.yaml"
    settings = yaml.safe_load(environment.read_text(encoding="utf-8")) or {}
    settings["kubernetes"] = {"image": IMAGE, "poll_seconds": 0.5, "secret": None}
    environment.write_text(yaml.safe_dump(settings), encoding="utf-8")


@dataclass(frozen=True)
class Server:
    """One that was started, and need not answer yet."""

    process: subprocess.Popen[bytes]
    log: Path


@dataclass
class World:
    """One home with a running MLflow and a running service."""

    home: Path
    cluster: Cluster
    #: Which the runs do not change.
    dags: dict[str, Any]
    #: By the address at which they must answer before a step asks them.
    servers: dict[str, Server]

    def ready(self) -> None:
        """Until the servers answer, which start beside the ingest."""
        until = time.monotonic() + 180
        with httpx.Client(timeout=5, trust_env=False) as http:
            for url, server in self.servers.items():
                while not answers(http, url):
                    assert server.process.poll() is None, server.log.read_text()
                    assert time.monotonic() < until, server.log.read_text()
                    time.sleep(0.2)

    def run(self, dag_id: str, **conf: Any) -> None:
        """One run of a DAG; every task of it must succeed, and at its first try."""
        done = self.dags[dag_id].test(run_conf=conf)
        told = {ti.task_id: (str(ti.state), ti.try_number) for ti in done.get_task_instances()}
        assert set(told.values()) == {("success", 1)}, told


@contextmanager
def server(argv: list[str], env: dict[str, str], log: Path) -> Iterator[Server]:
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=output, stderr=output)
        try:
            yield Server(process, log)
        finally:
            process.terminate()
            process.wait(60)


def answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).is_success
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def world(compute: str, root: Path, tables: Path, load_dags: LoadDags) -> Iterator[World]:
    """Everything up; gone when the context ends."""
    home, config = root / "home", root / "config"
    home.mkdir(parents=True)
    shutil.copy(tables, root / "mlflow.db")
    small(config, compute)
    tracking, serving = free_port(), free_port()
    variables = {
        "AIRLOOP_HOME": str(home),
        "AIRLOOP_CONFIG": str(config),
        "AIRLOOP__MLFLOW_URI": f"http://127.0.0.1:{tracking}",
        "AIRLOOP__SERVING__URL": f"http://127.0.0.1:{serving}",
        "AIRLOOP__SERVING__TOKEN": "a-token-of-the-test",
        "PYTHONPATH": str(ROOT),
        # The same sums in the same order, by process and by pod.
        "OMP_NUM_THREADS": "1",
    }
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in variables.items():
            patch.setenv(name, value)
        for cached in (load_settings, load_catalog):
            cached.cache_clear()
            stack.callback(cached.cache_clear)
        cluster = stack.enter_context(Cluster(Node(variables={**variables, "TMPDIR": str(root)})))
        patch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", cluster.connection(root / "kubeconfig"))
        mlflow = [sys.executable, "-m", "airloop.devstack.mlflow", "127.0.0.1", str(tracking)]
        kept = server_environment(f"sqlite:///{root / 'mlflow.db'}", str(root / "artifacts"))
        argv, env = service_command(load_settings())
        settings = load_settings()
        # Its ten consumers of jobs would cost more than the test.
        alone = dict(os.environ) | kept | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        servers = {
            f"{settings.mlflow_uri}/health": server(mlflow, alone, root / "m.log"),
            f"{settings.serving.url}/healthz": server(argv, env, root / "s.log"),
        }
        started = {url: stack.enter_context(one) for url, one in servers.items()}
        stack.enter_context(step_host(home))
        yield World(home, cluster, load_dags(), started)


def once_around(world: World, ingested: Path) -> dict[str, Any]:
    """Ingest, two versions, predictions, a night, and back to the first version; what the loop says of it all.

    :param ingested: a copy of the lake after the ingest, which is a process whatever ``compute`` says: the first makes
        it, the second takes it
    """
    settings = load_settings()
    if ingested.exists():
        shutil.copytree(ingested, world.home / "lake")
    else:
        world.run("ingest_flights", start=FIRST, end=LAST)
        shutil.copytree(world.home / "lake", ingested)
    world.ready()
    weak = {"epochs": 1}
    for number, params in enumerate((weak, {"epochs": 6}), 1):
        world.run(f"train_{MODEL}", reason=f"version {number}", params=params)
        world.run(f"deploy_{MODEL}", version=number)
        assert models.aliases(MODEL, settings=settings)["champion"] == number
    with ServiceClient(settings) as client:
        rows = partition_rows(MODEL, ASKED)
        answer = client.predict(MODEL, rows)
        assert (answer.version, answer.logged, len(answer.predictions)) == (2, True, len(rows))
        world.run(f"monitor_{MODEL}", partition=LAST)
        ledger = open_ledger(settings)
        assert rollback(ledger, settings, MODEL, "the night was bad").version == 1
        back = client.predict(MODEL, rows[:3])
    return {
        "decisions": [
            (one.topic, one.action, compared(one.figures)) for one in ledger.decisions(MODEL)
        ],
        "versions": [one.version for one in ledger.deployments(MODEL)],
        "predictions": answer.predictions,
        "back": (back.version, back.predictions),
    }


def compared(figures: dict[str, Any]) -> dict[str, Any]:
    """Metrics and verdicts, to the last bit; run ids, places and durations are each run's own."""
    verdicts = {one.value for one in Outcome}
    return {
        name: value
        for name, value in figures.items()
        if name in {*standard("classification"), "version", "partition", "rows", "promised"}
        or value in verdicts
    }


def test_the_network_goes_around_the_loop_by_process_and_by_pods_alike(
    tmp_path: Path, mlflow_tables: Path, load_dags: LoadDags, database: None
) -> None:
    said = {}
    for compute in ("process", "kubernetes"):
        # A short name: the step host's socket lies below it.
        with world(compute, tmp_path / compute[:3], mlflow_tables, load_dags) as around:
            said[compute] = once_around(around, tmp_path / "ingested")
            pods = [pod["metadata"]["labels"]["airloop/step"] for pod in around.cluster.created]
            assert around.cluster.pods() == []
        expected = [*(["train", "evaluate"] * 2), "monitor"]
        assert pods == (expected if compute == "kubernetes" else [])
    assert said["process"] == said["kubernetes"]
