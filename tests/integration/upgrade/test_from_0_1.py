"""What Airloop 0.1 made goes on with today's code: versions, triggers, rows, predictions, decisions.

Its archive is `tests/golden/airloop-0.1.tar.xz`, made by 0.1 itself; nothing in it is rewritten but by the commands here.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from sqlalchemy import select

from airloop.contracts import Candidate
from airloop.data.labels import predictions_of
from airloop.data.lake.history import committed
from airloop.data.lake.lake import Lake
from airloop.delivery.rollback import rollback
from airloop.errors import SpecError
from airloop.exchange import keys
from airloop.features import transform
from airloop.ledger import open_ledger
from airloop.ledger.migration import migrate
from airloop.ledger.tables import triggers
from airloop.registry import loader, models
from airloop.serving.client import ServiceClient
from airloop.specs import load_catalog
from airloop.vocabulary import Action, Cause, Topic, TriggerState
from tests.support.asking import Asking
from tests.support.golden import Golden, servers, unpacked

#: The loader's own tolerance for another machine's arithmetic.
TOLERANCE = 1e-6


@pytest.fixture
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Golden]:
    """The home as 0.1 left it, with a path that is short enough for the step host's socket."""
    with unpacked(tmp_path_factory.mktemp("old")) as golden:
        assert not Path(golden.expected["root"]).exists(), "where it was made must be gone"
        yield golden


@pytest.fixture
def golden(old: Golden) -> Golden:
    """The home with its ledger migrated."""
    migrate(old.settings)
    return old


def answers(golden: Golden, version: int) -> list[float]:
    loaded = loader.load(golden.deployments()[version].artifact, golden.settings)
    return [float(one) for one in loaded.predict(pd.DataFrame(golden.expected["rows"]))]


def recorded(golden: Golden, version: int) -> Any:
    return pytest.approx(golden.expected["predictions"][str(version)], rel=TOLERANCE)


def test_its_ledger_is_refused_until_the_command_has_migrated_it(old: Golden) -> None:
    path = old.home / "ledger.db"
    before = path.read_bytes()
    with pytest.raises(SpecError, match=r"older Airloop .*run `airloop ledger migrate`"):
        open_ledger(old.settings)
    refused = old.airloop("decisions", old.model)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert path.read_bytes() == before
    assert "migrated" in old.airloop("ledger", "migrate").stdout
    shown = old.airloop("decisions", old.model)
    assert shown.returncode == 0
    assert "retraining" in shown.stdout


def test_its_history_reads_in_todays_words(golden: Golden) -> None:
    decisions = golden.ledger.decisions(golden.model)
    topics = [decision.topic for decision in decisions]
    assert sorted(set(topics)) == sorted(
        {Topic.CANDIDATE, Topic.GATE, Topic.PROMOTION, Topic.PERFORMANCE, Topic.RETRAINING}
    )
    assert len(decisions) == 9
    (sweep,) = golden.ledger.decisions("flights")
    assert sweep.topic is Topic.SWEEP
    assert [one.version for one in golden.ledger.deployments(golden.model)] == [2, 1]
    (waiting,) = golden.ledger.open_triggers(golden.model)
    assert (waiting.id, waiting.cause) == (golden.expected["open_trigger"], Cause.DRIFT)
    assert len(golden.ledger.usage(golden.model)) == 12


def test_both_versions_answer_what_they_answered(golden: Golden) -> None:
    assert golden.deployments()[2].artifact.digest == golden.expected["artifacts"]["2"]["digest"]
    for version in (1, 2):
        assert answers(golden, version) == recorded(golden, version)


