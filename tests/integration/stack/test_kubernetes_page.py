"""docs/kubernetes.md, word for word from a bare environment, up to what needs a kubelet. The tests build on each other.

`kubectl` is the real one and speaks to the tests' API over TLS, with an administrator's token that nothing of Airloop's
may use. What it would start in Airflow's container is given to this stack's Airflow.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.contracts import ArtifactRef, Candidate
from airloop.devstack import processes
from airloop.devstack.airflow import Airflow, wait_for
from airloop.exchange import seal
from airloop.exchange.store import StepStore
from airloop.settings import Settings
from tests.support.checkout import ROOT
from tests.support.cluster import ADMIN_TOKEN
from tests.support.kube_objects import LAUNCHER
from tests.support.kube_tls import SecureCluster
from tests.support.kubernetes_page import BLOCKS, COMMANDS, needed, of_airflow, section
from tests.support.loop.specimens import ref
from tests.support.pod_task import IMAGE
from tests.support.stack import Stack, bare_environment, small_config

OUTSIDE = section("From outside of the cluster")
KUBECTL = str(Path(sys.executable).parent / "kubectl")
#: One interpreter for all of them: each would load Airflow anew.
AIRFLOW = """
import shlex, sys
from airflow.__main__ import main
for line in sys.stdin.read().splitlines():
    sys.argv = shlex.split(line)
    main()
"""
#: What was run, of all the page's commands.
RUN: list[str] = []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the example's config and a remote to push to."""
    root = tmp_path_factory.mktemp("page") / "project"
    small_config(root / "config")
    for name, keys in (
        ("flight_delay", {"compute": "kubernetes"}),
        ("flight_delay_torch", {"training": {"processes": 2}}),
    ):
        _change(root / "config" / "models" / f"{name}.yaml", keys)
    _change(root / "config" / "environments" / "local.yaml", {"kubernetes": {"image": IMAGE}})
    # As the page says beside its command: what stands there is what every `up` gives Airflow.
    pools = root / "config" / "pools.json"
    found = json.loads(pools.read_text())
    found["airloop_gpu"]["slots"] = 8
    pools.write_text(json.dumps(found))
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (
        ("init", "--quiet", "--bare", str(root.parent / "remote.git")),
        ("init", "--quiet", "--initial-branch", "main"),
        ("remote", "add", "origin", str(root.parent / "remote.git")),
        ("add", "config"),
        (*identity, "commit", "--quiet", "--message", "The project"),
        ("push", "--quiet", "--set-upstream", "origin", "main"),
        ("config", "user.name", "a"),
        ("config", "user.email", "a@example.com"),
    ):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    return root


def _change(path: Path, keys: dict[str, Any]) -> None:
    """Lay keys over a file, as the page says it."""
    found = (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
    for key, value in keys.items():
        found[key] = found.get(key, {}) | value if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(found))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    with SecureCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack(cluster: SecureCluster, project: Path) -> Stack:
    """Not up yet. Only `kubectl` knows the administrator's kubeconfig."""
    admin = cluster.kubeconfig(project.parent / "admin.conf", ADMIN_TOKEN)
    programs = project.parent / "bin"
    programs.mkdir()
    kubectl = programs / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {KUBECTL} --kubeconfig {admin} "$@"\n')
    kubectl.chmod(0o755)
    bare = bare_environment(project, project / "config", programs)
    return Stack(project / ".airloop", bare | {"AIRLOOP_HOME": str(project / ".airloop")})


@pytest.fixture(scope="module")
def up(stack: Stack, cluster: SecureCluster) -> Iterator[str]:
    """Started by the page's commands; what they said."""
    with stack.up("\n".join(OUTSIDE)) as started:
        RUN.extend(OUTSIDE)
        yield " ".join(started.stderr.split())


