"""The drift check of 1,000,000 rows × 20 columns, against Evidently, and its counts against Polars and DuckDB.

Each tool runs in a process of its own, so that its peak memory is its own; imports and first calls are over. Airloop and
Evidently both begin with the two files and end with a page: Airloop profiles the reference, counts the current rows batch
by batch, judges, and draws the night's report; Evidently's preset compares the two frames and saves its page. Then both
judge 20 planted cases, ten of them shifted. Polars and DuckDB count the current file into the profile's bins, which must
give the very counts of the sketch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from bench.apart import call
from bench.drift_cases import CATEGORIES, NUMBERS, PLANTED, cases, specs, world
from bench.sides import timed

ROWS, SHORT_ROWS = 1_000_000, 20_000
#: Rows sketched at a time: what the nightly step gets from the lake.
BATCH = 131_072
COUNTERS = ("airloop", "polars", "duckdb")

Frame = pd.DataFrame
Answer = dict[str, Any]


def measure(short: bool = False) -> Answer:
    """Costs and verdicts of both, the counts of three, with their ratios."""
    rows, planted = (SHORT_ROWS, 2) if short else (ROWS, len(PLANTED))
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        for name, seed in (("reference", 1), ("current", 2)):
            world(seed, rows).to_parquet(Path(scratch) / f"{name}.parquet")
        ours, evidently = (
            call(f"bench.drift:{tool}_side", folder=scratch, planted=planted)
            for tool in ("airloop", "evidently")
        )
        counted = {
            tool: call("bench.drift:counted", tool=tool, folder=scratch) for tool in COUNTERS
        }
    same = sum(a == b for a, b in zip(ours["verdicts"], evidently["verdicts"], strict=True))
    differing = [
        tool for tool in COUNTERS if counted[tool]["counts"] != counted["airloop"]["counts"]
    ]
    if differing:
        raise RuntimeError(f"{differing} counted something else")
    best = min(counted[tool]["side"]["cpu"] for tool in ("polars", "duckdb"))
    right = {
        name: sum(
            found == [was] if was else not found
            for found, was in zip(one["verdicts"], PLANTED[:planted], strict=True)
        )
        for name, one in (("Airloop", ours), ("Evidently", evidently))
    }
    return {
        "values": {
            "ratio": evidently["side"]["cpu"] / ours["side"]["cpu"],
            "memory": ours["side"]["peak_mb"] / evidently["side"]["peak_mb"],
            "same": same / planted,
            "counts": counted["airloop"]["side"]["cpu"] / best,
        },
        "sides": {
            "airloop": ours["side"],
            "Evidently": evidently["side"],
            **{f"counts by {tool}": counted[tool]["side"] for tool in COUNTERS},
        },
        "notes": [f"right by {name} {count} of {planted}" for name, count in right.items()],
    }


def _drifted(metric: dict[str, dict[str, str | float]]) -> bool:
    """A distance drifts above its threshold, a p-value below."""
    value, threshold = float(str(metric["value"])), float(metric["config"]["threshold"])
    is_distance = "distance" in str(metric["config"]["method"])
    return value >= threshold if is_distance else value < threshold


def airloop_side(folder: str, planted: int) -> Answer:
    """Airloop's verdicts and cost; its profile stays in the folder for the counters."""
    from airloop.monitoring import reference

    verdicts = [sorted(_airloop(before, [now])) for before, now in cases()[:planted]]
    before, now = Path(folder) / "reference.parquet", Path(folder) / "current.parquet"
    sample = cases()[0][0]
    _page(_profile(sample), sample, sample)  # warm, as the other side is

    def night() -> reference.Reference:
        profile = _profile(_whole(before))
        _judged(profile, _batches(now))
        _report(profile, before, now)
        return profile

    profile, side = timed(night)
    reference.write(profile, Path(folder))
    return {"side": side.shown(), "verdicts": verdicts}


