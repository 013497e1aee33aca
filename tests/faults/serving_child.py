"""The service as a process to be killed: the whole application with a small model.

``python -m tests.faults.serving_child <home> <port> [sabotage]``
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import uvicorn

from include.serving.app import Application
from include.serving.door import FrontDoor
from include.serving.predictionlog import PredictionLog
from tests.serving_fakes import TOKEN, FakeLedger, FakeModel


def acknowledge_first() -> None:
    """Take the protection away: frames wait in memory and are written a moment after the answer."""
    write = PredictionLog.append

    def later(self: PredictionLog, payload: bytes) -> None:
        def act() -> None:
            time.sleep(0.3)
            write(self, payload)

        threading.Thread(target=act, daemon=True).start()

    PredictionLog.append = later  # type: ignore[method-assign]


if __name__ == "__main__":
    home, port, sabotage = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sabotage:
        acknowledge_first()
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())
    application = FrontDoor(Application(ledger.slots(home)), TOKEN)
    uvicorn.run(application, port=port, log_config=None, access_log=False)
