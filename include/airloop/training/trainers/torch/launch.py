"""torchrun that never outlives its caller: ``python -m airloop.training.trainers.torch.launch <torchrun's arguments>``.

torchrun gives its processes a session of their own, so killing the step's process group would leave them running.
"""

from __future__ import annotations

import sys

from airloop.lifeline import end_with_parent


def main() -> None:
    """Run torchrun."""
    end_with_parent()
    from torch.distributed.run import main as torchrun

    torchrun(sys.argv[1:])


if __name__ == "__main__":
    main()
