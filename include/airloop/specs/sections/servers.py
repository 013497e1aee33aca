"""The sections of the settings about servers: the prediction service, and what `airloop up` starts."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from airloop.paths import home_folder
from airloop.specs.sections.addresses import DatabaseUrl, ServerUrl, StoreUri
from airloop.specs.sections.tokens import read_tokens
from airloop.textfile import is_there

#: Under ``stack``.
DATABASE_KEYS = ("airflow_database_url", "mlflow_database_url")


class Section(BaseModel):
    """A part of the settings."""

    # A password in a value must not stand in the traceback of a validation error.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, regex_engine="python-re"
    )


class ServingSettings(Section):
    """The prediction service."""

    url: ServerUrl = "http://127.0.0.1:3000"
    token: SecretStr | None = None
    token_file: Path | None = None
    timeout_seconds: float = Field(default=10, gt=0, allow_inf_nan=False)
    #: Between SIGTERM and the first refusal: what a load balancer needs to see /readyz say no.
    drain_seconds: float = Field(default=1, ge=0, le=600, allow_inf_nan=False)

    @property
    def token_path(self) -> Path:
        """The file of tokens; the variable ``token`` goes before it."""
        return self.token_file or home_folder() / "secrets" / "service_token"

    def bearer(self) -> str:
        """The token that a client shows: the variable's or the file's newest; empty where none is set.

        :raises SpecError: if the file is there and wrong
        """
        if self.token is not None:
            return self.token.get_secret_value()
        return read_tokens(self.token_path)[0] if is_there(self.token_path) else ""


class StackSettings(Section):
    """Where the servers that `airloop up` starts keep their state; what is not set lies under the home folder."""

    airflow_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    mlflow_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    #: MLflow's server alone reads and writes it; steps and service get a model's files from the server.
    mlflow_artifacts_uri: StoreUri | None = None
