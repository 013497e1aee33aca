"""### Train a candidate and put it to the gates.

**Started by** the model's retrain asset (the monitors saw a reason), its own schedule, the trigger form, or
`POST /api/v2/dags/train_<model>/dagRuns` with `{"logical_date": null, "conf": {"reason": "why"}}`.

**Does**: claim a reason to train from the ledger (none open: the run is skipped), train on a pinned snapshot, put the
candidate to the gates, register what passes. At level 0 a person is asked before it is registered.
Where the spec has `tuning`, the best parameters known are used, and looked for again when they are old. Where it has
`segments`, packs of segments are trained first; the candidate holds their models beside the global one.
**Out**: the model's candidate asset, with the version's number.

**When it fails**: a red `evaluate` is a gate that said no, and its last line says which and why; nothing was changed
and nothing needs repair. Anything else can be cleared and runs on from there.
"""

from __future__ import annotations

from functools import partial

from airflow.sdk import chain, dag

from airloop.specs import DatasetSpec, ModelSpec
from airloop.specs.model import Level
from airloop.specs.requests import TrainConf
from airloop_operators.approval import ApproveModelOperator
from airloop_operators.defaults import (
    NO_BACKFILL,
    form,
    lasting,
    minutes_of,
    place,
    policy,
    retraining,
    start_of,
)
from airloop_operators.runs import end_claim
from airloop_operators.segments import train_segments
from airloop_operators.training import (
    ClaimTriggerOperator,
    EvaluateModelOperator,
    RegisterModelOperator,
    TrainModelOperator,
)
from airloop_operators.tuning import search, taken

#: A run that another one makes needless, or that brings a reason of its own, is claimed at once: it must not wait for
#: that one's end. One at a time trains.
MAX_RUNS = 8


def build(spec: ModelSpec, dataset: DatasetSpec) -> None:
    """The DAG of one model."""

    @dag(
        dag_id=f"train_{spec.name}",
        description=f"Train: {spec.description}",
        doc_md=__doc__,
        schedule=retraining(spec, dataset),
        start_date=start_of(dataset),
        catchup=False,
        max_active_runs=MAX_RUNS,
        dagrun_timeout=lasting(
            minutes=minutes_of(spec, "train", 120),
            tasks=MAX_RUNS,
            answers=int(spec.level is Level.MANUAL),
        ),
        allowed_run_types=NO_BACKFILL,
        rerun_with_latest_version=False,
        is_paused_upon_creation=False,
        params=form(TrainConf, dataset),
        default_args=policy(spec.owner, minutes=120),
        on_failure_callback=partial(end_claim, spec.name),
        tags=["airloop", "train", spec.name],
    )
    def train() -> None:
        claim = ClaimTriggerOperator(
            task_id="claim", model=spec.name, doc_md="Take a reason to train; skip without one."
        )
        searched = search(spec, claim) if spec.tuning else None
        day = (searched[0] if searched else claim).output["until"]
        given = taken(claim, searched[0] if searched else None)
        divided = train_segments(spec, until=day, **given) if spec.segments else None
        fit = TrainModelOperator(
            task_id="train",
            model=spec.name,
            until=divided[0].output["until"] if divided else day,
            reason=claim.output["reason"],
            plan=divided[0].output["plan"] if divided else None,
            **given,
            **place(spec, "train"),
            max_active_tis_per_dag=1,
            doc_md="Snapshot the window, train, log to MLflow.",
        )
        if searched:
            chain(searched[1], divided[0] if divided else fit)
        if divided:
            chain(divided[1], fit)
        evaluate = EvaluateModelOperator(
            task_id="evaluate",
            candidate=fit.output["candidate"],
            **place(spec, "evaluate"),
            doc_md="All gates on the held-out days; a no fails this task with its reasons.",
        )
        register = RegisterModelOperator(
            task_id="register",
            model=spec.name,
            candidate=fit.output["candidate"],
            report=evaluate.output["report"],
            doc_md="A version in the registry, alias challenger.",
        )
        if spec.level is Level.MANUAL:
            name, act = "approve_registration", "registration"
            approve = ApproveModelOperator(task_id=name, model=spec.name, act=act)
            chain(evaluate, approve, register)

    train()
