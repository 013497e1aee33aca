"""Who gives a command, for what goes on record."""

from __future__ import annotations

import getpass
import os


def person() -> str:
    """The user of this shell, as the system calls them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a number may have no name
        return f"user {os.getuid()}"
