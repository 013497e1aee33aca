"""Who may write to MLflow, lake, ledger or Airflow may not deliver: takeovers, on a real MLflow server.

The first was tried on a finished demo; the others were thought of by who had read docs/security.md alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from airloop.contracts import Candidate, Check, GateReport, ModelVersion, Outcome
from airloop.devstack.signin import ADMIN
from airloop.errors import ArtifactError, GateError
from airloop.evaluation.warrant import identity
from airloop.registry import artifacts, models, tracking
from airloop.serving.runtime.following import Following
from airloop.steps import evaluate, promote, register, score, train, verify
from airloop.training.publication import CANDIDATE
from airloop.vocabulary import Action, Topic
from tests.support.loop.project import Project
from tests.support.loop.specimens import dataset_spec, model_spec, rows
from tests.support.servers import MlflowServer

MODEL = "takeover"
WORSE = {"max_iter": 1, "learning_rate": 0.001}


class World(Project):
    """A loop whose version 1 serves, and the run of a worse candidate that its gates refused."""

    def __init__(self, home: Path, server: MlflowServer) -> None:
        self.server = server
        dataset, model = dataset_spec(), model_spec(name=MODEL)
        fields = [one.model_dump(mode="json", by_alias=True) for one in (dataset, model)]
        super().__init__(home, *fields, mlflow=server.url)
        self.put(dataset, rows())
        self.client = tracking.client(self.settings)
        good = self.candidate("good")
        self.good = self.registered(good, self.judged(good))
        self.refused = self.candidate("worse", params=WORSE)
        assert self.judged(self.refused).outcome is Outcome.BAD

    def candidate(self, run: str, **fields: Any) -> Candidate:
        made: Candidate = self.step(train, f"train:{MODEL}:{run}", model=MODEL, **fields).candidate
        return made

    def judged(self, candidate: Candidate) -> GateReport:
        key = f"evaluate:{MODEL}:{candidate.run_id}"
        report: GateReport = self.step(evaluate, key, candidate=candidate).report
        return report

    def by_hand(self, run_id: str, digest: str, champion: str) -> ModelVersion:
        """A version as MLflow lets its administrator make it: of any run, with any tags."""
        uri = f"runs:/{run_id}/model"
        tags = {models.ARTIFACT_URI: uri, models.ARTIFACT_DIGEST: digest}
        tags[models.COMPARED_WITH] = champion
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.server.variables(ADMIN).items():
                patch.setenv(name, value)
            made = self.client.create_model_version(MODEL, uri, run_id, tags=tags)
        return models.version(MODEL, int(made.version), settings=self.settings)


@pytest.fixture(scope="module")
def world(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("takeover")
        patch.setenv("AIRLOOP_HOME", str(home))
        yield World(home, mlflow_server)


#: Each pretends something else: which run, whose bytes, compared with whom.
PRETENCES = {
    "of the refused run": ("refused", "refused", "1"),
    "of the refused run, as a first one": ("refused", "refused", ""),
    "of the run that passed, with the refused bytes": ("good", "refused", ""),
    "of the refused run, with the bytes that passed": ("refused", "good", "1"),
    "of a run that never was": ("nobody", "refused", "1"),
    "compared with another champion": ("good", "good", "7"),
}


@pytest.mark.parametrize("pretence", PRETENCES)
def test_a_version_made_by_hand_is_refused_named_recorded_and_alerted(
    world: World, pretence: str, caplog: pytest.LogCaptureFixture
) -> None:
    run, bytes_of, champion = PRETENCES[pretence]
    runs = {"refused": world.refused.run_id, "good": world.good.run_id, "nobody": "0" * 32}
    digests = {"refused": world.refused.artifact.digest, "good": world.good.artifact.digest}
    version = world.by_hand(runs[run], digests[bytes_of], champion)
    fields = {"model": MODEL, "number": version.version}
    with pytest.raises(GateError, match=f"version {version.version} of {MODEL}"):
        world.step(verify, f"verify:{MODEL}:{version.version}", **fields)
    told = [one for one in caplog.messages if "unproven version" in one]
    assert told, caplog.messages
    with pytest.raises(GateError, match="the ledger does not say"):
        world.step(promote, f"promote:{MODEL}", version=version, reason="mine")
    decision = world.ledger.decisions(MODEL, Topic.PROMOTION)[0]
    assert (decision.action, decision.figures["version"]) == (Action.REFUSED, version.version)
    serving = world.ledger.current_deployment(MODEL)
    assert serving is not None
    assert serving.artifact == world.good.artifact


def test_a_verdict_that_is_put_into_the_ledger_by_hand_delivers_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """By who may write its rows, and makes no link; the row says all that the loop would say."""
    candidate = world.refused
    version = world.by_hand(candidate.run_id, candidate.artifact.digest, "1")
    forged = identity(candidate.run_id, 1, Outcome.OK)
    with world.ledger.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO airloop_decisions (id, entity, topic, action, reason, figures, at, actor) "
            "SELECT ?, entity, topic, 'passed', 'all gates passed', "
            "json_set(figures, '$.judged', ?, '$.delivers', ?), at, actor "
            "FROM airloop_decisions WHERE id = ?",
            (
                forged,
                candidate.artifact.digest,
                candidate.artifact.digest,
                identity(candidate.run_id, 1, Outcome.BAD),
            ),
        )
    fields = {"model": MODEL, "number": version.version}
    with pytest.raises(GateError, match="put there past Airloop"):
        world.step(verify, f"verify:{MODEL}:{version.version}", **fields)
    assert [one for one in caplog.messages if "unproven version" in one]
    with pytest.raises(GateError, match="put there past Airloop"):
        world.step(promote, f"promote:{MODEL}", version=version, reason="mine")
    assert forged in {fault.key for fault in world.ledger.audit().faults}
    serving = world.ledger.current_deployment(MODEL)
    assert serving is not None
    assert serving.artifact == world.good.artifact


def test_the_version_that_passed_is_proven(world: World) -> None:
    checks = world.step(verify, f"verify:{MODEL}:1", model=MODEL, number=1).checks
    assert checks[0].ok, checks


def test_a_version_made_by_hand_does_not_stand_in_the_way_of_the_runs_own(world: World) -> None:
    """It was taken for the run's version, and registering failed for good."""
    candidate = world.refused
    world.by_hand(candidate.run_id, "sha256:" + "f" * 64, "")
    world.client.create_model_version(MODEL, candidate.artifact.uri, candidate.run_id)
    # The very bytes, but compared with another champion than the ledger says.
    world.by_hand(candidate.run_id, candidate.artifact.digest, "7")
    check = Check(name="absolute", outcome=Outcome.OK, reason="told so")
    report = GateReport(model=MODEL, run_id=candidate.run_id, champion_version=1, checks=(check,))
    made = models.register(candidate, report, settings=world.settings)
    assert (made.artifact, made.champion_version) == (candidate.artifact, 1)


