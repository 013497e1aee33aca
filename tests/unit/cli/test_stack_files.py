"""Secrets, ports, configuration and the shell's environment file of the embedded stack."""

from __future__ import annotations

import configparser
import json
import stat
import subprocess
from pathlib import Path

import pytest

from airloop.devstack import airflow_config
from airloop.devstack.addresses import DEFAULT_PORTS, Addresses, known_addresses
from airloop.devstack.components import components
from airloop.devstack.environment import (
    NO_TELEMETRY,
    process_environment,
    stack_environment,
    write_env_file,
)
from airloop.devstack.layout import Layout
from airloop.devstack.secrets import MLFLOW_SECRETS, ensure_secrets
from airloop.errors import StorageFullError
from airloop.exchange import seal
from airloop.registry import credentials
from airloop.settings import load_settings
from airloop.specs.sections.storage import OPTIONS, SECRETS

ADDRESSES = Addresses(airflow=8181, execution=8282, mlflow=5001, serving=3001)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "home")
    made.create()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_readable_by_nobody_else(layout: Layout) -> None:
    first, new = ensure_secrets(layout.secrets)
    token = first["service_token"]
    second, again = ensure_secrets(layout.secrets)
    assert new
    assert not again
    assert second["service_token"] == token
    assert mode(layout.secrets) == 0o700
    assert {mode(path) for path in layout.secrets.iterdir()} == {0o600}


def test_a_secret_of_a_blank_line_is_made_anew_for_both_sides(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "home_folder", lambda: layout.home)
    ensure_secrets(layout.secrets)
    file = layout.secrets / credentials.SECRET
    file.write_text(" \n")
    assert credentials._secret() is None
    secrets, _ = ensure_secrets(layout.secrets)
    assert secrets[credentials.SECRET]
    file.write_text("one\ntwo\n")
    assert credentials._secret() == secrets[credentials.SECRET] == "one"


def test_a_stack_takes_the_step_stores_key_that_pods_have_and_keeps_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("of the cluster's Secret" * 3, "of another shell" * 3):
        monkeypatch.setenv(seal.VARIABLE, key)
        secrets, _ = ensure_secrets(layout.secrets)
        assert secrets[seal.SECRET] == "of the cluster's Secret" * 3
    (layout.secrets / seal.SECRET).unlink()
    monkeypatch.delenv(seal.VARIABLE)
    made, _ = ensure_secrets(layout.secrets)
    assert len(made[seal.SECRET]) == 64


def test_a_missing_key_of_mlflows_pages_is_as_a_missing_password(layout: Layout) -> None:
    ensure_secrets(layout.secrets)
    (layout.secrets / "mlflow_secret_key").unlink()
    [part] = [one for one in components(layout, ADDRESSES, load_settings()) if one.name == "mlflow"]
    assert "MLFLOW_FLASK_SERVER_SECRET_KEY" not in part.env


def test_a_secret_that_was_opened_up_is_closed_again(layout: Layout) -> None:
    ensure_secrets(layout.secrets)
    (layout.secrets / "service_token").chmod(0o644)
    ensure_secrets(layout.secrets)
    assert mode(layout.secrets / "service_token") == 0o600


def test_airflow_reads_the_same_password(layout: Layout) -> None:
    secrets, _ = ensure_secrets(layout.secrets)
    assert json.loads(secrets.passwords_file.read_text()) == {"admin": secrets["airflow_password"]}


def test_airflow_cfg_is_private_and_on_loopback(layout: Layout) -> None:
    secrets, _ = ensure_secrets(layout.secrets)
    options = airflow_config.options(layout, secrets, ADDRESSES, "sqlite:////a.db")
    airflow_config.write(layout, options)
    path = layout.airflow / "airflow.cfg"
    parser = configparser.ConfigParser()
    parser.read(path)
    assert mode(path) == 0o600
    assert parser["api"]["host"] == "127.0.0.1"
    assert parser["api"]["base_url"] == "http://127.0.0.1:8181"
    assert parser["core"]["execution_api_server_url"] == "http://127.0.0.1:8282/execution/"
    assert parser["api_auth"]["jwt_secret"] == secrets["jwt_secret"]


