"""docs/kubernetes.md, "From outside of the cluster", word for word from a bare environment, up to what needs a kubelet."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from airloop.devstack import processes
from tests.support.checkout import ROOT
from tests.support.cluster import TOKEN, Cluster, Node
from tests.support.kube_objects import LAUNCHER
from tests.support.pod_task import IMAGE
from tests.support.stack import Stack, small_config

PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## From outside of the cluster")[1].split("\n## ")[0]
COMMANDS = re.findall(r"(?m)^\$ (.*)$", re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL)[0])
#: What `kubectl` would say of the cluster; the page's other commands are run as they stand.
KUBECTL = """#!/bin/sh
case "$*" in
    *"create token airloop-launcher"*) echo {token} ;;
    *cluster.server*) printf %s {url} ;;
    *certificate-authority-data*) ;;
    *) exit 64 ;;
esac
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(Node(runs=False)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Nothing of this machine's but its programs: no KUBECONFIG, no ~/.kube, no AWS_*."""
    root = tmp_path_factory.mktemp("outside")
    config = small_config(root / "config")
    path = config / "models" / "flight_delay.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"compute": "kubernetes"}))
    local = config / "environments" / "local.yaml"
    settings = yaml.safe_load(local.read_text()) or {} if local.exists() else {}
    local.write_text(yaml.safe_dump(settings | {"kubernetes": {"image": IMAGE}}))
    programs = root / "bin"
    programs.mkdir()
    kubectl = programs / "kubectl"
    kubectl.write_text(KUBECTL.format(token=TOKEN, url=cluster.url))
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    env = {
        "PATH": f"{programs}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(root),
        "AIRLOOP_PROJECT": str(ROOT),
        "AIRLOOP_HOME": str(root / "home"),
        "AIRLOOP_CONFIG": str(config),
    }
    return Stack(root / "home", env)


def test_the_pages_commands_start_a_stack_that_reaches_that_cluster_and_no_other(
    stack: Stack, cluster: Cluster
) -> None:
    script = "set -e\n" + "\n".join(COMMANDS)
    assert "airloop up" in COMMANDS
    try:
        done = subprocess.run(
            ["sh", "-c", script.replace("config/kubernetes/", f"{ROOT}/config/kubernetes/")],
            env=stack.env, cwd=stack.home.parent, capture_output=True, text=True, timeout=570,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = f"{cluster.url}, namespace airloop, as {LAUNCHER}"
        said = " ".join(done.stderr.split())
        assert said.count(told) == 2, said  # check, and up
        # Another shell holds no connection: what `up` found is told.
        assert told in stack.airloop("status").stdout
        _reconciles(stack, cluster)
        _leaves_no_worker(stack)
    finally:
        stack.airloop("down")


def _reconciles(stack: Stack, cluster: Cluster) -> None:
    """A worker reaches the cluster: with the exported connection, since there is no other way in."""
    cluster.requests.clear()
    asked = stack.airloop("reconcile")
    assert asked.returncode == 0, asked.stderr
    assert "every pod and Job has its task" in asked.stdout
    assert ("GET", "/api/v1/namespaces/airloop/pods") in cluster.requests


def _leaves_no_worker(stack: Stack) -> None:
    """A scheduler is killed and another started; `down` ends the workers of both."""
    first = stack.status()["airflow-scheduler"]["pid"]
    workers = _of_session(first) - {first}
    assert workers
    os.kill(first, signal.SIGKILL)
    assert stack.airloop("up", timeout=400).returncode == 0
    second = stack.status()["airflow-scheduler"]["pid"]
    workers |= _of_session(second) | _of_session(first)
    assert stack.airloop("down").returncode == 0
    assert workers & processes.processes().keys() == set()


def _of_session(leader: int) -> set[int]:
    return {pid for pid, seen in processes.processes().items() if seen.session == leader}
