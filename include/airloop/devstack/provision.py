"""What Airflow must be told once it runs: its pools, and the connection to the bucket."""

from __future__ import annotations

import json
import os

import httpx

from airloop.devstack.airflow import Airflow
from airloop.errors import RequestError, SpecError
from airloop.paths import config_folder
from airloop.settings import Settings
from airloop.specs.pools import POOLS, Pool, read_pools


def provision(airflow: Airflow, settings: Settings) -> tuple[str, ...]:
    """Give Airflow what the DAGs count on; returns what a person should know of it."""
    with airflow:
        _connection(airflow, settings)
        return _pools(airflow)


def _pools(airflow: Airflow) -> tuple[str, ...]:
    """The pools of config/pools.json: a task of a pool that is not there waits for ever.

    Where the file is wrong, Airflow keeps the pools that it has, and those that are needed get one slot.
    """
    told: tuple[str, ...] = ()
    try:
        wanted, existing = read_pools(config_folder()), "overwrite"
    except SpecError as error:
        alone = Pool(slots=1, description="One slot, since config/pools.json could not be read.")
        wanted, existing = dict.fromkeys(POOLS, alone), "skip"
        told = (f"the pools stay as they are: {error}",)
    entities = [{"name": name, **pool.model_dump(mode="json")} for name, pool in wanted.items()]
    action = {"action": "create", "entities": entities, "action_on_existence": existing}
    airflow.call("PATCH", "/pools", json={"actions": [action]})
    return told


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
