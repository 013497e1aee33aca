"""A world whose couriers are segments: some good, some small, some that fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from airloop.contracts import Candidate
from airloop.specs.model import ModelSpec
from airloop.steps import divide, segments
from tests.support.loop.specimens import DAYS, model_spec
from tests.support.loop.specimens import rows as specimens

#: Of what a courier's lateness depends on: distance, rain.
HABITS = {"near": (-1.0, 1.0), "far": (2.0, 0.5)}
SEGMENTS = {"column": "courier", "min_rows": 60, "concurrency": 2, "pack": 10}


def segment_spec(segments: Any = SEGMENTS, **changes: Any) -> ModelSpec:
    fields = {
        "module": "tests.support.loop.segments_model",
        "gates": {"min_slice_rows": 20},
        **changes,
    }
    return model_spec(segments=segments, **fields)


def segment_rows(couriers: dict[str, int], seed: int = 0) -> pd.DataFrame:
    """So many deliveries a day of each courier; ``near`` and ``far`` are late for opposite reasons."""
    random = np.random.default_rng(seed)
    frame = specimens(per_day=sum(couriers.values()), seed=seed)
    names = np.repeat(list(couriers), list(couriers.values()))
    frame["courier"] = np.concatenate([random.permutation(names) for _ in DAYS])
    slope = frame["courier"].map(lambda name: HABITS.get(name, (1.0, 2.0))[0])
    late = slope * (frame["distance"] - 5) + random.normal(0, 2, len(frame))
    late[frame["courier"] == "same"] = 1.0
    frame["minutes_late"] = late
    return frame


def respec(world: Any, spec: ModelSpec) -> None:
    path = Path(world.catalog.folder, "models", "lateness.yaml")
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json", by_alias=True)), encoding="utf-8")


def plan_of(world: Any, key: str = "t1", **fields: Any) -> divide.Result:
    fence = world.ledger.begin_attempt(f"divide:lateness:{key}")
    return divide.run(divide.Request(fence=fence, model="lateness", **fields), world.context())


def run_pack(world: Any, plan: divide.Result, pack: int) -> segments.Result:
    fence = world.ledger.begin_attempt(f"segments:{plan.plan}:{pack}")
    request = segments.Request(fence=fence, model="lateness", plan=plan.plan, pack=pack)
    return segments.run(request, world.context())


def train_all(world: Any, key: str = "t1", **fields: Any) -> tuple[divide.Result, Candidate]:
    plan = plan_of(world, key, **fields)
    for pack in plan.packs:
        run_pack(world, plan, pack)
    candidate = world.train(f"train:lateness:{key}", plan=plan.plan, until=plan.until, **fields)
    return plan, candidate
