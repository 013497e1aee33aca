"""The values for Airflow's Helm chart: keys that the chart has, settings that Airflow has, and no secret."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.checkout import ROOT

TEXT = (ROOT / "config" / "kubernetes" / "helm-values.yaml").read_text()
VALUES: dict[str, Any] = yaml.safe_load(TEXT)
CHART: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "support" / "helm_chart.yaml").read_text())


def unknown_keys(values: Any, chart: Any, at: str = "") -> Iterator[str]:
    """Keys that the chart does not have: Helm would drop them, or refuse the release."""
    if chart == "any" or not isinstance(values, dict):
        return
    for key, value in values.items():
        if key in chart:
            yield from unknown_keys(value, chart[key], f"{at}.{key}")
        else:
            yield f"{at}.{key}"


def test_every_key_is_one_of_the_charts() -> None:
    assert list(unknown_keys(VALUES, CHART)) == []


def test_control_a_key_that_the_chart_does_not_have_is_found() -> None:
    broken = copy.deepcopy(VALUES)
    broken["scheduler"]["logGroomer"] = {"enabled": False}
    assert list(unknown_keys(broken, CHART)) == [".scheduler.logGroomer"]


def airflow_options() -> dict[str, set[str]]:
    """Sections and keys of airflow.cfg, of Airflow itself and of the providers the image has."""
    from airflow.configuration import conf

    described = conf.configuration_description
    return {name: set(section["options"]) for name, section in described.items()}


def test_every_setting_of_airflow_is_one_that_airflow_has() -> None:
    known = airflow_options()
    unknown = [
        (section, key)
        for section, settings in VALUES["config"].items()
        for key in settings
        if key not in known.get(section, set())
    ]
    assert unknown == []


def test_the_dags_come_from_git_as_a_bundle() -> None:
    (bundle,) = json.loads(VALUES["config"]["dag_processor"]["dag_bundle_config_list"])
    assert bundle["classpath"] == "airloop_operators.bundle.ProjectBundle"
    source = bundle["kwargs"]["source"]
    assert source["classpath"] == "airflow.providers.git.bundles.git.GitDagBundle"
    assert source["kwargs"]["subdir"] == "dags"
    assert source["kwargs"].keys() <= {"git_conn_id", "tracking_ref", "subdir"}
    assert VALUES["dags"]["gitSync"] == {"enabled": False}


def test_they_hold_no_secret_and_no_database_of_their_own() -> None:
    assert VALUES["postgresql"] == {"enabled": False}
    assert VALUES["executor"] == "KubernetesExecutor"
    assert not re.search(r"(?im)^\s*\S*(password|fernetKey|secretKey|jwtSecret)\s*:\s*\S", TEXT)
    assert VALUES["config"]["logging"]["remote_base_log_folder"].startswith("s3://")


def test_nobody_gets_the_charts_default_user() -> None:
    assert VALUES["createUserJob"] == {"enabled": False}


def test_every_part_has_limits_and_none_runs_as_root() -> None:
    for name in ("apiServer", "scheduler", "dagProcessor", "triggerer", "workers"):
        assert {"cpu", "memory"} <= VALUES[name]["resources"]["limits"].keys()
    pod, containers = VALUES["securityContexts"]["pod"], VALUES["securityContexts"]["containers"]
    assert (pod["runAsNonRoot"], pod["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert containers["allowPrivilegeEscalation"] is False
    assert containers["capabilities"] == {"drop": ["ALL"]}


def test_no_part_runs_a_script_that_only_the_official_image_has() -> None:
    for name in ("scheduler", "dagProcessor", "triggerer"):
        assert VALUES[name]["logGroomerSidecar"] == {"enabled": False}
    assert (ROOT / "docker" / "airflow" / "entrypoint").is_file()


def test_the_accounts_that_may_launch_pods_are_those_of_a_release_named_airflow() -> None:
    bindings = yaml.safe_load_all((ROOT / "config" / "kubernetes" / "rbac.yaml").read_text())
    (binding,) = [one for one in bindings if one["kind"] == "RoleBinding"]
    accounts = {(one["namespace"], one["name"]) for one in binding["subjects"]}
    assert {("airflow", "airflow-worker"), ("airflow", "airflow-triggerer")} <= accounts
    assert "fullnameOverride" not in VALUES
    assert "helm install airflow " in TEXT
