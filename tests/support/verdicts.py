"""Nights that trained and what became of them, written as the loop writes them."""

from __future__ import annotations

from datetime import date, timedelta

from airloop.ledger import Ledger
from airloop.vocabulary import Action, Cause, Topic, TriggerState

MODEL = "flight_delay"
#: What the gates have said where a training has come to its end.
GATES: dict[TriggerState | None, Action] = {
    TriggerState.PASSED: Action.PASSED,
    TriggerState.REFUSED: Action.REFUSED,
}
#: A shadow's figures whose lower bound is just above zero.
FIGURES = {"gain": 0.012, "gain_low": 0.002, "gain_high": 0.022, "new_partitions": 20, "new_rows": 18_000}  # fmt: skip


def judged(
    ledger: Ledger,
    night: str,
    state: TriggerState | None,
    *,
    model: str = MODEL,
    cause: Cause = Cause.GAIN,
    triage: str = "nothing",
    gate: Action | None = None,
    names: bool = True,
    **figures: float | int | str | None,
) -> str:
    """A night that trained; returns its trigger.

    :param gate: what the gates said, where the state does not say it
    :param names: whether their verdict names the trigger, as those of older ledgers do not
    """
    trigger, _ = ledger.emit_trigger(
        model=model, cause=cause, dedup_key=f"night:{night}", reason="r", partition=night
    )
    ledger.record_decision(
        entity=model,
        topic=Topic.RETRAINING,
        action=Action.RETRAIN,
        reason="r",
        figures=FIGURES | {"partition": night, "triage": triage, "kinds": ""} | figures,
        id=f"retraining:{model}:{night}:{triage}",
    )
    if said := gate or GATES.get(state):
        ledger.record_decision(
            entity=model, topic=Topic.GATE, action=said, reason="r",
            figures={"run_id": f"run of {night}"} | ({"trigger": trigger.id} if names else {}),
        )  # fmt: skip
    if state is not None:
        ledger.finish_trigger(trigger.id, state)
    return trigger.id


def drift_is_refused(ledger: Ledger, nights: int = 40) -> None:
    """Weekly nights of 2011 and 2012, each second one of drift and refused, the others passed."""
    for number in range(nights):
        night = (date(2011, 1, 2) + timedelta(days=7 * number)).isoformat()
        drift = number % 2 == 0
        state = TriggerState.REFUSED if drift else TriggerState.PASSED
        judged(ledger, night, state, triage="drift" if drift else "nothing")
