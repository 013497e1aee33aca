"""The compactor: moves the prediction log into the lake where service and monitoring share no disk.

On one machine the nightly monitoring does it. In containers the log lies in the service's own volume, so this runs
beside the service, on the same volume: ``python -m airloop.serving.log.compactor --every 300``. SIGTERM ends it after a
last time, so that a service which is moved to another node leaves nothing behind.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from airloop.errors import AirloopError
from airloop.settings import Settings, load_settings
from airloop.specs import Catalog, load_catalog

log = logging.getLogger("airloop.compaction")
#: Settings and model's name.
Compact = Callable[[Settings, str], object]


def main(argv: Sequence[str] | None = None) -> int:
    """Compact until SIGTERM; the exit code says whether the last time went well."""
    parser = argparse.ArgumentParser(prog="python -m airloop.serving.log.compactor")
    parser.add_argument("--every", type=_seconds, default=300.0, help="seconds between two times")
    arguments = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s")
    log.setLevel(logging.INFO)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    return 0 if repeat(load_settings(), load_catalog(), arguments.every, ending) else 1


def repeat(settings: Settings, catalog: Catalog, every: float, ending: threading.Event) -> bool:
    """Compact every ``every`` seconds, and once more when ``ending`` is set; returns how that one went."""
    from airloop.serving.log.compaction import compact

    while not ending.wait(every):
        compact_all(settings, catalog, compact)
    return compact_all(settings, catalog, compact)


def compact_all(settings: Settings, catalog: Catalog, compact: Compact) -> bool:
    """Compact every model's log; one that cannot be does not keep the others from it.

    Nothing is lost by a failure: a segment stays until its rows are in the lake, and is tried again.
    """
    well = True
    for model in catalog.model_names():
        try:
            compact(settings, model)
        except AirloopError as error:
            well = False
            log.error("the predictions of %s stay in the log: %s", model, error)
    return well


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError("between 1 and 86400 seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