def test_the_settings_of_the_page_are_checked_and_pushed(stack: Stack, project: Path) -> None:
    (project / "config" / "environments" / "production.yaml").write_text(BLOCKS[0])
    _change(project / "config" / "models" / "flight_delay_torch.yaml", yaml.safe_load(BLOCKS[1]))
    shell(stack, section("2. Settings and specs") + section("3. The images"))
    pushed = subprocess.run(
        ["git", "log", "-1", "--format=%s", "origin/main"],
        cwd=project, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert pushed == "Production settings; flight_delay_torch trains on a GPU\n"


def test_all_of_config_kubernetes_is_applied_and_the_dry_run_changes_nothing(
    stack: Stack, cluster: SecureCluster
) -> None:
    namespaces, dry, real = section("4. Namespaces")
    shell(stack, [namespaces, dry])
    assert {kind for kind, _, _ in cluster.store.kept} == {"namespaces", "nodes"}
    shell(stack, [real])
    assert ("airloop-services", "airloop-serving") in cluster.store.names("statefulsets")
    assert len(cluster.store.kept) == 26 + len(cluster.store.names("nodes"))


def test_the_last_command_alone_does_for_an_empty_cluster(stack: Stack, tmp_path: Path) -> None:
    with SecureCluster(tmp_path) as empty:
        config = empty.kubeconfig(tmp_path / "admin.conf", ADMIN_TOKEN)
        shell(stack, [f"{section('4. Namespaces')[-1]} --kubeconfig {config}"], count=False)
        assert len(empty.store.kept) == 26 + len(empty.store.names("nodes"))


def test_the_secrets_hold_what_airflow_and_the_steps_can_read(
    stack: Stack, cluster: SecureCluster
) -> None:
    exports = [c for c in section("1. Databases") if c.startswith("export ")]
    shell(stack, exports + section("5. Secrets"))
    found = {
        f"{space}/{name}": {
            key: base64.b64decode(value).decode()
            for key, value in cluster.store.kept["secrets", space, name]["data"].items()
        }
        for space, name in cluster.store.names("secrets")
    }
    assert len(found) == 8
    airflow = found["airflow/airloop-airflow"]
    extra = json.loads(airflow["AIRFLOW_CONN_AIRLOOP_S3"])["extra"]
    assert extra["endpoint_url"] == "http://s3.airloop-services:8333"
    assert json.loads(airflow["AIRFLOW_CONN_KUBERNETES_DEFAULT"])["extra"] == {"in_cluster": True}
    assert json.loads(airflow["AIRFLOW_CONN_AIRLOOP_GIT"])["host"].startswith("https://")
    ledger = found["airloop/airloop-step"]["AIRLOOP__LEDGER_URL"]
    assert ledger == airflow["AIRLOOP__LEDGER_URL"]
    assert len(ledger.split(":")[2].partition("@")[0]) == 48
    sealing = found["airloop/airloop-step"][seal.VARIABLE]
    assert sealing == airflow[seal.VARIABLE]
    assert len(sealing) == 64
    key = found["airflow/airflow-fernet-key"]["fernet-key"]
    assert len(base64.urlsafe_b64decode(key)) == 32


def test_the_nodes_gpus_are_shown_by_product(stack: Stack) -> None:
    asked = [command for command in section("7. The GPUs") if command.startswith("kubectl get")]
    (line,) = shell(stack, asked).splitlines()[1:]
    assert line.split() == ["worker-1", "NVIDIA-H200", "8"]


def test_the_stack_reaches_that_cluster_as_the_launcher_and_no_other(
    stack: Stack, cluster: SecureCluster, up: str
) -> None:
    told = f"{cluster.url}, namespace airloop, as {LAUNCHER}"
    assert up.count(told) == 2, up  # check, and up
    # Another shell holds no connection: what `up` found is told.
    assert told in stack.airloop("status").stdout


def test_a_worker_reconciles_by_the_exported_connection(
    stack: Stack, cluster: SecureCluster, up: str
) -> None:
    cluster.requests.clear()
    asked = stack.airloop("reconcile")
    assert asked.returncode == 0, asked.stderr
    assert "every pod and Job has its task" in asked.stdout
    assert ("GET", "/api/v1/namespaces/airloop/pods") in cluster.requests


def test_the_commands_in_airflows_container_start_the_run(
    stack: Stack, cluster: SecureCluster, up: str, airflow: Airflow
) -> None:
    """Also a single pod, which the page does not start; days are ingested for show alone, for time's sake."""
    inner = of_airflow(COMMANDS)
    assert len(inner) == 4
    RUN.extend(command for command in COMMANDS if command.partition(" -- ")[2] in inner)
    lines = [line.replace("/opt/airloop/project", str(ROOT)) for line in inner]
    lines = [f"{line} --dry-run" if "backfill create" in line else line for line in lines]
    done = subprocess.run(
        ["sh", "-ec", f'. "$AIRLOOP_HOME/env"; exec python -c {shlex.quote(AIRFLOW)}'],
        env=stack.env, input="\n".join(lines), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    airflow.trigger("train_flight_delay", {"reason": "beside it"})
    assert airflow.get("/pools/airloop_gpu")["slots"] == 8
    for model in PODS:
        wait_for(lambda m=model: train_pods(cluster, m) or None, f"no pod of {model}", patience=90)


MADE = {("POST", "/pods"), ("POST", "/jobs")}
PODS = {"flight_delay": 1, "flight_delay_torch": 2}


def train_pods(cluster: SecureCluster, model: str) -> list[dict[str, Any]]:
    """The pods of a model's training; all of them or none."""
    found = [
        pod
        for pod in cluster.pods()
        if pod["metadata"]["labels"].get("dag_id") == f"train_{model}"
        and pod["metadata"]["labels"]["airloop/step"] == "train"
    ]
    return found if len(found) == PODS[model] else []


def test_the_pods_are_seen_and_their_logs_followed(
    stack: Stack, cluster: SecureCluster, up: str
) -> None:
    of_kubectl = [c for c in section("8. The run") if "exec" not in c and not needed(c)]
    listed, followed = of_kubectl
    assert train_pods(cluster, "flight_delay")[0]["metadata"]["name"] in shell(stack, [listed])
    RUN.append(followed)
    subprocess.run(
        ["timeout", "1", "sh", "-c", followed], env=stack.env, capture_output=True, check=False
    )
    assert any(path.endswith("/log") for _, path in cluster.requests)


def test_a_killed_triggerer_is_followed_by_another_that_goes_on_with_the_same_pods(
    stack: Stack,
    cluster: SecureCluster,
    up: str,
    airflow: Airflow,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed with the scheduler; meanwhile the token ends and is renewed. Each task ends once."""
    runs = {model: trained(airflow, model) for model in PODS}
    uids = {model: uids_of(cluster, model) for model in PODS}
    watched(cluster)
    workers = _killed_and_up_again(stack)
    # As the pods, which got it from the Secret: `up` took it from there.
    key = cluster.store.kept["secrets", "airloop", "airloop-step"]["data"][seal.VARIABLE]
    monkeypatch.setenv(seal.VARIABLE, base64.b64decode(key).decode())
    cluster.token = cluster.store.token = "renewed"
    shell(stack, [command for command in OUTSIDE if "create token" in command], count=False)
    watched(cluster)
    assert {model: uids_of(cluster, model) for model in PODS} == uids
    for model in PODS:
        _finish(cluster, settings, model)
    for model, run in runs.items():
        wait_for(
            lambda m=model, r=run: _state(airflow, m, r) in {"success", "failed"} or None,
            f"the training of {model} does not end", patience=240,
        )  # fmt: skip
        (task,) = [one for one in airflow.tasks(f"train_{model}", run) if one["task_id"] == "train"]
        assert (task["state"], task["try_number"]) == ("success", 1)
        assert airflow.xcom(f"train_{model}", run, "train", "candidate")["run_id"] == model
    asked = [pod for pod in cluster.created if pod["metadata"]["labels"]["airloop/step"] == "train"]
    assert len(asked) == sum(PODS.values())
    assert cluster.doubles == []
    made = {user for user, method, path in cluster.asked if (method, path[-5:]) in MADE}
    assert made == {LAUNCHER}
    down = stack.airloop("down")
    assert down.returncode == 0, down.stderr
    assert workers & processes.processes().keys() == set()


def trained(airflow: Airflow, model: str) -> str:
    """The run of a model's DAG whose training is deferred."""
    (run,) = airflow.runs(f"train_{model}")
    identity = run["dag_run_id"]
    wait_for(
        lambda: _state(airflow, model, identity) == "deferred" or None,
        f"the training of {model} is not deferred", patience=60,
    )  # fmt: skip
    return str(identity)


def _state(airflow: Airflow, model: str, run: str) -> str | None:
    found = {one["task_id"]: one["state"] for one in airflow.tasks(f"train_{model}", run)}
    return found.get("train")


def uids_of(cluster: SecureCluster, model: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in train_pods(cluster, model)}


def watched(cluster: SecureCluster) -> None:
    """Until a triggerer has looked at a pod of each."""
    cluster.requests.clear()

    def look() -> bool | None:
        paths = " ".join(path for method, path in cluster.requests if method == "GET")
        return all(
            any(pod["metadata"]["name"] in paths for pod in train_pods(cluster, model))
            for model in PODS
        ) or None  # fmt: skip

    wait_for(look, "nobody looks at the pods", patience=120)


def _killed_and_up_again(stack: Stack) -> set[int]:
    """Scheduler and triggerer are killed and started anew; the pids of all that worked for either."""
    state = stack.status()
    killed = [state[f"airflow-{part}"]["pid"] for part in ("scheduler", "triggerer")]
    workers = set().union(*(_of_session(pid) for pid in killed)) - set(killed)
    assert workers
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    exports = [command for command in OUTSIDE if command.startswith("export ")]
    shell(stack, [*exports, "airloop up"], count=False)
    again = stack.status()["airflow-scheduler"]["pid"]
    return workers.union(_of_session(again), *(_of_session(pid) for pid in killed))


def _of_session(leader: int) -> set[int]:
    return {pid for pid, seen in processes.processes().items() if seen.session == leader}


def _finish(cluster: SecureCluster, settings: Settings, model: str) -> None:
    """What the step writes, and its pods' end."""
    pods = train_pods(cluster, model)
    arguments = pods[0]["spec"]["containers"][0]["args"]
    store = StepStore(settings.step_store_uri, settings.storage_options)
    candidate = Candidate(
        model=model,
        run_id=model,
        artifact=ArtifactRef(uri=store.uri, digest=f"sha256:{0:064}"),
        dataset=ref(),
        holdout=(),
        metrics={},
    )
    result = {"candidate": candidate.model_dump(mode="json")}
    store.write(arguments[arguments.index("--result") + 1], {"result": result})
    for pod in pods:
        cluster.finish(pod["metadata"]["name"])


def shell(stack: Stack, found: list[str], *, count: bool = True) -> str:
    """Run commands of the page in one shell; those that need more than there is are left out."""
    wanted = [command for command in found if not needed(command)]
    done = stack.shell("\n".join(wanted))
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    RUN.extend(wanted if count else [])
    return done.stdout


def test_every_command_was_run_here_or_needs_what_is_not_here() -> None:
    """The rest of step 1 is run by tests/integration/postgres_s3."""
    left = [command for command in COMMANDS if command not in RUN and not needed(command)]
    assert left == [command for command in section("1. Databases") if "databases.sh" in command]
