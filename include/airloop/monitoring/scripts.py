"""The large scripts of report pages, kept once and shared: plotly's is 3.5 MB, the rest of a page a twentieth of that."""

from __future__ import annotations

import hashlib
import re

from airloop.storage.expiry import SHARED
from airloop.storage.files import Files

#: What is no larger stays where it is.
_LARGE = 500_000
_SCRIPT = re.compile(r"<script>(?P<code>.*?)</script>", re.DOTALL)


def share(reports: Files, html: str, depth: int) -> str:
    """The page with a link in the place of each large script, which is kept beside, once for all pages.

    :param depth: how many folders below the reports' folder the page lies
    :raises UnreachableError: if the store does not answer
    """

    def linked(found: re.Match[str]) -> str:
        code = found["code"].encode()
        if len(code) < _LARGE:
            return found[0]
        name = asset(code)
        # Named by its digest, so one that is there is the same.
        reports.create(f"{SHARED}/{name}", code)
        return f'<script src="{"../" * depth}{SHARED}/{name}"></script>'

    return _SCRIPT.sub(linked, html)


def asset(code: bytes) -> str:
    """The name of a script: whoever shows it knows by that what it is."""
    return f"{hashlib.sha256(code).hexdigest()}.js"
