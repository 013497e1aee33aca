"""A training process of which the second is killed as it begins."""

import os
import signal

from airloop.training.trainers.torch import worker

if __name__ == "__main__":
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    worker.main()
