"""One model a segment, from the rows in the lake to the answers of the registered version."""

from __future__ import annotations

import pytest

from include.contracts import Outcome
from include.registry import artifacts
from include.registry.segments import Table
from include.steps import segment_worker, segments
from tests.integration.training.test_train_evaluate_register import (  # noqa: F401
    World,
    template,
    world,
)
from tests.loop_segments import (
    respec,
    segment_rows,
    segment_spec,
    train_all,
)

GOOD = {"near": 60, "far": 60, "other": 60}
LINEAR = {"build": "build_linear", "params": {"C": 1.0}}


@pytest.fixture
def segmented(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three good couriers; packs are worked on in this process."""
    respec(world, segment_spec(training=LINEAR))
    world.put(segment_rows(GOOD))

    def here(request, context):
        segment_worker.run(segments.Request.model_validate(request.model_dump()), world.context())

    monkeypatch.setattr(segments, "_work", here)
    return world


@pytest.fixture
def processes(segmented: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same, with workers as processes of their own."""
    monkeypatch.undo()
    monkeypatch.chdir(segmented.home)
    for name, value in {
        "AIRLOOP_HOME": segmented.home,
        "AIRLOOP_CONFIG": segmented.catalog.folder,
        "AIRLOOP__LAKE_URI": segmented.settings.lake_uri,
        "AIRLOOP__LEDGER_URL": segmented.settings.ledger_url,
    }.items():
        monkeypatch.setenv(name, str(value))
    return segmented


def table_of(world: World, candidate) -> dict[str, object]:
    folder = artifacts.fetch(candidate.artifact, world.settings)
    table = Table.model_validate_json((folder / artifacts.SEGMENTS).read_bytes())
    return {entry.segment: entry for entry in table.segments}


def test_what_fails_in_a_segment_is_that_segments_alone(processes):
    world = processes
    world.put(segment_rows({**GOOD, "same": 30, "raises": 30, "kills": 30, "tiny": 5}))
    plan, candidate = train_all(world)
    assert (plan.segments, plan.left_out) == (6, 1)
    table = table_of(world, candidate)
    told = {name: entry.status for name, entry in table.items()}
    assert {name for name, status in told.items() if status == "failed"} == {
        "same",
        "raises",
        "kills",
    }
    assert (told["near"], told["tiny"]) == ("own", "left out")
    assert "killed 2 times" in table["kills"].reason
    assert "same label" in table["same"].reason
    assert "by design" in table["raises"].reason
    assert "segments.min_rows asks for 60" in table["tiny"].reason
    (decision,) = world.ledger.decisions("lateness", "segments")
    assert decision.figures["segments_failed"] == 3
    report = world.evaluate(candidate)
    assert report.outcome is Outcome.OK, report.reason
    assert world.register(candidate, report).version == 1
