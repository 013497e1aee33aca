"""Ingest: fetch, validate, quarantine, commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from include.errors import DataError, PermanentError
from operators.assets import dataset_asset
from operators.base import StepOperator
from operators.links import DataDocsLink, report_link
from operators.runs import partitions_of


class IngestDatasetOperator(StepOperator):
    """Bring partitions of a dataset into the lake: each is validated and becomes visible whole or not at all.

    Emits the dataset's asset, one event a partition. In a range, one refused day does not keep the others out; the
    task then fails and names the days.

    :param dataset: name of the dataset, as in config/datasets
    :param partition: the day, YYYY-MM-DD (templated). Without it the run says: ``conf`` with ``partition`` or ``start``
        and ``end``, else the run's partition key, else the day on which its data interval begins
    """

    template_fields: Sequence[str] = ("partition",)
    operator_extra_links = (DataDocsLink(),)

    def __init__(self, *, dataset: str, partition: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [dataset_asset(dataset)])
        super().__init__(**kwargs)
        self.dataset = dataset
        self.partition = partition

    def work(self, context: Any) -> dict[str, Any]:
        """Ingest each partition under a fence of its own."""
        days = (self.partition,) if self.partition else partitions_of(context)
        results: dict[str, dict[str, Any]] = {}
        refused: dict[str, PermanentError] = {}
        for day in days:
            try:
                results[day] = self._ingest(context, day)
            except PermanentError as error:
                refused[day] = error
                self.log.error("%s is refused: %s", day, error)
        if refused:
            raise _refusal(self.dataset, refused, len(days))
        event = context["outlet_events"][dataset_asset(self.dataset)]
        event.add_partitions(list(days))
        event.extra = results[days[-1]]["dataset"]
        return _summary(results)

    def _ingest(self, context: Any, day: str) -> dict[str, Any]:
        result = self.run_step(
            context,
            "ingest",
            f"ingest:{self.dataset}:{day}",
            {"dataset": self.dataset, "partition": day},
        )
        docs = report_link(self.settings(), result["report"].get("docs_uri"))
        self.found_links[DataDocsLink().name] = docs
        return result


def _refusal(dataset: str, refused: dict[str, PermanentError], days: int) -> PermanentError:
    """One day's own error; for a range, which days and why."""
    if days == 1:
        return next(iter(refused.values()))
    reasons = "; ".join(f"{day}: {error}" for day, error in refused.items())
    return DataError(
        f"{len(refused)} of {days} partitions of {dataset} were refused: {reasons}",
        remedy="the other days are in the lake; repair these and ingest them again",
    )


def _summary(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The newest reference, the report of a single day, and the counts of them all."""
    last = results[list(results)[-1]]
    reports = [result["report"] for result in results.values()]
    return {
        "dataset": last["dataset"],
        "report": last["report"] if len(results) == 1 else None,
        "partitions": list(results),
        "rows": sum(report["rows"] for report in reports),
        "quarantined": sum(report["quarantined"] for report in reports),
    }
