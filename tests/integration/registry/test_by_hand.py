"""What a hand can do in MLflow's pages: each act is survived, named and mended, on a real MLflow server."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airloop.contracts import (
    ArtifactRef,
    Candidate,
    Check,
    DatasetRef,
    Deployment,
    GateReport,
    ModelVersion,
    Outcome,
)
from airloop.delivery import deployment as deployments
from airloop.delivery import mending
from airloop.delivery.delivery import promote
from airloop.delivery.differences import GATES, Comparison
from airloop.delivery.reconciliation import reconcile
from airloop.delivery.rollback import rollback
from airloop.devstack.needs import _mlflow
from airloop.errors import PermanentError
from airloop.evaluation.verdict import record
from airloop.execution.context import StepContext
from airloop.ledger import Ledger, open_ledger
from airloop.registry import models, runs, tracking
from airloop.serving.responses import EndpointState
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.steps import register
from airloop.vocabulary import Action, Topic
from tests.support.servers import MlflowServer

MODEL = "by_hand"
DELIVERED = {Topic.PROMOTION, Topic.ROLLBACK}
_numbers = itertools.count()
DATASET = DatasetRef(
    name="events",
    uri="lake/events",
    version=1,
    partitions=("2013-01-05",),
    rows=10,
    digest="sha256:" + "0" * 64,
)


class Follower:
    """A service that serves what the ledger says."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def endpoints(self, model: str | None = None) -> tuple[EndpointState, ...]:
        return ()

    def refresh(self, model: str) -> EndpointState:
        now = self.ledger.current_deployment(model)
        assert now is not None
        return EndpointState(model=model, version=now.version, sequence=now.sequence)


class World:
    """A model of which a version serves, another served before, and a third may serve next."""

    def __init__(self, home: Path, url: str) -> None:
        self.home, self.model = home, MODEL
        self.settings = Settings(ledger_url=f"sqlite:///{home / 'ledger.db'}", mlflow_uri=url)
        self.ledger = open_ledger(self.settings)
        self.client = tracking.client(self.settings)
        self.service = Follower(self.ledger)
        self.versions: dict[int, ModelVersion] = {}
        for _ in range(2):
            self.promote(self.registered())

    @property
    def serving(self) -> Deployment:
        """Now."""
        now = self.ledger.current_deployment(self.model)
        assert now is not None
        return now

    @property
    def champion(self) -> str:
        """Its number, as MLflow writes it."""
        return str(self.serving.version)

    @property
    def old(self) -> str:
        """The one before."""
        return str(self.serving.previous)

    @property
    def newest(self) -> str:
        """The challenger."""
        return str(max(self.versions))

    def run(self) -> Candidate:
        """A trained model of one file."""
        number = next(_numbers)
        with tracking.reaching(self.settings):
            experiment = runs.experiment(self.client, self.model)
            run = str(self.client.create_run(experiment).info.run_id)
            self.client.log_text(run, f"{number}", "model/manifest.json")
            self.client.set_terminated(run)
        digest = "sha256:" + hashlib.sha256(f"{number}".encode()).hexdigest()
        artifact = ArtifactRef(uri=f"runs:/{run}/model", digest=digest)
        return Candidate(
            model=self.model, run_id=run, artifact=artifact, dataset=DATASET, holdout=(), metrics={}
        )

    def judged(self, candidate: Candidate, outcome: Outcome = Outcome.OK) -> GateReport:
        current = self.ledger.current_deployment(self.model)
        report = GateReport(
            model=self.model,
            run_id=candidate.run_id,
            champion_version=current.version if current else None,
            checks=(Check(name="absolute", outcome=outcome, reason="because"),),
        )
        record(report, candidate, self.ledger, self.settings)
        return report

    def registered(self) -> ModelVersion:
        """Another version, by the step."""
        candidate = self.run()
        key = f"register:{self.model}:{candidate.run_id}"
        request = register.Request(
            fence=self.ledger.begin_attempt(key), candidate=candidate, report=self.judged(candidate)
        )
        context = StepContext(self.settings, Catalog(self.home), self.ledger, self.home)
        version = register.run(request, context).version
        self.versions[version.version] = version
        return version

    def promote(self, version: ModelVersion) -> None:
        fence = self.ledger.begin_attempt(f"promote:{self.model}")
        promote(self.ledger, self.settings, fence, version, "better", service=self.service)

    def differences(self) -> list[str]:
        found = Comparison(self.ledger, self.settings, timedelta(0)).differences()
        return [one.says for one in found if one.model == self.model]

    def reconciled(self) -> list[str]:
        return reconcile(self.ledger, self.settings, timedelta(0))


