"""Concepts that change, by river's generators: how soon the product's own watch hears them, beside river's detectors.

``make judge``'s part on concepts. ``python -m bench.turns`` measures and keeps in .airloop/judge, ``--short`` a small form of it,
``--docs`` writes the section of docs/judgement.md. The product sees a night's labels as its step ``monitor`` does; river's
detectors see the same answers one by one, right or wrong, as they are made to.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from tests.support.checkout import ROOT

os.environ.setdefault("AIRLOOP_PROJECT", str(ROOT))
sys.path.insert(0, str(ROOT / "include"))

from airloop.monitoring import costs
from airloop.monitoring.turns import turns
from airloop.specs.sections.watching import MonitoringSpec
from bench import apart, machine, section
from bench.feeds.page import share
from bench.row import SEED

#: Rows of a night, which the demo has about as many of; nights that a model learns from, and that are held out from it.
ROWS, LEARNED, HELD = 1_000, 10, 10
#: Nights of a world before its concept changes, and after.
BEFORE, AFTER = 30, 10
#: Nights of a world on which nothing changes, of one champion each.
QUIET = 50
#: Seeds of each change, and worlds on which nothing changes.
SEEDS, LIVES = 2, 7
#: KSWIN tests at each of a life's 50,000 rows: half a minute.
SLOW, SLOW_LIVES = "KSWIN", 3
#: Of river's streams: the concept before and after the change, in the order in which their authors give them.
CHANGES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "SEA": ((0, 1), (1, 2), (2, 3), (3, 0)),
    "Agrawal": ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)),
    "Hyperplane": ((1, 2), (3, 4), (5, 6), (7, 8)),
}
Night = tuple[np.ndarray, np.ndarray]


def main(arguments: list[str]) -> int:
    """Measure, keep, and write the page where it is asked for."""
    parser = section.options("turns", __doc__, "one change of each stream")
    parser.add_argument("--only", default="", help="streams whose names begin so")
    parser.add_argument("--seed", type=int, default=SEED, help="others than it was made with")
    asked = parser.parse_args(arguments)
    told = {}
    for stream in CHANGES:
        measuring = partial(
            apart.call, "bench.turns:measure", stream=stream, short=asked.short, seed=asked.seed
        )
        wanted = stream.startswith(asked.only)
        if found := section.kept(asked, f"turns-{stream}", measuring, wanted=wanted):
            told[stream] = found
            print(stream, found, flush=True)
    if asked.docs:
        section.put("turns", render(told))
    return 0


def measure(*, stream: str, short: bool, seed: int) -> dict[str, Any]:
    """Every change of a stream, and nights without one, each by several seeds."""
    changes = CHANGES[stream][: 1 if short else None]
    worlds = [(one, seed + at) for one in changes for at in range(1 if short else SEEDS)]
    lives = 1 if short else LIVES
    quiet = [
        _quiet(stream, changes[at % len(changes)][0], seed + at, slow=at < SLOW_LIVES)
        for at in range(lives)
    ]
    return {
        "at": machine.now(),
        "commit": machine.commit(),
        "seed": seed,
        "changes": _told([_changed(stream, *one, at) for one, at in worlds]),
        "alarms": {name: _counted(quiet, name) for name in quiet[0]},
    }


def _counted(lives: list[dict[str, int]], name: str) -> dict[str, int]:
    asked = [one[name] for one in lives if name in one]
    return {"lives": len(asked), "alarms": sum(asked)}


def _told(worlds: list[dict[str, int | None]]) -> dict[str, Any]:
    """Of each detector how many changes it heard within two nights, at all, and before there was one."""
    names = worlds[0]
    return {
        name: {
            "of": len(worlds),
            "soon": sum(one[name] is not None and 0 < one[name] <= 2 for one in worlds),
            "ever": sum(one[name] is not None and one[name] > 0 for one in worlds),
            "false": sum(one[name] is not None and one[name] <= 0 for one in worlds),
        }
        for name in names
    }


def _changed(stream: str, before: int, after: int, seed: int) -> dict[str, int | None]:
    """On which night after the change each detector hears first; 0 or less: before there was one."""
    first = _nights(stream, before, seed, LEARNED + HELD + BEFORE)
    nights = [*first, *_nights(stream, after, seed + 1_000, AFTER)]
    told = _watched(nights)
    return {name: None if heard is None else heard - BEFORE for name, heard in told.items()}


def _quiet(stream: str, concept: int, seed: int, *, slow: bool) -> dict[str, int]:
    """Whether each detector hears something on nights on which nothing changes."""
    nights = _nights(stream, concept, seed + 2_000, LEARNED + HELD + QUIET)
    return {name: int(heard is not None) for name, heard in _watched(nights, slow=slow).items()}


def _watched(nights: list[Night], *, slow: bool = True) -> dict[str, int | None]:
    """The first night, from 1, on which each detector hears a change in a model that learned from the first nights."""
    from river import drift
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(random_state=SEED)
    learned = nights[:LEARNED]
    model.fit(np.concatenate([x for x, _ in learned]), np.concatenate([y for _, y in learned]))
    answered = [(y, model.predict_proba(x)[:, 1]) for x, y in nights[LEARNED:]]
    wrong = [(scores > 0.5) != (truth == 1) for truth, scores in answered]
    rivals = {"ADWIN": drift.ADWIN(), "Page-Hinkley": drift.PageHinkley(mode="up")}
    rivals |= {SLOW: drift.KSWIN(seed=SEED)} if slow else {}
    told = {name: _rivals(detector, wrong) for name, detector in rivals.items()}
    return {"airloop": _ours(answered), **told}


def _ours(answered: list[Night]) -> int | None:
    """As the step looks, once a night at what it has on record."""
    spec = MonitoringSpec()
    days = [costs.costs_of("classification", truth, scores) for truth, scores in answered]
    promised = costs.columns(days[:HELD])
    least = {name: spec.loss_margin * float(np.mean(of)) for name, of in promised.items()}
    least["bias"] = spec.loss_margin * float(
        np.mean([truth.mean() for truth, _ in answered[:HELD]])
    )
    served = {f"{night:04d}": day for night, day in enumerate(days[HELD:], 1)}
    for last in range(2, len(served) + 1):
        seen = dict(itertools.islice(served.items(), last))
        if any(one.heard for one in turns(promised, seen, spec.false_alarm_rate, least)):
            return last
    return None


def _rivals(detector: Any, wrong: list[np.ndarray]) -> int | None:
    """Row by row, the held-out days first, on which it may warm up without being asked."""
    for night, rows in enumerate(wrong):
        for one in rows:
            detector.update(int(one))
            if detector.drift_detected and night >= HELD:
                return night - HELD + 1
    return None


def _nights(stream: str, concept: int, seed: int, count: int) -> list[Night]:
    rows = _stream(stream, concept, seed)
    return [_night(rows) for _ in range(count)]


def _night(rows: Iterator[tuple[dict[str, float], Any]]) -> Night:
    taken = list(itertools.islice(rows, ROWS))
    inputs = np.array([list(x.values()) for x, _ in taken], dtype=np.float64)
    return inputs, np.array([float(y) for _, y in taken])


def _stream(stream: str, concept: int, seed: int) -> Iterator[tuple[dict[str, float], Any]]:
    from river.datasets import synth

    made: dict[str, Callable[[], Any]] = {
        "SEA": lambda: synth.SEA(variant=concept, noise=0.1, seed=seed),
        "Agrawal": lambda: synth.Agrawal(classification_function=concept, seed=seed),
        # A hyperplane is its seed.
        "Hyperplane": lambda: synth.Hyperplane(
            seed=10 * seed + concept, n_features=10, noise_percentage=0.05
        ),
    }
    return iter(made[stream]())


def render(kept: Mapping[str, Any]) -> str:
    """The table, with date, commit and seed."""
    told = sorted(
        {f"{one['at']} at commit {one['commit']}, seed {one['seed']}" for one in kept.values()}
    )
    title = (
        "heard within two nights",
        "within ten",
        "alarms in the 30 nights before",
        "lives without a change that were called changed",
    )
    lines = [
        f"Measured {'; '.join(told)}, on {machine.cores()}.",
        "",
        f"| stream | detector | {' | '.join(title)} |",
        "|---|---|---|---|---|---|",
    ]
    for stream, found in kept.items():
        for name, one in found["changes"].items():
            quiet = found["alarms"][name]
            cells = (
                stream,
                f"**{name}**" if name == "airloop" else name,
                share(one["soon"], one["of"]),
                f"{one['ever']} of {one['of']}",
                f"{one['false']} of {one['of']}",
                f"{quiet['alarms']} of {quiet['lives']} ({quiet['lives'] * QUIET} nights)",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
