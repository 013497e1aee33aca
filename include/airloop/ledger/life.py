"""The life of a reason to train, as a state machine: what may follow on what. Pure; :mod:`airloop.ledger.triggers` asks it.

::

    waiting → claimed → running → passed | refused | failed | lost
       └→ merged          failed, lost → claimed | running, where somebody clears the run

A step that is run by hand, without Airflow, claims nothing: its trigger goes from waiting to running.
"""

from __future__ import annotations

from collections.abc import Mapping

from airloop.vocabulary import TriggerState

#: A run has it, and has not ended it.
FLYING = frozenset({TriggerState.CLAIMED, TriggerState.RUNNING})
#: A run that ended so may be cleared, and then end otherwise.
REPAIRABLE = frozenset({TriggerState.FAILED, TriggerState.LOST})
#: Nothing follows on these.
FINAL = frozenset({TriggerState.PASSED, TriggerState.REFUSED, TriggerState.MERGED})
#: Nothing was trained for these: they spend neither cooldown nor budget.
IDLE = frozenset({TriggerState.LOST, TriggerState.MERGED})

_ENDS = frozenset(
    {TriggerState.PASSED, TriggerState.REFUSED, TriggerState.FAILED, TriggerState.LOST}
)
_AGAIN = frozenset({TriggerState.CLAIMED, TriggerState.RUNNING}) | _ENDS

MOVES: Mapping[TriggerState, frozenset[TriggerState]] = {
    TriggerState.WAITING: _AGAIN | {TriggerState.MERGED},
    TriggerState.CLAIMED: frozenset({TriggerState.RUNNING}) | _ENDS,
    # A second attempt of the training finds the first one's mark.
    TriggerState.RUNNING: frozenset({TriggerState.RUNNING}) | _ENDS,
    TriggerState.FAILED: _AGAIN,
    TriggerState.LOST: _AGAIN,
    **dict.fromkeys(FINAL, frozenset()),
}


def before(state: TriggerState) -> tuple[TriggerState, ...]:
    """The states from which one may come to this."""
    return tuple(one for one in TriggerState if state in MOVES[one])
