"""compose.yaml, without starting it: the specification's schema, the house's policy, and a control for each rule."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from airloop.devstack.signin import CONFIG, PASSWORDS, SECRET_KEY
from airloop.registry.credentials import LOOP, PASSWORD, USERNAME
from tests.support.checkout import ROOT

DOCKER = ROOT / "docker"
TEXT = (DOCKER / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SECRET = re.compile("PASSWORD|SECRET|TOKEN|KEY|CREDENTIAL")
#: A container that ends by itself shows its health by its exit code.
ONE_SHOT = {"airflow-init", "s3-volume"}
#: Its image says how: HEALTHCHECK.
BY_IMAGE = {"serving"}
#: Works without being asked: its failures stand in its log.
SILENT = {"compactor"}


def schema_faults(compose: dict[str, Any]) -> list[str]:
    """What the Compose specification's own schema, as check-jsonschema ships it, finds."""
    folder = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((folder / "compose-spec.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [error.message for error in validator.iter_errors(compose)]


def faults(compose: dict[str, Any]) -> list[str]:
    services = compose["services"]
    return [
        f"{name}: {fault}"
        for name, one in services.items()
        for fault in _faults(name, one, services)
    ]


def _faults(name: str, service: dict[str, Any], services: dict[str, Any]) -> Iterator[str]:
    yield from _hardening(name, service)
    yield from _secrets(service)
    for port in service.get("ports", ()):
        if not str(port).startswith("127.0.0.1:"):
            yield "a port is open to the network"
    image = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", service.get("image", ""))
    if not re.search(r":\d[\w.-]*$", image):
        yield "the image may move"
    if name in ONE_SHOT | BY_IMAGE | SILENT:
        if name in ONE_SHOT and service.get("restart", "no") != "no":
            yield "is done again and again"
    elif "test" not in service.get("healthcheck", {}):
        yield "nobody knows whether it is well"
    for needed, how in service.get("depends_on", {}).items():
        once = how["condition"] == "service_completed_successfully"
        if needed not in services or once != (needed in ONE_SHOT) or needed in SILENT:
            yield f"waits in vain for {needed}"


def _hardening(name: str, service: dict[str, Any]) -> Iterator[str]:
    if service.get("read_only") is not True:
        yield "may write its image"
    if service.get("cap_drop") != ["ALL"] or service.get("privileged"):
        yield "keeps capabilities"
    if service.get("cap_add", []) not in ([], ["CHOWN"]):
        yield "adds capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield "may gain privileges"
    if str(service.get("user", "1")).startswith("0") and (
        name not in ONE_SHOT or service.get("network_mode") != "none"
    ):
        yield "runs as root"
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    if not {"cpus", "memory"} <= limits.keys():
        yield "has no limits"
    if service.get("network_mode") == "host" or service.get("pid") == "host":
        yield "shares the host's namespaces"
    if "docker.sock" in json.dumps(service.get("volumes", [])):
        yield "holds the engine's socket"


def _secrets(service: dict[str, Any]) -> Iterator[str]:
    for variable, value in service.get("environment", {}).items():
        given = re.sub(r"\$\{\w+:\?[^}]*\}", "", str(value))
        if SECRET.search(variable) and given != "":
            yield f"the secret {variable} stands in the file"
        if re.search(r"//[^/@]*:[^/@]+@", given):
            yield f"a password stands in {variable}"


def test_it_is_what_the_specification_calls_a_compose_file() -> None:
    assert schema_faults(COMPOSE) == []


def test_control_the_schema_finds_an_unknown_key() -> None:
    broken = copy.deepcopy(COMPOSE)
    broken["services"]["mlflow"]["restrat"] = "always"
    assert "restrat" in schema_faults(broken)[0]


def test_every_service_keeps_the_policy() -> None:
    assert faults(COMPOSE) == []


BREAKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "mlflow: may write its image": lambda s: s["mlflow"].pop("read_only"),
    "mlflow: keeps capabilities": lambda s: s["mlflow"].pop("cap_drop"),
    "mlflow: adds capabilities": lambda s: s["mlflow"].update(cap_add=["SYS_ADMIN"]),
    "mlflow: may gain privileges": lambda s: s["mlflow"].pop("security_opt"),
    "mlflow: runs as root": lambda s: s["mlflow"].update(user="0:0"),
    "mlflow: has no limits": lambda s: s["mlflow"].pop("deploy"),
    "mlflow: shares the host's namespaces": lambda s: s["mlflow"].update(network_mode="host"),
    "mlflow: holds the engine's socket": lambda s: s["mlflow"].update(
        volumes=["/var/run/docker.sock:/x"]
    ),
    "mlflow: a port is open to the network": lambda s: s["mlflow"].update(ports=["5000:5000"]),
    "mlflow: the image may move": lambda s: s["mlflow"].update(image="mlflow:latest"),
    "mlflow: nobody knows whether it is well": lambda s: s["mlflow"].pop("healthcheck"),
    "mlflow: waits in vain for redis": lambda s: s["mlflow"]["depends_on"].update(
        redis={"condition": "service_healthy"}
    ),
    "mlflow: the secret AWS_SECRET_ACCESS_KEY stands in the file": lambda s: s["mlflow"][
        "environment"
    ].update(AWS_SECRET_ACCESS_KEY="${X:?y}z"),
    "mlflow: a password stands in MLFLOW_BACKEND_STORE_URI": lambda s: s["mlflow"][
        "environment"
    ].update(MLFLOW_BACKEND_STORE_URI="postgresql://mlflow:mlflow@postgres/mlflow"),
    "airflow-init: is done again and again": lambda s: s["airflow-init"].update(restart="always"),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_control_the_policy_finds_what_is_broken(fault: str) -> None:
    broken = copy.deepcopy(COMPOSE)
    BREAKS[fault](broken["services"])
    assert fault in faults(broken)


def test_databases_and_buckets_are_on_the_inner_network_alone() -> None:
    assert COMPOSE["networks"]["inner"] == {"internal": True}
    for name in ("postgres", "s3"):
        assert COMPOSE["services"][name]["networks"] == ["inner"]
        assert "ports" not in COMPOSE["services"][name]


def test_no_process_of_airflow_but_the_first_knows_the_admins_password() -> None:
    holders = [
        name
        for name, service in COMPOSE["services"].items()
        if "AIRLOOP_ADMIN_PASSWORD" in json.dumps(service.get("environment", {}))
    ]
    assert holders == ["airflow-init"]


def test_what_it_mounts_is_there() -> None:
    mounts = [
        mount.partition(":")[0]
        for service in COMPOSE["services"].values()
        for mount in service.get("volumes", ())
        if isinstance(mount, str) and mount.startswith("./")
    ]
    assert mounts
    assert all((DOCKER / mount).is_file() for mount in mounts)
    assert all(os.access(DOCKER / mount, os.X_OK) for mount in mounts)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    shutil.copy(DOCKER / "secrets", tmp_path)
    subprocess.run([tmp_path / "secrets"], check=True, capture_output=True, timeout=60)
    return tmp_path


def test_the_secrets_that_are_asked_for_are_the_ones_that_are_made(made: Path) -> None:
    lines = dict(line.split("=", 1) for line in (made / ".env").read_text().splitlines())
    assert lines.keys() == set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert all(len(value) >= 20 for value in lines.values())
    assert len(set(lines.values())) == len(lines)


def test_the_secrets_are_for_their_owner_and_made_once(made: Path) -> None:
    assert stat.S_IMODE((made / ".env").stat().st_mode) == 0o600
    before = (made / ".env").read_text()
    again = subprocess.run([made / "secrets"], capture_output=True, text=True, timeout=60)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert (made / ".env").read_text() == before


def test_an_older_file_gets_what_it_lacks_and_keeps_what_it_has(made: Path) -> None:
    file = made / ".env"
    whole = file.read_text().splitlines(keepends=True)
    older = [line for line in whole if "MLFLOW_READER" not in line]
    file.write_text("".join(older))
    done = subprocess.run([made / "secrets"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].endswith(": AIRLOOP_MLFLOW_READER_PASSWORD")
    now = file.read_text().splitlines(keepends=True)
    assert now[:-1] == older
    assert now[-1].startswith("AIRLOOP_MLFLOW_READER_PASSWORD=")


def test_mlflow_is_given_all_that_its_sign_in_needs() -> None:
    """Each user's password, the key, and to the loop's own processes what they sign in with."""
    services = COMPOSE["services"]
    needed = {CONFIG, SECRET_KEY, *PASSWORDS.values()}
    assert needed <= services["mlflow"]["environment"].keys()
    loop = services["mlflow"]["environment"][PASSWORDS[LOOP]]
    for name in ("serving", "airflow-scheduler", "airflow-api"):
        told = services[name]["environment"]
        assert (told[USERNAME], told[PASSWORD]) == (LOOP, loop)


def test_the_fernet_key_is_one(made: Path) -> None:
    from cryptography.fernet import Fernet

    key = re.search(r"(?m)^AIRLOOP_FERNET_KEY=(.*)$", (made / ".env").read_text())
    assert key is not None
    assert Fernet(key[1]).decrypt(Fernet(key[1]).encrypt(b"x")) == b"x"


def test_the_secrets_file_is_never_committed() -> None:
    assert "docker/.env" in (ROOT / ".gitignore").read_text().split()
