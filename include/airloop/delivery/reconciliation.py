"""MLflow put right by the ledger: found, put down, announced, mended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from airloop.alerts.sending import announce
from airloop.contracts import Decision
from airloop.delivery.differences import GRACE, Comparison, Difference
from airloop.delivery.mirror import registration, shown
from airloop.errors import AirloopError
from airloop.ledger import Ledger, decisions
from airloop.plugins.alert import Alert
from airloop.settings import Settings
from airloop.vocabulary import Action, Topic

#: What is made again lacks its aliases: a second look finds them, a third that nothing is left.
ROUNDS = 2


def reconcile(ledger: Ledger, settings: Settings, grace: timedelta = GRACE) -> list[str]:
    """Put MLflow right; returns a line for each difference, and what became of it.

    What stands is announced once; what nothing can mend is put down, and is then no difference any more.

    :param grace: how long a delivery's aliases may be on their way
    :raises UnreachableError: if MLflow or the ledger does not answer
    """
    if not shown(ledger):
        return []
    compared = Comparison(ledger, settings, grace)
    with ledger.transaction() as connection:
        for version in compared.unknown():
            decisions.record(connection, registration(version))
    compared.known = shown(ledger)
    standing, lines = ledger.newest_decisions(Topic.MLFLOW), list[str]()
    differing = {name for name, one in standing.items() if one.action is Action.DIFFERS}
    found = compared.differences()
    _tell(ledger, settings, found, standing)
    differing |= {one.model for one in found}
    for _ in range(ROUNDS):
        lines += [f"{one}: {_mended(one)}" for one in found]
        found = Comparison(ledger, settings, grace).differences() if found else []
    for model in sorted(differing - {one.model for one in found}):
        _put_down(ledger, model, Action.MENDED, "MLflow says what the ledger says again")
    return lines


def _mended(difference: Difference) -> str:
    try:
        return difference.mend()
    except AirloopError as error:
        return f"not put right: {error}"


def _tell(
    ledger: Ledger, settings: Settings, found: list[Difference], standing: Mapping[str, Decision]
) -> None:
    """Each model's differences as one decision and one alert, until they are others."""
    by_model: defaultdict[str, list[str]] = defaultdict(list)
    for one in found:
        by_model[one.model].append(one.says)
    for model, says in by_model.items():
        reason, told = f"MLflow differs from the ledger: {'; '.join(says)}", standing.get(model)
        if told is None or (told.action, told.reason) != (Action.DIFFERS, reason):
            told = _put_down(ledger, model, Action.DIFFERS, reason)
        alert = Alert(
            model=model,
            partition=f"{told.at:%Y-%m-%dT%H%MZ}",
            triage="MLflow differs",
            reason=reason,
            decision=told.id,
            report=None,
        )
        announce(settings, ledger, alert)


def _put_down(ledger: Ledger, model: str, action: Action, reason: str) -> Decision:
    return ledger.record_decision(entity=model, topic=Topic.MLFLOW, action=action, reason=reason)
