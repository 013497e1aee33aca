"""The stack's secrets: made on first start, kept in files only the owner can read."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Airflow's one user.
AIRFLOW_USER = "admin"

_MAKERS: dict[str, Callable[[], str]] = {
    "airflow_password": lambda: secrets.token_urlsafe(18),
    "service_token": lambda: secrets.token_urlsafe(32),
    "jwt_secret": lambda: secrets.token_urlsafe(48),
    "api_secret_key": lambda: secrets.token_urlsafe(48),
    "fernet_key": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
    # Marks every process of this stack, so that `airloop down` knows its own and touches no other.
    "stack_id": lambda: secrets.token_hex(16),
}


@dataclass(frozen=True)
class Secrets:
    """The secrets of one stack."""

    folder: Path

    def __getitem__(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8").strip()

    @property
    def passwords_file(self) -> Path:
        """What Airflow's simple auth manager reads: users and passwords as JSON."""
        return self.folder / "airflow_passwords.json"


def ensure_secrets(folder: Path) -> tuple[Secrets, bool]:
    """Make what is missing; the second value says whether the first two were new (to be shown once)."""
    made = [name for name, make in _MAKERS.items() if _write_new(folder / name, make())]
    found = Secrets(folder)
    _write_new(
        found.passwords_file, json.dumps({AIRFLOW_USER: found["airflow_password"]}), replace=True
    )
    return found, "airflow_password" in made or "service_token" in made


def _write_new(path: Path, text: str, *, replace: bool = False) -> bool:
    """Create with mode 600 from the first byte on; leaves an existing file alone unless ``replace``."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replace else os.O_EXCL)
    try:
        handle = os.open(path, flags, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return True
