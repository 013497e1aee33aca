"""Partitions that nothing is learned from: they were found broken, and nobody has mended them."""

from __future__ import annotations

from datetime import datetime

from airloop.ledger import Ledger
from airloop.ledger.incidents import Incident
from airloop.specs import DatasetSpec, ModelSpec


def unsound(
    ledger: Ledger, model: ModelSpec, dataset: DatasetSpec, as_of: datetime | None = None
) -> frozenset[str]:
    """The partitions in which a column that the model reads is broken, as is known now or was at a moment."""
    return frozenset(one.partition for one in standing(ledger, model, dataset, as_of))


def standing(
    ledger: Ledger, model: ModelSpec, dataset: DatasetSpec, as_of: datetime | None = None
) -> list[Incident]:
    """The incidents that concern a model, whatever its columns were called when they broke."""
    mine = {*model.inputs, model.target.column}
    former = {old for old, name in dataset.present_names.items() if name in mine}
    return ledger.standing_incidents(dataset.name, mine | former, as_of)
