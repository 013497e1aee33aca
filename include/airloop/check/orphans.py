"""Models that the ledger lets serve though their spec is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airloop.specs.catalog import Catalog

if TYPE_CHECKING:
    from airloop.ledger import Ledger


def orphans(catalog: Catalog, ledger: Ledger) -> tuple[str, ...]:
    """A sentence each, with what ends it."""
    names = frozenset(catalog.model_names())
    return tuple(
        f"{name}: version {one.champion.version} is deployed, but config/models/{name}.yaml is gone: restore "
        f"it, or run `airloop retire {name} --reason ...`"
        for name, one in sorted(ledger.serving().items())
        if name not in names and one.champion is not None
    )
