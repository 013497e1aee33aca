"""What pydantic found wrong, in the words of the one who wrote the YAML: key, value, remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from airloop.contracts import DAY_PATTERN, LINE_PATTERN, NAME_PATTERN
from airloop.partition import ANY_KEY

#: Where a value stands: the keys and positions that lead to it.
KeyPath = tuple[str | int, ...]

#: What the patterns of the house ask for, said in words.
WORDS = {
    NAME_PATTERN: "use lower-case letters, digits and _, a letter first, 63 at most",
    LINE_PATTERN: "write one line of 1 to 500 characters",
    DAY_PATTERN: "write the day as YYYY-MM-DD, for example 2013-01-05",
    ANY_KEY: "write a day as YYYY-MM-DD; of another cadence 2013-01-05T0600Z, 2013-W01 or 2013-01",
}


@dataclass(frozen=True)
class SpecIssue:
    """One thing that is wrong with one key."""

    path: KeyPath
    what: str
    value: object = None
    remedy: str = ""
    valid: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The path as it is read aloud: ``expectations[2].with.column``."""
        return spell(self.path)


class SpecIssuesError(ValueError):
    """What a model's own validator raises: all that is wrong, each with its key."""

    def __init__(self, found: Sequence[SpecIssue]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(f"{issue.key}: {issue.what}" for issue in found))


def value_at(data: Any, path: KeyPath) -> Any:
    """What stands at a path of plain data; None where something on the way is no mapping, or lacks the key."""
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def refuse(found: Sequence[SpecIssue]) -> None:
    """Raise what was found, if anything was.

    :raises SpecIssuesError: with all of it
    """
    if found:
        raise SpecIssuesError(found)


def spell(path: Iterable[str | int]) -> str:
    """A path as text: names joined by dots, positions in brackets."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def issues_of(error: ValidationError, model: type[BaseModel]) -> list[SpecIssue]:
    """Everything ``error`` holds, one issue a key, in the order of the keys.

    :param model: the model that was validated; its schema tells which keys and values are valid
    """
    found: dict[KeyPath, SpecIssue] = {}
    for detail in error.errors(include_url=False):
        for issue in _issues(detail, _schema(model)):
            found.setdefault(issue.path, issue)
    return list(found.values())


def children(model: type[BaseModel], path: KeyPath) -> tuple[str, ...] | None:
    """The keys that may stand under a path; None where any may, or where there is no mapping."""
    root = _schema(model)
    schema, _ = _walk(root, path)
    return tuple(schema["properties"]) if "properties" in schema else None


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def _issues(detail: ErrorDetails, root: dict[str, Any]) -> Iterable[SpecIssue]:
    raised = detail.get("ctx", {}).get("error")
    if not isinstance(raised, SpecIssuesError):
        return (_issue(detail, root),)
    _, prefix = _walk(root, detail["loc"])
    given = detail["input"] if prefix else None
    return (
        replace(m, path=(*prefix, *m.path), value=m.value if m.path else given)
        for m in raised.found
    )


def _issue(detail: ErrorDetails, root: dict[str, Any]) -> SpecIssue:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        parent, path = _walk(root, detail["loc"][:-1])
        valid = tuple(_resolve(root, parent).get("properties", {}))
        path = (*path, detail["loc"][-1])
        return SpecIssue(
            path, "unknown key", str(path[-1]), "correct its spelling or remove it", valid
        )
    schema, path = _walk(root, detail["loc"])
    if kind == "missing":
        return SpecIssue(path, "a required key is missing", None, f"add {path[-1]}")
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return _wrong_tag(schema, path, value)
    if kind in {"literal_error", "enum"}:
        if detail["loc"][-1] == "[key]":
            parent, _ = _walk(root, detail["loc"][:-2])
            schema = _resolve(root, parent).get("propertyNames", {})
        valid = tuple(str(choice) for choice in _choices(_resolve(root, schema)))
        return SpecIssue(path, "not one of the values it may have", value, "", valid)
    if kind == "string_pattern_mismatch":
        pattern = str(detail.get("ctx", {}).get("pattern", ""))
        remedy = WORDS.get(pattern, f"it must match {pattern}")
        return SpecIssue(path, "the text does not have the form it must have", value, remedy)
    if kind == "value_error":
        return SpecIssue(path, str(detail["ctx"]["error"]), value if path else None)
    if kind in {"model_type", "dict_type"}:
        return SpecIssue(path, "must be a mapping of keys to values", value)
    if kind in {"tuple_type", "list_type"}:
        return SpecIssue(path, "must be a list", value)
    return SpecIssue(path, detail["msg"].replace("Input should", "should", 1), value)


def _wrong_tag(schema: dict[str, Any], path: KeyPath, value: object) -> SpecIssue:
    discriminator = schema.get("discriminator", {})
    name = str(discriminator.get("propertyName", "kind"))
    given = value.get(name) if isinstance(value, dict) else value
    what = "a required key is missing" if given is None else "not one of the values it may have"
    return SpecIssue((*path, name), what, given, "", tuple(discriminator.get("mapping", {})))


def _resolve(root: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and look through "or null"."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    return _resolve(root, branches[0]) if len(branches) == 1 else schema


def _walk(root: dict[str, Any], location: Sequence[str | int]) -> tuple[dict[str, Any], KeyPath]:
    """The schema at a pydantic location, and the location without what pydantic put into it.

    A union adds its tag (or its branch's name) to the location, which stands in no YAML file.
    """
    schema: dict[str, Any] = root
    path: KeyPath = ()
    for part in location:
        here = _resolve(root, schema)
        if part in here.get("discriminator", {}).get("mapping", {}):
            schema = {"$ref": here["discriminator"]["mapping"][part]}
            continue
        if "anyOf" in here or part == "[key]":
            break
        schema = _child(here, part)
        path = (*path, part)
    return _resolve(root, schema), path


def _child(schema: dict[str, Any], part: str | int) -> dict[str, Any]:
    if isinstance(part, int):
        found = schema.get("items", {})
    else:
        # A mapping's values stand under the pattern of its keys, where these have one.
        values: Any = next(iter(schema.get("patternProperties", {}).values()), {})
        values = schema.get("additionalProperties", values)
        found = schema.get("properties", {}).get(part, values)
    return found if isinstance(found, dict) else {}


def _choices(schema: dict[str, Any]) -> Sequence[object]:
    return schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else []
