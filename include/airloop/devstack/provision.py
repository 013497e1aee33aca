"""What Airflow must be told once it runs: its pools, and the connection to the bucket."""

from __future__ import annotations

import json
import os

import httpx

from airloop.devstack.airflow import Airflow
from airloop.errors import RequestError
from airloop.paths import config_folder
from airloop.settings import Settings


def provision(airflow: Airflow, settings: Settings) -> None:
    """Give Airflow what the DAGs count on."""
    with airflow:
        _pools(airflow)
        _connection(airflow, settings)


def _pools(airflow: Airflow) -> None:
    """The pools of config/pools.json: a task of a pool that is not there waits for ever."""
    wanted = json.loads((config_folder() / "pools.json").read_text(encoding="utf-8"))
    entities = [{"name": name, **pool} for name, pool in wanted.items()]
    action = {"action": "create", "entities": entities, "action_on_existence": "overwrite"}
    airflow.call("PATCH", "/pools", json={"actions": [action]})


def _connection(airflow: Airflow, settings: Settings) -> None:
    """The connection that the settings name, from this process's ``AWS_…`` variables.

    Airflow keeps it encrypted. Without the variables somebody else looks after it.
    """
    name = settings.storage_connection
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if name is None or not key or not secret:
        return
    options = settings.storage_options
    extra = {
        "aws_session_token": os.environ.get("AWS_SESSION_TOKEN"),
        "region_name": options.get("aws_region") or os.environ.get("AWS_REGION"),
        "endpoint_url": options.get("aws_endpoint_url") or os.environ.get("AWS_ENDPOINT_URL"),
    }
    body = {
        "connection_id": name,
        "conn_type": "aws",
        "login": key,
        "password": secret,
        "extra": json.dumps({field: value for field, value in extra.items() if value}),
    }
    try:
        airflow.call("POST", "/connections", json=body)
    except RequestError as error:
        if error.value != httpx.codes.CONFLICT:
            raise
        airflow.call("PATCH", f"/connections/{name}", json=body)
