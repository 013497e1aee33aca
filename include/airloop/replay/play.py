"""One policy, night by night: each night decides who serves the next day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from airloop.contracts import DriftReport, Outcome
from airloop.durations import spanned
from airloop.errors import DataError
from airloop.partition import LENGTHS
from airloop.policy import Evidence, Findings, History, decide
from airloop.policy.findings import Cost, NewData, PairedGain
from airloop.policy.retraining import AUTOMATIC
from airloop.policy.shadows import due
from airloop.replay.arrivals import fresh_at
from airloop.replay.fits import Fits, Made
from airloop.replay.judges import Judges
from airloop.replay.memory import Memory
from airloop.replay.nights import Nights
from airloop.replay.policies import Kind, Policy, Signal
from airloop.training import shadow
from airloop.vocabulary import Action, DriftKind, Triage

#: By how far an oracle sees.
WEEK = "7d"


@dataclass(frozen=True)
class Decided:
    """A night's answer."""

    night: str
    triage: str
    action: str
    cause: str | None
    reason: str


@dataclass
class Run:
    """What came of a policy."""

    policy: Policy
    first: int
    served: dict[int, Made] = field(default_factory=dict)
    #: Night, candidate, who served, and whether it took over.
    trainings: list[tuple[int, Made, Made, bool]] = field(default_factory=list)
    decisions: list[Decided] = field(default_factory=list)
    cpu_seconds: float = 0.0


