"""A training process that says it is there, then works for ever."""

import os
import sys
import time
from pathlib import Path

from airloop.lifeline import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(600)
