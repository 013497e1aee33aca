"""The infrastructure check: a version's answers over HTTP against its offline ones, and what it must refuse."""

from __future__ import annotations

import asyncio
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
from airloop.delivery.load import LoadResult
from airloop.delivery.load import load as put_under_load
from airloop.delivery.sandbox import serve_version
from airloop.errors import AirloopError, ArtifactError, SpecError
from airloop.registry.tolerance import batches, beyond
from airloop.serving.environments import loading as environments
from airloop.serving.environments.remote import RemoteModel
from airloop.types.registry import type_of

if TYPE_CHECKING:
    from airloop.serving.environments.loading import Loaded
    from airloop.serving.requests import Row
    from airloop.settings import Settings

#: Rows of the newest partition that are asked for, in requests of a hundred.
PARITY_ROWS = 500
REQUEST_ROWS = 100
LOAD_REQUESTS = 400
LOAD_CLIENTS = 8
#: The slowest percent of one-row requests may take this long, in milliseconds, of what the machine gives this process.
LOAD_P99_MS = 1_000.0
#: On a machine that gives it less than this part of what it asks for, nothing can be told.
MAX_STRETCH = 20.0


def verify(version: ModelVersion, settings: Settings, workdir: Path) -> tuple[Check, ...]:
    """Load, boot and ask a version; a check that could not be made says that it could not tell.

    :raises UnreachableError: if the artifact store or the lake does not answer
    """
    try:
        model = environments.load(version.artifact, settings)
    # Also where the service's environment lacks what the model's module imports: it could not answer here.
    except (ArtifactError, SpecError) as error:
        return (_check("loads", Outcome.BAD, str(error)),)
    told = f"; made with {model.drifted}" if model.drifted else ""
    apart = ", in a process with libraries of its own" if isinstance(model, RemoteModel) else ""
    loads = _check("loads", Outcome.OK, f"verified bytes, answers by {model.runtime}{apart}{told}")
    inputs = newest_rows(Lake(settings), model)
    if inputs is None:
        reason = f"the lake has no rows of {model.dataset.name} to ask for"
        return (loads, _check("parity", Outcome.UNKNOWN, reason))
    rows = as_requests(model, inputs)
    name = model.spec.name
    try:
        with serve_version(version, lambda _: model, settings, workdir) as trial:
            return (
                loads,
                _guarded("parity", lambda: parity(trial, model, inputs, rows)),
                _guarded("refuses bad input", lambda: refusals(trial, name, rows)),
                _guarded("load", lambda: small_load(trial, name, rows)),
            )
    except ArtifactError as error:
        return (loads, _check("boots", Outcome.BAD, str(error)))


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
    with _http(settings) as http:
        for start in range(0, len(rows), REQUEST_ROWS):
            body = orjson.dumps({"rows": rows[start : start + REQUEST_ROWS]})
            response = http.post(f"/models/{model.spec.name}/predict", content=body)
            if response.status_code != httpx.codes.OK:
                reason = f"a real row was answered {response.status_code}"
                return _check("parity", Outcome.BAD, reason, first_row=start)
            online += model.spec.answer.numbers(response.json()["predictions"])
    difference = float(np.max(np.abs(offline - np.array(online))))
    same = beyond(np.array(online), offline, batches(offline)) <= 1
    outcome = Outcome.OK if same else Outcome.BAD
    reason = (
        f"{len(rows)} answers over HTTP differ from the offline ones by at most {difference:.3g}"
    )
    return _check("parity", outcome, reason, rows=len(rows), difference=difference)


def refusals(settings: Settings, model: str, rows: Sequence[Row]) -> Check:
    """Whether what must be refused is refused."""
    # A NaN in a field of text would be refused for being no text.
    places = ((row, name) for row in rows for name in row if isinstance(row[name], float))
    row, number = next(places, (rows[0], next(iter(rows[0]))))
    good = orjson.dumps({"rows": [row]})
    marked = {**row, number: "\x00"}
    not_a_number = orjson.dumps({"rows": [marked]}).replace(b'"\\u0000"', b"NaN")
    cases = {
        "NaN": (not_a_number, {}, httpx.codes.UNPROCESSABLE_ENTITY),
        "an unknown field": (
            orjson.dumps({"rows": [{**row, "no_such_field": 1}]}),
            {},
            httpx.codes.UNPROCESSABLE_ENTITY,
        ),
        "a missing field": (orjson.dumps({"rows": [{}]}), {}, httpx.codes.UNPROCESSABLE_ENTITY),
        "a wrong token": (good, {"authorization": "Bearer no"}, httpx.codes.UNAUTHORIZED),
    }
    with _http(settings) as http:
        for what, (body, headers, expected) in cases.items():
            got = http.post(f"/models/{model}/predict", content=body, headers=headers).status_code
            if got != expected:
                reason = f"{what} was answered {got}, not {expected}"
                return _check("refuses bad input", Outcome.BAD, reason)
    return _check("refuses bad input", Outcome.OK, ", ".join(cases) + " are refused")


