"""The pod templates under config/kubernetes/pod_templates: the shape of a pod, without what the spec decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airloop.errors import SpecError
from airloop.issues import KeyPath, SpecIssue
from airloop.specs.yaml.document import read_document
from airloop.textfile import is_there, is_written

FOLDER = Path("kubernetes") / "pod_templates"
#: The container that runs the step; others of a template run beside it.
CONTAINER = "base"
#: What the spec and the step decide, and so no template.
_OURS = ("command", "args", "image")
_OURS_OF_POD = ("activeDeadlineSeconds", "restartPolicy", "serviceAccountName")


def template_names(config: Path) -> tuple[str, ...]:
    """The templates there are, sorted."""
    found = (path for path in (config / FOLDER).glob("*.yaml") if is_written(path))
    return tuple(sorted(path.stem for path in found))


def read_template(config: Path, name: str) -> dict[str, Any]:
    """One template as plain data.

    :raises SpecError: if there is none of that name, or it decides what is the spec's to decide
    """
    path = config / FOLDER / f"{name}.yaml"
    if not is_there(path):
        raise SpecError(
            "there is no such pod template",
            value=name,
            where=str(config / FOLDER),
            valid=template_names(config),
        )
    document = read_document(path, strict=True)
    for issue in template_rules(document.data):
        raise SpecError(
            issue.what,
            value=issue.value,
            where=document.where(issue),
            remedy=issue.remedy,
        )
    return document.data


def template_rules(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """What is wrong in one template."""
    if data.get("kind") != "Pod":
        yield SpecIssue(("kind",), "a pod template is of kind Pod", data.get("kind"))
        return
    spec = data.get("spec")
    containers = spec.get("containers") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(containers, list):
        yield SpecIssue(("spec", "containers"), f"must list the container {CONTAINER}", None)
        return
    metadata = data.get("metadata")
    if isinstance(metadata, Mapping) and metadata.keys() & {"name", "namespace"}:
        what = "a template names neither pod nor namespace"
        yield SpecIssue(("metadata",), what, None, "leave metadata.name and .namespace out")
    for key in _OURS_OF_POD:
        if key in spec:
            yield _decided(("spec", key), spec[key])
    names = [item.get("name") if isinstance(item, Mapping) else None for item in containers]
    if names.count(CONTAINER) != 1:
        yield SpecIssue(("spec", "containers"), f"needs one container named {CONTAINER}", names)
    for index, container in enumerate(containers):
        for key in _OURS if names[index] == CONTAINER else ():
            if key in container:
                yield _decided(("spec", "containers", index, key), container[key])


def _decided(path: KeyPath, value: object) -> SpecIssue:
    what = "a template must not override what the spec and the step decide"
    return SpecIssue(path, what, value, f"leave {path[-1]} out of the template")
