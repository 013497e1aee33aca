"""A step host of a test's own, as `airloop up` starts one: the slow libraries are imported once and not for each step."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def step_host(home: Path) -> Iterator[None]:
    """The steps of this home are forked from it; it has this process's variables, which must name the home.

    :param home: with a path short enough for a socket
    """
    host = subprocess.Popen([sys.executable, "-m", "airloop.execution.host"], env=dict(os.environ))
    try:
        while not (home / "run" / "steps.sock").exists():
            assert host.poll() is None, "the step host does not start"
            time.sleep(0.1)
        yield
    finally:
        host.terminate()
        host.wait()
