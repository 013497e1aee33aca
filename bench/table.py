"""The table of docs/benchmarks.md: what each bench measures, against what, the target, how its figures read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

Figures = Mapping[str, Any]
#: The kind of wrong row in ``bench.rows`` that no check of rows can see.
UNSEEN = "possible, yet wrong"

#: What stands between these is written by `make bench`; the rest of the page is written by people.
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    :param met: None where nothing is promised
    """

    what: str
    against: str
    target: str
    measured: Callable[[Figures], str]
    met: Callable[[Figures], bool | None]


def _seconds(values: list[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


ROWS: dict[str, Row] = {
    "training": Row(
        "`train_flight_delay` in Airflow, trigger accepted → candidate registered",
        "one plain script with the libraries' quickstart calls",
        "≤ 1.0 ×",
        lambda f: (
            f"{f['ratio']:.2f} × ({_seconds(f['airloop_seconds'])} s "
            f"against {_seconds(f['plain_seconds'])} s)"
        ),
        lambda f: f["ratio"] <= 1.0,
    ),
    "drift": Row(
        "drift check, 1M rows × 20 columns",
        "Evidently DataDriftPreset on the same frames",
        "≥ 30 × faster, ≤ 1/3 of its memory, the same verdict on 20 planted cases",
        lambda f: (
            f"{f['ratio']:.0f} × faster ({f['airloop']['seconds']:.1f} s against "
            f"{f['evidently']['seconds']:.1f} s), {f['memory_ratio']:.2f} of its memory "
            f"({f['airloop']['peak_mb']:.0f} MB against {f['evidently']['peak_mb']:.0f} MB), "
            f"{f['same_verdict']} of {f['cases']} verdicts the same"
        ),
        lambda f: f["met"],
    ),
    "gx": Row(
        "GX suite on a 3.4M-row partition set",
        "GX on one pandas frame",
        "≥ 5 × faster, memory bounded by one batch",
        lambda f: (
            f"{f['ratio']:.1f} × faster ({f['figures']['airloop']['seconds']:.1f} s against "
            f"{f['figures']['pandas']['seconds']:.1f} s), peak {f['figures']['airloop']['peak_mb']:.0f} MB "
            f"against {f['figures']['pandas']['peak_mb']:.0f} MB"
        ),
        lambda f: f["ratio"] >= f["target"] and f["figures"]["same_verdicts"],
    ),
    "rows": Row(
        "bad rows of 7 kinds at 0.1, 1 and 6 % of real days: batches in which the gate sees them",
        "1,000 clean batches, for the false alarms",
        "≥ 99 % seen, ≤ 1 % false alarms",
        lambda f: (
            f"{min(_seen(f)):.0%} of {len(_seen(f)) * f['batches']} batches seen, "
            f"{f['false_alarms']} of {f['clean_batches']} false alarms"
        ),
        lambda f: min(_seen(f)) >= 0.99 and f["false_alarms"] <= 0.01 * f["clean_batches"],
    ),
    "networks": Row(
        "torch training on a CPU, rows a second per epoch, 5M × 40 rows",
        "the same network with a plain DataLoader(TensorDataset) loop, same batch size",
        "≥ 2 ×; a checkpoint at the default interval ≤ 2 % of the time",
        lambda f: (
            f"{f['ratio']:.1f} × ({median(f['rows_per_second']['airloop']):,.0f} rows/s against "
            f"{median(f['rows_per_second']['plain']):,.0f}); checkpoint "
            f"{f['checkpoint']['share_of_training']:.3%} ({f['device']})"
        ),
        lambda f: f["met"] and f["checkpoint"]["met"],
    ),
    "specs": Row(
        "start of a task with 1,000 model specs in config",
        "with 1",
        "≤ 1.1 ×",
        lambda f: (
            f"{f['ratio']:.3f} × ({f['seconds']['1000']:.2f} s against {f['seconds']['1']:.2f} s of CPU)"
        ),
        lambda f: f["met"],
    ),
    "parse": Row(
        "parse of all DAG files, 1 spec each",
        "an empty DAG file's parse",
        "report",
        lambda f: (
            f"{f['all_ms']:.0f} ms of CPU for five files, {f['empty_ms']:.1f} ms for an empty one"
        ),
        lambda f: None,
    ),
    "demo": Row(
        "`make demo` from a bare clone / with the venv there",
        "-",
        "≤ 7 min / ≤ 4 min on 2 cores",
        lambda f: (
            f"{f['bare_seconds'] / 60:.1f} min / {f['warm_seconds'] / 60:.1f} min; "
            f"{f['requests']:,} requests, {f['failed_requests']} failed"
        ),
        lambda f: f["met"],
    ),
    "serving": Row(
        "one-row requests, 16 clients, prediction log on",
        "the same model in a plain FastAPI app",
        "≥ 1,000 req/s",
        lambda f: (
            f"{f['airloop']['rate']:,.0f} req/s, p99 {f['airloop']['p99_ms']:.0f} ms "
            f"(plain: {f['plain']['rate']:,.0f} req/s, p99 {f['plain']['p99_ms']:.0f} ms)"
        ),
        lambda f: f["met"],
    ),
    "tuning": Row(
        "Optuna with pruning, to the metric of 40 full trials (CPU time, two seeds)",
        "40 full trials",
        "≤ 0.5 × the work",
        lambda f: (
            f"{f['ratio']:.2f} × ({sum(one['cpu_seconds'] for one in f['pruned']):.0f} s against "
            f"{sum(one['cpu_seconds'] for one in f['full']):.0f} s), metric "
            f"{'reached' if f['reached'] else 'not reached'}"
        ),
        lambda f: f["met"],
    ),
    "segments": Row(
        "200 segments of small models, packs of 50, two of them planted to fail",
        "one process a segment (20 of them measured, times ten; without Airflow's second a task)",
        "≥ 5 × by packing, failures still isolated",
        lambda f: (
            f"{f['ratio']:.1f} × less CPU time ({f['packed']['cpu_seconds']:.0f} s against "
            f"{f['single']['cpu_seconds']:.0f} s; by the clock {f['packed']['seconds']:.0f} s against "
            f"{f['single']['seconds']:.0f} s), {f['packed']['trained']} trained, "
            f"{f['packed']['failed']} failed"
        ),
        lambda f: f["met"],
    ),
    "pods": Row(
        "a pod step on the tests' Kubernetes API, start to result, empty body",
        "the same step as a process",
        "≤ + 2 s",
        lambda f: f"+ {f['more']:.1f} s ({f['pod']:.1f} s against {f['process']:.1f} s)",
        lambda f: f["more"] <= 2,
    ),
}


def _seen(figures: Figures) -> list[float]:
    """By kind and rate, without the kind that no check of rows can see."""
    kinds = {kind: rates for kind, rates in figures["kinds"].items() if kind != UNSEEN}
    return [one["seen"] for rates in kinds.values() for one in rates.values()]


def render(figures: Mapping[str, Figures], page: Path) -> str:
    """The page with its table replaced."""
    lines = ["| what | against | target | measured | met | when |", "|---|---|---|---|---|---|"]
    marks = {True: "yes", False: "**no**", None: "-"}
    for name, row in ROWS.items():
        found = figures.get(name)
        measured, met, when = "not yet", "-", "-"
        if found:
            measured, met, when = row.measured(found), marks[row.met(found)], found["measured_at"]
        cells = (row.what, row.against, row.target, measured, met, when)
        lines.append("| " + " | ".join(cells) + " |")
    machines = sorted({found["machine"] for found in figures.values()})
    lines += ["", "Measured on: " + "; ".join(machines) + "."]
    head, tail = _around(page)
    return f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{tail}"


def _around(page: Path) -> tuple[str, str]:
    text = page.read_text(encoding="utf-8") if page.exists() else "# Benchmarks\n\n"
    if BEGIN not in text:
        return text, "\n"
    return text.split(BEGIN)[0], text.split(END)[1]
