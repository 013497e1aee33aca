"""The infrastructure check: a version's answers over HTTP against its offline ones, and what it must refuse."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from airloop.contracts import Check, ModelVersion, Outcome
from airloop.data.lake.lake import Lake
from airloop.data.schema import to_pandas
from airloop.delivery.asked import asking, checked
from airloop.delivery.objectives import memory, small_load
from airloop.delivery.refusing import NAME, refusals
from airloop.delivery.sandbox import serve_version
from airloop.errors import AirloopError, ArtifactError, SpecError
from airloop.registry.tolerance import batches, beyond
from airloop.serving.environments import loading as environments
from airloop.serving.environments.remote import RemoteModel
from airloop.serving.runtime.residence import resident
from airloop.types.registry import type_of
from airloop.vocabulary import OFFLINE_SHADOW

if TYPE_CHECKING:
    from airloop.serving.environments.loading import Loaded
    from airloop.serving.requests import Row
    from airloop.settings import Settings

#: Rows of the newest partition that are asked for, in requests of a hundred.
PARITY_ROWS = 500
REQUEST_ROWS = 100


def verify(
    version: ModelVersion,
    settings: Settings,
    workdir: Path,
    shadow: Callable[[Loaded], Check] | None = None,
) -> tuple[Check, ...]:
    """Load, boot and ask a version; a check that could not be made says that it could not tell.

    :param shadow: holds the loaded version against the one that serves
    :raises UnreachableError: if the artifact store or the lake does not answer
    """
    before, began = resident(), time.monotonic()
    try:
        model = environments.load(version.artifact, settings)
    # Also where the service's environment lacks what the model's module imports: it could not answer here.
    except (ArtifactError, SpecError) as error:
        return (checked("loads", Outcome.BAD, str(error)),)
    told = f"; made with {model.drifted}" if model.drifted else ""
    apart = ", in a process with libraries of its own" if isinstance(model, RemoteModel) else ""
    loads = checked(
        "loads",
        Outcome.OK,
        f"verified bytes, answers by {model.runtime}{apart}{told}",
        seconds=time.monotonic() - began,
    )
    inputs = newest_rows(Lake(settings), model)
    if inputs is None:
        reason = f"the lake has no rows of {model.dataset.name} to ask for"
        return (loads, checked("parity", Outcome.UNKNOWN, reason))
    rows = as_requests(model, inputs)
    name, objectives = model.spec.name, model.spec.serving.objectives
    try:
        with serve_version(version, lambda _: model, settings, workdir) as trial:
            opened = resident()
            return (
                loads,
                _guarded("parity", lambda: parity(trial, model, inputs, rows)),
                _guarded(NAME, lambda: refusals(trial, model, rows)),
                _guarded("load", lambda: small_load(trial, name, rows, objectives)),
                _guarded("memory", lambda: memory(before, opened, objectives)),
                *((_guarded(OFFLINE_SHADOW, lambda: shadow(model)),) if shadow else ()),
            )
    except ArtifactError as error:
        return (loads, checked("boots", Outcome.BAD, str(error)))


def newest_rows(lake: Lake, model: Loaded) -> pd.DataFrame | None:
    """Rows of the newest partition: keys and inputs, as the offline path reads them."""
    partitions = lake.partitions(model.dataset.name)
    if not partitions:
        return None
    columns = tuple(dict.fromkeys((*model.dataset.keys, *model.spec.inputs)))
    ref = lake.snapshot(model.dataset.name, partitions[-1:])
    batches = (one for one in lake.batches(ref, columns, PARITY_ROWS) if one.num_rows)
    first = next(batches, None)
    return None if first is None else to_pandas(pa.Table.from_batches([first]))


def as_requests(model: Loaded, frame: pd.DataFrame) -> list[Row]:
    """The frame's rows as a caller would send them."""
    columns = {name: [_json_value(value) for value in frame[name]] for name in frame.columns}
    for name, values in columns.items():
        columns[name] = type_of(model.dataset.columns[name]).asked(values)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def parity(settings: Settings, model: Loaded, frame: pd.DataFrame, rows: Sequence[Row]) -> Check:
    """Whether the answers over HTTP are the offline ones."""
    offline = model.predict(frame[list(model.spec.inputs)])
    online: list[Any] = []
    with asking(settings) as http:
        for start in range(0, len(rows), REQUEST_ROWS):
            body = orjson.dumps({"rows": rows[start : start + REQUEST_ROWS]})
            response = http.post(f"/models/{model.spec.name}/predict", content=body)
            if response.status_code != httpx.codes.OK:
                reason = f"a real row was answered {response.status_code}"
                return checked("parity", Outcome.BAD, reason, first_row=start)
            online += model.spec.answer.numbers(response.json()["predictions"])
    difference = float(np.max(np.abs(offline - np.array(online))))
    same = beyond(np.array(online), offline, batches(offline)) <= 1
    outcome = Outcome.OK if same else Outcome.BAD
    reason = (
        f"{len(rows)} answers over HTTP differ from the offline ones by at most {difference:.3g}"
    )
    return checked("parity", outcome, reason, rows=len(rows), difference=difference)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """A check that could not be made could not tell."""
    try:
        return check()
    except (AirloopError, httpx.HTTPError, OSError, ValueError, KeyError) as error:
        return checked(name, Outcome.UNKNOWN, f"{type(error).__name__}: {error}")


def _json_value(value: Any) -> Any:
    if value is None or value is pd.NaT or value != value:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