def test_the_days_that_judge_a_candidate_are_not_chosen_in_mlflow(world: World) -> None:
    """Held-out days exchanged for training days would let a model pass that has learned them by heart."""
    known = world.refused
    easier = known.model_copy(update={"holdout": known.dataset.partitions[:2]})
    world.client.log_text(known.run_id, easier.model_dump_json(), CANDIDATE)
    with pytest.raises(ArtifactError, match="not the one that the ledger records"):
        world.candidate("worse", params=WORSE)
    # Without the digest of its files the lake's log would be believed.
    bare = known.model_copy(
        update={"dataset": known.dataset.model_copy(update={"integrity": None})}
    )
    world.client.log_text(known.run_id, bare.model_dump_json(), CANDIDATE)
    with pytest.raises(ArtifactError, match="not the one that the ledger records"):
        world.candidate("worse", params=WORSE)


def _told_passed(world: World) -> tuple[Candidate, GateReport]:
    """The refused run, with a report as who may write Airflow's XComs makes it."""
    return world.refused, _yes(world.refused)


def _bytes_of_the_refused(world: World) -> tuple[Candidate, GateReport]:
    """The run that passed, with the refused bytes."""
    forged = world.refused.model_copy(update={"run_id": world.good.run_id})
    return forged, _yes(forged, champion=None)


def _never_judged(world: World) -> tuple[Candidate, GateReport]:
    """What a DAG makes whose author left the gates out."""
    candidate = world.candidate("unjudged", params=WORSE)
    return candidate, _yes(candidate)


def _on_days_that_it_learned(world: World) -> tuple[Candidate, GateReport]:
    known = world.refused
    easier = known.model_copy(update={"holdout": known.dataset.partitions[:2]})
    return easier, _yes(easier)


def _yes(candidate: Candidate, champion: int | None = 1) -> GateReport:
    check = Check(name="absolute", outcome=Outcome.OK, reason="told so")
    return GateReport(
        model=MODEL, run_id=candidate.run_id, champion_version=champion, checks=(check,)
    )


@pytest.mark.parametrize(
    "forge", [_told_passed, _bytes_of_the_refused, _never_judged, _on_days_that_it_learned]
)
def test_who_writes_what_airflow_hands_on_or_leaves_the_gates_out_registers_nothing(
    world: World, forge: Callable[[World], tuple[Candidate, GateReport]]
) -> None:
    """By a forged XCom, a task that is marked as a success, or a DAG of one's own."""
    candidate, report = forge(world)
    # As who may write to MLflow as well makes it: it was taken for a repeated attempt's own.
    world.by_hand(candidate.run_id, candidate.artifact.digest, str(report.champion_version or ""))
    before = {int(one.version) for one in world.client.search_model_versions(f"name='{MODEL}'")}
    with pytest.raises(GateError, match=r"the ledger does not say that this|is not the ledger's"):
        world.step(register, f"register:{MODEL}", candidate=candidate, report=report)
    after = {int(one.version) for one in world.client.search_model_versions(f"name='{MODEL}'")}
    assert after == before
    known = world.ledger.decisions(MODEL, Topic.VERSION)
    assert [one.figures["version"] for one in known if one.action is Action.REGISTERED] == [1]


