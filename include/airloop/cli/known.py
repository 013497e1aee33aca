"""The names a command takes: those that have a spec, and those that the ledger knows though their spec is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airloop.errors import RequestError
from airloop.specs.catalog import load_catalog

if TYPE_CHECKING:
    from airloop.ledger import Ledger


def check_model(name: str, ledger: Ledger) -> None:
    """Let a model through that has a spec, or of which a version ever served.

    :raises RequestError: for any other name
    """
    _check("there is no such model", name, load_catalog().model_names(), ledger.serving())


def check_name(name: str, ledger: Ledger) -> None:
    """Let a model or a dataset through that has a spec, or of which anything is on record.

    :raises RequestError: for any other name
    """
    catalog = load_catalog()
    names = (*catalog.model_names(), *catalog.dataset_names())
    _check("there is no such model or dataset", name, names, ledger.names())


def _check(what: str, name: str, *known: object) -> None:
    valid = sorted({str(one) for names in known for one in names})  # type: ignore[attr-defined]
    if name not in valid:
        raise RequestError(what, value=name, valid=valid)
