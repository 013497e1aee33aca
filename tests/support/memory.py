"""The tests' temporary files in memory, where the machine has room for them.

What a test kills loses nothing but what it had not handed to the kernel, on a disk or without one; no test cuts the
power. But each commit of SQLite, Delta and the prediction log waits for a disk, which a file in memory does not.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
#: Bytes that must be free: half of a machine's memory is what Linux gives this folder, a container 64 MB.
ROOM = 8 << 30


def temporary_files() -> str:
    """Where they are: in memory, unless a person has said where, or there is little, or no program may run from it."""
    tempfile.tempdir = None
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and _fits():
        tempfile.tempdir = str(MEMORY)
    return tempfile.gettempdir()


def _fits() -> bool:
    runs = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    return runs and shutil.disk_usage(MEMORY).free >= ROOM
