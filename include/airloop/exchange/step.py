"""What passes between a step and whoever starts it, and where each step runs."""

from __future__ import annotations

from airloop.contracts import Contract, Fence

#: Those that run in Airloop's own environment, whatever the model's is: ``verify`` serves a version on trial as the
#: service will, and the others run no code of the model. All others run in the model's environment.
IN_OUR_ENVIRONMENT = ("register", "verify", "promote")


class StepRequest(Contract):
    """What a step is asked to do. The fence was begun by the caller under the step's key."""

    fence: Fence


class StepResult(Contract):
    """What a step did: references and verdicts, small enough for an XCom."""
