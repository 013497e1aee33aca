"""The service's docs page: Swagger's own page from local files, over the models' typed schemas."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from airloop.serving.runtime.endpoint import Endpoint
from airloop.serving.runtime.version import Version

_ANSWERS = {
    "200": "One prediction a row, with version and request id",
    "401": "No valid token",
    "413": "The body is too large",
    "422": "The rows do not fit the schema",
    "503": "Nothing is deployed, or too many requests at once",
}


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


def openapi(plain: dict[str, Any], slots: Sequence[Endpoint]) -> dict[str, Any]:
    """FastAPI's document plus a typed operation for every model that answers."""
    paths: dict[str, Any] = {}
    schemas = dict(plain.get("components", {}).get("schemas", {}))
    for slot in slots:
        if slot.current is not None:
            paths[f"/models/{slot.model}/predict"] = {"post": _operation(slot.current, schemas)}
    return {
        **plain,
        "paths": {**paths, **plain["paths"]},
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
        "responses": {status: {"description": text} for status, text in _ANSWERS.items()},
    }
