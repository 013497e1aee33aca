"""Projects of the tests' own, beside the checkout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airloop.settings import load_settings
from airloop.specs import load_catalog


@contextmanager
def told_of(project: Path | None, home: Path) -> Iterator[None]:
    """This process is told of another project, or of none, and forgets it again."""
    with pytest.MonkeyPatch.context() as patch:
        if project is None:
            patch.delenv("AIRLOOP_PROJECT", raising=False)
        else:
            patch.setenv("AIRLOOP_PROJECT", str(project))
        patch.setenv("AIRLOOP_HOME", str(home))
        forget()
        yield
    forget()


def forget() -> None:
    """Read settings and specs anew."""
    load_settings.cache_clear()
    load_catalog.cache_clear()
