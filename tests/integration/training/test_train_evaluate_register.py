"""The three steps one after another, on a real lake, a real ledger and a real MLflow store (SQLite)."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from sqlalchemy import select

from airloop.accounting import limits
from airloop.contracts import Candidate, Outcome, PartitionKey
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.sources.conform import conform
from airloop.errors import (
    ArtifactError,
    DataError,
    GateError,
    MemoryLimitError,
    RequestError,
    SupersededError,
    UnreachableError,
)
from airloop.execution.context import StepContext
from airloop.ledger import open_ledger
from airloop.ledger.tables import triggers
from airloop.registry import artifacts, loader, models, tracking
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.steps import evaluate, register, train
from airloop.training import pipeline
from airloop.vocabulary import Cause, Topic, TriggerState
from tests.support.loop.project import serve
from tests.support.loop.specimens import DAYS, dataset_spec, model_spec, rows, write_specs

KEY = "train:lateness:run1"


class World:
    """A home with six ingested days."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings = Settings(
            lake_uri=str(home / "lake"),
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
        )
        self.ledger = open_ledger(self.settings)
        self.catalog = Catalog(write_specs(home / "config"))
        self.ingest(DAYS)

    def ingest(self, days: tuple[PartitionKey, ...], seed: int = 0) -> None:
        frame = rows(days=days, seed=seed)
        frame["id"] += days[0]
        self.put(frame)

    def put(self, frame: pd.DataFrame) -> None:
        lake, spec = Lake(self.settings), dataset_spec()
        for day, part in frame.groupby(frame["day"].dt.strftime("%Y-%m-%d")):
            table, wrong = conform(spec, part.reset_index(drop=True))
            assert not wrong
            lake.replace_partition(
                "deliveries",
                str(day),
                table,
                partition_column="day",
                fence=self.ledger.begin_attempt(f"ingest:deliveries:{day}"),
                digest=rows_digest(table, without=["day"]),
            )

    def context(self) -> StepContext:
        folder = Path(tempfile.mkdtemp(dir=self.home))
        return StepContext(self.settings, self.catalog, self.ledger, folder)

    def train(self, key: str = KEY, **fields: object) -> Candidate:
        fence = self.ledger.begin_attempt(key)
        request = train.Request(fence=fence, model="lateness", **fields)
        return train.run(request, self.context()).candidate

    def evaluate(self, candidate: Candidate):
        fence = self.ledger.begin_attempt(f"evaluate:lateness:{candidate.run_id}")
        request = evaluate.Request(fence=fence, candidate=candidate)
        return evaluate.run(request, self.context()).report

    def register(self, candidate: Candidate, report):
        fence = self.ledger.begin_attempt(f"register:lateness:{candidate.run_id}")
        request = register.Request(fence=fence, candidate=candidate, report=report)
        return register.run(request, self.context()).version

    def promote(self, version) -> None:
        serve(self.ledger, version)

    def runs(self, status: str = "FINISHED") -> list[str]:
        client = tracking.client(self.settings)
        ids = [one.experiment_id for one in client.search_experiments()]
        found = client.search_runs(ids, f"attributes.status = '{status}'")
        return [run.info.run_id for run in found]


