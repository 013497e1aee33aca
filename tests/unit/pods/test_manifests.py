"""Every manifest that a spec of config gives, and every manifest in config/kubernetes, against the policy."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.check.cluster import NEEDED
from airloop.check.specs import check
from airloop.contracts import Fence
from airloop.errors import SpecError
from airloop.execution.pods.job import job_manifest, service_manifest
from airloop.execution.pods.manifest import PodPlan, manifest
from airloop.specs import load_catalog
from airloop.specs.catalog import Catalog
from airloop.specs.sections.pod_security import restricted_rules
from airloop.specs.sections.resources import KubernetesSettings, ResourcesSpec
from airloop.specs.sections.templates import read_template, template_names, template_rules
from tests.support.checkout import ROOT
from tests.support.loop.specimens import model_spec
from tests.support.manifest_policy import step_faults as faults
from tests.support.manifest_policy import unknown_fields

CONFIG = ROOT / "config"
IMAGE = "registry.example/airloop-step:1.4.0"
SETTINGS = KubernetesSettings(image=IMAGE, variables={"AIRLOOP__MLFLOW_URI": "http://mlflow:5000"})
FENCE = Fence(key="train:lateness:run", token=7)
ALL = {
    "gpu": 2,
    "gpu_type": "NVIDIA-H200",
    "cpu": "8",
    "memory": "64Gi",
    "shm": "8Gi",
    "node_selector": {"pool": "training"},
    "tolerations": [{"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}],
    "runtime_class": "nvidia",
    "priority_class": "batch",
    "queue": "gpu-team",
    "deadline_minutes": 30,
}
Pod = dict[str, Any]


def rendered(model: Any) -> Pod:
    plan = PodPlan("train", model, SETTINGS, CONFIG, ("dag", "run", "train", "-1"))
    return manifest(
        plan, FENCE, "0" * 64, ["train", "--request", "s3://x/q", "--result", "s3://x/r"]
    )


def every_pod() -> Iterator[Pod]:
    catalog = load_catalog()
    for name in catalog.model_names():
        spec = catalog.model(name)
        yield rendered(spec)
        yield rendered(spec.model_copy(update={"resources": ResourcesSpec.model_validate(ALL)}))
    for template in template_names(CONFIG):
        yield rendered(model_spec(compute="kubernetes", resources={"template": template}))


def test_every_pod_of_every_spec_keeps_the_policy() -> None:
    pods = list(every_pod())
    assert len(pods) >= 4
    assert [faults(pod) for pod in pods] == [[]] * len(pods)


def test_a_pod_is_told_of_the_project_that_its_step_was_begun_with() -> None:
    plan = PodPlan("train", model_spec(compute="kubernetes"), SETTINGS, CONFIG, ("x",))
    told = replace(plan, project="sha256:" + "1" * 64)
    variables = [
        {item["name"]: item.get("value") for item in pod["spec"]["containers"][0]["env"]}
        for pod in (manifest(one, FENCE, "0" * 64, ["train"]) for one in (plan, told))
    ]
    assert [found.get("AIRLOOP_PROJECT_DIGEST") for found in variables] == [None, told.project]


# A training over several pods


def job_and_service(**resources: Any) -> tuple[Pod, Pod]:
    model = model_spec(
        compute="kubernetes",
        resources=resources,
        training={"trainer": "torch", "processes": 3, "params": {}},
    )
    plan = PodPlan("train", model, SETTINGS, CONFIG, ("dag", "run", "train", "-1"))
    job = job_manifest(plan, FENCE, "0" * 64, ["train"])
    return job, service_manifest(job, "0" * 8)


def test_a_jobs_pods_keep_the_policy_and_all_of_it_is_known_to_kubernetes() -> None:
    for resources in ({}, ALL):
        job, service = job_and_service(**resources)
        template = {"apiVersion": "v1", "kind": "Pod", **job["spec"]["template"]}
        assert faults(template) == []
        assert list(unknown_fields(job, "V1Job")) == []
        assert list(unknown_fields(service, "V1Service")) == []


def test_a_job_runs_every_rank_at_once_and_ends_with_the_first_that_fails() -> None:
    job, _ = job_and_service(**ALL)
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] == (30 + 15) * 60
    assert spec["ttlSecondsAfterFinished"] > 0
    assert spec["template"]["spec"]["activeDeadlineSeconds"] == 30 * 60
    queue = "kueue.x-k8s.io/queue-name"
    assert job["metadata"]["labels"][queue] == "gpu-team"
    assert queue not in spec["template"]["metadata"]["labels"]


def test_the_ranks_find_the_first_by_the_service_which_the_job_owns() -> None:
    job, service = job_and_service()
    name, pod = job["metadata"]["name"], job["spec"]["template"]["spec"]
    variables = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}
    assert variables["MASTER_ADDR"] == f"{name}-0.{service['metadata']['name']}"
    assert variables["AIRLOOP_RANKS"] == "3"
    assert pod["subdomain"] == service["metadata"]["name"]
    # The highest index still makes a hostname that DNS takes.
    assert len(f"{name}-63") <= 63
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["ports"][0]["port"] == int(str(variables["MASTER_PORT"]))
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    (owner,) = service["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", name, "0" * 8)


BREAKS: dict[str, Callable[[Pod], Any]] = {
    "may run as root": lambda p: p["spec"]["securityContext"].pop("runAsNonRoot"),
    "no seccomp profile": lambda p: p["spec"]["securityContext"].pop("seccompProfile"),
    "gets a token of the API": lambda p: p["spec"].pop("automountServiceAccountToken"),
    "no deadline": lambda p: p["spec"].pop("activeDeadlineSeconds"),
    "mounts the host's files": lambda p: p["spec"]["volumes"].append(
        {"name": "h", "hostPath": {"path": "/"}}
    ),
    "may gain privileges": lambda p: p["spec"]["containers"][0].pop("securityContext"),
    "no limits": lambda p: p["spec"]["containers"][0]["resources"].pop("limits"),
    "the secret AIRLOOP__SERVING__TOKEN by value": lambda p: p["spec"]["containers"][0][
        "env"
    ].append({"name": "AIRLOOP__SERVING__TOKEN", "value": "x"}),
    "unknown field .spec.tolerationss": lambda p: p["spec"].update(tolerationss=[]),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_control_the_policy_finds_what_is_broken(fault: str) -> None:
    pod = copy.deepcopy(rendered(model_spec(compute="kubernetes")))
    BREAKS[fault](pod)
    assert fault in faults(pod)


def test_the_specs_resources_are_all_in_the_pod() -> None:
    pod = rendered(model_spec(compute="kubernetes", resources=ALL))
    spec, (container,) = pod["spec"], pod["spec"]["containers"]
    assert container["resources"]["limits"] == container["resources"]["requests"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert spec["nodeSelector"] == {"pool": "training", "nvidia.com/gpu.product": "NVIDIA-H200"}
    assert [item["key"] for item in spec["tolerations"]] == ["nvidia.com/gpu", "spot"]
    assert (spec["runtimeClassName"], spec["priorityClassName"]) == ("nvidia", "batch")
    assert spec["activeDeadlineSeconds"] == 1800
    assert pod["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu-team"
    shm = next(volume for volume in spec["volumes"] if volume["name"] == "shm")
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
    assert container["envFrom"] == [{"secretRef": {"name": "airloop-step"}}]


@pytest.mark.parametrize("size", ["20Gi", "75Gi"])
def test_a_step_may_write_as_much_as_resources_scratch_says(size: str) -> None:
    resources = {} if size == "20Gi" else {"scratch": size}
    spec = rendered(model_spec(compute="kubernetes", resources=resources))["spec"]
    amounts = spec["containers"][0]["resources"]
    assert amounts["requests"]["ephemeral-storage"] == size
    assert amounts["limits"]["ephemeral-storage"] == size
    disks = [one["emptyDir"] for one in spec["volumes"] if "emptyDir" in one]
    bounded = [one["sizeLimit"] for one in disks if one.get("medium") != "Memory"]
    assert bounded == [size] * len(bounded) != []


def test_the_specs_image_goes_before_the_environments() -> None:
    own = "registry.example/own@sha256:" + "a" * 64
    model = model_spec(compute="kubernetes", environment={"image": own})
    assert rendered(model)["spec"]["containers"][0]["image"] == own


def test_a_version_is_verified_in_the_environment_that_will_serve_it() -> None:
    own = "registry.example/own:1"
    model = model_spec(compute="kubernetes", environment={"image": own})
    images = [PodPlan(s, model, SETTINGS, CONFIG, ("x",)).image for s in ("evaluate", "verify")]
    assert images == [own, IMAGE]
    assert PodPlan("verify", model, KubernetesSettings(), CONFIG, ("x",)).image == own


def test_a_pod_without_an_image_is_refused_with_the_place_to_name_one() -> None:
    plan = PodPlan("train", model_spec(compute="kubernetes"), KubernetesSettings(), CONFIG, ("x",))
    with pytest.raises(SpecError, match=r"no image is named.*kubernetes\.image"):
        manifest(plan, FENCE, "", [])


def test_a_task_instance_has_one_name_and_another_has_another() -> None:
    model = model_spec(compute="kubernetes")
    names = {PodPlan("train", model, SETTINGS, CONFIG, ("d", "r", "t", m)).name for m in "0123"}
    assert len(names) == 4
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names)


def test_the_templates_in_config_keep_their_rules() -> None:
    for name in template_names(CONFIG):
        assert list(template_rules(read_template(CONFIG, name))) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "containers", 0, "command"), ["sh"]),
        (("spec", "containers", 0, "args"), ["-c", "x"]),
        (("spec", "containers", 0, "image"), "x:1"),
        (("spec", "serviceAccountName"), "admin"),
        (("metadata", "namespace"), "kube-system"),
        (("kind",), "Deployment"),
    ],
)
def test_a_template_that_decides_the_specs_part_is_refused(
    path: tuple[Any, ...], value: Any
) -> None:
    data = copy.deepcopy(read_template(CONFIG, "cpu"))
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert list(template_rules(data))


# The manifests that an administrator applies


def documents(name: str) -> list[Pod]:
    text = (CONFIG / "kubernetes" / name).read_text()
    return [document for document in yaml.safe_load_all(text) if document]


KINDS = {
    "Namespace": "V1Namespace",
    "ResourceQuota": "V1ResourceQuota",
    "ServiceAccount": "V1ServiceAccount",
    "Role": "V1Role",
    "RoleBinding": "V1RoleBinding",
    "NetworkPolicy": "V1NetworkPolicy",
}


@pytest.mark.parametrize("name", ["quota.yaml", "rbac.yaml", "network.yaml"])
def test_the_manifests_hold_no_field_that_kubernetes_does_not_know(name: str) -> None:
    found = documents(name)
    assert found
    for document in found:
        assert list(unknown_fields(document, KINDS[document["kind"]])) == []
        assert document["metadata"]["namespace"] == "airloop"


def test_the_role_is_minimal() -> None:
    found = documents("rbac.yaml")
    assert "ClusterRole" not in {document["kind"] for document in found}
    (role,) = [document for document in found if document["kind"] == "Role"]
    granted = {r: set(rule["verbs"]) for rule in role["rules"] for r in rule["resources"]}
    assert granted.keys() == {"pods", "pods/log", "events", "jobs", "jobs/status", "services"}
    assert granted["services"] == {"create", "get", "delete"}
    assert granted["jobs"] == {"create", "get", "list", "delete"}
    assert granted["jobs/status"] == {"get"}
    # What `airloop check` asks for is what this gives, and no more.
    assert {resource: set(verbs) for _, resource, verbs in NEEDED} == granted | {
        "pods": granted["pods"] - {"watch"}
    }
    assert granted["pods/log"] == {"get"}
    assert granted["events"] == {"list"}
    assert not any("*" in verbs for verbs in granted.values())
    assert all(
        document["automountServiceAccountToken"] is False
        for document in found
        if document["kind"] == "ServiceAccount"
    )


def test_all_traffic_is_denied_that_is_not_named() -> None:
    policies = {
        document["metadata"]["name"]: document["spec"] for document in documents("network.yaml")
    }
    deny = policies.pop("default-deny")
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        for rule in [*policy.get("egress", ()), *policy.get("ingress", ())]:
            peers = rule.get("to") or rule.get("from")
            assert peers, f"{name} opens to everybody"
            assert all("ipBlock" not in peer for peer in peers)


def test_the_namespace_refuses_privileged_pods() -> None:
    spaces = {one["metadata"]["name"]: one for one in documents("namespaces.yaml")}
    assert set(spaces) == {"airloop", "airflow", "airloop-services"}
    for one in spaces.values():
        assert list(unknown_fields(one, KINDS["Namespace"])) == []
    assert (
        spaces["airloop"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )


REFUSED = {
    "hostNetwork": ({"hostNetwork": True}, "spec.hostNetwork"),
    "a host's folder": ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "hostPath"),
    "root": ({"securityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
    "no seccomp": ({"securityContext": {"runAsNonRoot": True}}, "seccompProfile"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_check_knows_what_the_steps_namespace_refuses(name: str) -> None:
    """A Job is admitted whose pods are not: seen on Kubernetes v1.36, after `airloop check` had said nothing."""
    changes, told = REFUSED[name]
    template = read_template(ROOT / "config", "gpu")
    assert list(restricted_rules(template)) == []
    template["spec"] |= changes
    assert [one.key for one in restricted_rules(template) if told in one.key]


@pytest.mark.parametrize(
    "change",
    [
        {"privileged": True},
        {"allowPrivilegeEscalation": True},
        {"capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}},
        {"capabilities": {}},
        {"runAsUser": 0},
    ],
)
def test_check_knows_what_is_refused_of_a_container(change: dict[str, object]) -> None:
    template = read_template(ROOT / "config", "cpu")
    template["spec"]["containers"][0]["securityContext"] |= change
    assert len(list(restricted_rules(template))) == 1


def test_check_says_so_where_the_manifests_enforce_it_and_only_there(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    path = tmp_path / "config" / "kubernetes" / "pod_templates" / "gpu.yaml"
    path.write_text(path.read_text().replace("spec:\n", "spec:\n  hostNetwork: true\n", 1))
    catalog = Catalog(tmp_path / "config")
    told = [one for one in check(catalog) if one.key == "spec.hostNetwork"]
    assert [one.severity for one in told] == ["error"]
    (tmp_path / "config" / "kubernetes" / "namespaces.yaml").unlink()
    assert [one for one in check(catalog) if one.key == "spec.hostNetwork"] == []
