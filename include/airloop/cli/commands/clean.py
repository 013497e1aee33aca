"""`airloop clean`: logs and reports that nobody will read any more."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from airloop.console import out
from airloop.devstack.layout import current_layout
from airloop.errors import RequestError

_SECONDS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}


def clean_command(
    older_than: Annotated[
        str,
        typer.Option("--older-than", help="An age such as 12h, 30d or 8w; nothing younger goes."),
    ],
) -> None:
    """Remove the logs of tasks, and turned-over logs of the stack, last written longer ago than that.

    Also reports that are older than the setting `reports_days`, and libraries of versions that nobody used since. Data, models and the ledger stay; logs that are too large are
    turned over.
    """
    from airloop.data.sweeping import expire_reports
    from airloop.serving.environments.overlay import remove_unused
    from airloop.settings import load_settings
    from airloop.storage.logs import remove_older, turn_over

    layout = current_layout()
    turned = turn_over(layout.logs)
    before = time.time() - seconds(older_than)
    count, size = remove_older((layout.logs, layout.airflow / "logs"), before)
    settings = load_settings()
    expired = expire_reports(settings, datetime.now(UTC))
    unused = remove_unused(settings.home, before)
    out.print(
        f"{count} logs removed, {size / 1e6:.1f} MB; {len(turned)} turned over; "
        f"{expired} files of reports removed; {unused} environments removed",
        soft_wrap=True,
    )


def seconds(text: str) -> float:
    """An age in seconds.

    :raises RequestError: if it is not a number with a unit
    """
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)
    if found is None:
        raise RequestError(
            "an age is a number with a unit", value=text, remedy="write 12h, 30d or 8w"
        )
    return int(found[1]) * _SECONDS[found[2]]
