"""What the demo leaves on record: `demo-report.json`, and the table on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from airloop.contracts import Contract


class StepReport(Contract):
    """One chapter as it went."""

    name: str
    ok: bool
    seconds: float
    #: What was seen, with its figures; where it is not ok, what went wrong.
    figure: str


class DemoReport(Contract):
    """The whole demo."""

    steps: tuple[StepReport, ...]
    requests: int
    failed_requests: int
    champion_before: int | None
    champion_after: int | None
    total_seconds: float

    @property
    def ok(self) -> bool:
        """Every step is, and no request failed."""
        return all(step.ok for step in self.steps) and self.failed_requests == 0

    def write(self, path: Path) -> None:
        """Write it where the README says."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def table(self) -> Table:
        """For a person."""
        table = Table(title="The loop, closed once", title_justify="left")
        table.add_column("step", no_wrap=True)
        table.add_column("what happened", overflow="fold")
        table.add_column("seconds", justify="right")
        for step in self.steps:
            mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
            table.add_row(f"{mark} {step.name}", step.figure, f"{step.seconds:.1f}")
        table.add_section()
        versions = f"champion {self.champion_before} → {self.champion_after}"
        requests = f"{self.requests:,} requests, {self.failed_requests} failed; {versions}"
        table.add_row("all", requests, f"{self.total_seconds:.1f}")
        return table
