"""Ingest: fetch, validate, quarantine, commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airloop.errors import DataError
from airloop.exchange import keys
from airloop.specs import load_catalog
from airloop_operators.assets import dataset_asset
from airloop_operators.base import StepOperator
from airloop_operators.credentials import source_credentials
from airloop_operators.links import DataDocsLink, report_link
from airloop_operators.runs import partitions_of


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
        """Ingest the days; each is fenced on its own."""
        days = (self.partition,) if self.partition else self._asked(context)
        single = len(days) == 1
        try:
            result = self.run_step(
                context,
                "ingest",
                keys.Ingest.of(self.dataset, days),
                {"dataset": self.dataset}
                | ({"partition": days[0]} if single else {"partitions": list(days)}),
            )
        except DataError as error:
            self._link(error.where)  # what was refused is where one wants to look
            raise
        self._link(result["report"]["docs_uri"])
        event = context["outlet_events"][dataset_asset(self.dataset)]
        event.add_partitions(list(days))
        event.extra = {key: result["dataset"][key] for key in ("uri", "version", "rows", "digest")}
        return _summary(result)

    def credentials(self) -> dict[str, str]:
        """The URL of the source's database, where an Airflow connection holds it."""
        return source_credentials(load_catalog().dataset(self.dataset))

    def _asked(self, context: Any) -> tuple[str, ...]:
        return partitions_of(context, load_catalog().dataset(self.dataset))

    def _link(self, uri: str | None) -> None:
        self.found_links[DataDocsLink().name] = report_link(self.settings(), uri)


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    """The reference and the counts; of many days not each day's checks, which would be too much for an XCom."""
    reports = [part["report"] for part in result.get("partitions", ())] or [result["report"]]
    return {
        "dataset": result["dataset"],
        "report": result["report"] if len(reports) == 1 else None,
        "rows": sum(report["rows"] for report in reports),
        "quarantined": sum(report["quarantined"] for report in reports),
    }
