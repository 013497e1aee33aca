"""Which cluster, as whom, with which rights: asked of an API that answers as Kubernetes v1.36 did."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from airloop.check.cluster import found_lines, keep, kept, report
from airloop.errors import SpecError, UnreachableError
from airloop.settings import Settings
from airloop.specs import Catalog
from tests.support.checkout import ROOT
from tests.support.cluster import Cluster, Node
from tests.support.kube_objects import LAUNCHER

VARIABLE = "AIRFLOW_CONN_KUBERNETES_DEFAULT"
SETTINGS = Settings()
ADMINISTRATOR = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(Node(runs=False)) as cluster:
        yield cluster


@pytest.fixture
def environ(cluster: Cluster, tmp_path: Path) -> dict[str, str]:
    return {VARIABLE: cluster.connection(tmp_path / "kubeconfig")}


def token_until(moment: datetime) -> str:
    """As `kubectl create token` makes one."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": moment.timestamp()}).encode())
    return f"e30.{claims.decode().rstrip('=')}.c2ln"


def renewed(cluster: Cluster, tmp_path: Path, token: str) -> dict[str, str]:
    """A connection whose token stands in a file, where it can be renewed."""
    cluster.token = token
    connection = cluster.connection(tmp_path / "kubeconfig")
    data = json.loads((tmp_path / "kubeconfig").read_text())
    data["users"][0]["user"] = {"tokenFile": "token"}
    (tmp_path / "kubeconfig").write_text(json.dumps(data))
    (tmp_path / "token").write_text(token)
    return {VARIABLE: connection}


def test_the_launcher_is_told_with_its_cluster_and_lacks_nothing(
    cluster: Cluster, environ: dict[str, str]
) -> None:
    assert report(SETTINGS, environ).lines() == [f"{cluster.url}, namespace airloop, as {LAUNCHER}"]


def test_an_administrator_is_told_to_be_one(cluster: Cluster, environ: dict[str, str]) -> None:
    """With the machine's own kubeconfig pods were made as cluster-admin, and nobody was told."""
    cluster.user, cluster.rules = "kubernetes-admin", ADMINISTRATOR
    found = report(SETTINGS, environ)
    assert (found.user, found.missing, found.administrator) == ("kubernetes-admin", (), True)
    assert "give Airloop the token of airloop-launcher" in found.lines()[1]


def test_missing_rights_are_named(cluster: Cluster, environ: dict[str, str]) -> None:
    cluster.rules = [rule for rule in cluster.rules if rule["apiGroups"] != ["batch"]]
    found = report(SETTINGS, environ)
    assert found.missing == ("create/get/list/delete jobs", "get jobs/status")
    assert "apply config/kubernetes/rbac.yaml" in found.lines()[1]


def test_a_token_that_ends_within_a_day_is_told(cluster: Cluster, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for left, told in (
        (timedelta(hours=25), 1),
        (timedelta(hours=23), 2),
        (-timedelta(hours=1), 2),
    ):
        environ = renewed(cluster, tmp_path, token_until(now + left))
        assert len(report(SETTINGS, environ).lines(now)) == told
    assert "its token ended at" in report(SETTINGS, environ).lines(now)[1]


def test_what_up_found_is_told_later_with_the_time_that_is_left_then(
    cluster: Cluster, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    environ = renewed(cluster, tmp_path, token_until(now + timedelta(hours=30)))
    keep(report(SETTINGS, environ), tmp_path / "note")
    found = kept(tmp_path / "note")
    assert found is not None
    assert len(found.lines(now)) == 1
    assert "ends in 10.0 h" in found.lines(now + timedelta(hours=20))[1]
    assert "e30." not in (tmp_path / "note").read_text()
    assert kept(tmp_path / "nothing") is None


def test_a_refused_token_and_a_cluster_that_is_away_are_one_sentence(
    cluster: Cluster, environ: dict[str, str]
) -> None:
    cluster.token = "renewed"
    with pytest.raises(UnreachableError, match="refuses the token"):
        report(SETTINGS, environ)
    cluster._server.server_close()
    cluster._server.shutdown()
    with pytest.raises(UnreachableError, match="the cluster does not answer"):
        report(SETTINGS, environ)


@pytest.mark.parametrize(
    ("connection", "told"),
    [
        (None, "this environment holds no connection to a cluster"),
        ("kubernetes://", "the connection names no cluster"),
        ('{"conn_type": "kubernetes", "extra": {}}', "the connection names no cluster"),
        ('{"extra": {"kube_config_path": "/no/such"}}', "file cannot be read"),
        ("{", "this is no connection"),
    ],
)
def test_a_connection_that_names_no_cluster_is_told(connection: str | None, told: str) -> None:
    environ = {"KUBECONFIG": "/home/admin/.kube/config"}
    if connection is not None:
        environ[VARIABLE] = connection
    with pytest.raises(SpecError, match=told):
        report(SETTINGS, environ)


def test_nothing_is_asked_where_no_model_runs_as_pods(
    cluster: Cluster, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, environ[VARIABLE])
    shutil.copytree(ROOT / "config", tmp_path / "config")
    catalog = Catalog(tmp_path / "config")
    assert (found_lines(SETTINGS, catalog), cluster.requests) == ([], [])
    path = tmp_path / "config" / "models" / "flight_delay.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"compute": "kubernetes"}))
    told = found_lines(SETTINGS, Catalog(tmp_path / "config"), tmp_path / "note")
    assert told == [f"{cluster.url}, namespace airloop, as {LAUNCHER}"]
    assert (tmp_path / "note").exists()
