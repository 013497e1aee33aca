"""A delivery by its strategy, one look at a time: it goes on, waits, or goes back, and the ledger says which and why.

Where it stands is the traffic in the ledger, so a look that is killed, repeated or late finds it: nothing is kept anywhere else.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from airloop.contracts import Contract, Deployment, Fence, ModelVersion
from airloop.delivery.delivery import promote
from airloop.delivery.deployment import Service, check_newer
from airloop.delivery.following import reached
from airloop.delivery.proof import require_proof
from airloop.delivery.standing import champion_of, standing_of
from airloop.errors import ArtifactError, GateError
from airloop.figures import Figures
from airloop.ledger import Ledger
from airloop.plugins.registry import ROLLOUTS, load
from airloop.plugins.rollout import Move, Rollout, RolloutSpec, Stage, Verdict
from airloop.registry.champion import check_compared
from airloop.serving.responses import EndpointState
from airloop.settings import Settings
from airloop.traffic import ALL, Share, Split, Traffic
from airloop.vocabulary import LOOP, Action, Role, Topic

#: Between two looks.
LOOK_SECONDS: Final = 30.0


class Progress(Contract):
    """How far a delivery is. Without a deployment it goes on after ``wait_seconds``."""

    deployment: Deployment | None = None
    wait_seconds: float = 0.0
    says: str = ""


class Delivering:
    """One version's, at one moment.

    :param rollout: the strategy and what it judges by, as the model's spec has them now; a delivery that is under way keeps
        what it began with
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        fence: Fence,
        version: ModelVersion,
        reason: str,
        *,
        rollout: RolloutSpec,
        actor: str = LOOP,
        service: Service | None = None,
    ) -> None:
        self._ledger, self._settings, self._fence = ledger, settings, fence
        self._version, self._reason, self._actor = version, reason, actor
        self._rollout, self._service = rollout, service
        self._strategy: Rollout = load(ROLLOUTS, rollout.kind)
        self._model = version.model

    def look(self, now: datetime | None = None) -> Progress:
        """Begin, judge what was seen, and take the next step.

        :raises GateError: if the version may not be delivered, or was taken back, by its figures or by a person
        :raises ArtifactError: if the service refused it
        :raises UnreachableError: if the service or the ledger does not answer
        :raises SupersededError: if a newer delivery of this model began
        """
        current = self._ledger.current_deployment(self._model)
        asked = f"promote:{self._version.version}"
        delivered = self._ledger.requested_deployment(self._model, asked)
        if current is None or delivered is not None:
            return self._promote(self._reason)
        traffic = self._ledger.traffic(self._model)
        if traffic is not None and self._share(traffic) is not None:
            return self._go_on(traffic, current, now or datetime.now(UTC))
        return self._begin(current)

    def _begin(self, current: Deployment) -> Progress:
        if not self._strategy.stages(self._rollout):
            return self._promote(self._reason)
        require_proof(self._version, self._ledger, self._settings)
        check_newer(current, self._version.version)
        told = f"version {self._version.version}"
        check_compared(current, self._version.champion_version, told, self._version.version)
        return self._enter(0, current, self._reason, {})

    def _go_on(self, traffic: Traffic, current: Deployment, now: datetime) -> Progress:
        rollout = self._strategy.spec.model_validate_json(str(traffic.options["spec"]))
        with reached(self._service, self._settings) as service:
            state = service.refresh(self._model)
        if state.traffic != traffic.number:
            return self._unheard(traffic, current, state)
        standing = standing_of(traffic, state, self._version.version, now)
        verdict = self._strategy.judge(rollout, standing)
        if verdict.move is Move.WAIT:
            self._put_down(traffic, Action.WAIT, verdict)
            return Progress(wait_seconds=LOOK_SECONDS, says=verdict.reason)
        if verdict.move is Move.BACK:
            self._back(traffic, current, verdict)
        stages = self._strategy.stages(rollout)
        if traffic.step + 1 < len(stages):
            self._rollout = rollout
            return self._enter(traffic.step + 1, current, verdict.reason, verdict.figures)
        self._put_down(traffic, Action.PASSED, verdict)
        return self._promote(f"{self._reason}; {traffic.strategy}: {verdict.reason}")

    def _enter(self, step: int, current: Deployment, reason: str, figures: Figures) -> Progress:
        """Take a step, unless it was taken and is over."""
        stage = self._strategy.stages(self._rollout)[step]
        request = f"{self._rollout.kind}:{self._version.version}:{current.sequence}:{step}"
        made = self._direct(self._split(stage, step, current), reason, request, figures)
        if self._ledger.traffic(self._model) != made:
            last = self._ledger.traffics(self._model, limit=1)
            raise GateError(
                f"version {self._version.version} was taken out of the traffic: {last[0].reason if last else 'by a hand'}",
                value=f"traffic {made.number}",
                where=f"model {self._model}",
                remedy="a retry never undoes a later decision: train again",
            )
        with reached(self._service, self._settings) as service:
            state = service.refresh(self._model)
        if state.traffic != made.number and state.error:
            return self._unheard(made, current, state)
        says = f"step {step + 1}: {stage.role} at {stage.weight:g} %"
        return Progress(wait_seconds=LOOK_SECONDS, says=says)

    def _unheard(self, traffic: Traffic, current: Deployment, state: EndpointState) -> Progress:
        """The service does not answer by the row: wait, or go back where it has refused the version."""
        if state.error is None:
            says = "the service does not follow the traffic yet"
            return Progress(wait_seconds=LOOK_SECONDS, says=says)
        reason = f"version {self._version.version} was refused by the service: {state.error}"
        self._end(traffic, current, reason, {})
        raise ArtifactError(
            f"the service does not answer by version {self._version.version}",
            value=state.error,
            where=f"model {self._model}",
            remedy=f"version {current.version} answers everything",
        )

    def _back(self, traffic: Traffic, current: Deployment, verdict: Verdict) -> None:
        """Let the champion answer everything again.

        :raises GateError: always
        """
        reason = f"version {self._version.version} was taken back at step {traffic.step + 1}: {verdict.reason}"
        self._end(traffic, current, reason, verdict.figures)
        raise GateError(
            reason,
            where=f"model {self._model}",
            remedy=f"version {current.version} answers everything; the ledger has the figures: train again",
        )

    def _end(self, traffic: Traffic, current: Deployment, reason: str, figures: Figures) -> None:
        split = Split(strategy=traffic.strategy, step=traffic.step, shares=(champion_of(current),))
        self._direct(split, reason, f"back:{traffic.number}", figures)
        self._ledger.record_decision(
            entity=self._model,
            topic=Topic.PROMOTION,
            action=Action.REFUSED,
            reason=reason,
            figures={"version": self._version.version, **figures},
            id=f"{self._model}:traffic:{traffic.number}:refused",
        )
        with reached(self._service, self._settings) as service:
            service.refresh(self._model)

    def _promote(self, reason: str) -> Progress:
        deployment = promote(
            *(self._ledger, self._settings, self._fence, self._version, reason),
            actor=self._actor,
            service=self._service,
        )
        return Progress(deployment=deployment)

    def _direct(self, split: Split, reason: str, request: str, figures: Figures) -> Traffic:
        return self._ledger.direct(
            self._fence,
            model=self._model,
            split=split,
            reason=reason,
            request=request,
            figures=figures,
            actor=self._actor,
        )

    def _split(self, stage: Stage, step: int, current: Deployment) -> Split:
        left = ALL if stage.role is Role.SHADOW else ALL - stage.weight
        mine = Share(
            version=self._version.version,
            role=stage.role,
            weight=stage.weight,
            artifact=self._version.artifact,
        )
        options = self._rollout.model_dump(mode="json")
        plain = {
            name: value for name, value in options.items() if isinstance(value, int | float | str)
        }
        return Split(
            strategy=self._rollout.kind,
            step=step,
            shares=(champion_of(current, left), mine),
            options={**plain, "spec": json.dumps(options)},
            key=stage.key,
            salt=f"{self._rollout.kind}:{self._version.version}",
        )

    def _share(self, traffic: Traffic) -> Share | None:
        """The part of the version, where this very strategy is under way with it."""
        if traffic.strategy != self._rollout.kind:
            return None
        mine: Any = (one for one in traffic.others if one.version == self._version.version)
        return next(mine, None)

    def _put_down(self, traffic: Traffic, action: Action, verdict: Verdict) -> None:
        """The first time that it waits in a step, or goes on from the last."""
        self._ledger.record_decision(
            entity=self._model,
            topic=Topic.TRAFFIC,
            action=action,
            reason=verdict.reason,
            figures={"version": self._version.version, "step": traffic.step, **verdict.figures},
            id=f"{self._model}:traffic:{traffic.number}:{action}",
        )
