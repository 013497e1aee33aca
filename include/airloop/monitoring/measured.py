"""How well a version did on each prediction date, on record: again whenever labels came, or rows were corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from airloop.contracts import Deployment
from airloop.data import labels
from airloop.data.lake.lake import Lake
from airloop.data.matching import Matching
from airloop.ledger import Ledger
from airloop.monitoring import corrected
from airloop.monitoring.costs import by_partition
from airloop.monitoring.nights import cost_figures
from airloop.monitoring.performance import Performance, by_day
from airloop.monitoring.window import labelled_keys, rows_of, truths_of
from airloop.specs import DatasetSpec, ModelSpec
from airloop.vocabulary import Action, Topic


def record(
    ledger: Ledger,
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    deployment: Deployment,
    partition: str,
    measured: Performance,
) -> None:
    """Metric and costs of each prediction date, those of corrected days anew."""
    complete = labelled_keys(model, dataset, partition)[-1]
    version = deployment.version
    again = corrected.to_measure(ledger, model.name, dataset.name, version, complete)
    _record(ledger, model, version, measured)
    if again:
        found = _anew(lake, model, dataset, version, sorted(again), measured)
        _record(ledger, model, version, found, again)


def _anew(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    version: int,
    days: list[str],
    measured: Performance,
) -> Performance:
    """Days that were corrected, with the labels that they have now."""
    answers = model.answer.columns
    logged = labels.predictions_of(lake, dataset, model.name, days, version, answers)
    matching = Matching(
        dataset, logged.num_rows + rows_of(lake, dataset, days), answers, model.answer.labels
    )
    for truths in truths_of(lake, model, dataset, days):
        matching.tell(truths)
    for predictions in logged.to_batches():
        matching.ask(predictions)
    rows = matching.joined().rows
    return replace(
        measured,
        by_day=by_day(model.gates.primary, rows, model.answer),
        costs=by_partition(model.goal, rows, model.answer),
    )


def _record(
    ledger: Ledger,
    model: ModelSpec,
    version: int,
    measured: Performance,
    again: Mapping[str, str] | None = None,
) -> None:
    # ``again``: of days that were corrected, the id of the decision.
    name = model.gates.primary
    for day, (rows, value) in measured.by_day.items():
        identity = f"performance:{model.name}:v{version}:{day}:{rows}"
        ledger.record_decision(
            entity=model.name,
            topic=Topic.PERFORMANCE,
            action=Action.MEASURED,
            reason=f"{name} {value:.3f} on {rows} labelled predictions of {day}"
            + (", corrected since" if again else ""),
            figures={
                "partition": day,
                "version": version,
                "rows": rows,
                name: value,
                "promised": measured.baseline.get(name),
                **cost_figures(measured.costs[day].costs),
            },
            id=again[day] if again else identity,
        )
