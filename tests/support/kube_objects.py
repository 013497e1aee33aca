"""Pods and answers of the Kubernetes API as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

#: As whom a token of `kubectl create token airloop-launcher` speaks, and what rbac.yaml lets it do, as
#: SelfSubjectRulesReview answers (seen on Kubernetes v1.36).
LAUNCHER = "system:serviceaccount:airloop:airloop-launcher"
_ROLE = Path(__file__).parents[2] / "config" / "kubernetes" / "rbac.yaml"
LAUNCHER_RULES: list[Json] = next(
    document["rules"]
    for document in yaml.safe_load_all(_ROLE.read_text(encoding="utf-8"))
    if document["kind"] == "Role"
)


def is_live(pod: Json) -> bool:
    """Whether a pod runs or is going to: what holds a GPU."""
    return pod["status"]["phase"] in {"Pending", "Running"}


def matches(selector: str, labels: dict[str, str]) -> bool:
    """Equality-based label selectors, as the operators of the provider write them."""
    for term in filter(None, selector.split(",")):
        name, unequal, value = term.partition("!=")
        if unequal:
            if labels.get(name) == value:
                return False
        elif term.startswith("!"):
            if term[1:] in labels:
                return False
        elif labels.get(term.partition("=")[0]) != term.partition("=")[2]:
            return False
    return True


def now(later: float = 0.0) -> str:
    """The time as the API writes it, or that of some seconds later."""
    return (datetime.now(UTC) + timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%SZ")


def instance(data: Json) -> tuple[str | None, ...]:
    labels = data["metadata"].get("labels", {})
    return tuple(labels.get(key) for key in ("dag_id", "run_id", "task_id", "map_index"))


def owner(data: Json) -> str | None:
    """The uid of the Job that made a pod."""
    owners = data["metadata"].get("ownerReferences") or [{}]
    return owners[0].get("uid")


def scheduled(true: bool, message: str = "") -> Json:
    reason = {} if true else {"reason": "Unschedulable", "message": message}
    return {"type": "PodScheduled", "status": "True" if true else "False", **reason}


def failure(code: int, reason: str, message: str) -> tuple[int, Json]:
    return code, {"kind": "Status", "code": code, "reason": reason, "message": message}


def missing(name: str) -> tuple[int, Json]:
    return failure(404, "NotFound", f'pods "{name}" not found')
