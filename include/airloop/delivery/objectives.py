"""A version under a small load: how soon it answers, how often, and what memory it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import orjson

from airloop.contracts import Check, Outcome
from airloop.delivery.asked import checked
from airloop.delivery.load import LoadResult
from airloop.delivery.load import load as put_under_load
from airloop.serving.runtime.residence import resident
from airloop.specs.sections.serving import ObjectivesSpec

if TYPE_CHECKING:
    from airloop.serving.requests import Row
    from airloop.settings import Settings

LOAD_REQUESTS = 400
LOAD_CLIENTS = 8
#: The slowest percent of one-row requests may take this long, in milliseconds, of what the machine gives this process.
LOAD_P99_MS = 1_000.0
#: On a machine that gives it less than this part of what it asks for, nothing can be told.
MAX_STRETCH = 20.0
#: Under so few requests a version that keeps nothing grows by less than this, in bytes.
GROWS: Final = 64 << 20
_MB: Final = 1 << 20
#: Nothing is named by the spec.
NONE: Final = ObjectivesSpec()


def small_load(
    settings: Settings,
    model: str,
    rows: Sequence[Row],
    objectives: ObjectivesSpec = NONE,
) -> Check:
    """Whether one-row requests from several clients at once are all answered, in time and so many a second.

    A busy machine is no slow model: what came late is asked once more, then judged by a request that asks no model,
    sent beside: how long the machine lets that wait, and how much longer than it computes.
    """
    bodies = [orjson.dumps({"rows": [row]}) for row in rows]
    most, least = objectives.p99_ms or LOAD_P99_MS, objectives.rps or 0
    result = _load(settings, model, bodies)
    if result.percentile(99) > most or result.rate < least:
        result = _load(settings, model, bodies)
    p99 = result.percentile(99)
    reason = f"{len(result.latencies)} of {LOAD_REQUESTS} answered, {result.rate:.0f}/s, p99 {p99:.0f} ms"
    outcome = Outcome.OK if result.failed == 0 and result.latencies else Outcome.BAD
    if outcome is Outcome.OK and (p99 > most or result.rate < least):
        outcome, why = _beside(result, most, least, _reference(settings, len(result.latencies)))
        reason += f"; {why}"
    return checked(
        "load",
        outcome,
        reason,
        failed=result.failed,
        rate=result.rate,
        p50_ms=result.percentile(50),
        p99_ms=p99,
    )


def _beside(
    result: LoadResult, most: float, least: float, reference: LoadResult
) -> tuple[Outcome, str]:
    """What a late answer says of the model, by what the machine did to a request without one."""
    if reference.failed or not reference.latencies or reference.stretch > MAX_STRETCH:
        return Outcome.UNKNOWN, (
            "the machine is too busy to tell: requests that ask no model are not answered in time either; "
            "clear the task when less runs"
        )
    waited, stretch = reference.percentile(99), reference.stretch
    own = max(0.0, result.percentile(99) - waited) / stretch
    rate = result.rate * stretch
    told = (
        f"without a model p99 {waited:.0f} ms at that moment, {stretch:.1f} times what is computed, "
        f"so that {own:.0f} ms are the model's own, of {most:g} allowed"
    )
    if least:
        told += f", and {rate:.0f}/s of {least:g} are what it can"
    return (Outcome.OK if own <= most and rate >= least else Outcome.BAD), told


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


def memory(before: int, opened: int, objectives: ObjectivesSpec) -> Check:
    """What the version takes, and whether it keeps what it was asked.

    :param before: the bytes that the process took before it was opened
    :param opened: and once it answered
    """
    now = resident()
    taken, grown = max(0, now - before), now - opened
    reason = f"takes {taken / _MB:.0f} MB, {max(0, grown) / _MB:.0f} of them since it was asked"
    outcome = Outcome.OK
    if objectives.memory_mb is not None and taken > objectives.memory_mb * _MB:
        outcome, reason = Outcome.BAD, f"{reason}; serving.objectives allows {objectives.memory_mb}"
    elif grown > GROWS:
        outcome, reason = Outcome.BAD, f"{reason}: it keeps what it is asked"
    return checked("memory", outcome, reason, taken_mb=taken / _MB, grown_mb=grown / _MB)
