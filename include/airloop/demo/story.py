"""The demo's story: the chapters in order, each timed, the first failure ends it."""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType

from rich.status import Status

from airloop.console import err
from airloop.demo.hands import roll_back, worse_model
from airloop.demo.history import history
from airloop.demo.nights import broken_night, quiet_night, shifted_night
from airloop.demo.report import DemoReport, StepReport
from airloop.demo.serving import champion, march
from airloop.demo.stage import DemoStage
from airloop.devstack.airflow import Airflow
from airloop.devstack.layout import Layout
from airloop.devstack.pulse import Pulse
from airloop.errors import AirloopError
from airloop.ledger import open_ledger
from airloop.paths import put_on_path
from airloop.serving.client import ServiceClient
from airloop.settings import load_settings

Chapter = Callable[[DemoStage], str]

CHAPTERS: tuple[tuple[str, Chapter], ...] = (
    ("history", history),
    ("champion", champion),
    ("traffic", march),
    ("a quiet night", quiet_night),
    ("a shifted night", shifted_night),
    ("a broken night", broken_night),
    ("a worse model", worse_model),
    ("rollback", roll_back),
)


class Story:
    """One telling of the story."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._steps: list[StepReport] = []
        self._began = time.monotonic()
        self._pool = ThreadPoolExecutor(1)
        # Cutting a year of flights into days needs no server: it goes on while they start.
        self._upstream: Future[Path] = self._pool.submit(_prepare)

    def start(self, bring_up: Callable[[], str]) -> None:
        """The chapter before the first: the stack comes up."""
        began = time.monotonic()
        figure = bring_up()
        self._steps.append(
            StepReport(name="start", ok=True, seconds=time.monotonic() - began, figure=figure)
        )

    def tell(self) -> DemoReport:
        """All chapters; after one that is not ok the rest is not reached."""
        settings = load_settings()
        with Airflow.connect(settings) as airflow, err.status("") as line:
            stage = DemoStage(
                settings=settings,
                airflow=airflow,
                service=ServiceClient(settings),
                ledger=open_ledger(settings),
                pulse=Pulse(airflow, self._layout),
                upstream=self._upstream.result(),
                say=lambda text: line.update(text),
            )
            try:
                for name, chapter in CHAPTERS:
                    line.update(name)
                    stage.say = partial(_say, line, name)
                    if not self._play(name, chapter, stage):
                        break
            finally:
                stage.close()
                self._pool.shutdown(wait=False)
        return self._report(stage)

    def _play(self, name: str, chapter: Chapter, stage: DemoStage) -> bool:
        began = time.monotonic()
        try:
            figure, ok = chapter(stage), True
        except AirloopError as error:
            figure, ok = str(error), False
        except Exception as error:
            err.print(traceback.format_exc(), style="dim")
            figure, ok = f"{type(error).__name__}: {error}", False
        seconds = time.monotonic() - began
        self._steps.append(StepReport(name=name, ok=ok, seconds=seconds, figure=figure))
        mark = "[green]✓[/]" if ok else "[red]✗[/]"
        err.print(f"{mark} [bold]{name}[/] ({seconds:.1f} s): ", end="")
        err.print(figure, markup=False)
        return ok

    def _report(self, stage: DemoStage) -> DemoReport:
        told = {step.name for step in self._steps}
        missed = [
            StepReport(name=name, ok=False, seconds=0, figure="not reached")
            for name, _ in CHAPTERS
            if name not in told
        ]
        report = DemoReport(
            steps=(*self._steps, *missed),
            requests=stage.tally.requests,
            failed_requests=stage.tally.failed,
            champion_before=stage.champion_before,
            champion_after=stage.champion_after,
            total_seconds=time.monotonic() - self._began,
        )
        report.write(self._layout.demo_report)
        return report


def _say(line: Status, name: str, text: str) -> None:
    line.update(f"{name}: {text}")


def source_module() -> ModuleType:
    """The module of the demo's source: the project's, so this process has to be able to import the project's modules."""
    put_on_path()
    return importlib.import_module("flights.departures")


def _prepare() -> Path:
    """The drop folder, cut from the flights package; the user's source module knows how."""
    source = source_module()
    folder: Path = source.prepare_upstream(source.upstream_folder())
    return folder