def evidently_side(folder: str, planted: int) -> Answer:
    """Evidently's."""
    verdicts = [sorted(_drifted_in(_preset(before, now))) for before, now in cases()[:planted]]
    _preset(*cases()[0]).save_html(f"{folder}/evidently.html")  # warm

    def night() -> None:
        frames = [
            pd.read_parquet(Path(folder) / f"{name}.parquet") for name in ("reference", "current")
        ]
        _preset(*frames).save_html(f"{folder}/evidently.html")

    _, side = timed(night)
    return {"side": side.shown(), "verdicts": verdicts}


def counted(tool: str, folder: str) -> Answer:
    """One counter's counts of the current file, and their cost."""
    from airloop.monitoring import reference

    profile = reference.read(Path(folder))
    bins = {
        one.bins.column: {"edges": list(one.bins.edges), "categories": list(one.bins.categories)}
        for one in profile.columns
    }
    path = f"{folder}/current.parquet"
    if tool == "airloop":
        work: Callable[[], dict[str, list[int]]] = lambda: {  # noqa: E731
            name: counts.bins.tolist()
            for name, counts in _sketched(profile, _batches(Path(path))).items()
        }
    else:
        import importlib

        module = importlib.import_module(f"bench.rivals.by_{tool}")
        work = lambda: module.counts(path, bins)  # noqa: E731
    work()  # warm
    counts, side = timed(work)
    return {"counts": {name: counts[name] for name in bins}, "side": side.shown()}


def _airloop(before: Frame, now: Iterable[Frame]) -> set[str]:
    return _judged(_profile(before), now)


def _profile(before: Frame) -> Any:
    from airloop.monitoring import reference

    before["day"] = pd.Timestamp("2013-01-01")
    return reference.build(*specs(), before)


def _sketched(profile: Any, now: Iterable[Frame]) -> dict[str, Any]:
    """The current rows into the reference's bins, batch by batch, as the step does."""
    from airloop.monitoring.sketch import count

    window: dict[str, Any] = {}
    for batch in now:
        for column in profile.columns:
            name = column.bins.column
            counts = count(column.bins, batch[name])
            window[name] = window[name] + counts if name in window else counts
    return window


def _judged(profile: Any, now: Iterable[Frame]) -> set[str]:
    from airloop.contracts import Outcome
    from airloop.monitoring import drift
    from airloop.specs.sections.watching import MonitoringSpec

    features = drift.judge(profile, _sketched(profile, now), 1, MonitoringSpec())
    return {one.column for one in features if one.outcome is Outcome.BAD}


def _report(profile: Any, before: Path, now: Path) -> str:
    """The night's page, on the sample and the columns that the step takes."""
    from airloop.monitoring import report
    from airloop.specs.sections.watching import MonitoringSpec

    names = (NUMBERS + CATEGORIES)[: report.COLUMNS]
    samples = []
    for path in (now, before):
        frame = pd.read_parquet(path, columns=names)
        size = min(len(frame), MonitoringSpec().report_rows)
        samples.append(frame.sample(size, random_state=1).reset_index(drop=True))
    return _page(profile, *samples)


def _page(profile: Any, now: Frame, before: Frame) -> str:
    from airloop.monitoring import report

    names = (NUMBERS + CATEGORIES)[: report.COLUMNS]
    return report.render(now[names], before[names], profile)


def _preset(before: Frame, now: Frame) -> Any:
    """The preset as its documentation shows it."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    return Report([DataDriftPreset()]).run(now, before)


def _drifted_in(snapshot: Any) -> set[str]:
    return {
        metric["config"]["column"]
        for metric in snapshot.dict()["metrics"]
        if "column" in metric["config"] and _drifted(metric)
    }


def _whole(path: Path) -> Frame:
    """The frame column by column: an Arrow table of the whole beside it would double its memory."""
    names = pq.read_schema(path).names
    columns = {name: pq.read_table(path, columns=[name])[name].to_pandas() for name in names}
    return pd.DataFrame(columns, copy=False)


def _batches(path: Path) -> Iterator[Frame]:
    for batch in pq.ParquetFile(path).iter_batches(BATCH):
        yield batch.to_pandas()
