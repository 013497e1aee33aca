"""The seam of executors as a spec sees it: what YAML may say of one, and what each can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import AfterValidator, BeforeValidator, SerializeAsAny, ValidationInfo

from airloop.errors import SpecError
from airloop.issues import SpecIssue, refuse
from airloop.plugins.registry import EXECUTORS, load
from airloop.plugins.spec import PluginSpec, is_frozen, name_issues, picked
from airloop.plugins.spec import rules as rules_of


class ExecutorSpec(PluginSpec):
    """The keys of ``compute:`` where it is written as ``{kind: …}``."""


class ExecutorCapabilities(Protocol):
    """What can be known of an executor before it runs anything: all that a spec is held against."""

    #: The class that checks ``compute:`` where its ``kind`` is this executor's name.
    spec: ClassVar[type[ExecutorSpec]] = ExecutorSpec
    #: Whether steps run on the machine that asks: they take its slots and its GPUs.
    local: ClassVar[bool]
    #: Whether they run in the cluster of the setting ``kubernetes``: `check`, `up` and `status` then say which that is.
    in_cluster: ClassVar[bool] = False
    #: Which key of ``environment`` names the model's libraries.
    environment: ClassVar[Literal["python", "image"]]
    #: ``package.module:Class`` of Airflow's side where that does better than to poll: see ``airloop_operators.side``.
    operator: ClassVar[str | None] = None
    #: DAGs that a project needs once a model names this executor: dag_id, and the module whose ``build()`` makes it.
    dags: ClassVar[Mapping[str, str]] = {}


def executor_named(compute: Any) -> ExecutorCapabilities | None:
    """The executor of plain data; None where there is none, which the spec's own validation says."""
    kind = compute.get("kind") if isinstance(compute, Mapping) else compute
    try:
        found: ExecutorCapabilities | None = (
            load(EXECUTORS, kind) if isinstance(kind, str) else None
        )
    except SpecError:
        return None
    return found


def compute_issues(compute: Any) -> Iterator[SpecIssue]:
    """What is wrong between an executor's own keys."""
    yield from rules_of(EXECUTORS, compute)


def _known(compute: str | ExecutorSpec, info: ValidationInfo) -> str | ExecutorSpec:
    if isinstance(compute, str) and not is_frozen(info):
        refuse(name_issues(EXECUTORS, compute))
    return compute


#: ``compute:`` of a model's spec: a name, or ``{kind: …}`` with the executor's own keys.
ComputeField = Annotated[
    str | SerializeAsAny[ExecutorSpec],
    BeforeValidator(picked(EXECUTORS, ExecutorSpec)),
    AfterValidator(_known),
]
