"""What an attempt of a step used, and what several did together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import Field

from airloop.contracts import Contract


class Usage(Contract):
    """One attempt's figures, as far as they were sampled: a killed attempt's stop where it was last written."""

    key: str
    token: int = Field(ge=1)
    #: The rank, where several pods run one attempt.
    part: int = 0
    step: str
    #: The model, or the dataset of an ingest.
    entity: str
    wall_seconds: float = 0.0
    #: Of the process and all that it started.
    cpu_seconds: float = 0.0
    #: Seconds for which GPUs were held, times their number; busy or not.
    gpu_seconds: float = 0.0
    #: How much of that time they computed, 0 to 1; None where no GPU could say.
    gpu_utilisation: float | None = None
    peak_host_bytes: int = 0
    #: Of the fullest GPU.
    peak_gpu_bytes: int = 0
    #: ``ok`` or ``failed``; None while it runs, and for ever where it was killed.
    outcome: str | None = None
    #: The MLflow run that came of it.
    run_id: str | None = None
    version: int | None = None
    at: datetime


class CostSummary(Contract):
    """The attempts behind one version, one run, or one kind of step: seconds are summed, peaks are the highest."""

    entity: str
    version: int | None
    run_id: str | None
    #: Each with the number of its attempts.
    steps: dict[str, int]
    wall_seconds: float
    cpu_seconds: float
    gpu_seconds: float
    gpu_utilisation: float | None
    peak_host_bytes: int
    peak_gpu_bytes: int
    at: datetime

    @property
    def attempts(self) -> int:
        """How many attempts there were, killed ones included."""
        return sum(self.steps.values())


def total(rows: Sequence[Usage]) -> CostSummary:
    """What these attempts cost, one at least."""
    told = [row for row in rows if row.gpu_utilisation is not None and row.gpu_seconds]
    held = sum(row.gpu_seconds for row in told)
    busy = sum(row.gpu_seconds * (row.gpu_utilisation or 0.0) for row in told)
    steps: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: row.at):
        steps[row.step] = steps.get(row.step, 0) + (row.part == 0)
    return CostSummary(
        entity=rows[0].entity,
        version=next((row.version for row in rows if row.version is not None), None),
        run_id=next((row.run_id for row in rows if row.run_id is not None), None),
        steps=steps,
        wall_seconds=sum(row.wall_seconds for row in rows),
        cpu_seconds=sum(row.cpu_seconds for row in rows),
        gpu_seconds=sum(row.gpu_seconds for row in rows),
        gpu_utilisation=busy / held if held else None,
        peak_host_bytes=max(row.peak_host_bytes for row in rows),
        peak_gpu_bytes=max(row.peak_gpu_bytes for row in rows),
        at=max(row.at for row in rows),
    )


def summaries(rows: Iterable[Usage]) -> list[CostSummary]:
    """One summary a run; what led to no run is told by entity, step and version. The newest first."""
    groups: dict[tuple[object, ...], list[Usage]] = {}
    for row in rows:
        group = (row.run_id,) if row.run_id else (row.entity, row.step, row.version)
        groups.setdefault(group, []).append(row)
    return sorted(map(total, groups.values()), key=lambda summary: summary.at, reverse=True)
