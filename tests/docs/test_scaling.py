"""docs/scaling.md: the manifest for KubeRay, which no test can run, and the versions that it names."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT
from tests.support.manifest_policy import pod_faults, unknown_fields

PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


@pytest.fixture
def manifests() -> list[dict[str, Any]]:
    """The page's last block of YAML."""
    block = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[-1]
    return list(yaml.safe_load_all(block))


def _templates(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    spec = cluster["spec"]
    return [one["template"] for one in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


def test_its_pods_keep_the_rules_of_the_house(manifests: list[dict[str, Any]]) -> None:
    cluster, policy = manifests
    assert (cluster["kind"], policy["kind"]) == ("RayCluster", "NetworkPolicy")
    for template in _templates(cluster):
        assert pod_faults(template["spec"]) == []
        assert list(unknown_fields(template, "V1PodTemplateSpec")) == []
    assert list(unknown_fields(policy, "V1NetworkPolicy")) == []


def test_its_nodes_ask_for_a_token_and_send_nothing_home(manifests: list[dict[str, Any]]) -> None:
    cluster = manifests[0]
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    for template in _templates(cluster):
        told = {one["name"]: one["value"] for one in template["spec"]["containers"][0]["env"]}
        assert told["RAY_USAGE_STATS_ENABLED"] == "0"
    selected = manifests[1]["spec"]["podSelector"]["matchLabels"]
    assert selected == {"ray.io/cluster": cluster["metadata"]["name"]}


def test_its_ray_is_the_one_that_is_locked(manifests: list[dict[str, Any]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = manifests[0]["spec"]["rayVersion"]
    assert f"ray=={version}" in project["optional-dependencies"]["ray"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert f"\nray=={version} " in lock


def test_control_a_manifest_with_a_fault_is_found(manifests: list[dict[str, Any]]) -> None:
    template = _templates(manifests[0])[0]
    template["spec"]["containers"][0]["securityContext"]["privileged"] = True
    template["spec"]["hostNetworks"] = True
    assert pod_faults(template["spec"]) == ["may gain privileges"]
    assert list(unknown_fields(template, "V1PodTemplateSpec"))
