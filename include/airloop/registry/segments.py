"""The models of segments in an artifact: a table that says which segment is answered by which, and their files.

One file holds them all: an artifact is fetched and verified whole, and two hundred small files cost two hundred
requests.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError

from airloop.contracts import Contract
from airloop.errors import ArtifactError
from airloop.features.casting import conform
from airloop.figures import Figure
from airloop.plugins.trainer import files_of_all
from airloop.registry import artifacts
from airloop.registry.frozen import FrozenSpec, Scorer, Scores
from airloop.specs.dataset import DatasetSpec

#: The number of what answers a row that no segment's model does.
GLOBAL = -1
_ENTRY = re.compile(r"\A(?P<number>\d{1,6})/(?P<file>[^/]+)\Z")


class SegmentEntry(Contract):
    """One segment of a training, and who answers its rows."""

    segment: str
    #: Its labelled training rows.
    rows: int
    #: The place of its model in the archive; None where the global model answers.
    number: int | None
    status: Literal["own", "not better", "failed", "left out"]
    #: The metric of its own model and of the global one, on the same rows that neither had seen.
    own: Figure = None
    overall: Figure = None
    reason: str


class SegmentTable(Contract):
    """``segments.json``: every segment of a training."""

    column: str
    metric: str
    segments: tuple[SegmentEntry, ...]

    def of(self, status: str) -> list[SegmentEntry]:
        """The segments with this status."""
        return [entry for entry in self.segments if entry.status == status]

    @property
    def figures(self) -> dict[str, float]:
        """How many segments there are, and how many of each status."""
        counted = {name: float(len(self.of(name))) for name in ("own", "not better", "failed")}
        figures = {f"segments_{name.replace(' ', '_')}": count for name, count in counted.items()}
        return {"segments": float(len(self.segments)), **figures}

    @property
    def reason(self) -> str:
        """In one line: how many have a model of their own, and why the others have none."""
        told = [f"{len(self.of('own'))} of {len(self.segments)} segments have a model of their own"]
        for status in ("failed", "not better", "left out"):
            if entries := self.of(status):
                names = ", ".join(entry.segment for entry in entries[:10])
                more = ", …" if len(entries) > 10 else ""
                why = f" ({entries[0].reason})" if status == "failed" else ""
                told.append(f"{len(entries)} {status}: {names}{more}{why}")
        return "; ".join(told)


@dataclass(frozen=True)
class Routing:
    """Which of several models answers a row: its segment's own, else the global one."""

    column: str
    numbers: Mapping[str, int]
    scorers: Mapping[int, Scorer]

    def of(self, dataset: DatasetSpec, frame: pd.DataFrame) -> npt.NDArray[np.int64]:
        """The number of each row's model; :data:`GLOBAL` for a segment that has none, is new, or is not named."""
        names = segment_names(dataset, self.column, frame)
        found = (self.numbers.get(name, GLOBAL) for name in names)
        return np.fromiter(found, np.int64, count=len(names))

    def score(self, numbers: npt.NDArray[np.int64], rows: pd.DataFrame, overall: Scorer) -> Scores:
        """Each row's answer by its model; every model is asked once, for all its rows."""
        answers = np.empty(len(rows), dtype=np.float64)
        order = np.argsort(numbers, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
            scorer = self.scorers.get(int(numbers[part[0]]), overall)
            if len(part) == len(rows):
                return scorer(rows)
            answers[part] = scorer(rows.iloc[part])
        return answers


def segment_names(dataset: DatasetSpec, column: str, frame: pd.DataFrame) -> npt.NDArray[Any]:
    """Each row's segment as text; None where the row names none."""
    values = conform(dataset, (column,), frame)[column].to_numpy()
    return values if values.dtype == object else values.astype(str).astype(object)


def archive(models: Mapping[int, Mapping[str, bytes]]) -> bytes:
    """The files of several models as one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for number, files in sorted(models.items()):
            for name, content in sorted(files.items()):
                # Without a date of its own an entry makes the same bytes of the same models.
                packed.writestr(zipfile.ZipInfo(f"{number}/{name}"), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def open_routing(
    folder: Path, frozen: FrozenSpec, scorer: Callable[[Path, FrozenSpec], Scorer]
) -> Routing | None:
    """The routing of an artifact's verified folder; None where its model has no segments.

    :param scorer: opens one model's folder
    :raises ArtifactError: if the table, the archive and the spec do not fit each other, or a model cannot be opened
    """
    path = folder / artifacts.SEGMENTS
    if frozen.model.segments is None:
        if path.exists():
            raise ArtifactError(
                "the model has segments that its spec does not name", where=str(path)
            )
        return None
    try:
        table = SegmentTable.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError(
            "the table of segments cannot be read", value=str(error), where=str(path)
        ) from error
    numbers = {entry.segment: entry.number for entry in table.segments if entry.number is not None}
    models = folder / artifacts.SEGMENT_MODELS
    if table.column != frozen.model.segments.column or bool(numbers) != models.exists():
        raise ArtifactError("the table of segments does not fit the model", where=str(path))
    scorers = open_models(models, frozen, scorer) if numbers else {}
    if set(scorers) != set(numbers.values()):
        raise ArtifactError("the archive lacks models of the table", where=str(models))
    return Routing(table.column, numbers, scorers)


def open_models(
    path: Path, frozen: FrozenSpec, scorer: Callable[[Path, FrozenSpec], Scorer]
) -> dict[int, Scorer]:
    """All models of an archive.

    :raises ArtifactError: if it holds another file, or a model cannot be opened
    """
    with tempfile.TemporaryDirectory(prefix="airloop-segments-") as scratch:
        numbers = _unpack(path, Path(scratch))
        return {number: scorer(Path(scratch, str(number)), frozen) for number in numbers}


def formats() -> frozenset[str]:
    """The files that a segment's model may have: those of any model."""
    return files_of_all() | {artifacts.ONNX}


def _unpack(path: Path, folder: Path) -> list[int]:
    numbers: set[int] = set()
    try:
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                match = _ENTRY.match(name)
                if match is None or match["file"] not in formats():
                    raise ArtifactError(
                        "the archive of segments holds a file of a format that is never loaded",
                        value=name,
                        where=str(path),
                        valid=sorted(formats()),
                    )
                place = folder / match["number"] / match["file"]
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(packed.read(name))
                numbers.add(int(match["number"]))
    except (OSError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            "the archive of segments cannot be read", value=str(error), where=str(path)
        ) from error
    return sorted(numbers)
