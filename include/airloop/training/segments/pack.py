"""One pack of segments, trained one after the other in this process, each kept as soon as it is done."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from airloop.data.snapshot import Split
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.segments.checks import segments_of
from airloop.training.segments.fitting import attempt, failure, rows_of
from airloop.training.segments.plan import Plan
from airloop.training.segments.results import MAX_STRIKES, Results

log = logging.getLogger("airloop.segments")


def work(
    model: ModelSpec,
    dataset: DatasetSpec,
    rows: Split,
    plan: Plan,
    pack: int,
    results: Results,
    workdir: Path,
    still_wanted: Callable[[], None],
) -> None:
    """Train what an earlier attempt left of the pack.

    A segment whose training was begun twice and never ended has killed its process twice: it is not begun again.

    :param still_wanted: raises if a newer attempt began; asked before each segment
    :raises TransientError: if a store does not answer
    """
    limit = 60 * segments_of(model).max_minutes
    there = rows_of(model, dataset, rows)
    for segment, strikes in results.waiting(plan.of(pack)).items():
        still_wanted()
        if strikes >= MAX_STRIKES:
            reason = f"its process was killed {MAX_STRIKES} times: too little memory, or a crash"
            log.warning("segment %s failed: %s", segment.name, reason)
            results.write(segment, failure(reason))
            continue
        results.begin(segment, strikes + 1)
        with _limited(limit):
            result = attempt(model, dataset, there[segment.name], plan, segment, workdir)
        results.write(segment, result)
        if result.outcome.trained:
            log.info("segment %s: %s", segment.name, result.outcome.reason)


@contextmanager
def one_thread() -> Iterator[None]:
    """Small models gain nothing from a second core but lose much to another pack's; packs run side by side."""
    from threadpoolctl import threadpool_limits

    # For the libraries that are not loaded yet.
    os.environ["OMP_NUM_THREADS"] = "1"
    with threadpool_limits(1):
        yield


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    """Let the kernel end this process if the body takes longer: no code of a library can hold that up."""
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
