"""The pages' routes, behind Airflow's own login."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from airloop.delivery.watches import WATCHES, standing
from airloop.errors import AirloopError, SpecError
from airloop.ledger import open_ledger
from airloop.monitoring.scripts import asset
from airloop.settings import load_settings, read_settings
from airloop.specs import load_catalog
from airloop.storage.expiry import SHARED
from airloop_operators.ui import reports
from airloop_operators.ui.absent import absent, presence
from airloop_operators.ui.overview import View, names_alone, overview
from airloop_operators.ui.resolving import resolve

_FOLDER = Path(__file__).parent
#: A report holds values of the data it shows. Should one of them be a script, it runs without the reader's login (the
#: browser treats a sandboxed page as a stranger) and sends no request, picture, frame, form or window. What no policy
#: forbids it stands in docs/security.md: to lead its window elsewhere, downloads, speculation rules, look-ups of names, WebRTC.
REPORT_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts allow-downloads; default-src 'none';"
    " script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:;"
    " font-src data:; connect-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'self';"
    " webrtc 'block'",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Referrer-Policy": "no-referrer",
}
#: An icon is a picture and nothing else, also where somebody opens it by itself.
ICON_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
#: It bears its digest as its name.
SCRIPT_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}
#: Airloop's own pages bring everything with them and load nothing from elsewhere.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self';"
    " script-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def create_app() -> FastAPI:
    """The app that the plugin mounts at ``/airloop``: every route needs a logged-in user, the icons excepted."""
    # No redirects of its own: they would name the host that the request named.
    app = FastAPI(
        title="Airloop", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    signed_in = [Depends(get_user)]
    app.add_exception_handler(HTTPException, _refuse)
    app.get("/", dependencies=signed_in, response_class=HTMLResponse)(page)
    app.get("/absent", dependencies=signed_in)(absent_dags)
    app.post("/incidents/{number}")(resolve)
    app.get("/theme.js", dependencies=signed_in)(theme)
    app.get(f"/reports/{SHARED}/{{name}}.js")(script)
    app.get("/reports/{path:path}", dependencies=signed_in)(report)
    app.get("/{name}.svg")(icon)
    return app


def page() -> HTMLResponse:
    """All models: who serves, how well, what was decided and why."""
    template = _environment().get_template("overview.html")
    _, wrong = read_settings()
    error = str(wrong[0]) if wrong else ""
    try:
        content, missing, history = _content(), absent(), _history()
    except AirloopError as failed:
        said = template.render(models=(), error=str(failed), absent=(), history=())
        return HTMLResponse(said, 503, PAGE_HEADERS)
    said = template.render(models=content, error=error, absent=missing, history=history)
    return HTMLResponse(said, headers=PAGE_HEADERS)


def _content() -> tuple[View, ...]:
    """Where the settings cannot be read nobody knows where the ledger is, but the models are known.

    :raises AirloopError: if the specs' folder cannot be listed, or the ledger does not answer
    """
    catalog = load_catalog()
    try:
        settings = load_settings()
    except SpecError:
        return names_alone(catalog)
    return overview(catalog, open_ledger(settings), settings, datetime.now(UTC))


def _history() -> tuple[str, ...]:
    """What the last look at the ledger's own history, and at the lake, found wrong."""
    settings, _ = read_settings()
    if settings is None:
        return ()
    ledger = open_ledger(settings)
    return tuple(line for watch in WATCHES if (line := standing(ledger, watch)) is not None)


def absent_dags() -> JSONResponse:
    """What `airloop status` asks: how many DAGs the specs promise, how many are there, a sentence for what is missing."""
    try:
        found = presence()
    except AirloopError as error:
        raise HTTPException(503, str(error)) from error
    said = {"expected": found.expected, "there": found.there, "absent": [*map(str, found.absent)]}
    return JSONResponse(said, headers=PAGE_HEADERS)


def report(path: str) -> Response:
    """A file under the reports' folder, or what a folder there holds."""
    try:
        found = reports.find(load_settings(), path)
    except AirloopError as error:
        raise HTTPException(503, str(error)) from error
    if found is None:
        raise HTTPException(404, "there is no such report")
    if isinstance(found, reports.Report):
        return Response(found.content, media_type=found.media_type, headers=REPORT_HEADERS)
    template = _environment().get_template("folder.html")
    html = template.render(path=path.strip("/"), entries=found)
    return HTMLResponse(html, headers=PAGE_HEADERS)


def script(name: Annotated[str, "the digest of its bytes"]) -> Response:
    """A library's script that report pages share; without a login, since a sandboxed page has none to show."""
    try:
        found = reports.find(load_settings(), f"{SHARED}/{name}.js")
    except AirloopError as error:
        raise HTTPException(503, str(error)) from error
    # Nothing else is shown to strangers than what bears the name of its bytes.
    if not isinstance(found, reports.Report) or asset(found.content) != f"{name}.js":
        raise HTTPException(404, "there is no such script")
    return Response(found.content, media_type="text/javascript", headers=SCRIPT_HEADERS)


def theme() -> FileResponse:
    """Follows Airflow's own switch between light and dark."""
    return FileResponse(_FOLDER / "theme.js", media_type="text/javascript")


def icon(name: Annotated[str, "icon or icon-dark"]) -> Response:
    """The icon of the navigation."""
    path = {"icon": "icon.svg", "icon-dark": "icon-dark.svg"}.get(name)
    if path is None:
        raise HTTPException(404)
    return FileResponse(_FOLDER / path, media_type="image/svg+xml", headers=ICON_HEADERS)


async def _refuse(request: Request, error: Exception) -> Response:
    """A person without a login is sent to it; a program is told."""
    status = getattr(error, "status_code", 500)
    if status == 401 and "text/html" in request.headers.get("accept", ""):
        # The path alone: the host is whatever the request claims.
        query = f"?{request.url.query}" if request.url.query else ""
        asked = quote(f"{request.url.path}{query}", safe="/")
        return RedirectResponse(f"/api/v2/auth/login?next={asked}", 303)
    return Response(str(getattr(error, "detail", "")), status, media_type="text/plain")


def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
