"""When to look for parameters again, and what was found: both stand in the ledger.

The clock is the data's: a replay of old nights tunes as those nights would have.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from airloop.calendar import moment_of
from airloop.contracts import Decision
from airloop.ledger import Ledger
from airloop.specs.model import ModelSpec
from airloop.vocabulary import Topic


def last(ledger: Ledger, model: ModelSpec) -> Decision | None:
    """What the newest study under today's spec found."""
    digest = space_digest(model)
    for decision in ledger.decisions(model.name, Topic.TUNING):
        if decision.figures.get("space") == digest:
            return decision
    return None


def known(ledger: Ledger, model: ModelSpec) -> dict[str, Any]:
    """The best parameters that are known; empty where none are."""
    if model.tuning is None:
        return {}
    found = last(ledger, model)
    return parameters(found) if found else {}


def parameters(decision: Decision) -> dict[str, Any]:
    """The parameters that a decision holds."""
    found: dict[str, Any] = json.loads(str(decision.figures["params"]))
    return found


def due(ledger: Ledger, model: ModelSpec, day: str) -> tuple[bool, str]:
    """Whether to look again, with data up to this day, and why."""
    if model.tuning is None:
        return False, "the spec asks for none"
    found = last(ledger, model)
    if found is None:
        return True, "nothing is known for these parameters, ranges and metric"
    days = (moment_of(day) - moment_of(str(found.figures["day"]))).days
    limit = model.tuning.retune_after_days
    if days >= limit:
        return True, f"the last search is {days} days of data old (limit {limit})"
    return False, f"the last search is {days} days of data old: its parameters hold for {limit}"


def space_digest(model: ModelSpec) -> str:
    """Of all that makes an old search's answer useless when it changes."""
    if model.tuning is None:
        return ""
    asked = {
        "space": model.tuning.model_dump(mode="json", include={"space", "metric"}),
        "training": model.training.model_dump(mode="json", include={"trainer", "params", "build"}),
        "primary": model.gates.primary,
        "inputs": model.inputs,
        "module": model.module,
    }
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
