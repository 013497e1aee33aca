"""What a dataset's columns may be called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airloop.columns import PREFIX
from airloop.issues import SpecIssue


def column_names(columns: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """Names that are Airloop's own, and two that the lake's format, Delta, takes for one."""
    seen: dict[str, str] = {}
    for name in map(str, columns):
        if name.lower().startswith(PREFIX):
            what = f"names that begin with {PREFIX} are Airloop's own"
            yield SpecIssue(("columns", name), what, None, "give the column another name")
        if (other := seen.setdefault(name.lower(), name)) != name:
            what = (
                f"differs from {other} only in capital letters, and the lake takes the two for one"
            )
            yield SpecIssue(("columns", name), what, None, "give one of them another name")
