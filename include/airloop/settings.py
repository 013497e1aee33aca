"""The project's settings: where things live and how to reach them.

Precedence, strongest first: the environment (``AIRLOOP__LEDGER_URL``, ``AIRLOOP__SERVING__URL``),
``<home>/runtime.yaml`` (what ``airloop up`` really started: addresses, never secrets),
``config/environments/<environment>.yaml``, ``config/airloop.yaml``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from airloop.compatibility import PATTERN, refuse_newer
from airloop.contracts import Name
from airloop.errors import SpecError
from airloop.issues import KeyPath, SpecIssue, children, issues_of, refuse
from airloop.paths import config_folder, home_folder
from airloop.plugins.alert import AlertField
from airloop.specs.sections.addresses import (
    ConnectionId,
    LedgerUrl,
    ServerUrl,
    StoreUri,
    TrackingUri,
    masked,
    shared,
)
from airloop.specs.sections.resources import KubernetesSettings
from airloop.specs.sections.servers import (
    DATABASE_KEYS,
    Section,
    ServingSettings,
    StackSettings,
)
from airloop.specs.sections.storage import StorageOptions
from airloop.specs.yaml.layers import Layers, environment_file

PREFIX = "AIRLOOP__"
#: What may hold a secret: a message about it never shows the value.
_SECRET = (
    *("airflow_database_url", "alert_webhook", "alerts", "ledger_url", "mlflow_database_url"),
    *("storage_options", "token", "tuning_url"),
)


class SettingsFields(Section):
    """The fields of the settings by themselves: what one file may hold."""

    #: The Airloop that made the project, or was the last to upgrade it. A newer one's project is refused.
    airloop: Annotated[str, Field(pattern=PATTERN)] | None = None
    environment: Name = "local"
    lake_uri: StoreUri = Field(default_factory=lambda: str(home_folder() / "lake"))
    #: Days after which a file that a killed attempt staged is swept from the lake.
    lake_orphan_days: int = Field(default=7, ge=1, le=365)
    step_store_uri: StoreUri = Field(default_factory=lambda: str(home_folder() / "steps"))
    reports_uri: StoreUri = Field(default_factory=lambda: str(home_folder() / "reports"))
    #: Days after which ingest, and `airloop clean`, remove a page or figures of a report; the ledger keeps the verdicts.
    reports_days: int = Field(default=90, ge=1, le=3650)
    ledger_url: LedgerUrl = Field(
        default_factory=lambda: f"sqlite:///{home_folder() / 'ledger.db'}", repr=False
    )
    #: Optuna's database: one of its own, since its migration table bears the same name as Airflow's and MLflow's.
    tuning_url: LedgerUrl = Field(
        default_factory=lambda: f"sqlite:///{home_folder() / 'tuning.db'}", repr=False
    )
    mlflow_uri: TrackingUri = "http://127.0.0.1:5000"
    airflow_url: ServerUrl = "http://127.0.0.1:8080"
    storage_options: StorageOptions = Field(default={}, repr=False)
    #: The Airflow connection (provider amazon) whose credentials the steps get, by their environment.
    storage_connection: ConnectionId | None = None
    #: Where a data incident is announced as JSON, besides the log and the ledger; a secret, since URLs carry tokens.
    alert_webhook: SecretStr | None = None
    #: The routes by which it is announced, each ``{kind: …}`` with its own keys; the log always has it.
    alerts: tuple[AlertField, ...] = Field(default=(), repr=False)
    serving: ServingSettings = ServingSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    stack: StackSettings = StackSettings()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        stack = self.stack
        urls: dict[KeyPath, str] = {("tuning_url",): self.tuning_url}
        urls |= {("stack", name): getattr(stack, name) or "" for name in DATABASE_KEYS}
        refuse(shared(urls))
        return self


class Settings(SettingsFields, BaseSettings):
    """All settings. Stores are folders of this machine or of a bucket."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        regex_engine="python-re",
    )

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
        return _layers().data()


