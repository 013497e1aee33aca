"""What is asked of the ledger before anything of a version is opened or served."""

from __future__ import annotations

from airloop.alerts.refusals import unproven
from airloop.contracts import ModelVersion
from airloop.errors import GateError
from airloop.evaluation.warrant import prove
from airloop.ledger import Ledger
from airloop.settings import Settings


def require_proof(version: ModelVersion, ledger: Ledger, settings: Settings) -> None:
    """Let a version through whose run passed its gates; any other is put down, and announced.

    :raises GateError: if the ledger does not say that it passed
    """
    try:
        prove(version, ledger)
    except GateError as error:
        unproven(settings, ledger, version, error)
        raise
