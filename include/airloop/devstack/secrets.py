"""The stack's secrets: made on first start, kept in files only the owner can read."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airloop.devstack import private
from airloop.exchange import seal
from airloop.registry.credentials import LOOP, READER, SECRET
from airloop.textfile import first_line

#: Airflow's one user.
AIRFLOW_USER = "admin"
#: The secret of each of MLflow's users.
MLFLOW_SECRETS = {"admin": "mlflow_admin_password", LOOP: SECRET, READER: "mlflow_reader_password"}
#: What a person needs, shown once when it was made.
SHOWN = {
    "airflow_password": "Airflow password",
    "service_token": "service token",
    "mlflow_reader_password": "MLflow reader's password",
}

_MAKERS: dict[str, Callable[[], str]] = {
    "airflow_password": lambda: secrets.token_urlsafe(18),
    "service_token": lambda: secrets.token_urlsafe(32),
    "jwt_secret": lambda: secrets.token_urlsafe(48),
    "api_secret_key": lambda: secrets.token_urlsafe(48),
    **dict.fromkeys(MLFLOW_SECRETS.values(), lambda: secrets.token_urlsafe(18)),
    "mlflow_secret_key": lambda: secrets.token_urlsafe(48),
    # Pods of a cluster may have it already.
    seal.SECRET: lambda: os.environ.get(seal.VARIABLE, "").strip() or secrets.token_hex(32),
    "fernet_key": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
    # Marks every process of this stack, so that `airloop down` knows its own and touches no other.
    "stack_id": lambda: secrets.token_hex(16),
}


@dataclass(frozen=True)
class Secrets:
    """The secrets of one stack."""

    folder: Path

    def __getitem__(self, name: str) -> str:
        # The first line: that of the service's tokens may hold the one of before too.
        return first_line(self.folder / name)

    @property
    def passwords_file(self) -> Path:
        """What Airflow's simple auth manager reads: users and passwords as JSON."""
        return self.folder / "airflow_passwords.json"


def ensure_secrets(folder: Path) -> tuple[Secrets, tuple[str, ...]]:
    """Make what is missing; the second value names what of it a person needs, to be shown once."""
    made = [name for name, make in _MAKERS.items() if private.create(folder / name, make() + "\n")]
    found = Secrets(folder)
    private.write(
        found.passwords_file, json.dumps({AIRFLOW_USER: found["airflow_password"]}) + "\n"
    )
    return found, tuple(name for name in SHOWN if name in made)
