"""What a run of the project's own DAGs, which belong to no spec, may be asked: the models of their `dag_run.conf`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from airloop.contracts import Contract


class NothingConf(Contract):
    """Nothing."""


class ReplayConf(Contract):
    """Which model's past to replay; empty: every model's."""

    model: StrictStr | None = None


class GraceConf(Contract):
    """For how many minutes a thing may wait before something is done about it; empty: as the DAG has it."""

    grace_minutes: Annotated[StrictInt, Field(ge=0)] | None = None


#: By the DAG's id; the last is there where models train on Kubernetes.
CHORES: dict[str, type[Contract]] = {
    "airloop_audit": NothingConf,
    "airloop_examine": NothingConf,
    "airloop_replay": ReplayConf,
    "airloop_wake": GraceConf,
    "airloop_reconcile": GraceConf,
}