def test_held_out_rows_that_are_exchanged_after_the_fit_judge_nobody(world: World) -> None:
    """By who may write the lake: labels of the days that the candidate is judged on."""
    candidate = world.candidate("lake", params=WORSE)
    day = candidate.holdout[-1]
    [file] = [one for one in world.home.rglob("*.parquet") if day in str(one)]
    honest = file.read_bytes()
    table = pq.read_table(file)
    column = table.column_names.index("minutes_late")
    flipped = pc.negate(table["minutes_late"])
    try:
        pq.write_table(table.set_column(column, table.schema.field(column), flipped), file)
        report = world.judged(candidate)
        assert report.outcome is Outcome.UNKNOWN
        assert day in report.checks[0].reason
        with pytest.raises(GateError, match="the ledger does not say"):
            world.step(register, f"register:{MODEL}", candidate=candidate, report=report)
    finally:
        file.write_bytes(honest)
    decision = world.ledger.decisions(MODEL, Topic.GATE)[0]
    assert decision.action is Action.UNDECIDED


def test_a_refusal_that_is_edited_into_a_yes_delivers_nothing(world: World) -> None:
    """By who may change the ledger's schema, and puts the guards back: the row has its link, which says otherwise."""
    candidate = world.candidate("edited", params=WORSE)
    assert world.judged(candidate).outcome is Outcome.BAD
    no, yes = (identity(candidate.run_id, 1, one) for one in (Outcome.BAD, Outcome.OK))
    version = world.by_hand(candidate.run_id, candidate.artifact.digest, "1")
    guard = "airloop_decisions_no_UPDATE"
    with world.ledger.transaction() as connection:
        [made] = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE name = ?", (guard,)
        ).one()
        connection.exec_driver_sql(f"DROP TRIGGER {guard}")
        connection.exec_driver_sql(
            "UPDATE airloop_decisions SET id = ?, action = 'passed' WHERE id = ?", (yes, no)
        )
        connection.exec_driver_sql(made)
    with pytest.raises(GateError, match="put there past Airloop, or edited"):
        world.step(promote, f"promote:{MODEL}", version=version, reason="mine")
    assert {yes, no} & {fault.key for fault in world.ledger.audit().faults}


def test_a_deployment_that_is_put_there_by_hand_scores_compares_and_promotes_nothing(
    world: World,
) -> None:
    """By who may write the ledger's rows: the refused bytes as the champion."""
    with world.ledger.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO airloop_deployments (model, sequence, version, previous, artifact_uri, artifact_digest, kind, "
            "reason, at, fence_key, fence_token, actor) SELECT model, sequence + 1, 9, version, ?, ?, kind, reason, at, "
            "fence_key, fence_token, actor FROM airloop_deployments",
            (world.refused.artifact.uri, world.refused.artifact.digest),
        )
    said = "the row that says which version serves is not the ledger's"
    with pytest.raises(GateError, match=said):
        world.step(
            score, f"score:{MODEL}", model=MODEL, partition=world.refused.dataset.partitions[0]
        )
    with pytest.raises(GateError, match=said):
        world.judged(world.candidate("after", params=WORSE))
    [row] = [one for one in world.ledger.glance().faults if one.table == "airloop_deployments"]
    assert (row.entity, row.key) == (MODEL, "2")
    followed = Following().all(world.ledger)[MODEL]
    assert followed.artifact == world.good.artifact
    with world.ledger.transaction() as connection:
        connection.exec_driver_sql("DROP TRIGGER airloop_deployments_no_DELETE")
        connection.exec_driver_sql("DELETE FROM airloop_deployments WHERE sequence = 2")


def test_the_bytes_of_the_champion_exchanged_in_mlflow_are_not_opened(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By who may write to MLflow, and a machine that has no copy yet."""
    serving = world.ledger.current_deployment(MODEL)
    assert serving is not None
    path = serving.artifact.uri.removeprefix(f"runs:/{world.good.run_id}/")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.server.variables(ADMIN).items():
            patch.setenv(name, value)
        world.client.log_text(world.good.run_id, "exchanged", f"{path}/model.onnx")
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    settings = world.settings.model_copy()
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        artifacts.fetch(serving.artifact, settings)


def test_a_number_that_is_given_again_delivers_nothing(world: World) -> None:
    """By who deletes the registered model and makes it anew: the new version 1 is the refused run's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.server.variables(ADMIN).items():
            patch.setenv(name, value)
        world.client.delete_registered_model(MODEL)
        world.client.create_registered_model(MODEL)
    candidate = world.refused
    version = world.by_hand(candidate.run_id, candidate.artifact.digest, "")
    assert version.version == 1
    with pytest.raises(GateError, match="version 1 of"):
        world.step(verify, f"verify:{MODEL}:1", model=MODEL, number=1)
    serving = world.ledger.current_deployment(MODEL)
    assert serving is not None
    assert (serving.version, serving.artifact) == (1, world.good.artifact)
