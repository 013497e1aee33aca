"""Models that the ledger lets serve though their spec is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airloop.specs.catalog import Catalog
from airloop.vocabulary import DeploymentKind

if TYPE_CHECKING:
    from airloop.ledger import Ledger


def orphans(catalog: Catalog, ledger: Ledger) -> tuple[str, ...]:
    """A sentence each, with what ends it."""
    names = frozenset(catalog.model_names())
    return tuple(
        f"{name}: version {last.version} is deployed, but config/models/{name}.yaml is gone: restore "
        f"it, or run `airloop retire {name} --reason ...`"
        for name, last in sorted(ledger.last_deployments().items())
        if name not in names and last.kind is not DeploymentKind.RETIRE
    )
