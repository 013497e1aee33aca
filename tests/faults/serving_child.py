"""The service as a process to be killed: the whole application with a small model.

``python -m tests.faults.serving_child <home> <port> [sabotage]``. While ``<home>/full`` exists, its log meets a full
disk.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from airloop.serving.http.app import Application
from airloop.serving.http.middleware import Middleware
from airloop.serving.http.tokens import Tokens
from airloop.serving.log import predictionlog
from airloop.serving.log.predictionlog import PredictionLog
from airloop.serving.runtime.keeping import Keeping
from tests.support.serving_fakes import TOKEN, FakeLedger, FakeModel


def acknowledge_first() -> None:
    """Take the protection away: frames wait in memory and are written a moment after the answer."""
    write = PredictionLog.append

    def later(self: PredictionLog, payload: bytes) -> None:
        def act() -> None:
            time.sleep(0.3)
            write(self, payload)

        threading.Thread(target=act, daemon=True).start()

    PredictionLog.append = later  # type: ignore[method-assign]


def claim_it_is_logged() -> None:
    """Take the protection away: an answer never says that its row could not be kept."""
    write = Keeping._write

    def silent(self: Keeping, answered: Any) -> bool:
        write(self, answered)
        return True

    Keeping._write = silent  # type: ignore[method-assign]


def fill_the_disk_when_told(home: Path) -> None:
    """The kernel's own ENOSPC, without a disk of one's own: the bytes go to /dev/full first."""
    write = predictionlog._write_all

    def full(fd: int, data: bytes) -> None:
        if (home / "full").exists():
            device = os.open("/dev/full", os.O_WRONLY)
            try:
                write(device, data)
            finally:
                os.close(device)
        write(fd, data)

    predictionlog._write_all = full


SABOTAGES = {"acknowledge-first": acknowledge_first, "claim-it-is-logged": claim_it_is_logged}

if __name__ == "__main__":
    home, port, sabotage = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    for name in sabotage:
        SABOTAGES[name]()
    fill_the_disk_when_told(home)
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())
    application = Middleware(Application(ledger.slots(home)), Tokens(TOKEN))
    uvicorn.run(application, port=port, log_config=None, access_log=False)
