"""A pod without Airflow, on the tests' own cluster, whose pods are processes: the contract of executors."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airloop import paths
from airloop.errors import DamagedError, DataError, PermanentError, SpecError, TransientError
from airloop.exchange import seal, wire
from airloop.exchange.store import StepStore
from airloop.execution.executors import KubernetesExecutor
from airloop.testing import ExecutorContract
from tests.support.checkout import ROOT
from tests.support.cluster import TOKEN, Cluster, Node

VARIABLE = "AIRFLOW_CONN_KUBERNETES_DEFAULT"


class TestPlainPod(ExecutorContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return KubernetesExecutor()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "kubernetes"}

    @pytest.fixture(autouse=True)
    def cluster(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Cluster]:
        templates = Path("config", "kubernetes", "pod_templates")
        shutil.copytree(ROOT / templates, project / templates)
        monkeypatch.setenv("AIRLOOP__KUBERNETES__IMAGE", "registry.example/step:1")
        monkeypatch.setenv("AIRLOOP__KUBERNETES__POLL_SECONDS", "0.2")
        variables = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            paths.PROJECT: str(project),
            "AIRLOOP_HOME": str(project / ".airloop"),
            "AIRLOOP_CONFIG": str(project / "config"),
        }
        with Cluster(Node(variables=variables)) as cluster:
            monkeypatch.setenv(VARIABLE, cluster.connection(tmp_path / "connected"))
            monkeypatch.setenv("KUBECONFIG", str(_unreachable(tmp_path / "ambient")))
            yield cluster
            assert cluster.live() == []

    def test_an_image_with_another_state_of_the_project_is_refused(
        self, plugin: Any, job: Any, project: Path, cluster: Cluster, tmp_path: Path
    ) -> None:
        image = tmp_path / "image"
        shutil.copytree(project, image, ignore=shutil.ignore_patterns(".airloop"))
        (image / "include" / "left.py").write_text("FROM = 'an older commit'\n")
        cluster.node.variables[paths.PROJECT] = str(image)
        asked = job("2024-03-01")
        handle = plugin.start(asked)
        while not plugin.poll(handle, 1.0):
            pass
        code = plugin.result(handle)
        note = StepStore(asked.settings.step_store_uri, {}).read(asked.result_uri)
        with pytest.raises(SpecError, match="rebuild the image") as caught:
            wire.conclude("score", note, code)
        told = str(caught.value)
        assert paths.digest(project) in told
        assert paths.digest(image) in told

    def test_a_pod_without_the_step_stores_key_is_told_so_for_good(
        self, plugin: Any, job: Any, cluster: Cluster
    ) -> None:
        cluster.node.variables[seal.VARIABLE] = ""
        handle = plugin.start(job("2024-03-01"))
        while not plugin.poll(handle, 1.0):
            pass
        with pytest.raises(PermanentError, match=f"could not begin.*{seal.VARIABLE}"):
            plugin.result(handle)

    def test_a_forged_result_is_refused_and_the_pod_gone(
        self, plugin: Any, job: Any, cluster: Cluster
    ) -> None:
        asked = job("2024-03-01")
        result = Path(asked.result_uri)
        result.write_text('{"sha256": "of anybody", "payload": {"result": {}}}')
        handle = plugin.start(asked)
        while not plugin.poll(handle, 1.0):
            pass
        with pytest.raises(DamagedError, match="bears no seal"):
            plugin.result(handle)

    def test_a_step_of_no_model_has_no_pod(self, plugin: Any, job: Any) -> None:
        from dataclasses import replace

        with pytest.raises(SpecError, match="only a model's steps run as pods"):
            plugin.start(replace(job("2024-03-01"), model=None))

    @pytest.mark.parametrize("connection", [None, '{"conn_type": "kubernetes"}'])
    def test_without_a_connection_the_machines_own_kubeconfig_is_not_used(
        self,
        plugin: Any,
        job: Any,
        cluster: Cluster,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        connection: str | None,
    ) -> None:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(tmp_path / "ambient")))
        home = tmp_path / "home" / ".kube"
        home.mkdir(parents=True)
        cluster.kubeconfig(home / "config")
        monkeypatch.setenv("HOME", str(home.parent))
        if connection is None:
            monkeypatch.delenv(VARIABLE)
        else:
            monkeypatch.setenv(VARIABLE, connection)
        with pytest.raises(SpecError, match=r"(machine's own kubeconfig is|~/.kube are) not used"):
            plugin.start(job("2024-03-01"))
        assert cluster.requests == []

    def test_a_connection_to_a_file_that_is_not_there_is_one_clear_error(
        self, plugin: Any, job: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        extra = '{"conn_type": "kubernetes", "extra": {"kube_config_path": "/no/such"}}'
        monkeypatch.setenv(VARIABLE, extra)
        with pytest.raises(SpecError, match="the connection reaches no cluster"):
            plugin.start(job("2024-03-01"))

    def test_a_connection_that_holds_its_kubeconfig_reaches_the_cluster(
        self,
        plugin: Any,
        job: Any,
        monkeypatch: pytest.MonkeyPatch,
        cluster: Cluster,
        tmp_path: Path,
    ) -> None:
        config = cluster.kubeconfig(tmp_path / "inline").read_text()
        for inline in (config, json.loads(config)):
            extra = {"conn_type": "kubernetes", "extra": {"kube_config": inline}}
            monkeypatch.setenv(VARIABLE, json.dumps(extra))
            handle = plugin.start(job("2024-03-02"))
            plugin.cancel(handle)
            cluster.wait(lambda: cluster.live() == [])

    def test_a_token_that_was_renewed_is_read_again(
        self,
        plugin: Any,
        job: Any,
        monkeypatch: pytest.MonkeyPatch,
        cluster: Cluster,
        tmp_path: Path,
    ) -> None:
        handle = plugin.start(job("2024-03-02"))
        cluster.token = "renewed"
        config = cluster.kubeconfig(tmp_path / "another")
        config.write_text(config.read_text().replace(TOKEN, "renewed"))
        extra = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(config)}}
        monkeypatch.setenv(VARIABLE, json.dumps(extra))
        assert not plugin.poll(handle, 0.1)
        plugin.cancel(handle)
        cluster.wait(lambda: cluster.live() == [])

    def test_a_node_that_dies_is_told_though_the_pods_phase_stays(
        self, plugin: Any, job: Any, cluster: Cluster
    ) -> None:
        handle = plugin.start(job("2024-03-02"))
        running(cluster)
        cluster.lose_node()
        assert plugin.poll(handle, 5.0)
        with pytest.raises(TransientError, match="the pod's node is lost"):
            plugin.result(handle)
        cluster.return_node()
        cluster.wait(lambda: cluster.live() == [])

    def test_a_drained_pod_is_told_as_that_when_it_is_gone(
        self, plugin: Any, job: Any, cluster: Cluster
    ) -> None:
        handle = plugin.start(job("2024-03-02"))
        cluster.node.grace = 1.0
        running(cluster)
        cluster.drain(cluster.live()[0])
        assert not plugin.poll(handle, 0.1)
        assert plugin.poll(handle, 30.0)
        with pytest.raises(TransientError, match="as when its node is drained"):
            plugin.result(handle)

    def test_an_image_that_is_not_there_is_not_waited_for(
        self, plugin: Any, job: Any, cluster: Cluster
    ) -> None:
        cluster.node.pulls = False
        handle = plugin.start(job("2024-03-01"))
        assert plugin.poll(handle, 0.1)
        with pytest.raises(PermanentError, match="the image cannot be pulled"):
            plugin.result(handle)

    def test_credentials_that_end_while_it_runs_are_waited_for(
        self, plugin: Any, job: Any, cluster: Cluster
    ) -> None:
        handle = plugin.start(job("2024-03-02"))
        cluster.rights = False
        assert not plugin.poll(handle, 0.1)
        assert plugin.logs(handle) == ()
        cluster.rights = True
        assert not plugin.poll(handle, 0.1)
        plugin.cancel(handle)
        cluster.wait(lambda: cluster.live() == [])

    def test_an_answer_is_taken_though_the_cluster_refuses(
        self, plugin: Any, job: Any, cluster: Cluster, caplog: pytest.LogCaptureFixture
    ) -> None:
        asked = job("2024-03-01")
        handle = plugin.start(asked)
        store = StepStore(asked.settings.step_store_uri, {})
        cluster.wait(lambda: store.read(asked.result_uri) is not None, 60)
        cluster.token = "another"
        assert plugin.poll(handle, 0.1)
        code = plugin.result(handle)
        with pytest.raises(DataError, match="the step has run"):
            wire.conclude("score", store.read(asked.result_uri), code)
        assert "it ends at its deadline" in caplog.text
        cluster.wait(lambda: cluster.live() == [])


def running(cluster: Cluster) -> None:
    """Until the pod's process has begun."""
    cluster.wait(lambda: [pod["status"]["phase"] for pod in cluster.pods()] == ["Running"])


def _unreachable(path: Path) -> Path:
    """A kubeconfig that nobody may use."""
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "clusters": []}))
    return path
