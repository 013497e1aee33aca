"""What YAML says of a plug-in: ``{kind: …}`` picks it, and its own class checks the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError, ValidationInfo, model_validator

from airloop.contracts import Contract
from airloop.errors import SpecError
from airloop.issues import SpecIssue, issues_of, refuse
from airloop.plugins.registry import AGAIN, Seam, load, names

#: The context in which the frozen spec of an artifact is read: what it names need not be installed here.
FROZEN = {"frozen": True}


class PluginSpec(Contract):
    """The keys of one plug-in; a subclass adds its own, each with a type."""

    kind: str

    @classmethod
    def rules(cls, data: Mapping[str, Any]) -> list[SpecIssue]:
        """What is wrong between the keys.

        It reads plain data and passes over what has the wrong shape, which pydantic reports: so `airloop check` can
        tell everything at once.
        """
        return []

    @model_validator(mode="after")
    def _rules(self) -> PluginSpec:
        refuse(self.rules(self.model_dump(mode="json", by_alias=True)))
        return self


class AbsentSpec(PluginSpec):
    """What an artifact's spec says of a plug-in that is not installed where the model only answers."""

    model_config = ConfigDict(extra="allow")


def is_frozen(info: ValidationInfo) -> bool:
    """Whether what is read was judged before: an artifact's spec."""
    return info.context is FROZEN


def picked(seam: Seam, base: type[PluginSpec]) -> Callable[[Any, ValidationInfo], Any]:
    """A validator that turns a mapping into the spec of the plug-in that its ``kind`` names.

    :param base: the class of the seam's specs, which an absent one's is then, too
    """
    absent: Any = type("AbsentSpec", (base, AbsentSpec), {"__module__": __name__})

    def pick(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, list | tuple):
            what = f"names {len(value)}, and there can be only one {seam.noun}"
            refuse([SpecIssue((), what, None, "name one; two datasets may have one each")])
        if not isinstance(value, Mapping):
            return value
        try:
            spec = spec_class(seam, value)
        except SpecError:
            if is_frozen(info):
                return absent.model_validate(dict(value))
            refuse(kind_issues(seam, value))
            raise
        try:
            return spec.model_validate(dict(value), context=info.context)
        except ValidationError as error:
            refuse(issues_of(error, spec))
            raise

    return pick


def spec_class(seam: Seam, value: Mapping[str, Any]) -> type[PluginSpec]:
    """The class that checks what stands beside ``kind``.

    :raises SpecError: if ``kind`` names no plug-in that can be loaded
    """
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in names(seam):
        raise SpecError(f"no such {seam.noun}", value=kind, valid=names(seam))
    spec: type[PluginSpec] = load(seam, kind).spec
    return spec


def kind_issues(seam: Seam, value: Mapping[str, Any]) -> list[SpecIssue]:
    """What is wrong with ``kind`` itself."""
    kind = value.get("kind")
    if kind is None:
        return [SpecIssue(("kind",), "a required key is missing", None, "", names(seam))]
    return name_issues(seam, kind, ("kind",))


def name_issues(seam: Seam, name: Any, path: tuple[str | int, ...] = ()) -> list[SpecIssue]:
    """What is wrong with a plug-in's name: nobody brings it, two do, or it cannot be loaded."""
    if not isinstance(name, str) or name not in names(seam):
        remedy = "" if names(seam) else AGAIN
        return [SpecIssue(path, "not one of the values it may have", name, remedy, names(seam))]
    try:
        load(seam, name)
    except SpecError as error:
        return [SpecIssue(path, error.what, name, error.remedy)]
    return []


def rules(seam: Seam, value: Any) -> list[SpecIssue]:
    """What a plug-in's own rules say of plain data; nothing where that is no such plug-in's."""
    if not isinstance(value, Mapping):
        return []
    try:
        return spec_class(seam, value).rules(value)
    except SpecError:  # the spec's own validation says so
        return []
    # They read plain data of any shape, and are a stranger's code: what they trip over, the validation tells.
    except Exception:
        return []
