"""### Deliver a registered version to the running service.

**Started by** the model's candidate asset, the trigger form, or
`POST /api/v2/dags/deploy_<model>/dagRuns` with `{"logical_date": null, "conf": {"version": 3}}`.

**Does**: load the version beside the one that serves and ask it; if every answer is right, make it the champion, and
the service swaps it in without losing a request. At level 0 a person is asked in between.
**Out**: the model's production asset.

**When it fails**: the old champion still serves. A red `verify` names the check that failed: the version is not fit,
train another. To go back from a promoted version: `airloop rollback <model>`.
"""

from __future__ import annotations

from airflow.sdk import chain, dag

from airloop.specs import DatasetSpec, ModelSpec
from airloop.specs.model import Level
from airloop.specs.requests import DeployConf
from airloop_operators.approval import ApproveModelOperator
from airloop_operators.assets import candidate_asset
from airloop_operators.defaults import NO_BACKFILL, form, lasting, policy, start_of
from airloop_operators.delivery import PromoteModelOperator, VerifyModelOperator


def build(spec: ModelSpec, dataset: DatasetSpec) -> None:
    """The DAG of one model."""

    @dag(
        dag_id=f"deploy_{spec.name}",
        description=f"Deliver: {spec.description}",
        doc_md=__doc__,
        schedule=None if spec.level is Level.MANUAL else [candidate_asset(spec.name)],
        start_date=start_of(dataset),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=lasting(
            minutes=30,
            tasks=2,
            answers=int(spec.level is Level.MANUAL) + 3 * bool(spec.serving.rollout),
        ),
        allowed_run_types=NO_BACKFILL,
        is_paused_upon_creation=False,
        params=form(DeployConf, dataset),
        default_args=policy(spec.owner, minutes=30),
        tags=["airloop", "deploy", spec.name],
    )
    def deploy() -> None:
        verify = VerifyModelOperator(
            task_id="verify", model=spec.name, doc_md="Boot it, ask it, compare its answers."
        )
        promote = PromoteModelOperator(
            task_id="promote",
            model=spec.name,
            version=verify.output["version"],
            doc_md="Ledger row, alias champion, swap in the service.",
        )
        if spec.level is Level.MANUAL:
            approve = ApproveModelOperator(
                task_id="approve_delivery", model=spec.name, act="delivery"
            )
            chain(verify, approve, promote)

    deploy()
