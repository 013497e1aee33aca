"""A whole loop in bounded memory: twenty million rows, each step a process of 4 GiB of address space.

``python -m bench.bounded`` makes the rows, then ingests, trains by a stream, judges, registers, verifies, promotes to a
real service, asks it, monitors the night with a window of all rows, and scores; each by the step's own process and as
`ulimit -v` bounds it, the service too. A control that holds all rows must fail. It prints a line a step; ``--docs``
writes the table into docs/scaling.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import machine
from bench.apart import QUIET
from bench.bounded_watch import Watched, watched
from bench.bounded_world import CONTROL, DATASET, MODEL, days_of, write
from bench.row import SEED
from bench.section import put
from tests.support.checkout import ROOT

PAGE, SECTION = ROOT / "docs" / "scaling.md", "bounded"
LIMIT_MB = 4096
TOKEN = "a-token-of-the-bench"
#: Rows that the service is asked for over HTTP, so many a request.
ASKED, PER_REQUEST = 100_000, 1_000
HEAD = (
    "| step | rows | wall s | CPU s | peak MB | address space MB |\n"
    "|---|---|---|---|---|---|"
)  # fmt: skip


class Loop:
    """The steps in their order, and what each took.

    :param folder: an empty one
    """

    def __init__(self, folder: Path, days: int, per_day: int, limit_mb: int) -> None:
        self.folder, self.days, self.per_day = folder, days, per_day
        self.limit = limit_mb << 20
        self.lines: list[str] = []
        os.environ |= QUIET | environment(folder)
        from airloop.execution.runner import StepRunner
        from airloop.ledger import open_ledger
        from airloop.registry import tracking
        from airloop.settings import load_settings

        self.settings = load_settings()
        self.ledger = open_ledger(self.settings)
        self._runner = StepRunner(self.settings, lambda line: print("  ", line, file=sys.stderr))
        # A store in SQLite without a server puts files beside whoever asks: steps are asked from the checkout.
        place = (folder / "runs").as_uri()
        for model in (MODEL, CONTROL):
            tracking.client(self.settings).create_experiment(model, artifact_location=place)

    def step(self, name: str, entity: str, rows: int, **request: Any) -> dict[str, Any]:
        """One step by its own process, under the limit."""
        fence = self.ledger.begin_attempt(f"{name}:{entity}")
        with self.told(name, rows):
            return self._runner.run(name, fence, request)

    @contextmanager
    def told(self, name: str, rows: int) -> Iterator[None]:
        """What the processes started within took, as a line of the table."""
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (self.limit, before[1]))
        try:
            with watched() as found:
                yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
        self.line(name, rows, found)

    def line(self, name: str, rows: int, found: Watched) -> None:
        """Keep and print a line."""
        figures = f"{found.wall:,.0f} | {found.cpu:,.0f} | {found.peak_mb:,.0f}"
        self.lines.append(f"| {name} | {rows:,} | {figures} | {found.space_mb:,.0f} |")
        print(self.lines[-1], flush=True)

    def run(self) -> None:
        """All of it."""
        version = self.learn()
        self.step("verify", MODEL, 0, model=MODEL, number=version["version"])
        self._serve(version)
        self.watch()

    def learn(self) -> dict[str, Any]:
        """From the files to a registered version."""
        keys, rows = days_of(self.days), self.days * self.per_day
        self.step("ingest", DATASET, rows, dataset=DATASET, partitions=keys)
        candidate = self.step("train", MODEL, rows, model=MODEL)["candidate"]
        report = self.step("evaluate", MODEL, rows, candidate=candidate)["report"]
        made = self.step("register", MODEL, 0, candidate=candidate, report=report)["version"]
        if any(check["outcome"] == "bad" for check in report["checks"]):
            raise RuntimeError(json.dumps(report, indent=1))
        version: dict[str, Any] = made
        return version

    def watch(self) -> None:
        """The night, and the newest day's scores."""
        last, rows = days_of(self.days)[-1], self.days * self.per_day
        self.step("monitor", MODEL, rows, model=MODEL, partition=last)
        self.step("score", MODEL, self.per_day, model=MODEL, partition=last)

    def fails(self) -> str:
        """The control: what a trainer that holds all rows ends with."""
        from airloop.errors import MemoryLimitError

        try:
            self.step("train", CONTROL, self.days * self.per_day, model=CONTROL)
        except MemoryLimitError as error:
            return str(error)
        raise RuntimeError(
            "the control was not kept from holding all rows: the limit binds nothing"
        )

    def _serve(self, version: Mapping[str, Any]) -> None:
        """Promote to a service under the limit, and ask it."""
        from airloop.serving.command import service_command

        argv, env = service_command(self.settings)
        with (
            self.told("service, promote, predictions", ASKED),
            (self.folder / "log").open("wb") as log,
        ):
            service = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
            try:
                self._answers()
                fence = self.ledger.begin_attempt(f"promote:{MODEL}")
                self._runner.run("promote", fence, {"version": dict(version), "reason": "bench"})
                self._ask()
            finally:
                service.terminate()
                service.wait(60)

    def _answers(self) -> None:
        import httpx

        for _ in range(600):
            time.sleep(0.2)
            try:
                if httpx.get(f"{self.settings.serving.url}/healthz").is_success:
                    return
            except httpx.HTTPError:
                continue
        raise RuntimeError((self.folder / "log").read_text(encoding="utf-8")[-3000:])

    def _ask(self) -> None:
        import httpx

        from airloop.data.lake.lake import Lake

        lake = Lake(self.settings)
        # Whose labels are complete on the night.
        ref = lake.snapshot(DATASET, days_of(self.days)[-2:-1])
        names = ("id", "day", "courier", "distance", "rain", "load", "hour")
        batches = lake.batches(ref, names, PER_REQUEST)
        url = f"{self.settings.serving.url}/models/{MODEL}/predict"
        with httpx.Client(headers={"authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
            for _, batch in zip(range(ASKED // PER_REQUEST), batches, strict=False):
                rows = [one | {"day": str(one["day"])} for one in batch.to_pylist()]
                client.post(url, json={"rows": rows}).raise_for_status()


def environment(folder: Path) -> dict[str, str]:
    """Where the steps work: all state in the folder."""
    from tests.support.servers import free_ports

    [port] = free_ports(1)
    return {
        "AIRLOOP_PROJECT": str(ROOT),
        "AIRLOOP_HOME": str(folder / "home"),
        "AIRLOOP_CONFIG": str(folder / "config"),
        "AIRLOOP__MLFLOW_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "AIRLOOP__SERVING__URL": f"http://127.0.0.1:{port}",
        "AIRLOOP__SERVING__TOKEN": TOKEN,
        "PYTHONPATH": str(ROOT),
    }


def main() -> None:
    """Go through it, and write the page where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.bounded", description=__doc__)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--per-day", type=int, default=1_000_000)
    parser.add_argument("--limit-mb", type=int, default=LIMIT_MB)
    parser.add_argument("--docs", action="store_true", help="write docs/scaling.md")
    asked = parser.parse_args()
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(
        prefix="airloop-bounded-", dir=os.environ.get("TMPDIR")
    ) as one:
        write(Path(one), asked.days, asked.per_day)
        # MLflow's files go where it is asked from.
        with contextlib.chdir(one):
            loop = Loop(Path(one), asked.days, asked.per_day, asked.limit_mb)
            loop.run()
            control = loop.fails()
        print(control, flush=True)
    where = (
        f"Seed {SEED}; {machine.now()}, commit {machine.commit()}, load {machine.load()}, "
        f"{asked.limit_mb:,} MiB of address space a process. The control: `{control.split('; got')[0]}`."
    )
    print(where, flush=True)
    if asked.docs:
        put(SECTION, "\n".join([HEAD, *loop.lines, "", where]), PAGE)


if __name__ == "__main__":
    main()
