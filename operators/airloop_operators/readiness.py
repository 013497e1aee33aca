"""Whether the stack that `airloop up` started has what its DAGs count on."""

from __future__ import annotations

import os
import time

from airloop.devstack.layout import current_layout
from airloop.devstack.processes import MARK
from airloop.errors import UnreachableError

#: Seconds that a task waits; after that it is tried again.
PATIENCE = 60.0


def wait_for_the_stack() -> None:
    """Wait until pools and connections are there: the scheduler may have started this task before.

    Asks nothing where the stack is not one of `airloop up`: there somebody else looks after them.

    :raises UnreachableError: if they are not there in time
    """
    if MARK not in os.environ:
        return
    layout = current_layout()
    until = time.monotonic() + PATIENCE
    while not layout.provisioned.exists():
        if time.monotonic() > until:
            raise UnreachableError(
                "the stack has only half started: Airflow has no pools and connections yet",
                where=str(layout.home),
                remedy="ask `airloop status`, then `airloop up` again",
            )
        time.sleep(0.5)
