"""What an operator makes of the connection that the settings name."""

from __future__ import annotations

import json

import pytest

from airloop.errors import SpecError, UnreachableError
from airloop.settings import Settings
from airloop.specs import DatasetSpec
from airloop_operators.credentials import source_credentials, storage_credentials
from tests.unit.data.specimens import spec as dataset_spec

VARIABLE = "AIRFLOW_CONN_AIRLOOP_S3"
NAMED = Settings.model_construct(storage_connection="airloop_s3")


def connection(**fields: object) -> str:
    return json.dumps({"conn_type": "aws", **fields})


def test_without_a_connection_there_are_none() -> None:
    assert storage_credentials(Settings.model_construct(storage_connection=None)) == {}


def test_a_connection_becomes_the_steps_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"region_name": "eu-central-1", "endpoint_url": "http://127.0.0.1:1"}
    monkeypatch.setenv(VARIABLE, connection(login="someone", password="a-canary", extra=extra))
    assert storage_credentials(NAMED) == {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "a-canary",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }


def test_temporary_keys_come_with_their_token(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"aws_session_token": "a-second-canary", "region_name": "eu-central-1"}
    monkeypatch.setenv(VARIABLE, connection(login="someone", password="a-canary", extra=extra))
    assert storage_credentials(NAMED)["AWS_SESSION_TOKEN"] == "a-second-canary"


@pytest.mark.parametrize("extra", [{"role_arn": "no arn", "region_name": "eu-central-1"}, {}])
def test_a_connection_without_keys_is_one_permanent_error(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv(VARIABLE, connection(extra=extra))
    with pytest.raises(SpecError, match="gives no access to the storage") as caught:
        storage_credentials(NAMED)
    assert "airflow connections add airloop_s3" in str(caught.value)


def test_a_role_whose_server_does_not_answer_is_a_transient_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = {
        "role_arn": "arn:aws:iam::123456789012:role/airloop",
        "region_name": "eu-central-1",
        "service_config": {"sts": {"endpoint_url": "http://127.0.0.1:1"}},
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    monkeypatch.setenv(VARIABLE, connection(login="someone", password="a-canary", extra=extra))
    with pytest.raises(UnreachableError, match="does not answer") as caught:
        storage_credentials(NAMED)
    assert "a-canary" not in str(caught.value)


def of_connection(name: str) -> DatasetSpec:
    query = "SELECT * FROM orders WHERE day >= :start AND day < :end"
    return dataset_spec(source={"kind": "sql", "query": query, "connection": name})


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (
            {"conn_type": "postgres", "host": "db", "port": 5432, "login": "me", "schema": "shop"},
            "postgresql://me:p%40ss@db:5432/shop",
        ),
        ({"conn_type": "mysql", "host": "db", "login": "me"}, "mysql://me:p%40ss@db"),
        ({"conn_type": "sqlite", "host": "/data/shop.db"}, "sqlite:////data/shop.db"),
    ],
)
def test_the_connection_of_a_source_becomes_a_url_for_its_step(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, object], url: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MY_SHOP", json.dumps({"password": "p@ss", **fields}))
    assert source_credentials(of_connection("my_shop")) == {"AIRLOOP_CONNECTION_MY_SHOP": url}


def test_a_source_without_a_connection_needs_none() -> None:
    assert source_credentials(dataset_spec()) == {}


def test_a_source_whose_connection_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(SpecError, match="there is no such Airflow connection; got 'my_shop'"):
        source_credentials(of_connection("my_shop"))
