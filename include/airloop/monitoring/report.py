"""A night's report for people: Evidently's page on a bounded sample of the columns that matter, and the figures."""

from __future__ import annotations

import logging
from functools import partial
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from airloop.contracts import DriftReport, Outcome
from airloop.data.lake.lake import Lake
from airloop.data.lake.streams import Rows, Stream
from airloop.data.schema import to_pandas
from airloop.errors import AirloopError
from airloop.monitoring.reference import Reference
from airloop.monitoring.scripts import share
from airloop.monitoring.sketch import Kind
from airloop.monitoring.window import recent_keys
from airloop.settings import Settings
from airloop.specs import DatasetSpec, ModelSpec
from airloop.storage.files import Files
from airloop.vocabulary import Triage

log = logging.getLogger("airloop.report")

#: Columns shown: those that moved, or the nearest to it. Each costs Evidently's time and the reader's.
COLUMNS = 6
#: Days of the reference from which its sample is drawn.
REFERENCE_DAYS = 10
PAGE, FIGURES = "drift.html", "drift.json"


def publish(
    settings: Settings,
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    report: DriftReport,
) -> DriftReport:
    """Keep the figures, and the page where something happened; the report comes back with its link, or why there is none.

    A quiet night's page is drawn when somebody asks (`airloop report`): it was nine tenths of what such a night costs.
    The verdict is taken already: whatever goes wrong here is said, and changes nothing else. A night with nothing to show
    has its one reason, and no page.
    """
    try:
        if report.triage is not Triage.NOTHING:
            link = draw(settings, lake, model, dataset, reference, report)
            report = report.model_copy(update={"report_uri": link})
    except Exception as error:  # a third-party library on live data: it raises whatever it likes
        log.warning("the Evidently report of %s could not be made", report.partition, exc_info=True)
        why = f"{type(error).__name__}: {error}".splitlines()[0][:160]
        reason = f"{report.reason}; the Evidently report could not be made: {why}"
        report = report.model_copy(update={"reason": reason})
    try:
        link = _keep(
            settings, _figures(model.name, report.partition), report.model_dump_json(indent=1)
        )
        if report.triage is Triage.NOTHING:
            report = report.model_copy(update={"report_uri": link})
    except AirloopError as error:
        log.warning("the figures of %s could not be kept: %s", report.partition, error)
    return report


def draw(
    settings: Settings,
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    report: DriftReport,
) -> str | None:
    """Draw a night's page and keep it; returns its link, None where there is nothing to show."""
    samples = _samples(lake, model, dataset, reference, report)
    if samples is None:
        return None
    html = render(*samples, reference)
    return _keep(settings, f"{model.name}/{report.partition}/{PAGE}", html)


def kept(settings: Settings, model: str, partition: str) -> DriftReport | None:
    """The figures of a night that was looked at.

    :raises UnreachableError: if the store of the reports does not answer
    """
    content = _reports(settings).read(_figures(model, partition))
    return DriftReport.model_validate_json(content) if content is not None else None


def render(current: pd.DataFrame, before: pd.DataFrame, reference: Reference) -> str:
    """Evidently's drift page. The host of the steps has imported the library already."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    # Evidently writes names into its page's script as they are.
    kinds = {escape(column.bins.column): column.bins.kind for column in reference.columns}
    current, before = current.rename(columns=escape), before.rename(columns=escape)
    definition = DataDefinition(
        numerical_columns=[name for name in current.columns if kinds[str(name)] is Kind.NUMERIC],
        categorical_columns=[name for name in current.columns if kinds[str(name)] is Kind.CATEGORY],
    )
    with np.errstate(all="ignore"):
        snapshot = Report([DataDriftPreset()]).run(
            Dataset.from_pandas(current, definition), Dataset.from_pandas(before, definition)
        )
        html: str = snapshot.get_html_str(as_iframe=False)
    return html


def _columns(reference: Reference, report: DriftReport) -> list[str]:
    """The columns that moved, else those with the largest effect; never one that was not judged."""
    known = {column.bins.column for column in reference.columns}
    judged = [one for one in report.features if one.statistic is not None and one.column in known]
    ordered = sorted(
        judged, key=lambda one: (one.outcome is not Outcome.BAD, -(one.statistic or 0.0))
    )
    return [one.column for one in ordered[:COLUMNS]]


def _samples(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    reference: Reference,
    report: DriftReport,
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """At most ``report_rows`` rows of the window, and as many from days all over the reference; None without any."""
    columns = _columns(reference, report)
    there = set(lake.partitions(dataset.name))
    now = there & set(recent_keys(model, dataset, report.partition))
    old = [day for day in reference.days if day in there]
    if not columns or not now or not old:
        log.info("%s: no page, as there is no judged column or no day to show", report.partition)
        return None
    spread = np.unique(np.linspace(0, len(old) - 1, REFERENCE_DAYS).astype(int))
    samples = []
    for days in (sorted(now), [old[index] for index in spread]):
        ref = lake.snapshot(dataset.name, days)
        rows = Stream(lake.schema(ref), ref.rows, partial(lake.batches, ref)).select(columns)
        table = sampled(rows, model.monitoring.report_rows, model.training.seed)
        samples.append(to_pandas(table))
    return samples[0], samples[1]


def sampled(rows: Rows, size: int, seed: int) -> pa.Table:
    """So many of the rows, any as likely as another; no more than a batch is held beside them."""
    count = rows.num_rows
    places = np.random.default_rng(seed).choice(count, min(count, size), False, shuffle=False)
    places.sort()
    found, start = [], 0
    for batch in rows.to_batches():
        first, last = np.searchsorted(places, [start, start + batch.num_rows])
        found.append(batch.take(pa.array(places[first:last] - start)))
        start += batch.num_rows
    return pa.Table.from_batches(found, rows.schema)


def _keep(settings: Settings, name: str, text: str) -> str:
    """Write a file of the report; returns its link."""
    reports = _reports(settings)
    if name.endswith(PAGE):
        text = share(reports, text, name.count("/"))
    reports.write(name, text.encode())
    uri = reports.place(name)
    return uri if "://" in uri else Path(uri).as_uri()


def _figures(model: str, partition: str) -> str:
    return f"{model}/{partition}/{FIGURES}"


def _reports(settings: Settings) -> Files:
    return Files(settings.reports_uri, settings.storage_options, "the folder of reports")
