"""What the commands print with: results on stdout, everything else on stderr."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

#: Results: what a script may read.
out = Console(highlight=False)
#: Progress, notices and errors.
err = Console(stderr=True, highlight=False)


def spinner() -> Progress:
    """A list of things under way, each with its clock; plain and silent where there is no terminal."""
    return Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        TextColumn("[dim]{task.fields[note]}[/]"),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
    )


class StartProgress:
    """Shows how the stack comes up: a live list on a terminal, a line a part elsewhere."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._titles: dict[str, str] = {}

    def begin(self, name: str, title: str) -> None:
        """A part is on its way."""
        self._titles[name] = title
        self._tasks[name] = self._progress.add_task(title, total=1, note="")

    def slow(self, name: str, note: str) -> None:
        """A part takes its time."""
        self._progress.update(self._tasks[name], note=note)
        if not err.is_terminal:
            err.print(f"{self._titles[name]}: {note}", markup=False, soft_wrap=True)

    def done(self, name: str, note: str) -> None:
        """A part is well."""
        self._progress.update(self._tasks[name], completed=1, note=note)
        if not err.is_terminal:
            err.print(f"{self._titles[name]}: up ({note})")

    def notice(self, text: str) -> None:
        """Something a person should know."""
        self._progress.console.print(f"[yellow]note:[/] {text}")
