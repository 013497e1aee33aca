"""Airflow's trigger form from the model that checks `dag_run.conf`: one source for both."""

from __future__ import annotations

from typing import Any

from airloop.contracts import Contract
from airloop.partition import ANY_KEY, KEY_FORMS, KEY_PATTERNS, Cadence

#: The keywords of JSON schema and of Airflow's form that a field hands on as they are.
_HANDED_ON = (
    "title",
    "description",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "items",
    "maxProperties",
    "additionalProperties",
    "section",
    "examples",
)


def form_fields(model: type[Contract], cadence: Cadence = Cadence.DAY) -> dict[str, dict[str, Any]]:
    """One dict of keyword arguments for Airflow's ``Param`` per key of the model.

    A key that may be left out gets its default; if that is None, null joins its types, for the
    form to offer it empty. A key without a default gets none: Airflow's form then asks for it.

    :param model: one of the models in :mod:`airloop.specs.requests`, or any flat contract
    :param cadence: of the dataset whose partitions its keys name
    :returns: for instance ``{"version": {"default": None, "type": ["integer", "null"], ...}}``
    """
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    return {
        name: _of_cadence(
            _field(field, definitions, required=name in schema.get("required", ())), cadence
        )
        for name, field in schema.get("properties", {}).items()
    }


def _of_cadence(field: dict[str, Any], cadence: Cadence) -> dict[str, Any]:
    """A partition's field as its cadence is written; only a day has the form's calendar."""
    if field.get("pattern") != ANY_KEY:
        return field
    field["pattern"] = rf"\A{KEY_PATTERNS[cadence]}\Z"
    if cadence is not Cadence.DAY:
        field.pop("format", None)
        written = KEY_FORMS[cadence].partition(",")[0]
        field["description"] = field["description"].replace(KEY_FORMS[Cadence.DAY], written)
    return field


def _field(field: dict[str, Any], definitions: dict[str, Any], *, required: bool) -> dict[str, Any]:
    flat, nullable = _flatten(field, definitions)
    kind = flat.get("type", "string")
    result: dict[str, Any] = {} if required else {"default": flat.get("default")}
    result["type"] = [kind, "null"] if nullable else kind
    result |= {key: flat[key] for key in _HANDED_ON if key in flat}
    if choices := flat.get("enum") or ([flat["const"]] if "const" in flat else []):
        result["enum"] = [*choices, None] if nullable else list(choices)
    return result


def _flatten(field: dict[str, Any], definitions: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """A field with its references and its "or null" folded in, and whether null is allowed.

    The field's own title and description win over those of the type it refers to.
    """
    outer = {key: value for key, value in field.items() if key not in {"anyOf", "$ref"}}
    if "$ref" in field:
        inner, nullable = _flatten(definitions[field["$ref"].rsplit("/", 1)[-1]], definitions)
        return {**inner, **outer}, nullable
    branches = [branch for branch in field.get("anyOf", ()) if branch.get("type") != "null"]
    if not branches:
        return outer, False
    inner, _ = _flatten(branches[0], definitions)
    return {**inner, **outer}, len(branches) < len(field["anyOf"])
