"""Is the chance that a training ships what it says? Made-up histories of weekly nights, answered by the policy's own ``decide``.

``make judge``'s part on what the loop spares. ``python -m bench.ships`` measures and keeps in .airloop/judge, ``--short`` a small form
of it, ``--docs`` writes its section of docs/judgement.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from airloop.contracts import DriftReport, Trigger
from airloop.policy import Evidence, Findings, History, decide
from airloop.policy.findings import NewData, PairedGain
from airloop.policy.retraining import AUTOMATIC
from airloop.policy.shipping import Case, signs_of
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Action, DriftKind, Triage
from bench import machine, section
from bench.judge.trials import Share
from bench.row import SEED

#: What the regression was tried on, and what the page shows: neither has a history of the other.
TUNED, OPENED = SEED + 1_000, SEED + 2_000
BOUND = 0.1
WEEKS, HISTORIES = 300, 8
#: Upper ends of the chances that a row of the table joins.
BINS = (0.1, 0.25, 0.5, 0.75, 1.0)
#: Student's quantile at 95 % of ten held-out days.
_T = 1.833
_START = date(2010, 1, 3)
_ROWS = 7_000


@dataclass(frozen=True)
class Night:
    """What is drawn for a night, whatever is decided."""

    week: int
    drift: bool
    #: By how much the world moves, and the noise of the shadow's and of the gates' gain.
    moves: float
    noise: tuple[float, float]
    luck: float


@dataclass(frozen=True)
class World:
    """How the gates look at what a shadow has promised."""

    told: str
    #: Correlation of the shadow's error and the champion gate's.
    like: float
    #: The chance that another gate refuses: of the night and how many weeks the champion is old.
    refuses: Callable[[Night, int], float]


WORLDS: Mapping[str, World] = {
    "alike": World("the gates see what the shadow saw", 0.9, lambda _night, _age: 0.05),
    "strict": World("other gates refuse 60 %", 0.9, lambda _night, _age: 0.6),
    "wary": World("other gates refuse nearly all after drift", 0.9, lambda night, _age: 0.97 if night.drift else 0.1),
    "blind": World("the shadow's gain tells nothing, half are refused", 0.0, lambda _night, _age: 0.5),
    "young": World("refused while the champion is younger than eight weeks", 0.9, lambda _night, age: 0.95 if age < 8 else 0.1),
    "closed": World("97 % are refused", 0.9, lambda _night, _age: 0.97),
    "turning": World("95 % are refused in the first half, 10 % in the second", 0.9, lambda night, _age: 0.95 if night.week < WEEKS // 2 else 0.1),
}  # fmt: skip


@dataclass(frozen=True)
class Played:
    """One history: each chance that was told with what the gates would have said, and what was trained."""

    chances: list[tuple[float, bool]]
    trained: int
    shipped: int


def measured(seed: int = OPENED, histories: int = HISTORIES, weeks: int = WEEKS) -> dict[str, Any]:
    """All worlds, with the bound and without it."""
    found: dict[str, Any] = {}
    for place, (name, world) in enumerate(WORLDS.items()):
        sums = {"told": world.told}
        for kind, bound in (("with", BOUND), ("without", None)):
            runs = [play(world, [seed, place, one], bound, weeks) for one in range(histories)]
            sums |= {kind: _added(runs)}
        found[name] = sums
    return {"seed": seed, "histories": histories, "weeks": weeks, "worlds": found}


def play(world: World, seed: list[int], bound: float | None, weeks: int) -> Played:
    """A history from its first night to its last."""
    random = np.random.default_rng(seed)
    ages, error = random.uniform(0, 0.003), random.uniform(0.003, 0.008)
    spec = RetrainingSpec(ships=bound)
    champion, gained = 0, 0.0
    triggers, cases = list[Trigger](), list[Case]()
    chances, shipped = list[tuple[float, bool]](), 0
    for night in _nights(random, weeks):
        gained += ages + night.moves
        noise, other = night.noise
        seen = gained + error * noise
        findings = _findings(seed, night, champion, seen, error)
        history = History(
            automatic=tuple(triggers[-8:]), newest=_key(night.week), champion=_key(champion),
            cases=tuple(cases),
        )  # fmt: skip
        answer = decide(spec, history, findings)
        judged = gained + error * (world.like * noise + (1 - world.like**2) ** 0.5 * other)
        passes = judged > _T * error and night.luck >= world.refuses(night, night.week - champion)
        if (told := answer.figures.get("ships")) is not None:
            chances.append((float(told), passes))
        if answer.action is Action.RETRAIN and answer.cause in AUTOMATIC:
            triggers.append(_trigger(findings.report, answer.cause))
            if (signs := signs_of(findings)) is not None:
                cases.append(Case(signs, passes))
            if passes:
                champion, gained, shipped = night.week, 0.0, shipped + 1
    return Played(chances, len(triggers), shipped)


def _nights(random: np.random.Generator, weeks: int) -> Iterable[Night]:
    for week in range(1, weeks + 1):
        drift = random.random() < 0.15
        moves = random.exponential(0.01) if drift and random.random() < 0.5 else 0.0
        noise = (float(random.normal()), float(random.normal()))
        yield Night(week, drift, moves, noise, float(random.random()))


def _findings(seed: list[int], night: Night, champion: int, seen: float, error: float) -> Findings:
    report = DriftReport(
        model=f"m{'_'.join(map(str, seed))}",
        partition=_key(night.week),
        reference_rows=_ROWS,
        current_rows=_ROWS,
        features=(),
        triage=Triage.DRIFT if night.drift else Triage.NOTHING,
        kinds=(DriftKind.CONCEPT,) if night.moves else (),
        reason="made up",
    )
    gain = PairedGain(seen, seen - _T * error, seen + _T * error, 10, 10 * _ROWS)
    days = 7 * (night.week - champion)
    return Findings(report, Evidence(shadow=gain, new_data=NewData(days, days * _ROWS)))


def _trigger(report: DriftReport, cause: Any) -> Trigger:
    key = report.partition
    return Trigger(
        id=key, model=report.model, cause=cause, dedup_key=f"night:{key}", reason="", partition=key,
        at=datetime(2010, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def _key(week: int) -> str:
    return (_START + timedelta(days=7 * week)).isoformat()


def _added(runs: list[Played]) -> dict[str, Any]:
    """Counts by bin of the chance, and Brier's score beside that of always saying the share of all."""
    chances = [one for run in runs for one in run.chances]
    told = np.array([chance for chance, _ in chances])
    passed = np.array([passes for _, passes in chances], float)
    place = np.searchsorted(BINS, told, side="right").clip(max=len(BINS) - 1)
    return {
        "bins": [
            {"told": float(told[place == one].sum()), "passed": int(passed[place == one].sum()), "of": int((place == one).sum())}
            for one in range(len(BINS))
        ],
        "brier": float(((told - passed) ** 2).mean()) if len(told) else None,
        "flat": float(passed.var()) if len(told) else None,
        "trained": sum(run.trained for run in runs),
        "shipped": sum(run.shipped for run in runs),
    }  # fmt: skip


