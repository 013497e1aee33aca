"""A person's word on an incident, given on the page: who may start the model's monitor may say what it found."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Form, HTTPException, Request
from fastapi.responses import RedirectResponse

from airloop.errors import AirloopError, RequestError
from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop.vocabulary import IncidentStatus

#: A reason goes on record, and is read in a table.
MAX_REASON = 500


def resolve(
    request: Request,
    user: GetUserDep,
    number: int,
    kind: Annotated[Literal["drift", "fault"], Form(alias="as")],
    reason: Annotated[str, Form(max_length=MAX_REASON)],
) -> RedirectResponse:
    """Say what an incident was, and go back to the page."""
    if not _from_here(request):
        raise HTTPException(403, "only Airloop's own page may say what an incident was")
    if not reason.strip():
        raise HTTPException(422, "say why: the reason goes on record")
    try:
        ledger = open_ledger(load_settings())
        model = ledger.incident(number).model
        if not get_auth_manager().is_authorized_dag(
            method="POST",
            access_entity=DagAccessEntity.RUN,
            details=DagDetails(id=f"monitor_{model}"),
            user=user,
        ):
            raise HTTPException(403, f"you may not start monitor_{model}, so not say what it found")
        ledger.resolve_incident(number, IncidentStatus(kind), reason.strip(), user.get_name())
    except RequestError as error:
        raise HTTPException(409, str(error)) from error
    except AirloopError as error:
        raise HTTPException(503, str(error)) from error
    return RedirectResponse("../", 303)


def _from_here(request: Request) -> bool:
    """Whether the form was on a page of ours: a stranger's page may send one along with the reader's login.

    Browsers say where a form was; over plain HTTP some tell the origin alone.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host")