@pytest.fixture
def world(mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    # A store in SQLite without a server puts its artifacts beside the working folder.
    monkeypatch.chdir(tmp_path)
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    return World(tmp_path)


def test_a_good_candidate_becomes_the_challenger_with_all_that_explains_it(world):
    candidate = world.train(trigger_id="t1", reason="because")
    report = world.evaluate(candidate)
    assert report.outcome is Outcome.OK, report.reason
    version = world.register(candidate, report)
    assert (version.version, version.artifact) == (1, candidate.refit)
    assert models.aliases("lateness", settings=world.settings) == {"challenger": 1}
    run = tracking.client(world.settings).get_run(candidate.run_id)
    assert json.loads(run.data.tags["airloop.dataset"])["digest"] == candidate.dataset.digest
    assert run.data.tags["airloop.trigger_id"] == "t1"
    assert run.data.tags["airloop.lock_digest"].startswith("sha256:")
    assert run.data.tags["airloop.gates"] == "passed"
    assert run.data.metrics["roc_auc"] == candidate.metrics["roc_auc"]
    assert run.data.params["max_iter"] == "20"
    plots = tracking.client(world.settings).list_artifacts(candidate.run_id, "plots")
    assert len(plots) == 3
    model = loader.load(version.artifact, world.settings)
    assert model.predict(rows(5)).shape == (30,)


def test_the_same_steps_again_change_nothing(world):
    first = world.train()
    assert world.train() == first
    report = world.evaluate(first)
    assert world.evaluate(first) == report
    version = world.register(first, report)
    assert world.register(first, report) == version
    assert world.runs() == [first.run_id]
    assert len(world.ledger.decisions("lateness", "gate")) == 1
    assert len(world.ledger.decisions("lateness", "candidate")) == 1


def test_registering_again_after_its_promotion_still_gives_the_same_version(world):
    candidate = world.train()
    report = world.evaluate(candidate)
    version = world.register(candidate, report)
    world.promote(version)
    assert world.register(candidate, report) == version


def test_a_worse_model_pushed_by_hand_is_refused_and_the_reason_is_kept(world):
    champion = world.train()
    world.promote(world.register(champion, world.evaluate(champion)))
    worse = world.train("train:lateness:worse", params={"max_iter": 1, "learning_rate": 0.001})
    report = world.evaluate(worse)
    assert report.outcome is Outcome.BAD
    assert "champion (version 1)" in report.reason
    decision = world.ledger.decisions("lateness", "gate")[0]
    assert (decision.action, decision.figures["champion"]) == ("refused", "bad")
    with pytest.raises(GateError):
        world.register(worse, report)
    assert (
        models.of_run("lateness", worse.run_id, worse.artifact.digest, settings=world.settings)
        is None
    )


def state(world: World, trigger: str) -> str | None:
    with world.ledger.transaction() as connection:
        return connection.scalar(select(triggers.c.state).where(triggers.c.id == trigger))


def test_a_trigger_ends_in_the_step_that_settles_it(world):
    def emitted(key: str) -> str:
        trigger, _ = world.ledger.emit_trigger(
            model="lateness", cause=Cause.ON_DEMAND, dedup_key=key, reason="r"
        )
        return trigger.id

    good, bad = emitted("good"), emitted("bad")
    candidate = world.train(trigger_id=good)
    report = world.evaluate(candidate)
    assert state(world, good) == TriggerState.RUNNING
    world.promote(world.register(candidate, report))
    assert state(world, good) == TriggerState.PASSED
    params = {"max_iter": 1, "learning_rate": 0.001}
    worse = world.train("train:lateness:worse", trigger_id=bad, params=params)
    assert world.evaluate(worse).outcome is Outcome.BAD
    assert state(world, bad) == TriggerState.REFUSED


def test_a_report_that_only_claims_to_have_passed_is_not_believed(world):
    candidate = world.train()
    report = world.evaluate(candidate)
    forged = report.model_copy(update={"run_id": "other", "champion_version": 7})
    with pytest.raises(GateError, match="ledger does not say"):
        world.register(candidate, forged)


def test_a_verdict_against_a_champion_that_is_gone_is_not_enough(world):
    first, second = world.train(), world.train("train:lateness:run2")
    verdicts = [world.evaluate(first), world.evaluate(second)]
    world.promote(world.register(first, verdicts[0]))
    with pytest.raises(GateError, match="champion changed"):
        world.register(second, verdicts[1])


def test_rows_that_changed_since_training_could_not_tell(world):
    candidate = world.train()
    swapped = candidate.dataset.model_copy(update={"digest": "sha256:" + "1" * 64})
    report = world.evaluate(candidate.model_copy(update={"dataset": swapped}))
    assert report.outcome is Outcome.UNKNOWN
    assert "not the ones that were recorded" in report.reason


def test_the_files_that_a_training_pinned_stand_in_the_ledger_and_others_could_not_tell(world):
    candidate = world.train()
    [told] = [
        one.figures
        for one in world.ledger.decisions("lateness", Topic.CANDIDATE, 100)
        if one.figures["run_id"] == candidate.run_id
    ]
    assert told["integrity"] == candidate.dataset.integrity is not None
    swapped = candidate.dataset.model_copy(update={"integrity": "files-sha256:" + "1" * 64})
    report = world.evaluate(candidate.model_copy(update={"dataset": swapped}))
    assert report.outcome is Outcome.UNKNOWN
    assert "lists other files" in report.reason


def test_an_artifact_damaged_in_the_store_fails_the_gate(world):
    candidate = world.train()
    shutil.rmtree(world.home / "artifacts")
    # The judged one: what the gates look at. Of the refitted one the guard tells.
    stored = next(path for path in world.home.rglob("model/model.onnx") if "mlruns" in str(path))
    stored.write_bytes(stored.read_bytes()[:-100])
    report = world.evaluate(candidate)
    assert report.outcome is Outcome.UNKNOWN
    assert "model.onnx" in report.reason
    with pytest.raises(ArtifactError):
        artifacts.fetch(candidate.artifact, world.settings)


def test_a_superseded_training_records_nothing(world):
    old = world.ledger.begin_attempt(KEY)
    world.ledger.begin_attempt(KEY)
    with pytest.raises(SupersededError):
        train.run(train.Request(fence=old, model="lateness"), world.context())
    assert world.runs() == []


def test_an_attempt_overtaken_while_it_fits_leaves_the_newer_ones_candidate(world, monkeypatch):
    old = world.ledger.begin_attempt(KEY)
    fit, newer = pipeline.fit, []

    def overtaken(*args, **kwargs):
        monkeypatch.setattr(pipeline, "fit", fit)
        newer.append(world.train())
        return fit(*args, **kwargs)

    monkeypatch.setattr(pipeline, "fit", overtaken)
    with pytest.raises(SupersededError, match="attempt 2"):
        train.run(train.Request(fence=old, model="lateness"), world.context())
    recorded = world.ledger.decision(f"candidate:{KEY}")
    assert recorded is not None
    assert recorded.figures["run_id"] == newer[0].run_id
    assert world.runs() == [newer[0].run_id]
    assert world.runs("RUNNING") == []


def test_a_later_attempt_closes_what_a_killed_one_left_open(world, monkeypatch):
    from airloop.training.publication import CandidatePublication

    with monkeypatch.context() as patch:
        patch.setattr(CandidatePublication, "publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.train()
    assert len(world.runs("RUNNING")) == 1
    candidate = world.train()
    assert world.runs("RUNNING") == []
    assert world.runs() == [candidate.run_id]


def test_the_window_ends_where_it_is_told_to(world):
    world.ingest(("2024-03-07", "2024-03-08"), seed=3)
    candidate = world.train(until="2024-03-07")
    assert candidate.dataset.partitions[-1] == "2024-03-07"
    assert candidate.holdout == ("2024-03-06", "2024-03-07")


def test_too_few_days_and_wrong_parameters_start_no_run(world):
    with pytest.raises(DataError, match="not enough"):
        world.train(until="2024-03-02")
    with pytest.raises(RequestError, match="no_such"):
        world.train(params={"no_such": 1})
    assert world.runs() == world.runs("RUNNING") == []


def test_a_store_that_does_not_answer_is_named_within_seconds(world, monkeypatch):
    for name in ("MAX_RETRIES", "BACKOFF_FACTOR"):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", "0")
    settings = world.settings.model_copy(update={"mlflow_uri": "http://127.0.0.1:9"})
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        models.aliases("lateness", settings=settings)


def test_what_is_delivered_has_learned_from_the_held_out_days_too(world):
    candidate = world.train()
    report = world.evaluate(candidate)
    assert (report.judged, report.refitted) == (candidate.artifact.digest, candidate.refit.digest)
    assert report.delivers == candidate.refit.digest, report.guard
    judged, whole = (
        loader.load(one, world.settings) for one in (candidate.artifact, candidate.refit)
    )
    assert whole.refit_of == judged.digest
    assert set(whole.trained_on) == set(DAYS) == {*judged.trained_on, *candidate.holdout}
    assert whole.spec == judged.spec, "same code, spec, parameters and seed"
    decision = world.ledger.decisions("lateness", "gate")[0]
    assert decision.figures["delivers"] == candidate.refit.digest


def test_a_refitted_champion_is_compared_by_its_judged_twin(world):
    first = world.train()
    world.promote(world.register(first, world.evaluate(first)))
    worse = world.train("train:lateness:worse", params={"max_iter": 1, "learning_rate": 0.001})
    said = next(one for one in world.evaluate(worse).checks if one.name == "champion")
    assert said.outcome is Outcome.BAD, said.reason
    assert said.figures["rows_by_twin"] == said.figures["rows"]


def test_a_training_that_ends_between_its_two_fits_converges_when_it_runs_again(world, monkeypatch):
    def killed(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "refit", killed)
    with pytest.raises(KeyboardInterrupt):
        world.train()
    monkeypatch.undo()
    monkeypatch.setenv("AIRLOOP_HOME", str(world.home))
    monkeypatch.chdir(world.home)
    candidate = world.train()
    assert candidate.refit is not None
    assert world.runs() == [candidate.run_id]
    assert len(world.ledger.decisions("lateness", "candidate")) == 1


def test_a_report_that_names_the_other_artifact_registers_nothing(world):
    candidate = world.train()
    report = world.evaluate(candidate)
    forged = report.model_copy(update={"delivers": candidate.artifact.digest})
    with pytest.raises(
        GateError, match="does not say that this artifact of the run may be delivered"
    ):
        world.register(candidate, forged)


def test_without_a_refit_the_judged_model_is_delivered(world):
    path = world.home / "config" / "models" / "lateness.yaml"
    fields = yaml.safe_load(path.read_text())
    fields["training"]["refit"] = False
    path.write_text(yaml.safe_dump(fields))
    world.catalog = Catalog(path.parents[1])
    candidate = world.train()
    assert candidate.refit is None
    report = world.evaluate(candidate)
    assert (report.delivers, report.guard) == (candidate.artifact.digest, "nothing was refitted")
    assert world.register(candidate, report).artifact == candidate.artifact


def test_a_champion_gets_the_inputs_that_the_candidate_no_longer_reads(world, monkeypatch):
    fewer = {"target": {"reads": []}}
    more = model_spec(**fewer, inputs=[*model_spec().inputs, "parcels"])
    world.catalog = Catalog(write_specs(world.home / "more", more))
    first = world.train("train:lateness:2024-03-05", params={"max_iter": 3})
    world.promote(world.register(first, world.evaluate(first)))
    world.catalog = Catalog(write_specs(world.home / "fewer", model_spec(**fewer)))
    candidate = world.train("train:lateness:2024-03-06")
    report = world.evaluate(candidate)
    assert {check.outcome for check in report.checks} <= {Outcome.OK, Outcome.BAD}, report.reason
    # The control: by the candidate's own columns alone nobody can compare them.
    monkeypatch.setattr(evaluate, "_asked", lambda *_: ())
    told = [check for check in world.evaluate(candidate).checks if check.outcome is Outcome.UNKNOWN]
    assert any("parcels" in check.reason for check in told), told


def test_what_all_rows_take_is_told_before_the_first_is_read(world, monkeypatch, caplog):
    caplog.set_level("INFO")
    told = "2,400 rows of 10 columns, all of which trainer sklearn holds"
    world.train()
    (said,) = [place for place, line in enumerate(caplog.messages) if line.startswith(told)]
    assert any("fitted on" in line for line in caplog.messages[said:])
    assert not any("fitted on" in line for line in caplog.messages[:said])
    # Two words a value; of what can be known before, nothing is read where that is too much.
    monkeypatch.setattr(limits, "_bounds", lambda: [(2 * 8 * 2_400 * 10 - 1, "by the test")])
    monkeypatch.setattr(Lake, "batches", None)
    with pytest.raises(MemoryLimitError, match=f"{told} take 0 MiB at least"):
        world.train("train:lateness:run2")
    assert len(world.runs()) == 1
