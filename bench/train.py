"""Our training steps against the plain script, without Airflow: what the steps themselves cost.

Both sides read the same rows and talk to the same MLflow server. A side is a fresh process, imports included. The
figure with Airflow around it (trigger accepted until candidate registered) is the demo's.

Usage: ``python -m bench.train CSV MLFLOW_URI``, with AIRLOOP_HOME a home whose lake holds the same days.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path


def ours() -> dict[str, float]:
    """Train, evaluate, register in this process."""
    start = time.perf_counter()
    from airloop.execution.context import StepContext
    from airloop.ledger import open_ledger
    from airloop.settings import load_settings
    from airloop.specs import load_catalog
    from airloop.steps import evaluate, register, train

    settings = load_settings()
    ledger = open_ledger(settings)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        context = StepContext(settings, load_catalog(), ledger, Path(scratch))
        key = uuid.uuid4().hex[:8]
        fence = ledger.begin_attempt(f"train:flight_delay:{key}")
        candidate = train.run(train.Request(fence=fence, model="flight_delay"), context).candidate
        seconds["train"] = time.perf_counter() - start
        fence = ledger.begin_attempt(f"evaluate:flight_delay:{key}")
        report = evaluate.run(evaluate.Request(fence=fence, candidate=candidate), context).report
        seconds["evaluate"] = time.perf_counter() - start
        if report.outcome.value == "ok":
            fence = ledger.begin_attempt(f"register:flight_delay:{key}")
            request = register.Request(fence=fence, candidate=candidate, report=report)
            register.run(request, context)
            seconds["register"] = time.perf_counter() - start
        else:
            print(report.reason, file=sys.stderr)
    return {"seconds": time.perf_counter() - start, **seconds}


def measured(*command: str) -> dict[str, float]:
    """The figures that a side prints as its last line."""
    done = subprocess.run(
        [sys.executable, "-m", *command], check=True, stdout=subprocess.PIPE, text=True
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main(csv: str, uri: str) -> None:
    """Measure both sides, one after the other, and print the ratio."""
    ours_figures, plain_figures = (
        measured("bench.train", "--ours"),
        measured("bench.plain_train", csv, uri),
    )
    ratio = ours_figures["seconds"] / plain_figures["seconds"]
    print(json.dumps({"ours": ours_figures, "plain": plain_figures, "ratio": round(ratio, 3)}))


if __name__ == "__main__":
    if sys.argv[1:] == ["--ours"]:
        print(json.dumps(ours()))
    else:
        main(*sys.argv[1:])