class Player:
    """Plays policies over one past."""

    def __init__(self, fits: Fits, nights: Nights, judges: Judges, first: int) -> None:
        self.fits, self.past, self._first = fits, fits.past, first
        self._nights, self._judges = nights, judges
        self.week = spanned(WEEK, fits.past.dataset.cadence)

    @property
    def nights(self) -> range:
        """Those that decide who serves the next partition."""
        return range(self._first, len(self.past.keys) - 1)

    def play(self, policy: Policy) -> Run:
        """All nights of the past."""
        run = Run(policy, self._first)
        champion = self._made(policy, self._first)
        loop, pool = Memory(), [champion]
        steps: dict[Kind, Callable[[int, Made], Made]] = {
            Kind.NEVER: lambda _night, now: now,
            Kind.CALENDAR: lambda night, now: self._calendar(run, night, now),
            Kind.LOOP: lambda night, now: self._loop(run, loop, night, now),
            Kind.ORACLE: lambda night, now: self._oracle(run, night, now),
            Kind.HINDSIGHT: lambda night, now: self._hindsight(pool, night, now),
        }
        for night in self.nights:
            if night > self._first:
                champion = steps[policy.kind](night, champion)
            run.served[night + 1] = champion
        return run

    def ahead(self, made: Made, night: int, length: int, name: str | None = None) -> float:
        """The mean of a metric over the partitions after a night."""
        last = min(night + length, len(self.past.keys) - 1)
        name = name or self.past.model.gates.primary
        found = [self.fits.by_day(made, one, name) for one in range(night + 1, last + 1)]
        known = [value for value in found if np.isfinite(value)]
        return float(np.mean(known)) if known else float("nan")

    def better(self, one: float, other: float) -> bool:
        """Whether a figure of the primary metric is better than another."""
        from airloop.evaluation.metrics import higher_is_better

        up = higher_is_better(self.past.model.gates.primary)
        return one > other if up else one < other

    def _made(self, policy: Policy, night: int, loop: Memory | None = None) -> Made:
        """What is made on a night: of all days, or by a loop of those that it did not find broken."""
        left_out = loop.left_out if loop is not None else ()
        return Made(night, policy.window, policy.refit, left_out)

    def _calendar(self, run: Run, night: int, champion: Made) -> Made:
        if (night - self._first) % run.policy.every:
            return champion
        made = self._made(run.policy, night)
        run.trainings.append((night, made, champion, True))
        run.cpu_seconds += self.fits.answers(made).cpu_seconds
        return made

    def _oracle(self, run: Run, night: int, champion: Made) -> Made:
        if (night - self._first) % self.week:
            return champion
        made = self._made(run.policy, night)
        if not self.better(self.ahead(made, night, self.week), self.ahead(champion, night, self.week)):  # fmt: skip
            return champion
        run.trainings.append((night, made, champion, True))
        return made

    def _hindsight(self, pool: list[Made], night: int, champion: Made) -> Made:
        if (night - self._first) % self.week:
            return champion
        pool.append(replace(pool[0], night=night))
        best = champion
        for made in pool:
            if self.better(self.ahead(made, night, self.week), self.ahead(best, night, self.week)):
                best = made
        return best

    def _loop(self, run: Run, loop: Memory, night: int, champion: Made) -> Made:
        """As the live loop: report, evidence, decision, gates."""
        spec, key = run.policy.spec, self.past.keys[night]
        report = _heard(self._report(run, loop, night, champion), run.policy.signal)
        evidence = self._evidence(run, loop, night, champion, report)
        findings = Findings(report, evidence)
        answer = decide(spec, self._history(loop, night, champion), findings)
        run.decisions.append(
            Decided(key, report.triage, answer.action, answer.cause, answer.reason)
        )
        if answer.action is not Action.RETRAIN or answer.cause is None:
            return champion
        made = self._made(run.policy, night, loop)
        run.cpu_seconds += self.fits.answers(made.judged).cpu_seconds
        verdict = self._judges.ask(made, champion).outcome
        loop.trained(findings, answer.cause, verdict)
        passed = verdict is Outcome.OK
        run.trainings.append((night, made, champion, passed))
        if not passed:
            return champion
        if made.refit:
            run.cpu_seconds += self.fits.answers(made, far=True).cpu_seconds
        loop.shadows.clear()
        return made

    def _report(self, run: Run, loop: Memory, night: int, champion: Made) -> DriftReport:
        """What the monitor says, and what later nights remember of it."""
        past = self.past
        known = loop.known(past.model, self.fits.days(champion.judged).all[-1])
        told = self._nights.told(night, champion, run.served, known, loop.before(champion))
        loop.judged(past.model, past.dataset, champion, told.report, told.means, told.proven)
        return told.report

    def _evidence(
        self, run: Run, loop: Memory, night: int, champion: Made, report: DriftReport
    ) -> Evidence:
        spec, past = run.policy.spec, self.past
        if report.triage is Triage.INCIDENT:
            return Evidence()
        last = self.fits.days(champion).all[-1]
        fresh = fresh_at(past, spec, loop.triggers, night, last, loop.left_out)
        if spec.policy == "on_drift":
            return Evidence(fresh=fresh)
        key, drifted = past.keys[night], report.triage is Triage.DRIFT
        gain, why = None, ""
        if due(spec, key, loop.shadows, drifted=drifted):
            try:
                gain = self._gain(run, loop, night, champion)
                loop.shadows.append(key)
            except DataError as error:
                why = str(error)
        new = [
            one for one in past.keys[past.place[last] + 1 : night + 1] if one not in loop.left_out
        ]
        size = past.model.monitoring.window_in(past.dataset.cadence)
        length = LENGTHS[past.dataset.cadence] / timedelta(days=1)
        return Evidence(
            shadow=gain,
            no_shadow=why,
            new_data=NewData(len(new), past.count(new)),
            fresh=fresh,
            cost=Cost(self.fits.answers(champion.judged).cpu_seconds),
            traffic=report.current_rows / size / length,
        )

    def _gain(self, run: Run, loop: Memory, night: int, champion: Made) -> PairedGain:
        """The night's shadow candidate against the champion: the candidate's own fit."""
        past, made = self.past, self._made(run.policy, night, loop).judged
        learned = self.fits.days(champion.judged).training
        unseen = shadow.unseen_by(learned, self.fits.days(made).holdout)
        run.cpu_seconds += self.fits.answers(made).cpu_seconds
        rows = past.rows(past.place[unseen[0]], past.place[unseen[-1]])
        known = past.known(rows) & self.fits.sound(made, rows)
        return shadow.paired(
            past.model.model_copy(update={"retraining": run.policy.spec}),
            past.dataset,
            past.frame.iloc[rows][known],
            past.judged(rows)[known],
            self.fits.scores(made, rows)[known],
            self.fits.scores(champion, rows)[known],
        )

    def _history(self, loop: Memory, night: int, champion: Made) -> History:
        past, key = self.past, self.past.keys[night]
        last = past.dataset.partition(self.fits.days(champion).all[-1])
        delay = past.model.target.delay_in(past.dataset.cadence)
        return History(
            automatic=tuple(one for one in loop.triggers if one.cause in AUTOMATIC),
            newest=key,
            champion=str(last.before(-delay)),
            cases=tuple(loop.cases),
        )


def _heard(report: DriftReport, signal: Signal) -> DriftReport:
    """A report as a loop takes it that listens to one signal."""
    concept = DriftKind.CONCEPT in report.kinds
    moved = bool(set(report.kinds) - {DriftKind.CONCEPT})
    heard = {
        Signal.ALL: True,
        Signal.DRIFT: moved,
        Signal.PERFORMANCE: concept,
        Signal.GAIN: False,
    }[signal]
    if report.triage is not Triage.DRIFT or heard:
        return report
    return report.model_copy(update={"triage": Triage.NOTHING, "kinds": ()})