def test_without_the_table_of_renames_version_2_does_not_load(
    golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: its spec names a module that is nowhere, under the name it is looked up by today."""
    with pytest.raises(ModuleNotFoundError):
        importlib.util.find_spec("include.models.flight_delay")
    loader.load(golden.deployments()[2].artifact, golden.settings)
    module = Path(str(sys.modules["flights.flight_delay"].__file__))
    assert module.parts[-3:] == ("include", "flights", "flight_delay.py")
    transform._import.cache_clear()
    monkeypatch.setattr(transform, "current", lambda name: name)
    with pytest.raises(SpecError, match="the model's module cannot be imported"):
        loader.load(golden.deployments()[2].artifact, golden.settings)


def test_its_training_rows_are_found_by_its_candidates_reference(golden: Golden) -> None:
    """The digests hold; only the uri is that of the place where 0.1 ran."""
    file = next(golden.home.glob("mlflow/artifacts/1/*/artifacts/candidate.json"))
    ref = Candidate.model_validate_json(file.read_bytes()).dataset
    lake = Lake(golden.settings)
    here = ref.model_copy(update={"uri": lake.table_uri(ref.name)})
    lake.verify(here)
    assert len(lake.read(here)) == ref.rows
    moment = next(one.at for one in committed(lake, ref.name, 1000) if one.version == ref.version)
    assert lake.snapshot(ref.name, ref.partitions, moment).digest == ref.digest


def test_it_serves_rolls_back_retrains_and_delivers(golden: Golden) -> None:
    with servers(), ServiceClient(golden.settings) as service:
        assert models.aliases(golden.model, settings=golden.settings) == golden.expected["aliases"]
        assert service.refresh(golden.model).version == 2
        assert_serves(golden, service, 2)
        compact_what_0_1_logged(golden)
        an_old_steps_key_gives_the_old_result(golden)
        made = retrain_for_the_open_trigger(golden)
        roll_back_to_1(golden, service)
        deliver(golden, made)
        assert service.predict(golden.model, golden.expected["rows"]).version == 3
        assert [one.version for one in golden.ledger.deployments(golden.model)] == [3, 1, 2, 1]
        roll_out_to_and_fro(golden, service)


def assert_serves(golden: Golden, service: ServiceClient, version: int) -> None:
    answer = service.predict(golden.model, golden.expected["rows"])
    assert answer.version == version
    assert list(answer.predictions) == recorded(golden, version)


def logged(golden: Golden) -> int:
    """Rows of version 2's predictions in the lake, of the night that 0.1 left in its log."""
    catalog = load_catalog()
    dataset = catalog.dataset(catalog.model(golden.model).dataset)
    night = [golden.expected["night"]]
    found = predictions_of(Lake(golden.settings), dataset, golden.model, night, 2)
    return sum(batch.num_rows for batch in found.to_batches())


def compact_what_0_1_logged(golden: Golden) -> None:
    before = logged(golden)
    night = golden.expected["night"]
    found = golden.step(keys.Monitor(golden.model, night), model=golden.model, partition=night)
    # The night has been judged: its answer and its trigger are those of 0.1.
    assert (found["created"], found["trigger"]["id"]) == (False, golden.expected["open_trigger"])
    assert logged(golden) - before == golden.expected["logged_rows_not_compacted"]


def an_old_steps_key_gives_the_old_result(golden: Golden) -> None:
    trigger = golden.expected["finished_triggers"][1]
    key = keys.Train(golden.model, trigger)
    again = golden.step(key, model=golden.model, trigger_id=trigger)["candidate"]
    assert again["artifact"] == golden.expected["artifacts"]["2"]


def retrain_for_the_open_trigger(golden: Golden) -> dict[str, Any]:
    day = golden.expected["upstream_only"][0]
    golden.step(keys.Ingest("flights", day), dataset="flights", partition=day)
    claimed = golden.ledger.claim_trigger(golden.model, "train_flight_delay/upgraded")
    assert claimed is not None
    assert claimed.id == golden.expected["open_trigger"]
    made: dict[str, Any] = golden.step(
        keys.Train(golden.model, claimed.id),
        model=golden.model,
        trigger_id=claimed.id,
        reason=claimed.reason,
    )["candidate"]
    assert judged(golden, made)["champion_version"] == 2
    return made


def roll_out_to_and_fro(golden: Golden, service: ServiceClient) -> None:
    """0.1's versions, which bring no code, and today's answer in one process; each is right by its number."""
    rows = golden.expected["rows"]
    serving = golden.settings.serving
    asking = Asking(
        f"{serving.url}/models/{golden.model}/predict",
        serving.bearer(),
        [orjson.dumps({"rows": [row]}).decode() for row in rows],
        {n: [orjson.dumps(one).decode() for one in answers(golden, n)] for n in (1, 2, 3)},
    )
    with asking.traffic(golden.home, 400) as told:
        for version in (2, 3, 1, 3, 2):
            rollback(golden.ledger, golden.settings, golden.model, "to and fro", to_version=version)
            assert service.refresh(golden.model).version == version
            told.wait(version, 40)
    assert (told.wrong, told.failed) == (0, 0), told.example
    assert set(told.versions) == {1, 2, 3}


def judged(golden: Golden, candidate: dict[str, Any]) -> dict[str, Any]:
    key = keys.Evaluate(golden.model, candidate["run_id"])
    report: dict[str, Any] = golden.step(key, candidate=candidate)["report"]
    assert {one["outcome"] for one in report["checks"]} == {"ok"}, report
    return report


def roll_back_to_1(golden: Golden, service: ServiceClient) -> None:
    done = golden.airloop("rollback", golden.model, "--reason", "the upgraded one goes back")
    assert done.returncode == 0, done.stderr
    assert_serves(golden, service, 1)
    found = models.aliases(golden.model, settings=golden.settings)
    assert found == {"champion": 1, "previous": 2}
    again = rollback(golden.ledger, golden.settings, golden.model, "asked twice")
    assert again.version == 1


def deliver(golden: Golden, made: dict[str, Any]) -> None:
    """Judged against version 1, which serves now, registered, verified and promoted."""
    report = judged(golden, made)
    assert report["champion_version"] == 1
    key = keys.Register(golden.model, made["run_id"])
    version = golden.step(key, candidate=made, report=report)["version"]
    assert version["version"] == 3
    with golden.ledger.transaction() as connection:
        trigger = select(triggers.c.state).where(triggers.c.id == golden.expected["open_trigger"])
        assert connection.execute(trigger).scalar() == TriggerState.PASSED
    verified = golden.step(keys.Verify(golden.model, 3), model=golden.model, number=3)
    assert {one["outcome"] for one in verified["checks"]} == {"ok"}, verified
    promotion = {"version": verified["version"], "reason": "retrained"}
    golden.step(keys.Promote(golden.model), **promotion)
    newest = golden.ledger.decisions(golden.model, Topic.PROMOTION, 1)[0]
    assert (newest.action, newest.figures["version"]) == (Action.PROMOTED, 3)