def small_load(settings: Settings, model: str, rows: Sequence[Row]) -> Check:
    """Whether one-row requests from several clients at once are all answered, in time.

    A busy machine is no slow model: what came late is asked once more, then judged by a request that asks no model,
    sent beside: how long the machine lets that wait, and how much longer than it computes.
    """
    bodies = [orjson.dumps({"rows": [row]}) for row in rows]
    result = _load(settings, model, bodies)
    if result.percentile(99) > LOAD_P99_MS:
        result = _load(settings, model, bodies)
    p99 = result.percentile(99)
    reason = f"{len(result.latencies)} of {LOAD_REQUESTS} answered, {result.rate:.0f}/s, p99 {p99:.0f} ms"
    outcome = Outcome.OK if result.failed == 0 and result.latencies else Outcome.BAD
    if outcome is Outcome.OK and p99 > LOAD_P99_MS:
        outcome, why = _beside(p99, _reference(settings, len(result.latencies)))
        reason += f"; {why}"
    return _check(
        "load",
        outcome,
        reason,
        failed=result.failed,
        rate=result.rate,
        p50_ms=result.percentile(50),
        p99_ms=p99,
    )


def _beside(p99: float, reference: LoadResult) -> tuple[Outcome, str]:
    """What a late answer says of the model, by what the machine did to a request without one."""
    if reference.failed or not reference.latencies or reference.stretch > MAX_STRETCH:
        return Outcome.UNKNOWN, (
            "the machine is too busy to tell: requests that ask no model are not answered in time either; "
            "clear the task when less runs"
        )
    waited, stretch = reference.percentile(99), reference.stretch
    own = max(0.0, p99 - waited) / stretch
    told = (
        f"without a model p99 {waited:.0f} ms at that moment, {stretch:.1f} times what is computed, "
        f"so that {own:.0f} ms are the model's own"
    )
    return (Outcome.OK if own <= LOAD_P99_MS else Outcome.BAD), told


def _load(settings: Settings, model: str, bodies: list[bytes]) -> LoadResult:
    return _ask(settings, f"/models/{model}/predict", bodies, LOAD_REQUESTS, "POST")


def _reference(settings: Settings, requests: int) -> LoadResult:
    """As many requests, by as many clients, to the same server, which computes nothing for them."""
    return _ask(settings, "/healthz", [b""], requests, "GET")


def _ask(
    settings: Settings, path: str, bodies: list[bytes], requests: int, method: str
) -> LoadResult:
    return asyncio.run(
        put_under_load(
            f"{settings.serving.url}{path}",
            bodies,
            clients=LOAD_CLIENTS,
            requests=requests,
            seconds=settings.serving.timeout_seconds,
            headers={"authorization": f"Bearer {settings.serving.bearer()}"},
            method=method,
        )
    )


def _http(settings: Settings) -> httpx.Client:
    headers = {
        "authorization": f"Bearer {settings.serving.bearer()}",
        "content-type": "application/json",
    }
    timeout = settings.serving.timeout_seconds
    return httpx.Client(
        base_url=settings.serving.url, headers=headers, timeout=timeout, trust_env=False
    )


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """A check that could not be made could not tell."""
    try:
        return check()
    except (AirloopError, httpx.HTTPError, OSError, ValueError, KeyError) as error:
        return _check(name, Outcome.UNKNOWN, f"{type(error).__name__}: {error}")


def _check(name: str, outcome: Outcome, reason: str, **figures: float | int | str | None) -> Check:
    return Check(name=name, outcome=outcome, reason=reason, figures=figures)


def _json_value(value: Any) -> Any:
    if value is None or value is pd.NaT or value != value:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
