"""The project's settings: where things live and how to reach them.

Precedence, strongest first: the environment (``AIRLOOP__LEDGER_URL``, ``AIRLOOP__SERVING__URL``),
``<home>/runtime.yaml`` (what ``airloop up`` really started: addresses, never secrets),
``config/environments/<environment>.yaml``, ``config/airloop.yaml``.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from include.specs.files import read_yaml

ROOT = Path(__file__).resolve().parent.parent


def config_folder() -> Path:
    """The folder of the YAML files: ``AIRLOOP_CONFIG`` or the checkout's ``config/``."""
    return Path(os.environ.get("AIRLOOP_CONFIG", ROOT / "config"))


def home_folder() -> Path:
    """The folder of all state: ``AIRLOOP_HOME`` or the checkout's ``.airloop/``."""
    return Path(os.environ.get("AIRLOOP_HOME", ROOT / ".airloop")).absolute()


class Section(BaseModel):
    """A part of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServingSettings(Section):
    """The prediction service."""

    url: str = "http://127.0.0.1:3000"
    token: SecretStr | None = None
    token_file: Path | None = None
    timeout_seconds: float = Field(default=10, gt=0)

    def bearer(self) -> str:
        """The token itself, from the environment or the file; empty where none is set."""
        if self.token is not None:
            return self.token.get_secret_value()
        path = self.token_file or home_folder() / "secrets" / "service_token"
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""


class Settings(BaseSettings):
    """All settings. URIs may be local paths or any fsspec URL."""

    model_config = SettingsConfigDict(
        env_prefix="AIRLOOP__", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    environment: str = "local"
    lake_uri: str = Field(default_factory=lambda: str(home_folder() / "lake"))
    step_store_uri: str = Field(default_factory=lambda: str(home_folder() / "steps"))
    reports_uri: str = Field(default_factory=lambda: str(home_folder() / "reports"))
    ledger_url: str = Field(default_factory=lambda: f"sqlite:///{home_folder() / 'ledger.db'}")
    mlflow_uri: str = "http://127.0.0.1:5000"
    airflow_url: str = "http://127.0.0.1:8080"
    storage_options: dict[str, str] = {}
    #: Where a data incident is announced as JSON, besides the log and the ledger; a secret, since URLs carry tokens.
    alert_webhook: SecretStr | None = None
    serving: ServingSettings = ServingSettings()

    @property
    def home(self) -> Path:
        """The folder of all state."""
        return home_folder()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then the files, nearest first."""
        return (init_settings, env_settings, _Files(settings_cls))


class _Files(PydanticBaseSettingsSource):
    """The YAML files as one source, the nearer overriding the farther key by key."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Unused: the files are read whole by ``__call__``."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Merge base, environment and runtime files."""
        config = config_folder()
        base = _read(config / "airloop.yaml")
        name = os.environ.get("AIRLOOP__ENVIRONMENT", base.get("environment", "local"))
        layers = [
            base,
            _read(config / "environments" / f"{name}.yaml"),
            _read(home_folder() / "runtime.yaml"),
        ]
        merged: dict[str, Any] = {}
        for layer in layers:
            merged = _merge(merged, layer)
        return merged


def _read(path: Path) -> dict[str, Any]:
    return read_yaml(path) if path.exists() else {}


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return result


@cache
def load_settings() -> Settings:
    """The settings of this process, read once.

    :raises SpecError: if a file or a variable is wrong
    """
    return Settings()
