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

from airloop.check.cluster import found_lines, keep, kept, report, wants_a_cluster
from airloop.errors import SpecError, UnreachableError
from airloop.settings import Settings
from airloop.specs import Catalog
from tests.support.checkout import ROOT
from tests.support.cluster import Cluster, Node
from tests.support.kube_objects import LAUNCHER
from tests.support.kube_tls import SecureCluster
from tests.support.plugins import install, on_path

VARIABLE = "AIRFLOW_CONN_KUBERNETES_DEFAULT"
SETTINGS = Settings()
HOUR = timedelta(hours=1)
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


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[SecureCluster]:
    with SecureCluster(tmp_path) as cluster:
        yield cluster


def by_certificate(path: Path) -> dict[str, str]:
    extra = {"kube_config_path": str(path)}
    return {VARIABLE: json.dumps({"conn_type": "kubernetes", "extra": extra})}


@pytest.mark.parametrize(("hours", "told"), [(25, 1), (23, 2)])
def test_a_client_certificate_that_ends_within_a_day_is_told(
    secure: SecureCluster, tmp_path: Path, hours: int, told: int
) -> None:
    now = datetime.now(UTC)
    issued = secure.authority.issue("ada", now + timedelta(hours=hours, minutes=1))
    environ = by_certificate(secure.client_config(tmp_path / "kubeconfig", issued))
    found = report(SETTINGS, environ)
    assert len(found.lines(now)) == told
    keep(found, tmp_path / "note")
    later = kept(tmp_path / "note")
    assert later is not None
    assert "its client certificate ends in 10.0 h" in later.lines(now + (hours - 10) * HOUR)[1]


def test_a_client_certificate_that_has_ended_is_told_and_not_that_the_cluster_is_away(
    secure: SecureCluster, tmp_path: Path
) -> None:
    issued = secure.authority.issue("ada", datetime.now(UTC) - HOUR)
    environ = by_certificate(secure.client_config(tmp_path / "kubeconfig", issued))
    with pytest.raises(UnreachableError, match=r"its client certificate ended at .* renew it"):
        report(SETTINGS, environ)


def test_whose_end_cannot_be_told_is_one_sentence(secure: SecureCluster, tmp_path: Path) -> None:
    """A certificate that is none, one without its key, and a program that fetches credentials."""
    issued = secure.authority.issue("ada", datetime.now(UTC) + HOUR)
    for certificate in (("no certificate", issued[1]), (issued[0], "no key")):
        path = secure.client_config(tmp_path / "kubeconfig", certificate)
        with pytest.raises(SpecError, match="its certificates cannot be read"):
            report(SETTINGS, by_certificate(path))
    data = json.loads(path.read_text())
    data["users"][0]["user"] = {"exec": {"command": "aws"}}
    path.write_text(json.dumps(data))
    with pytest.raises(SpecError, match="neither by a token nor by a certificate"):
        report(SETTINGS, by_certificate(path))
    assert secure.requests == []


def test_a_certificate_in_a_file_beside_the_kubeconfig_is_found(
    secure: SecureCluster, tmp_path: Path
) -> None:
    shown, key = secure.authority.issue("ada", datetime.now(UTC) + 48 * HOUR)
    path = secure.client_config(tmp_path / "kubeconfig", (shown, key))
    data = json.loads(path.read_text())
    data["users"][0]["user"] = {"client-certificate": "ada.crt", "client-key": "ada.key"}
    path.write_text(json.dumps(data))
    (tmp_path / "ada.crt").write_text(shown)
    (tmp_path / "ada.key").write_text(key)
    told = f"{secure.url}, namespace airloop, as ada"
    assert report(SETTINGS, by_certificate(path)).lines() == [told]


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


def test_a_token_that_was_renewed_since_is_not_said_to_end(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` in a shell without the connection: a timer has written another token into the file since `up`."""
    monkeypatch.chdir(tmp_path)
    now = datetime.now(UTC)
    environ = renewed(cluster, tmp_path, token_until(now + timedelta(hours=20)))
    environ = {VARIABLE: environ[VARIABLE].replace(f"{tmp_path}/", "")}
    keep(report(SETTINGS, environ), tmp_path / "note")
    monkeypatch.chdir("/")
    kept_lines = [len(found.lines(now)) for found in [kept(tmp_path / "note")] if found]
    assert kept_lines == [2]
    (tmp_path / "token").write_text(token_until(now + timedelta(hours=44)))
    found = kept(tmp_path / "note")
    assert found is not None
    assert len(found.lines(now)) == 1
    assert "ends in 4.0 h" in found.lines(now + timedelta(hours=40))[1]
    (tmp_path / "token").unlink()
    gone = kept(tmp_path / "note")
    assert gone is not None
    assert "its token ended at" in gone.lines(now + timedelta(hours=21))[1]


def test_a_refused_token_and_a_cluster_that_is_away_are_one_sentence(
    cluster: Cluster, environ: dict[str, str]
) -> None:
    cluster.token = "renewed"
    with pytest.raises(UnreachableError, match="refuses the credentials: they are wrong"):
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


def test_a_foreign_executor_that_runs_in_the_cluster_is_asked_after_like_the_built_in_one(
    tmp_path: Path,
) -> None:
    text = "from airloop.execution.executors import KubernetesExecutor as Spot, ProcessExecutor as Tug\n"
    entries = {"airloop.executors": {"spot": "airloop_spot:Spot", "tug": "airloop_spot:Tug"}}
    install(tmp_path / "site", "airloop-spot", entries, {"airloop_spot": text})
    shutil.copytree(ROOT / "config", tmp_path / "config")
    path = tmp_path / "config" / "models" / "flight_delay.yaml"
    plain = yaml.safe_load(path.read_text())
    with on_path(tmp_path / "site"):
        for compute, wanted in (("tug", False), ("spot", True), ("process", False)):
            path.write_text(yaml.safe_dump(plain | {"compute": compute}))
            assert wants_a_cluster(Catalog(tmp_path / "config")) is wanted