def test_no_library_reports_home(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere.example")
    monkeypatch.setenv("AIRFLOW_HOME", "/another/airflow")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////another/airflow.db")
    env = process_environment(stack_environment(layout, "http://127.0.0.1:5000"), "id")
    assert NO_TELEMETRY.items() <= env.items()
    assert env["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000"
    assert env["AIRFLOW_HOME"] == str(layout.airflow)
    assert not [key for key in env if key.startswith("AIRFLOW__")]


def test_the_callers_connections_reach_airflow_and_nobody_else(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/kubernetes.md says to export one, and `up` took it away (seen on Kubernetes v1.36)."""
    name = "AIRFLOW_CONN_KUBERNETES_DEFAULT"
    monkeypatch.setenv(name, "{}")
    env = process_environment(stack_environment(layout, "http://127.0.0.1:5000"), "id")
    assert env[name] == "{}"
    without = {
        part.name: set(part.without) for part in components(layout, ADDRESSES, load_settings())
    }
    assert {part for part, names in without.items() if name in names} == {
        "mlflow",
        "serving",
        "step-host",
    }


def test_no_kubeconfig_of_the_machine_reaches_the_stack(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/admin/.kube/config")
    env = process_environment(stack_environment(layout, "http://127.0.0.1:5000"), "id")
    assert "KUBECONFIG" not in env


def test_mlflow_gets_every_option_of_the_bucket(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        "aws_endpoint_url": "https://s3.example",
        "aws_region": "eu-central-1",
        "aws_virtual_hosted_style_request": "true",
        "aws_server_side_encryption": "aws:kms",
        "aws_sse_kms_key_id": "a-key",
    }
    monkeypatch.setenv("AIRLOOP__STORAGE_OPTIONS", json.dumps(options))
    load_settings.cache_clear()
    (mlflow,) = [
        part for part in components(layout, ADDRESSES, load_settings()) if part.name == "mlflow"
    ]
    load_settings.cache_clear()
    told = {
        "AWS_ENDPOINT_URL": "https://s3.example",
        "MLFLOW_S3_ENDPOINT_URL": "https://s3.example",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual",
    }
    assert told.items() <= mlflow.env.items()
    encryption = json.loads(mlflow.env["MLFLOW_S3_UPLOAD_EXTRA_ARGS"])
    assert encryption == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "a-key"}
    assert set(OPTIONS) == {*options, *SECRETS}


def test_the_env_file_can_be_sourced_and_holds_no_secret(layout: Layout) -> None:
    secrets, _ = ensure_secrets(layout.secrets)
    write_env_file(layout, stack_environment(layout, "http://127.0.0.1:5000"))
    script = f'. "{layout.env_file}" && echo "$AIRFLOW_HOME"'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == str(layout.airflow)
    text = layout.env_file.read_text()
    names = ("service_token", "jwt_secret", "stack_id", credentials.SECRET, seal.SECRET)
    assert not any(secrets[name] in text for name in names)
    asked = f'. "{layout.env_file}" && echo "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD"'
    told = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=True).stdout
    assert told.strip() == f"airloop:{secrets[credentials.SECRET]}"


def test_what_an_older_stack_lacks_is_made_and_named_and_the_rest_stays(layout: Layout) -> None:
    first, _ = ensure_secrets(layout.secrets)
    token = first["service_token"]
    for path in layout.secrets.glob("mlflow_*"):
        path.unlink()
    second, made = ensure_secrets(layout.secrets)
    assert made == ("mlflow_reader_password",)
    assert second["service_token"] == token


def test_mlflow_alone_has_its_users_passwords_and_no_command_line_shows_one(
    layout: Layout,
) -> None:
    secrets, _ = ensure_secrets(layout.secrets)
    own = [secrets[name] for name in (*MLFLOW_SECRETS.values(), "mlflow_secret_key")]
    kept = [*own, secrets[seal.SECRET]]
    parts = components(layout, ADDRESSES, load_settings())
    told = {part.name: [one for one in kept if one in part.env.values()] for part in parts}
    assert told.pop("mlflow") == own
    assert not any(told.values())
    assert not [word for part in parts for word in part.command if word in kept]
    (mlflow,) = [part for part in parts if part.name == "mlflow"]
    # It asks nobody: the loop's own name and password are not for it.
    assert {credentials.USERNAME, credentials.PASSWORD} <= set(mlflow.without)


def test_addresses_are_known_from_the_last_start(layout: Layout) -> None:
    assert known_addresses(layout) is None
    layout.runtime.write_text(
        "airflow_url: http://127.0.0.1:1\nmlflow_uri: http://127.0.0.1:2\n"
        "serving: {url: 'http://127.0.0.1:3'}\n"
    )
    found = known_addresses(layout)
    assert found is not None
    assert found == Addresses(1, DEFAULT_PORTS["execution"], 2, 3)
    secrets, _ = ensure_secrets(layout.secrets)
    options = airflow_config.options(layout, secrets, ADDRESSES, "sqlite:////a.db")
    airflow_config.write(layout, options)
    assert known_addresses(layout) == Addresses(1, ADDRESSES.execution, 2, 3)


def test_a_home_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFullError, match="AIRLOOP_HOME"):
        Layout(tmp_path / "file" / "home").create()
