"""Some hundred models in one service: neither threads nor open files grow with their number."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from airloop.serving.log.frames import read_segment
from airloop.serving.log.openlogs import OpenLogs
from airloop.serving.log.predictionlog import log_folder, segments
from airloop.serving.log.records import decode
from airloop.serving.runtime import endpoints
from airloop.serving.runtime.endpoints import Endpoints
from tests.support.serving_fakes import (
    GOOD_ROW,
    FakeLedger,
    FakeModel,
    client,
    dataset_spec,
    model_spec,
)

MODELS, OPEN = 300, 40


async def ask_all_twice(slots: Endpoints, names: list[str]) -> tuple[int, int]:
    """Threads and open files beyond those before."""
    threads, before = threading.active_count(), files()
    await slots.refresh()
    async with client(slots) as http:
        for name in names:
            answer = await http.post(f"/models/{name}/predict", json={"rows": [GOOD_ROW]})
            assert answer.status_code == 200, answer.text
        for _ in range(2):
            await asyncio.gather(
                *(http.post(f"/models/{name}/predict", json={"rows": [GOOD_ROW]}) for name in names)
            )
    grown = threading.active_count() - threads, files() - before
    await slots.close()
    return grown


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_threads_and_descriptors_do_not_grow_with_the_number_of_models(tmp_path: Path) -> None:
    """1,000 models were 1,006 threads, and the 1,019th log could not be opened."""
    ledger = FakeLedger()
    ledger.names = [f"model_{one}" for one in range(MODELS)]
    for one, name in enumerate(ledger.names, 1):
        ledger.deploy(one, FakeModel(spec=model_spec(name)), name=name)
    slots = ledger.slots(tmp_path)
    slots._open_logs = OpenLogs(limit=OPEN)
    threads, opened = asyncio.run(ask_all_twice(slots, ledger.names))
    # Those that predict, those that load, and asyncio's own.
    assert threads <= endpoints.THREADS + endpoints.LOADS + 10
    assert opened <= OPEN + 10
    for name in ledger.names:
        (path,) = segments(log_folder(tmp_path, name))
        assert decode(read_segment(path).frames, dataset_spec()).num_rows == 3
