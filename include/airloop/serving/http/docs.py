"""The service's docs page: Swagger's own page from local files, over the models' typed schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from airloop.contracts import Contract
from airloop.plugins.trainer import Output, OutputKind
from airloop.serving.responses import (
    ErrorBody,
    LabelledPredictionBody,
    NamedPredictionBody,
    PredictionBody,
    Readiness,
    VectorPredictionBody,
)
from airloop.serving.runtime.endpoint import Endpoint
from airloop.serving.runtime.version import Version

#: What a request without a body can end in, and what one with rows can besides.
_ERRORS = {
    "401": "No valid token",
    "404": "There is no such path or model",
    "405": "The path knows another method",
    "500": "The service failed; its log has the request id",
    "503": "Not at the moment: `Retry-After` says when to come back",
}
_ROW_ERRORS = {
    "400": "The client went away",
    "408": "The body did not arrive in time",
    "413": "The body is too large",
    "415": "Not plain application/json",
    "422": "The rows do not fit the schema, or the model refuses some of them",
}
_BODIES = (
    *(PredictionBody, NamedPredictionBody, LabelledPredictionBody, VectorPredictionBody),
    *(ErrorBody, Readiness),
)
_REFERENCE = "#/components/schemas/{model}"


def docs_assets() -> StaticFiles:
    """Swagger's files as BentoML ships them: the page needs nothing from the network."""
    # Found without importing BentoML, which the infrastructure check does not need.
    spec = find_spec("bentoml")
    root = Path(spec.origin).parent if spec and spec.origin else Path("/nonexistent")
    return StaticFiles(directory=root / "_internal/server/static_content", check_dir=False)


def docs_page() -> HTMLResponse:
    """The page."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Airloop: prediction service",
        swagger_js_url="docs/assets/swagger-ui-bundle.js",
        swagger_css_url="docs/assets/swagger-ui.css",
        swagger_favicon_url="docs/assets/favicon-light-32x32.png",
    )


def openapi(plain: dict[str, Any], endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """FastAPI's document plus a typed operation for every model that answers."""
    paths: dict[str, Any] = {}
    schemas = dict(plain.get("components", {}).get("schemas", {}))
    for contract in _BODIES:
        _add(schemas, contract)
    known = {path: _page(path, methods) for path, methods in plain["paths"].items()}
    for endpoint in endpoints:
        if endpoint.current is not None:
            paths[f"/models/{endpoint.model}/predict"] = {
                "post": _operation(endpoint.current, schemas)
            }
    return {
        **plain,
        "paths": {**paths, **known},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(version: Version, schemas: dict[str, Any]) -> dict[str, Any]:
    spec = version.model.spec
    request = version.schema.document()
    schemas.update(request.pop("$defs", {}))
    schemas[f"{spec.name}_request"] = request
    content = {
        "schema": {"$ref": f"#/components/schemas/{spec.name}_request"},
        "example": {"rows": [version.example]},
    }
    return {
        "summary": f"{spec.description} (version {version.number})",
        "description": "All fields are required; null where the schema allows it. "
        f"At most {spec.serving.max_rows} rows and {spec.serving.max_body_bytes} bytes.",
        "operationId": f"predict_{spec.name}",
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": _prediction(version, schemas),
            **_errors({**_ERRORS, **_ROW_ERRORS}),
        },
    }


def _prediction(version: Version, schemas: dict[str, Any]) -> dict[str, Any]:
    """What a version answers: a number a row, or what else it declares."""
    text, output = "One prediction a row, with version and request id", version.model.spec.answer
    if not output.shape:
        return _answer(text, PredictionBody)
    kind, row = _row(output)
    body = schemas[kind.__name__]
    mine = f"{version.model.spec.name}_answer"
    predictions = {**body["properties"]["predictions"], "items": row}
    schemas[mine] = {
        **body,
        "title": mine,
        "properties": {**body["properties"], "predictions": predictions},
    }
    schema = {"$ref": f"#/components/schemas/{mine}"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _row(output: Output) -> tuple[type[Contract], dict[str, Any]]:
    """What is answered about a row: one of the names, a list of numbers, or a number for each of the names."""
    number, count = {"type": "number"}, len(output.names)
    if output.kind is OutputKind.LABELS:
        return LabelledPredictionBody, {"type": "string", "enum": list(output.names)}
    if output.kind is OutputKind.VECTOR:
        listed = {"type": "array", "items": number, "minItems": count, "maxItems": count}
        return VectorPredictionBody, listed
    return NamedPredictionBody, {
        "type": "object",
        "properties": dict.fromkeys(output.names, number),
        "required": list(output.names),
        "additionalProperties": False,
    }


def _page(path: str, methods: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's own description of a page, with the answers that stand before and around it."""
    if path == "/healthz":
        return {name: {**one, "security": []} for name, one in methods.items()}
    if path == "/readyz":
        texts = {"200": "A model answers", "503": "None answers, and why"}
        answers = {status: _answer(text, Readiness) for status, text in texts.items()}
        return {
            name: {**one, "security": [], "responses": answers} for name, one in methods.items()
        }
    return {
        name: {**one, "responses": {"200": one["responses"]["200"], **_page_errors(one)}}
        for name, one in methods.items()
    }


def _page_errors(operation: dict[str, Any]) -> dict[str, Any]:
    query = (
        {"422": "The query has another parameter, or one twice"}
        if "parameters" in operation
        else {}
    )
    return _errors({**_ERRORS, **query})


def _errors(texts: Mapping[str, str]) -> dict[str, Any]:
    return {status: _answer(text, ErrorBody) for status, text in sorted(texts.items())}


def _answer(text: str, contract: type[Contract]) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=contract.__name__)}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _add(schemas: dict[str, Any], contract: type[Contract]) -> None:
    document = contract.model_json_schema(ref_template=_REFERENCE, mode="serialization")
    schemas.update(document.pop("$defs", {}))
    schemas[contract.__name__] = document
