"""The long-running side of the cluster: prediction service, MLflow, the namespaces and who may speak to whom."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.specs.sections.resources import KubernetesSettings
from tests.support.manifest_policy import pod_faults, unknown_fields

FOLDER = Path(__file__).resolve().parents[3] / "config" / "kubernetes"
KUBECTL = Path(sys.executable).parent / "kubectl"
KINDS = {
    "Deployment": "V1Deployment",
    "Namespace": "V1Namespace",
    "NetworkPolicy": "V1NetworkPolicy",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "ResourceQuota": "V1ResourceQuota",
    "Role": "V1Role",
    "RoleBinding": "V1RoleBinding",
    "Service": "V1Service",
    "ServiceAccount": "V1ServiceAccount",
    "StatefulSet": "V1StatefulSet",
}
Manifest = dict[str, Any]


def documents(*names: str) -> list[Manifest]:
    return [
        document
        for name in names
        for document in yaml.safe_load_all((FOLDER / name).read_text())
        if document
    ]


KUSTOMIZATION = documents("kustomization.yaml")[0]
ALL = documents(*KUSTOMIZATION["resources"])


def of_kind(*kinds: str) -> list[Manifest]:
    return [document for document in ALL if document["kind"] in kinds]


def named(kind: str, name: str) -> Manifest:
    (found,) = [one for one in of_kind(kind) if one["metadata"]["name"] == name]
    return found


def workload_faults(workload: Manifest) -> list[str]:
    """What the policy finds in a Deployment or a StatefulSet."""
    spec = workload["spec"]["template"]["spec"]
    found = pod_faults(spec) + list(unknown_fields(workload, KINDS[workload["kind"]]))
    for container in spec["containers"]:
        if missing := {"startupProbe", "livenessProbe", "readinessProbe"} - container.keys():
            found.append(f"nobody asks it: {', '.join(sorted(missing))}")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    if not workload["spec"]["selector"]["matchLabels"].items() <= labels.items():
        found.append("selects other pods than its own")
    return found


def test_no_manifest_has_a_field_that_kubernetes_does_not_know() -> None:
    assert {document["kind"] for document in ALL} == KINDS.keys()
    faults = [list(unknown_fields(document, KINDS[document["kind"]])) for document in ALL]
    assert faults == [[]] * len(ALL)


def test_every_manifest_of_the_folder_is_applied() -> None:
    apart = {"kustomization.yaml", "helm-values.yaml"}
    assert set(KUSTOMIZATION["resources"]) | apart == {path.name for path in FOLDER.glob("*.yaml")}


def test_namespaces_come_first_for_tools_that_keep_the_files_order() -> None:
    assert KUSTOMIZATION["resources"][0] == "namespaces.yaml"
    assert [one["kind"] for one in ALL if one["kind"] == "Namespace"] == ["Namespace"] * 3


def test_the_services_keep_the_policy() -> None:
    workloads = of_kind("Deployment", "StatefulSet")
    assert [one["metadata"]["name"] for one in workloads] == ["mlflow", "airloop-serving"]
    assert [workload_faults(one) for one in workloads] == [[], []]


def container(workload: Manifest) -> Manifest:
    found: Manifest = workload["spec"]["template"]["spec"]["containers"][0]
    return found


BREAKS: dict[str, Callable[[Manifest], Any]] = {
    "may run as root": lambda w: w["spec"]["template"]["spec"]["securityContext"].pop("runAsUser"),
    "gets a token of the API": lambda w: w["spec"]["template"]["spec"].pop(
        "automountServiceAccountToken"
    ),
    "may write its image": lambda w: container(w)["securityContext"].pop("readOnlyRootFilesystem"),
    "no limits": lambda w: container(w)["resources"].pop("limits"),
    "nobody asks it: readinessProbe": lambda w: container(w).pop("readinessProbe"),
    "selects other pods than its own": lambda w: w["spec"]["selector"].update(
        matchLabels={"app": "x"}
    ),
    "the secret AIRLOOP__SERVING__TOKEN by value": lambda w: container(w)["env"].append(
        {"name": "AIRLOOP__SERVING__TOKEN", "value": "x"}
    ),
    "unknown field .spec.template.spec.containers[0].livenesProbe": lambda w: container(w).update(
        livenesProbe={}
    ),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_control_the_policy_finds_what_is_broken(fault: str) -> None:
    broken = copy.deepcopy(named("StatefulSet", "airloop-serving"))
    BREAKS[fault](broken)
    assert fault in workload_faults(broken)


def test_a_sidecar_is_held_to_the_policy_too() -> None:
    broken = copy.deepcopy(named("StatefulSet", "airloop-serving"))
    broken["spec"]["template"]["spec"]["initContainers"][0].pop("securityContext")
    assert "may gain privileges" in workload_faults(broken)


def test_a_drained_node_takes_one_pod_of_the_service_at_a_time() -> None:
    serving = named("StatefulSet", "airloop-serving")
    budget = named("PodDisruptionBudget", "airloop-serving")
    assert serving["spec"]["replicas"] > budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == serving["spec"]["selector"]


def test_predictions_outlive_their_pod_until_they_are_in_the_lake() -> None:
    serving = named("StatefulSet", "airloop-serving")["spec"]
    assert [claim["metadata"]["name"] for claim in serving["volumeClaimTemplates"]] == ["state"]
    (compactor,) = serving["template"]["spec"]["initContainers"]
    assert compactor["restartPolicy"] == "Always"
    assert {"name": "state", "mountPath": "/state"} in compactor["volumeMounts"]
    assert {"name": "state", "mountPath": "/state"} in container(
        named("StatefulSet", "airloop-serving")
    )["volumeMounts"]


def built(folder: Path, patch: str = "") -> list[Manifest]:
    """What `kubectl apply -k` sends, in its order.

    :param patch: named in the kustomization as its own comment shows it
    """
    shutil.copytree(FOLDER, folder)
    path = folder / "kustomization.yaml"
    text = path.read_text()
    if patch:
        assert f"#     - path: {patch}\n" in text
        path.write_text(f"{text}patches:\n  - path: {patch}\n")
    done = subprocess.run(
        [KUBECTL, "kustomize", folder], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def only_differs_in_the_service(manifests: list[Manifest]) -> Manifest:
    """The StatefulSet, where all else is what stands in the files."""
    (serving,) = [one for one in manifests if one["kind"] == "StatefulSet"]
    # Whose images the kustomization names.
    images = ("StatefulSet", "Deployment")
    others = [one for one in ALL if one["kind"] not in images]
    assert [one for one in others if one not in manifests] == []
    assert len(manifests) == len(ALL) == len(others) + len(images)
    assert workload_faults(serving) == []
    return serving["spec"]


def test_namespaces_come_first_and_nothing_is_lost_on_the_way_to_the_cluster(
    tmp_path: Path,
) -> None:
    found = built(tmp_path / "built")
    kinds = [one["kind"] for one in found]
    assert kinds[:3] == ["Namespace"] * 3
    assert len(found) == len(ALL) == 26
    (claim,) = only_differs_in_the_service(found)["volumeClaimTemplates"]
    # The cluster's default class.
    assert "storageClassName" not in claim["spec"]


def test_the_services_volumes_may_be_of_a_class_that_is_named(tmp_path: Path) -> None:
    serving = only_differs_in_the_service(built(tmp_path / "built", "storage/named.yaml"))
    (claim,) = serving["volumeClaimTemplates"]
    (plain,) = named("StatefulSet", "airloop-serving")["spec"]["volumeClaimTemplates"]
    assert claim["metadata"] == plain["metadata"]
    assert claim["spec"] == {**plain["spec"], "storageClassName": "standard"}


def test_the_service_does_without_volumes_where_the_cluster_has_none(tmp_path: Path) -> None:
    serving = only_differs_in_the_service(built(tmp_path / "built", "storage/none.yaml"))
    assert not serving.get("volumeClaimTemplates")
    pod = serving["template"]["spec"]
    volumes = {one["name"]: one for one in pod["volumes"]}
    assert volumes["state"] == {"name": "state", "emptyDir": {"sizeLimit": "1Gi"}}
    for container in (*pod["containers"], *pod["initContainers"]):
        assert {one["name"] for one in container["volumeMounts"]} <= volumes.keys()


def test_the_first_promotion_reaches_pods_that_have_no_model_yet() -> None:
    serving = named("StatefulSet", "airloop-serving")["spec"]
    pods = named("Service", serving["serviceName"])["spec"]
    assert (pods["clusterIP"], pods["publishNotReadyAddresses"]) == ("None", True)
    assert "publishNotReadyAddresses" not in named("Service", "airloop-serving")["spec"]


def test_every_service_selects_pods_that_are_there() -> None:
    labels = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in of_kind("Deployment", "StatefulSet")
    ]
    for service in of_kind("Service"):
        selector = service["spec"]["selector"].items()
        assert any(selector <= pod.items() for pod in labels)


def test_all_traffic_is_denied_in_every_namespace_that_is_not_named() -> None:
    namespaces = {one["metadata"]["name"] for one in of_kind("Namespace")}
    assert namespaces == {KubernetesSettings().namespace, "airloop-services", "airflow"}
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    closed = {
        one["metadata"]["namespace"] for one in of_kind("NetworkPolicy") if one["spec"] == deny
    }
    assert closed == namespaces


def peers(direction: str) -> Iterator[tuple[Manifest, Manifest]]:
    for policy in of_kind("NetworkPolicy"):
        for rule in policy["spec"].get(direction, ()):
            given = rule.get({"ingress": "from", "egress": "to"}[direction])
            assert given, f"{policy['metadata']['name']} opens to everybody"
            for peer in given:
                yield policy, peer


def test_only_the_api_and_git_are_reached_outside_of_the_cluster() -> None:
    outside = {policy["metadata"]["name"] for policy, peer in peers("egress") if "ipBlock" in peer}
    assert outside == {"allow-api-and-git"}
    assert not [peer for _, peer in peers("ingress") if "ipBlock" in peer]


def test_whoever_may_ask_a_service_is_also_let_in() -> None:
    def allowed(namespace: str, direction: str, key: str) -> set[int]:
        target = {"matchLabels": {"kubernetes.io/metadata.name": key}}
        return {
            port["port"]
            for policy in of_kind("NetworkPolicy")
            if policy["metadata"]["namespace"] == namespace
            for rule in policy["spec"].get(direction, ())
            if {"namespaceSelector": target} in rule.get("from", rule.get("to", []))
            for port in rule["ports"]
        }

    for asking in ("airloop", "airflow"):
        out = allowed(asking, "egress", "airloop-services")
        assert out == {5432, 5000, 8333, 3000}
        assert out <= allowed("airloop-services", "ingress", asking)


def test_the_images_of_the_manifests_are_named_in_one_place() -> None:
    used = {
        one["image"]
        for workload in of_kind("Deployment", "StatefulSet")
        for kind in ("containers", "initContainers")
        for one in workload["spec"]["template"]["spec"].get(kind, ())
    }
    assert used == {image["name"] for image in KUSTOMIZATION["images"]}
    assert all(image.get("newTag") != "latest" for image in KUSTOMIZATION["images"])