def render(found: Mapping[str, Any]) -> str:
    """The tables: told and seen by bins of the chance, then world by world."""
    worlds = found["worlds"]
    head = (
        f"Measured {found['at']} at commit {found['commit']}, seed {found['seed']}, on {machine.cores()}: {len(worlds)} worlds of "
        f"{found['histories']} histories of {found['weeks']} nights.\n\n"
        "| chance told | on average | would have passed |\n|---|---|---|"
    )
    lines = [head]
    for place, end in enumerate(BINS):
        bins = [one["with"]["bins"][place] for one in worlds.values()]
        told, passed, of = (sum(one[name] for one in bins) for name in ("told", "passed", "of"))
        first = BINS[place - 1] if place else 0.0
        lines.append(
            f"| {first:.0%} to {end:.0%} | {told / max(of, 1):.1%} | {Share(passed, of)} |"
        )
    lines.append(
        f"\n| world | nights below {BOUND:.0%} | of these would have passed | trainings | shipped |\n|---|---|---|---|---|"
    )
    for name, one in worlds.items():
        bound, none = one["with"], one["without"]
        low, nights = bound["bins"][0], sum(part["of"] for part in bound["bins"])
        lines.append(
            f"| **{name}**: {one['told']} | {low['of']} of {nights} | {Share(low['passed'], low['of'])} "
            f"| {bound['trained']} instead of {none['trained']} | {bound['shipped']} instead of {none['shipped']} |"
        )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measure, keep, and write the page where it is asked for."""
    asked = section.options("ships", __doc__, "few histories").parse_args(arguments)

    def measure() -> dict[str, Any]:
        found = measured(histories=1, weeks=130) if asked.short else measured()
        return found | {"at": machine.now(), "commit": machine.commit()}

    return section.command(asked, "ships", measure, render)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
