"""The sections of the settings about servers: the prediction service, and what `airloop up` starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from airloop.contracts import Name
from airloop.issues import SpecIssue, refuse
from airloop.paths import home_folder
from airloop.specs.sections.addresses import DatabaseUrl, ServerUrl, StoreUri
from airloop.specs.sections.tokens import read_tokens
from airloop.textfile import is_there

#: Under ``stack``.
DATABASE_KEYS = ("airflow_database_url", "mlflow_database_url")
#: The libraries and a first model take nearly as much.
LEAST_MEMORY = 512 * 2**20
_UNITS = {"Mi": 2**20, "Gi": 2**30}


def _memory(value: Any) -> Any:
    found = re.fullmatch(r"([1-9][0-9]{0,6})(Mi|Gi)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write an amount of memory as 2Gi or 900Mi")
    if int(found[1]) * _UNITS[found[2]] < LEAST_MEMORY:
        raise ValueError("the service and one model take nearly 512Mi; write that or more")
    return value


#: An amount of memory as Kubernetes writes it.
Memory = Annotated[str, BeforeValidator(_memory)]


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
    #: How many processes answer, each on a core of its own.
    workers: int = Field(default=1, ge=1, le=64)
    #: What the service may take. With it a model is loaded by its first request, and let go when others need the room.
    memory: Memory | None = None
    #: The models that are loaded at the start all the same, and stay.
    pinned: tuple[Name, ...] = ()

    #: Whether a version that needs libraries of its own gets a process with these, installed from the machine's index.
    environments: Literal["off", "build"] = "off"

    @property
    def worker_memory(self) -> int | None:
        """A worker's share of the bound, in bytes; None for none."""
        if self.memory is None:
            return None
        return int(self.memory[:-2]) * _UNITS[self.memory[-2:]] // self.workers

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.pinned and self.memory is None:
            what = "without a bound of memory every model is loaded and stays"
            remedy = "set serving.memory, or take this away"
            refuse([SpecIssue(("pinned",), what, list(self.pinned), remedy)])
        if self.worker_memory is not None and self.worker_memory < LEAST_MEMORY:
            what = f"too little for {self.workers} workers: one and a model take nearly 512Mi"
            remedy = (
                f"write {self.workers * LEAST_MEMORY >> 20}Mi or more, or fewer serving.workers"
            )
            refuse([SpecIssue(("memory",), what, self.memory, remedy)])
        return self

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
