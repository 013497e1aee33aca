"""Search, choice and reuse, on a real lake, ledger, MLflow store and tuning database (SQLite)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
import yaml

from airloop.contracts import PartitionKey
from airloop.errors import SpecError, SupersededError
from airloop.registry import loader, models, tracking
from airloop.steps import study, train, trials
from airloop.training.parameters import ALGORITHM
from airloop.training.tuning import policy
from airloop.training.tuning.study import open_study
from tests.integration.training.test_train_evaluate_register import (  # noqa: F401
    World,
    world,
)
from tests.support.loop.specimens import DAYS, model_spec

SPACE = {
    "learning_rate": {"low": 0.01, "high": 0.5, "log": True},
    "max_leaf_nodes": {"low": 4, "high": 32},
}
TUNING = {"trials": 8, "parallel": 2, "space": SPACE, "retune_after_days": 3}


def respec(world: World, **changes: object) -> None:
    fields = model_spec(**changes).model_dump(mode="json", by_alias=True)
    path = world.catalog.folder / "models" / "lateness.yaml"
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")


def ask(world: World, key: str = "study:lateness:t1", **fields: object) -> study.Result:
    fence = world.ledger.begin_attempt(key)
    return study.run(study.Request(fence=fence, model="lateness", **fields), world.context())


def share(world: World, found: study.Result, worker: int) -> int:
    fence = world.ledger.begin_attempt(f"trials:{found.study}:{worker}")
    request = trials.Request(
        fence=fence,
        model="lateness",
        study=found.study,
        worker=worker,
        share=found.shares[worker],
        until=found.until,
    )
    return trials.run(request, world.context()).trials


def search(world: World, key: str = "t1", until: PartitionKey | None = None) -> study.Result:
    found = ask(world, f"study:lateness:{key}", until=until)
    for worker in range(len(found.shares)):
        share(world, found, worker)
    return found


def opened(world: World, name: str | None) -> optuna.Study:
    return open_study(world.settings, world.catalog.model("lateness"), str(name), seed=0)


def test_the_best_parameters_are_found_recorded_and_kept_with_the_model(world):
    respec(world, tuning=TUNING)
    found = search(world)
    assert found.shares == (4, 4)
    candidate = world.train(study=found.study)
    best = opened(world, found.study).best_params
    decision = policy.last(world.ledger, world.catalog.model("lateness"))
    assert policy.parameters(decision) == best
    assert decision.figures["trials"] == 8
    fitted = json.loads(candidate.params)
    assert {name: fitted[name] for name in SPACE} == best
    assert fitted["max_iter"] == 20  # of the spec, under what was found
    frozen = loader.load(candidate.artifact, world.settings).spec
    assert frozen.training.params == fitted
    version = world.register(candidate, world.evaluate(candidate))
    client = tracking.client(world.settings)
    tags = client.get_model_version("lateness", str(version.version)).tags
    assert json.loads(tags["airloop.params"]) == fitted


def test_each_trial_is_a_run_under_the_studys(world):
    respec(world, tuning=TUNING)
    found = search(world)
    client = tracking.client(world.settings)
    parent = opened(world, found.study).user_attrs["mlflow_run"]
    experiment = client.get_experiment_by_name("lateness").experiment_id
    nested = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert sorted(int(run.data.tags["airloop.trial"]) for run in nested) == list(range(8))
    assert all("roc_auc" in run.data.metrics for run in nested)
    assert {run.info.status for run in nested} <= {"FINISHED", "KILLED"}
    world.train(study=found.study)
    assert client.get_run(parent).info.status == "FINISHED"


def test_retraining_reuses_them_until_they_are_old_or_the_search_changes(world):
    respec(world, tuning=TUNING)
    first = search(world, "t1", until=DAYS[3])
    world.train("train:lateness:t1", study=first.study, until=DAYS[3])
    soon = ask(world, "study:lateness:t2", until=DAYS[4])
    assert (soon.study, soon.shares) == (None, (0,))
    assert share(world, soon, 0) == 0
    again = world.train("train:lateness:t2", until=DAYS[4])
    known = policy.known(world.ledger, world.catalog.model("lateness"))
    assert known
    assert json.loads(again.params) == {"max_iter": 20, **known}
    assert ask(world, "study:lateness:t3", until=DAYS[3]).study is None
    respec(world, tuning={**TUNING, "retune_after_days": 1})
    assert "1 days of data old" in ask(world, "study:lateness:t4", until=DAYS[4]).reason
    respec(world, tuning={**TUNING, "space": {"max_leaf_nodes": {"low": 4, "high": 8}}})
    assert ask(world, "study:lateness:t5", until=DAYS[4]).study is not None


def test_a_parameter_that_the_run_sets_is_not_looked_for(world):
    respec(world, tuning=TUNING)
    found = ask(world, params={"max_leaf_nodes": 5})
    assert found.study is None
    assert "max_leaf_nodes" in found.reason


def test_a_killed_worker_goes_on_where_it_was(world, monkeypatch):
    respec(world, tuning=TUNING)
    found = ask(world)
    calls = []

    def die(self, trial):
        calls.append(trial.number)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return 0.5

    with monkeypatch.context() as patched:
        patched.setattr("airloop.training.tuning.trials.Objective.__call__", die)
        with pytest.raises(KeyboardInterrupt):
            share(world, found, 0)
    # The third counts: a parameter that kills its worker must not be tried for ever.
    assert share(world, found, 0) == 1
    assert len(opened(world, found.study).trials) == 4


def test_a_superseded_worker_stops(world):
    respec(world, tuning=TUNING)
    found = ask(world)
    fence = world.ledger.begin_attempt("trials:w")
    world.ledger.begin_attempt("trials:w")
    request = trials.Request(
        fence=fence, model="lateness", study=found.study, worker=0, share=4, until=found.until
    )
    with pytest.raises(SupersededError):
        trials.run(request, world.context())


def test_a_trial_that_fails_is_that_trials_alone(world):
    space = {"max_leaf_nodes": {"choices": [1, 8]}}  # one leaf is no tree
    respec(world, tuning={**TUNING, "space": space, "seed": 3})
    found = search(world)
    states = {trial.state.name for trial in opened(world, found.study).trials}
    assert "FAIL" in states
    candidate = world.train(study=found.study)
    assert json.loads(candidate.params)["max_leaf_nodes"] == 8


def test_a_search_of_failures_says_why(world):
    respec(world, tuning={**TUNING, "space": {"max_leaf_nodes": {"choices": [1]}}, "trials": 2})
    found = search(world)
    with pytest.raises(SpecError, match=r"none of 2 trials.*max_leaf_nodes"):
        world.train(study=found.study)


def test_the_gates_days_are_never_seen_by_a_trial(world, monkeypatch):
    respec(world, tuning={**TUNING, "trials": 1})
    seen = []

    def spy(settings, model, dataset, rows, **fields):
        seen.extend(rows.everything["day"].dt.strftime("%Y-%m-%d").unique())
        return 0

    monkeypatch.setattr("airloop.training.tuning.trials.work", spy)
    share(world, ask(world), 0)
    assert set(seen) == set(DAYS[:-2])


def test_two_workers_share_a_database(world):
    respec(world, tuning=TUNING)
    found = ask(world)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(share, [world, world], [found, found], [0, 1]))
    assert done == [4, 4]
    assert len(opened(world, found.study).trials) == 8


ALGORITHMS = [
    {"name": "boosting", "params": {"max_iter": 20}},
    {"name": "stump", "params": {"max_iter": 1, "max_leaf_nodes": 2}},
    {"name": "linear", "build": "build_linear", "params": {"C": 1.0}},
    {"name": "forest", "build": "build_forest", "params": {"n_estimators": 10}},
    {"name": "tuned", "build": "build_tuned"},
    {"name": "broken", "build": "build_broken"},
]


def test_the_best_algorithm_is_taken_and_a_broken_one_is_out(world):
    respec(world, algorithms=ALGORITHMS)
    candidate = world.train()
    (decision,) = world.ledger.decisions("lateness", "algorithm")
    scores = dict(decision.figures)
    chosen = scores.pop(ALGORITHM)
    assert set(scores) == {"boosting", "stump", "linear", "forest"}
    assert chosen == max(scores, key=scores.get)
    assert chosen != "stump"
    assert "broken failed: the estimator cannot be built" in decision.reason
    assert "ZeroDivisionError: by design" in decision.reason
    assert "tuned failed: the estimator holds a type" in decision.reason
    winner = next(one for one in ALGORITHMS if one["name"] == chosen)
    frozen = loader.load(candidate.artifact, world.settings).spec
    assert frozen.training.build == winner.get("build", "build")
    assert json.loads(candidate.params) == winner["params"]
    assert world.evaluate(candidate).outcome.value == "ok"


def test_when_all_algorithms_fail_one_line_says_so(world):
    broken = [{"name": name, "build": "build_broken"} for name in ("a", "b")]
    respec(world, algorithms=broken)
    with pytest.raises(
        SpecError, match=r"all 2 algorithms failed; a: .*ZeroDivisionError: by design"
    ):
        world.train()


def test_without_tuning_or_algorithms_nothing_is_asked(world):
    assert json.loads(world.train().params) == {"max_iter": 20}
    assert world.ledger.decisions("lateness", "tuning") == []
    assert world.ledger.decisions("lateness", "algorithm") == []
    assert models.aliases("lateness", settings=world.settings) == {}
    assert not (world.home / "tuning.db").exists()
    assert train.Request.model_fields["study"].default is None
