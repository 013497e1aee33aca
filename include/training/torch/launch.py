"""torchrun that never outlives its caller: ``python -m include.training.torch.launch <torchrun's arguments>``.

torchrun gives its processes a session of their own, so killing the step's process group would leave them running.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process as soon as the one that started it is gone."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went away in between
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run torchrun."""
    die_with_parent()
    from torch.distributed.run import main as torchrun

    torchrun(sys.argv[1:])


if __name__ == "__main__":
    main()