@pytest.fixture(scope="module")
def world(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("by-hand")

    def fetched(ref: ArtifactRef, settings: Settings) -> Path:
        return tracking.download(ref.uri, Path(settings.home), settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(home))
        for module in (deployments.artifacts, register.artifacts):
            patch.setattr(module, "fetch", fetched)
        yield World(home, mlflow_server.url)


def _made_by_hand(world: World) -> None:
    refused = world.run()
    world.judged(refused, Outcome.BAD)
    tags = {
        models.ARTIFACT_URI: refused.artifact.uri,
        models.ARTIFACT_DIGEST: refused.artifact.digest,
    }
    world.client.create_model_version(world.model, refused.artifact.uri, refused.run_id, tags=tags)


def _refused_called_passed(world: World) -> None:
    refused = world.run()
    world.judged(refused, Outcome.BAD)
    world.client.set_tag(refused.run_id, GATES, "passed")


def _experiment(world: World) -> str:
    return str(world.client.get_experiment_by_name(world.model).experiment_id)


#: The act, and what is said of it.
ACTS: dict[str, tuple[Callable[[World], Any], str]] = {
    "the champion's alias moved": (
        lambda world: world.client.set_registered_model_alias(MODEL, "champion", world.old),
        "alias champion names version {old}; by the ledger it is version {champion}",
    ),
    "the champion's alias taken away": (
        lambda world: world.client.delete_registered_model_alias(MODEL, "champion"),
        "alias champion names none; by the ledger it is version {champion}",
    ),
    "the challenger's alias moved": (
        lambda world: world.client.set_registered_model_alias(MODEL, "challenger", world.old),
        "alias challenger names version {old}; by the ledger it is version {newest}",
    ),
    "a version's digest exchanged": (
        lambda world: world.client.set_model_version_tag(
            MODEL, world.newest, models.ARTIFACT_DIGEST, "sha256:" + "e" * 64
        ),
        "version {newest} says other than the ledger: airloop.artifact_digest",
    ),
    "a version made of a refused run": (_made_by_hand, "was made by hand of run"),
    "the run of the version that serves deleted": (
        lambda world: world.client.delete_run(world.versions[world.serving.version].run_id),
        "of version {champion} was deleted",
    ),
    "the experiment deleted": (
        lambda world: world.client.delete_experiment(_experiment(world)),
        "its experiment was deleted",
    ),
    "a refused run called passed": (
        _refused_called_passed,
        "says of its gates 'passed'; by the ledger it is 'refused'",
    ),
    "the registered model deleted": (
        lambda world: world.client.delete_registered_model(MODEL),
        "the registered model is gone",
    ),
    "the registered model renamed": (
        lambda world: world.client.rename_registered_model(MODEL, f"renamed_{world.newest}"),
        "the registered model is gone",
    ),
    "an old version deleted": (
        lambda world: world.client.delete_model_version(MODEL, world.old),
        "version {old} was deleted",
    ),
    "the version that serves deleted": (
        lambda world: world.client.delete_model_version(MODEL, world.champion),
        "version {champion} was deleted",
    ),
}


#: Those that the loop meets before anybody mends them.
LATER = (
    "the experiment deleted",
    "the registered model deleted",
    "the version that serves deleted",
)


@pytest.mark.parametrize(
    ("act", "mended"),
    [*((act, "at once") for act in ACTS), *((act, "later") for act in LATER)],
)
def test_what_a_hand_did_in_mlflow_is_survived_named_and_mended(
    world: World, act: str, mended: str, caplog: pytest.LogCaptureFixture
) -> None:
    if "deleted" in act:
        world.promote(world.registered())
    world.registered()
    assert world.differences() == []
    do, words = ACTS[act]
    says = words.format(old=world.old, champion=world.champion, newest=world.newest)
    do(world)
    found = world.differences()
    assert any(says in one for one in found), found
    if mended == "at once":
        _mend(world, says, caplog)
    before, highest = world.serving, max(world.versions)
    version = world.registered()
    assert version.version > highest, "a number is never given twice"
    world.promote(version)
    rollback(world.ledger, world.settings, MODEL, "worse", service=world.service)
    assert world.serving.version == before.version
    told = [one for one in world.ledger.decisions(MODEL) if one.topic in DELIVERED]
    assert [one.action for one in told[:2]] == [Action.ROLLED_BACK, Action.PROMOTED]
    if mended == "later":
        world.reconciled()
        assert world.differences() == []


def _mend(world: World, says: str, caplog: pytest.LogCaptureFixture) -> None:
    lines = world.reconciled()
    assert any(says in one for one in lines), lines
    assert not any("not put right" in one for one in lines)
    assert world.differences() == []
    assert any(message.startswith("MLflow differs") for message in caplog.messages)
    told = [one.action for one in world.ledger.decisions(MODEL, Topic.MLFLOW, 2)]
    assert told == [Action.MENDED, Action.DIFFERS]
    assert world.reconciled() == []


def test_status_names_what_differs_and_what_puts_it_right(world: World) -> None:
    assert _mlflow(world.settings, False)[0] is Outcome.OK
    ACTS["a version's digest exchanged"][0](world)
    outcome, says = _mlflow(world.settings, False)
    assert outcome is Outcome.BAD
    assert f"{MODEL}: version {world.newest} says other than the ledger" in says
    assert "run `airloop reconcile`" in says
    world.reconciled()
    assert _mlflow(world.settings, False)[0] is Outcome.OK


def test_what_differs_is_announced_once_for_as_long_as_it_stands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> str:
        raise PermanentError("MLflow refused")

    with monkeypatch.context() as patch:
        patch.setattr(mending, "restore_run", refused)
        world.client.delete_run(world.versions[world.serving.version].run_id)
        count = len(world.ledger.decisions(MODEL, Topic.MLFLOW))
        for _ in range(3):
            assert "not put right: MLflow refused" in world.reconciled()[0]
        assert len(world.ledger.decisions(MODEL, Topic.MLFLOW)) == count + 1
    world.reconciled()
    assert world.ledger.decisions(MODEL, Topic.MLFLOW)[0].action is Action.MENDED


def test_versions_of_before_are_put_down_and_nothing_differs(world: World) -> None:
    """A ledger of before knows verdicts and deployments, and no registrations."""
    with world.ledger.transaction() as connection:
        connection.exec_driver_sql("DROP TRIGGER airloop_decisions_no_DELETE")
        connection.exec_driver_sql("DELETE FROM airloop_decisions WHERE action = 'registered'")
    assert world.reconciled() == []
    known = world.ledger.decisions(MODEL, Topic.VERSION)
    assert str(known[0].figures["version"]) == world.newest
    assert world.differences() == []
