"""One model a segment, from the rows in the lake to the answers of the registered version."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from airloop.accounting.figures import Usage
from airloop.contracts import Outcome
from airloop.data.lake.lake import Lake
from airloop.errors import (
    DataError,
    RequestError,
    StepCrashError,
    SupersededError,
    TransientError,
)
from airloop.execution.accounting import accounted
from airloop.registry import artifacts, loader
from airloop.registry.loaded import LoadedModel
from airloop.registry.segments import SegmentTable
from airloop.steps import segment_worker, segments, train
from airloop.training import fitted, windows
from airloop.training.chosen import ALL, Choice
from airloop.training.segments import collection, fitting
from airloop.training.segments import plan as plans
from airloop.training.segments.results import Results
from tests.integration.training.test_train_evaluate_register import (  # noqa: F401
    World,
    world,
)
from tests.support.checkout import ROOT
from tests.support.loop.segments import (
    SEGMENTS,
    plan_of,
    respec,
    run_pack,
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
        fields = {**request.model_dump(), "watcher": request.fence}
        segment_worker.run(segment_worker.Request.model_validate(fields), world.context())

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
    table = SegmentTable.model_validate_json((folder / artifacts.SEGMENTS).read_bytes())
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


def test_control_without_isolation_one_segment_fails_the_whole(segmented, monkeypatch):
    segmented.put(segment_rows({**GOOD, "raises": 30}))
    plain = fitting.train
    monkeypatch.setattr(
        "airloop.training.segments.pack.attempt",
        lambda model, dataset, rows, plan, segment, workdir: plain(
            model, dataset, rows, plan, workdir
        ),
    )
    with pytest.raises(DataError, match="by design"):
        train_all(segmented)


def test_control_without_a_second_worker_one_killer_loses_the_pack(processes, monkeypatch):
    processes.put(segment_rows({**GOOD, "kills": 200}))
    plan = plan_of(processes)

    def give_up(request, context, results, before, error):
        raise error

    monkeypatch.setattr(segments, "_settle", give_up)
    with pytest.raises(TransientError, match="killed by signal 9"):
        run_pack(processes, plan, 0)


def test_each_row_is_answered_by_its_segments_model(segmented):
    _, candidate = train_all(segmented)
    table = table_of(segmented, candidate)
    assert table["near"].status == "own"
    model = loader.load(candidate.artifact, segmented.settings)
    rows = segment_rows(GOOD, seed=5)
    answers = model.predict(rows)
    overall = LoadedModel(**{**vars(model), "routing": None}).predict(rows)
    own = (rows["courier"].map(lambda name: table[name].status) == "own").to_numpy()
    assert np.abs(answers - overall)[own].max() > 0.1
    assert (answers == overall)[~own].all()
    # One by one as all together, and a segment that is new or not named has the global model.
    for place in (0, 1, 2):
        assert model.predict(rows.iloc[[place]]) == pytest.approx(answers[[place]], abs=1e-9)
    for stranger in ("nobody", None):
        new = rows.assign(courier=stranger)
        plain = LoadedModel(**{**vars(model), "routing": None})
        assert (model.predict(new) == plain.predict(new)).all()


def test_the_recorded_metrics_are_those_of_the_whole(segmented):
    _, candidate = train_all(segmented)
    assert segmented.evaluate(candidate).outcome is Outcome.OK
    with pytest.raises(RequestError, match="nobody has trained them"):
        segmented.train("train:lateness:alone")


def test_a_segment_whose_model_is_not_better_keeps_the_global_one(segmented, monkeypatch):
    def worse(model, dataset, rows, params):
        fitted = plain(model, dataset, rows, params)
        fitted.scores[:] = 1 - fitted.truth
        return fitted

    plain = fitting._fit
    monkeypatch.setattr(fitting, "_fit", worse)
    _, candidate = train_all(segmented)
    table = table_of(segmented, candidate)
    assert {entry.status for entry in table.values()} == {"not better"}
    assert "roc_auc 0.0000 against" in table["near"].reason
    folder = artifacts.fetch(candidate.artifact, segmented.settings)
    assert not (folder / artifacts.SEGMENT_MODELS).exists()
    assert loader.load(candidate.artifact, segmented.settings).routing.numbers == {}


def test_the_gates_days_do_not_choose(segmented, monkeypatch):
    seen: list[str] = []
    original = collection.divided

    def days(dataset, part, chosen):
        seen.extend(part.frame[dataset.partition_column].dt.strftime("%Y-%m-%d").unique())
        return original(dataset, part, chosen)

    monkeypatch.setattr(collection, "divided", days)
    _, candidate = train_all(segmented)
    assert set(seen).isdisjoint(candidate.holdout)


def test_an_answer_that_is_not_a_number_is_a_failure(segmented, monkeypatch):
    def broken(*arguments):
        fitted = plain(*arguments)
        fitted.scores[0] = np.nan
        return fitted

    plain = fitting.fit
    monkeypatch.setattr(fitting, "fit", broken)
    _, candidate = train_all(segmented)
    reasons = {entry.reason for entry in table_of(segmented, candidate).values()}
    assert reasons == {"the model does not answer every row with a number"}


def test_a_column_that_is_null_is_told_with_its_partition_and_nothing_is_written(segmented):
    rows = segment_rows(GOOD)
    rows.loc[rows.index[-3:], "courier"] = None
    partition = str(rows["day"].iloc[-1].date())

    class Holed(Lake):
        def read(self, ref, columns=None):
            return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airloop.data.lake.lake.Lake", Holed)
        with pytest.raises(DataError) as caught:
            plan_of(segmented)
    told = str(caught.value)
    assert told.startswith("3 of 1080 rows have no value in the segments' column; got 'courier'")
    assert f"{partition}: 3" in told
    assert "ingest these partitions again" in told
    assert not (segmented.home / "steps" / "segment_plans").exists()
    assert segmented.runs() == segmented.runs("RUNNING") == []


def test_what_a_killed_attempt_finished_is_not_trained_again(segmented, monkeypatch):
    plan = plan_of(segmented)
    began: list[str] = []
    plain = fitting.attempt

    def die_at_the_second(model, dataset, rows, plan, segment, workdir):
        began.append(segment.name)
        if len(began) == 2:
            raise KeyboardInterrupt
        return plain(model, dataset, rows, plan, segment, workdir)

    monkeypatch.setattr("airloop.training.segments.pack.attempt", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run_pack(segmented, plan, 0)
    assert run_pack(segmented, plan, 0).trained == 3
    # The one that was under way comes last: it may have been the killer.
    assert began[2:] == [next(name for name in GOOD if name not in began[:2]), began[1]]
    assert run_pack(segmented, plan, 0).trained == 3
    assert len(began) == 4


def crashing(world: World, code: int, at_one: bool = True):
    """A worker that dies at the first segment it comes to, or before."""

    def die(request, context):
        results = Results(world.settings, request.plan)
        plan = plans.read(world.settings, request.plan)
        if at_one:
            waiting = results.waiting(plan.of(request.pack))
            results.begin(next(iter(waiting)), next(iter(waiting.values())) + 1)
        error = StepCrashError("crashed")
        error.code = code
        raise error

    return die


def test_a_segment_that_trains_too_long_has_failed(segmented, monkeypatch):
    plan = plan_of(segmented)
    monkeypatch.setattr(segments, "_work", crashing(segmented, -signal.SIGALRM))
    done = run_pack(segmented, plan, 0)
    assert (done.trained, done.failed) == (0, 3)
    first = plans.read(segmented.settings, plan.plan).segments[0]
    reason = Results(segmented.settings, plan.plan).read(first).outcome.reason
    assert reason == "it trained longer than segments.max_minutes (30)"


def test_a_fit_without_end_is_ended_by_the_kernel():
    code = (
        "import time, airloop.training.segments.pack as pack\n"
        "with pack._limited(1): time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGALRM


def test_a_worker_that_dies_before_any_segment_is_no_segments_fault(segmented, monkeypatch):
    plan = plan_of(segmented)
    monkeypatch.setattr(segments, "_work", crashing(segmented, -9, at_one=False))
    with pytest.raises(TransientError, match="before it comes to a segment"):
        run_pack(segmented, plan, 0)


def test_a_superseded_attempt_trains_nothing_more(segmented):
    plan = plan_of(segmented)
    old = segmented.ledger.begin_attempt("pack")
    segmented.ledger.begin_attempt("pack")
    request = segments.Request(fence=old, model="lateness", plan=plan.plan, pack=0)
    with pytest.raises(SupersededError):
        segments.run(request, segmented.context())


def test_the_plan_does_not_depend_on_when_it_is_asked_but_on_what_is_asked(segmented):
    first = plan_of(segmented)
    assert plan_of(segmented) == first
    assert plan_of(segmented, params={"C": 0.5}).plan != first.plan
    segmented.put(segment_rows(GOOD, seed=3))
    assert plan_of(segmented).plan != first.plan


def test_parameters_that_were_found_are_the_segments_too(segmented):
    space = {"C": {"choices": [0.25]}}
    respec(segmented, segment_spec(training=LINEAR, tuning={"trials": 1, "space": space}))
    segmented.ledger.record_decision(
        entity="lateness",
        topic="tuning",
        action="tuned",
        reason="found",
        figures={
            "params": json.dumps({"C": 0.25}),
            "day": "2024-03-06",
            "space": _space(segmented),
        },
    )
    plan, candidate = train_all(segmented)
    assert json.loads(candidate.params)["C"] == 0.25
    assert plans.read(segmented.settings, plan.plan).params["C"] == 0.25


def test_a_half_life_that_was_chosen_is_that_of_every_fit(segmented, monkeypatch):
    respec(segmented, segment_spec(training={**LINEAR, "window_days": None}))
    chosen = Choice(ALL, "told", {}, "3d")
    monkeypatch.setattr(windows, "choose", lambda *_: chosen)
    seen: list[object] = []
    plain = fitted.weighed

    def spy(trainer, job, dataset, frame):
        seen.append(job.model.training.half_life)
        return plain(trainer, job, dataset, frame)

    monkeypatch.setattr(fitted, "weighed", spy)
    plan, _ = train_all(segmented)
    # Two fits a segment, the global model's, and the one it is compared by.
    assert (seen[:6], set(seen)) == (["3d"] * 6, {"3d"})
    assert len(seen) >= 8
    made = plans.read(segmented.settings, plan.plan)
    assert made.half_life == "3d"
    # A plan of before says nothing of it.
    old = made.model_dump(mode="json", exclude={"half_life"})
    model = segmented.catalog.model("lateness")
    assert plans.Plan.model_validate(old).applied(model) == model


def _space(world: World) -> str:
    from airloop.training.tuning import policy

    return policy.space_digest(world.catalog.model("lateness"))


def test_results_go_once_their_models_are_in_the_artifact(segmented):
    plan, _ = train_all(segmented)
    folder = segmented.home / "steps" / "segment_plans" / plan.plan
    assert [path.name for path in folder.iterdir()] == ["plan.json"]


def test_segments_of_networks(segmented):
    params = {"epochs": 3, "batch_rows": 64, "learning_rate": 0.01, "hidden": [8]}
    torch = {"trainer": "torch", "params": params, "build": "build"}
    spec = segment_spec(training=torch, module="tests.support.loop.torch_model")
    respec(segmented, spec)
    _, candidate = train_all(segmented)
    assert {entry.status for entry in table_of(segmented, candidate).values()} <= {
        "own",
        "not better",
    }
    assert loader.load(candidate.artifact, segmented.settings).routing is not None


def test_a_training_pays_for_its_segments(segmented):
    plan = plan_of(segmented)
    run_pack(segmented, plan, 0)
    for step, key in (
        ("divide", "divide:lateness:t1"),
        ("segment_worker", f"segments:{plan.plan}:0:worker"),
    ):
        usage = Usage(key=key, token=1, step=step, entity="lateness", at=datetime.now(UTC))
        segmented.ledger.record_usage(usage)
    fence = segmented.ledger.begin_attempt("train:lateness:t1")
    request = train.Request(fence=fence, model="lateness", plan=plan.plan, until=plan.until)
    made = accounted("train", request, segmented.context(), train.run).candidate
    paid = {row.step for row in segmented.ledger.usage(run_id=made.run_id)}
    assert paid == {"divide", "segment_worker", "train"}


def test_packs_are_even_and_no_larger_than_told(segmented):
    couriers = {f"c{number}": 20 + number for number in range(10)}
    segmented.put(segment_rows(couriers))
    respec(segmented, segment_spec(training=LINEAR, segments={**SEGMENTS, "pack": 4}))
    plan = plan_of(segmented)
    assert plan.packs == (0, 1, 2)
    stored = plans.read(segmented.settings, plan.plan)
    sizes = [[one.rows for one in stored.of(pack)] for pack in plan.packs]
    assert max(map(len, sizes)) == 4
    assert max(map(sum, sizes)) < 1.5 * min(map(sum, sizes))


def test_no_segment_large_enough_is_a_plan_with_one_empty_pack(segmented):
    respec(segmented, segment_spec(training=LINEAR, segments={**SEGMENTS, "min_rows": 10_000}))
    plan, candidate = train_all(segmented)
    assert (plan.packs, plan.segments, plan.left_out) == ((0,), 0, 3)
    assert loader.load(candidate.artifact, segmented.settings).routing.scorers == {}
