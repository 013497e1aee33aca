"""Ingest: fetch, validate, quarantine, commit; and look again at what was ingested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from airloop.errors import DataError
from airloop.exchange import keys
from airloop.specs import load_catalog
from airloop_operators.assets import dataset_asset
from airloop_operators.base import StepOperator
from airloop_operators.credentials import source_credentials
from airloop_operators.links import DataDocsLink, report_link
from airloop_operators.runs import earlier_partitions, partitions_of, run_name


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


class RecheckDatasetOperator(StepOperator):
    """Ask the source again for the partitions that the dataset's ``recheck`` reaches back to.

    Emits the dataset's asset, one event for each partition that has other rows now, or has come late. Where none has, it
    skips, and emits nothing; where something new is refused or gone, it fails and names it, once. What it finds stands in
    the ledger.

    :param dataset: name of the dataset, as in config/datasets
    """

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [dataset_asset(dataset)])
        super().__init__(**kwargs)
        self.dataset = dataset

    def work(self, context: Any) -> dict[str, Any]:
        """Look again."""
        days = earlier_partitions(context, load_catalog().dataset(self.dataset))
        # Its tick, which every attempt of the run has in common: what was committed since is its own.
        since = context["dag_run"].run_after
        result = self.run_step(
            context,
            "recheck",
            keys.Recheck(self.dataset, run_name(context)),
            {"dataset": self.dataset, "partitions": list(days), "since": since.isoformat()},
        )
        changed, trouble = result["changed"], "; ".join(result["trouble"])
        if not changed and trouble:
            raise DataError(trouble, where=f"dataset {self.dataset}")
        if not changed:
            raise AirflowSkipException(f"the {len(days)} partitions are as they were")
        if trouble:
            self.log.warning(trouble)
        context["outlet_events"][dataset_asset(self.dataset)].add_partitions(list(changed))
        return result

    def credentials(self) -> dict[str, str]:
        """The URL of the source's database, where an Airflow connection holds it."""
        return source_credentials(load_catalog().dataset(self.dataset))


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    """The reference and the counts; of many days not each day's checks, which would be too much for an XCom."""
    reports = [part["report"] for part in result.get("partitions", ())] or [result["report"]]
    return {
        "dataset": result["dataset"],
        "report": result["report"] if len(reports) == 1 else None,
        "rows": sum(report["rows"] for report in reports),
        "quarantined": sum(report["quarantined"] for report in reports),
    }