def _layers() -> Layers:
    config = config_folder()
    base = config / "airloop.yaml"
    variable = f"{PREFIX}ENVIRONMENT"
    said = Layers.read(base).data()
    refuse_newer(said.get("airloop"), f"{base}, key airloop")
    if (name := os.environ.get(variable)) is not None:
        chosen = environment_file(config, name, variable)
    elif (named := said.get("environment")) is not None:
        chosen = environment_file(config, named, f"{base}, key environment")
    else:
        chosen = config / "environments" / "local.yaml"
    return Layers.read(base, chosen, home_folder() / "runtime.yaml")


def in_force(settings: Settings) -> tuple[str, ...]:
    """One line each for ledger, lake and service, with the variable or the file that named it; never a password."""
    told: tuple[tuple[str, str, KeyPath], ...] = (
        ("ledger", settings.ledger_url, ("ledger_url",)),
        ("lake", settings.lake_uri, ("lake_uri",)),
        ("service", settings.serving.url, ("serving", "url")),
    )
    return tuple(f"{name}: {masked(value)} (by {_origin(path)})" for name, value, path in told)


def _origin(path: KeyPath) -> str:
    variable = PREFIX + "__".join(map(str, path)).upper()
    if variable in {name.upper() for name in os.environ}:
        return f"the variable {variable}"
    documents = reversed(_layers().documents)
    found = next((one for one in documents if path in one.lines), None)
    return f"{found.path}, line {found.lines[path]}" if found else "default"


def unknown_variables(environ: Mapping[str, str]) -> list[SpecError]:
    """One error for each variable that starts like a setting and is none."""
    found = []
    for name in sorted(environ):
        if not name.upper().startswith(PREFIX):
            continue
        path = tuple(name[len(PREFIX) :].lower().split("__"))
        for depth, part in enumerate(path):
            valid = children(SettingsFields, path[:depth])
            if valid is not None and part not in valid:
                stem = PREFIX + "".join(f"{above.upper()}__" for above in path[:depth])
                names = [stem + known.upper() for known in valid]
                error = SpecError(
                    "unknown setting", value=name, where="the environment", valid=names
                )
                found.append(error)
                break
    return found


def setting_error(issue: SpecIssue, layers: Layers, environ: Mapping[str, str]) -> SpecError:
    """An issue in the settings, with the variable or the file and line that made it."""
    upper = {name.upper(): name for name in environ}
    variables = [
        PREFIX + "__".join(map(str, issue.path[:length])).upper()
        for length in range(len(issue.path), 0, -1)
    ]
    variable = next((upper[name] for name in variables if name in upper), None)
    value = issue.value
    if any(part in _SECRET for part in issue.path):
        value = None
    elif isinstance(value, str):
        value = masked(value)
    return SpecError(
        issue.what,
        value=value,
        where=f"the variable {variable}" if variable else layers.where(issue),
        remedy=issue.remedy,
        valid=issue.valid,
    )


def read_settings() -> tuple[Settings | None, list[SpecError]]:
    """The settings as files and variables are now, or everything that is wrong with them."""
    if unknown := unknown_variables(os.environ):
        return None, unknown
    try:
        return Settings(), []
    except SpecError as error:
        return None, [error]
    except ValidationError as error:
        layers = _layers()
        found = issues_of(error, SettingsFields)
        return None, [setting_error(issue, layers, os.environ) for issue in found]
    except SettingsError as error:
        wrong = SpecError(
            "the variable of a mapping must hold JSON",
            where=f"the environment, {error}",
            remedy='write for instance {"key": "value"}',
        )
        return None, [wrong]


@cache
def load_settings() -> Settings:
    """The settings of this process, read once.

    :raises SpecError: if a file or a variable is wrong
    """
    settings, errors = read_settings()
    if settings is None:
        # Raised here, outside the handler: pydantic's own error would carry the values, secrets among them.
        raise errors[0]
    return settings
