"""A training over several pods as Kubernetes takes it: an indexed Job, and the headless Service by which its pods meet.

Plain data, no Kubernetes library. Each pod is the one that ``airloop.execution.pods.manifest`` makes of the spec.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airloop.contracts import Fence
from airloop.exchange.group import ADDRESS, PORT, RANKS
from airloop.execution.pods.manifest import QUEUE, PodPlan, manifest
from airloop.specs.sections.templates import CONTAINER

#: Where the first pod's torchrun listens; any port will do, since each pod has an address of its own.
RENDEZVOUS_PORT = 29500
#: What Kubernetes writes on a Job's pods.
JOB_NAME, JOB_INDEX = "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index"
#: How long a Job that has ended stays for somebody to read why, in seconds. Nothing of it runs any more; with it goes
#: its Service. This is the end of what Airflow could not delete itself.
LINGER_SECONDS = 1800


def job_manifest(
    plan: PodPlan, fence: Fence, digest: str, arguments: Sequence[str]
) -> dict[str, Any]:
    """The Job: one pod a rank, all at once, and all end with the first that fails.

    A rank cannot be replaced by itself, since the others stop without it: the next try begins all of them, from the
    last checkpoint.

    :raises SpecError: if the template or the image is missing
    """
    count = plan.model.training.processes
    resources = plan.model.resources
    pod = manifest(plan, fence, digest, arguments)
    metadata, spec = pod["metadata"], pod["spec"]
    # The Job is what is queued and what an attempt is known by; the pods are its own.
    of_pods = {key: value for key, value in metadata["labels"].items() if key != QUEUE}
    container = next(c for c in spec["containers"] if c["name"] == CONTAINER)
    container["env"] += [
        {"name": RANKS, "value": str(count)},
        {"name": ADDRESS, "value": f"{plan.name}-0.{plan.name}"},
        {"name": PORT, "value": str(RENDEZVOUS_PORT)},
    ]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "completionMode": "Indexed",
            "completions": count,
            "parallelism": count,
            "backoffLimit": 0,
            # A pod's own deadline begins when it runs, the Job's when it is made.
            "activeDeadlineSeconds": (resources.deadline_minutes + resources.pending_minutes) * 60,
            "ttlSecondsAfterFinished": LINGER_SECONDS,
            "template": {
                "metadata": {"labels": of_pods, "annotations": metadata["annotations"]},
                "spec": spec | {"subdomain": plan.name},
            },
        },
    }


def service_manifest(job: dict[str, Any], uid: str) -> dict[str, Any]:
    """The Service that gives the Job's pods their names; it goes when the Job goes.

    :param job: from ``job_manifest``
    :param uid: of the Job that was created
    """
    name = job["metadata"]["name"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": job["metadata"]["namespace"],
            "labels": dict(job["spec"]["template"]["metadata"]["labels"]),
            "ownerReferences": [owner],
        },
        "spec": {
            "clusterIP": "None",
            # The ranks look for the first one while it is still starting.
            "publishNotReadyAddresses": True,
            "selector": {JOB_NAME: name},
            "ports": [{"name": "rendezvous", "port": RENDEZVOUS_PORT}],
        },
    }
