"""### Predict a day in one batch.

**Started by** the dataset's asset or a schedule (the spec's `scoring.when`), the trigger form, or
`POST /api/v2/dags/score_<model>/dagRuns` with `{"logical_date": null, "conf": {"partition": "2013-03-08"}}`.

**Does**: predict every row of the partition with the champion; the predictions go to the lake with the version that
made them. **When it fails**: clear the task; a day scored twice holds its predictions once.
"""

from __future__ import annotations

from airflow.sdk import dag

from airloop.specs import DatasetSpec, ModelSpec
from airloop.specs.requests import ScoreConf
from airloop_operators.defaults import form, lasting, minutes_of, place, policy, scoring, start_of
from airloop_operators.scoring import ScoreDatasetOperator


def build(spec: ModelSpec, dataset: DatasetSpec) -> None:
    """The DAG of one model."""

    @dag(
        dag_id=f"score_{spec.name}",
        description=f"Score: {spec.description}",
        doc_md=__doc__,
        schedule=scoring(spec, dataset),
        start_date=start_of(dataset),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=lasting(minutes=minutes_of(spec, "score", 60)),
        is_paused_upon_creation=False,
        params=form(ScoreConf, dataset),
        default_args=policy(spec.owner, minutes=60) | place(spec, "score"),
        tags=["airloop", "score", spec.name],
    )
    def score() -> None:
        ScoreDatasetOperator(
            task_id="score", model=spec.name, doc_md="Batch predictions of one partition."
        )

    score()
