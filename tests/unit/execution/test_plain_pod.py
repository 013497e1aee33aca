"""A pod without Airflow, on the tests' own cluster, whose pods are processes: the contract of executors."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airloop import paths
from airloop.errors import SpecError
from airloop.execution.executors import KubernetesExecutor
from airloop.testing import ExecutorContract
from tests.support.checkout import ROOT
from tests.support.cluster import Cluster, Node


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
            monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(tmp_path / "kubeconfig")))
            yield cluster
            assert cluster.live() == []

    def test_a_step_of_no_model_has_no_pod(self, plugin: Any, job: Any) -> None:
        from dataclasses import replace

        with pytest.raises(SpecError, match="only a model's steps run as pods"):
            plugin.start(replace(job("2024-03-01"), model=None))

    def test_without_a_cluster_it_is_one_clear_error(
        self, plugin: Any, job: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
        with pytest.raises(SpecError, match="no cluster is configured"):
            plugin.start(job("2024-03-01"))
