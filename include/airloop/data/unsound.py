"""Partitions that nothing is learned from: they were found broken, and nobody has mended them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from airloop.contracts import DatasetRef
from airloop.data import snapshot
from airloop.data.lake.lake import Lake
from airloop.data.snapshot import Days
from airloop.ledger import Ledger
from airloop.ledger.incidents import Incident
from airloop.specs import DatasetSpec, ModelSpec


def unsound(
    ledger: Ledger, model: ModelSpec, dataset: DatasetSpec, as_of: datetime | None = None
) -> frozenset[str]:
    """The partitions in which a column that the model reads is broken, as is known now or was at a moment."""
    return frozenset(one.partition for one in standing(ledger, model, dataset, as_of))


def sound(
    ledger: Ledger,
    model: ModelSpec,
    dataset: DatasetSpec,
    keys: Iterable[str],
    as_of: datetime | None = None,
) -> tuple[str, ...]:
    """Those of some partitions that may be learned from."""
    left_out = unsound(ledger, model, dataset, as_of)
    return tuple(key for key in keys if key not in left_out)


def take_sound(
    ledger: Ledger,
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    until: str | None,
    as_of: datetime | None = None,
) -> tuple[DatasetRef, Days]:
    """:func:`airloop.data.snapshot.take` of what may be learned from, which raises as that does."""
    left_out = unsound(ledger, model, dataset, as_of)
    return snapshot.take(lake, model, dataset, until, as_of, left_out)


def standing(
    ledger: Ledger, model: ModelSpec, dataset: DatasetSpec, as_of: datetime | None = None
) -> list[Incident]:
    """The incidents that concern a model, whatever its columns were called when they broke."""
    mine = {*model.inputs, *model.targets}
    former = {old for old, name in dataset.present_names.items() if name in mine}
    return ledger.standing_incidents(dataset.name, mine | former, as_of)
