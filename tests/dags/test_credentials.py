"""What an operator makes of the connection that the settings name."""

from __future__ import annotations

import json

import pytest

from airloop.errors import SpecError, UnreachableError
from airloop.settings import Settings
from airloop_operators.credentials import storage_credentials

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
