"""What a step is given beside its request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airloop.execution.engine import IN_PROCESS, Engine

if TYPE_CHECKING:
    from airloop.ledger import Ledger
    from airloop.settings import Settings
    from airloop.specs import Catalog


@dataclass(frozen=True)
class StepContext:
    """What a step may use. ``workdir`` is a scratch folder of this attempt alone."""

    settings: Settings
    catalog: Catalog
    ledger: Ledger
    workdir: Path
    #: What the parts of its work are handed to.
    engine: Engine = IN_PROCESS
