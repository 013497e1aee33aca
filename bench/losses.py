"""How soon a true loss of AUC is heard, by how large it is; `make judge`'s part on performance.

python -m bench.losses            everything, kept in .airloop/judge; --short, --again and --docs as of its neighbours
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tests.support.checkout import ROOT

os.environ.setdefault("AIRLOOP_PROJECT", str(ROOT))
sys.path.insert(0, str(ROOT / "include"))

from airloop.columns import LABEL, PARTITION, PREDICTION
from airloop.contracts import Outcome
from airloop.data.labels import Labelled
from airloop.monitoring import costs, performance
from airloop.monitoring.costs import by_partition
from airloop.monitoring.reference import Reference
from bench import machine, section
from bench.feeds.days import specs
from bench.feeds.page import share
from bench.row import SEED

#: As the demo has them: rows a night, the share that is late, and by how much days differ in it (in its logit).
ROWS, RATE, SPREAD = 900, -1.4, 0.5
HELD, QUIET, WITHIN = 10, 20, (7, 14, 30)
#: What the model knows: its AUC is 0.67, as the demo's in winter; and what is left of it after a loss of so much.
SKILL = 0.66
LOSSES: Mapping[float, float] = {0.0: 0.66, 0.02: 0.555, 0.05: 0.4, 0.1: 0.255}


def main(arguments: list[str]) -> int:
    """Measure, keep, and write the page where it is asked for."""
    asked = section.options("losses", __doc__, "few worlds").parse_args(arguments)
    return section.command(asked, "losses", lambda: measure(4 if asked.short else 40), render)


def measure(worlds: int) -> dict[str, Any]:
    """Of each loss on which night after it each world's monitor first speaks of concept drift."""
    found = {}
    for loss, left in LOSSES.items():
        random = np.random.default_rng([SEED, round(1_000 * loss)])
        found[f"{loss:g}"] = [_heard(random, left) for _ in range(worlds)]
    whole = np.random.default_rng(SEED)
    auc = {
        f"{loss:g}": performance.metric_of("roc_auc", _days(whole, left, 60))
        for loss, left in LOSSES.items()
    }
    return {
        "at": machine.now(),
        "commit": machine.commit(),
        "seed": SEED,
        "auc": auc,
        "heard": found,
    }


def _days(random: np.random.Generator, skill: float, days: int, first: int = 0) -> pd.DataFrame:
    """Answers that are true as probabilities to whoever knows the day's base rate no better than the model.

    What is left of a skill answers as before: the world has changed, and the model has not.
    """
    parts = []
    for day in range(first, first + days):
        known = random.normal(size=ROWS)
        logit = RATE + SPREAD * random.normal() + skill * known
        late = random.random(ROWS) < 1 / (1 + np.exp(-logit))
        answer = 1 / (1 + np.exp(-(RATE + SKILL * known)))
        key = str(np.datetime64("2013-01-01") + day)
        parts.append(
            pd.DataFrame({PARTITION: key, PREDICTION: answer, LABEL: late.astype(np.float64)})
        )
    return pd.concat(parts, ignore_index=True)


def _heard(random: np.random.Generator, left: float) -> int | None:
    """The first night after the loss on which the labels by then tell of it; 0 where it was told of before."""
    model = specs()[0]
    held = _days(random, SKILL, HELD)
    served = pd.concat(
        [_days(random, SKILL, QUIET, HELD), _days(random, left, max(WITHIN), HELD + QUIET)]
    )
    names = ("roc_auc", "log_loss")
    made = Reference(
        model="m",
        dataset="d",
        rows=1,
        days=(),
        day_rows=(),
        columns=(),
        label_mean=float(held[LABEL].mean()),
        holdout={name: performance.metric_of(name, held) for name in names},
        costs=costs.columns(costs.by_day(by_partition("classification", held)).values()),
    )
    spent = by_partition("classification", served)
    keys = sorted(spent)
    for night in range(QUIET - 1, len(keys)):
        week = served[served[PARTITION].isin(keys[max(0, night - 6) : night + 1])]
        before = {key: spent[key] for key in keys[: night + 1]}
        measured = performance.measure(model, made, Labelled(week, len(week), len(week)), before)
        if measured.check.outcome is Outcome.BAD:
            return max(0, night + 1 - QUIET)
    return None


def render(found: Mapping[str, Any]) -> str:
    """The table, with date, commit and seed."""
    lines = [
        f"Measured {found['at']} at commit {found['commit']}, seed {found['seed']}, on {machine.cores()}.",
        "",
        f"| true loss of AUC | {' | '.join(f'heard within {nights} nights' for nights in WITHIN)} |",
        "|---|---|---|---|",
    ]
    for loss, nights in found["heard"].items():
        fresh = [one for one in nights if one != 0]
        told = [
            share(sum(one is not None and one <= within for one in fresh), len(fresh))
            for within in WITHIN
        ]
        true = found["auc"]["0"] - found["auc"][loss]
        lines.append(f"| {true:.3f} | {' | '.join(told)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
