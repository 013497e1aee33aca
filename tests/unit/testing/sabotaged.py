"""Plug-ins of each seam that break its contract, each in its own way; ``test_sabotage.py`` runs what stands here."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ConfigDict, PlainSerializer

from airloop.alerts.routes import WebhookRoute
from airloop.contracts import Check, Outcome
from airloop.data.sources.builtin import PythonSource
from airloop.evaluation.standard import Brier
from airloop.evaluation.standing import Baseline
from airloop.execution.executors import ProcessExecutor
from airloop.plugins import (
    AlertRoute,
    AlertSpec,
    Move,
    Rollout,
    SourceSpec,
    Stage,
    Verdict,
)
from airloop.testing import (
    AlertContract,
    ExecutorContract,
    GateContract,
    MetricContract,
    RolloutContract,
    SourceContract,
    StepContract,
    TrainerContract,
)
from airloop.testing.cases import case_of, fair, truth_of
from airloop.testing.specs import toy_job
from airloop.training.trainers.builtin import SklearnTrainer
from airloop.vocabulary import Role


class Imported:
    """This file imports numpy, which no plug-in's module may. One of the classes shows that it is found; that takes a second."""

    test_its_module_imports_no_heavy_library = None


class TestSourceOfTheNewest(Imported, SourceContract):
    """Gives whatever is newest, whichever day is asked for."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Newest(PythonSource):
            reads = itertools.count()

            def read(self, spec: Any, partition: str) -> Any:
                yield pd.DataFrame({"id": [next(self.reads)]})

        return Newest()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "python", "function": "a.b:c"}

    @pytest.fixture
    def partition(self) -> str:
        return "2013-01-05"


class LaxSpec(SourceSpec):
    """Takes whatever is said of it, changes under one's hands, and is another when it comes back."""

    model_config = ConfigDict(extra="allow", frozen=False)

    harbour: Annotated[str, PlainSerializer(lambda name: f"{name}, again")]

    @property
    def connections(self) -> Mapping[str, str]:
        return {"harbour_url": ""}


class TestSourceOfNothing(SourceContract):
    """Yields what is no frame, is no source by its members, has a spec that keeps nothing, and imports numpy with its module."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Nothing:
            spec = LaxSpec

            def read(self, spec: Any, partition: str) -> Any:
                yield {"id": ["a"]}

        return Nothing()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "nothing", "harbour": "Husum"}

    @pytest.fixture
    def partition(self) -> str:
        return "2013-01-05"


class TestMetricTheWrongWayRound(Imported, MetricContract):
    """Says that more is better, and ignores how often a row was drawn."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Wrong(Brier):
            higher_is_better = True

            def compute(self, truth: Any, scores: Any, weights: Any) -> Any:
                return super().compute(truth, scores, np.ones_like(weights))

        return Wrong()


class TestMetricOfTheFirstRow(Imported, MetricContract):
    """Looks at the first row alone, of tasks that there are not, and answers once for all resamples."""

    @pytest.fixture
    def plugin(self) -> Any:
        class First(Brier):
            tasks = ("classification", "ranking")

            def compute(self, truth: Any, scores: Any, weights: Any) -> Any:
                return np.array([(truth[0] - scores[0]) ** 2])

        return First()


class Asked(Imported):
    """The cases that a gate is asked about."""

    @pytest.fixture
    def good(self) -> Any:
        return case_of()

    @pytest.fixture
    def bad(self) -> Any:
        return case_of(1 - fair(truth_of()))

    @pytest.fixture
    def blind(self) -> Any:
        return case_of(gates={"min_holdout_rows": 10_000})


class TestGateThatAlwaysPasses(Asked, GateContract):
    """Is content with everything, and says something else each time."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Content(Baseline):
            said = itertools.count()

            def check(self, case: Any, spec: Any) -> Check:
                return Check(name="x", outcome=Outcome.OK, reason=f"fine {next(self.said)}")

        return Content()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "content"}


class TestGateThatRefusesAll(Asked, GateContract):
    """Has nothing to say for any candidate, without a reason."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Grim(Baseline):
            def check(self, case: Any, spec: Any) -> Check:
                return Check(name="x", outcome=Outcome.BAD, reason="")

        return Grim()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "grim"}


class TestTrainerThatPickles(Imported, TrainerContract):
    """Keeps a pickle, and answers by chance."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Pickler(SklearnTrainer):
            files = frozenset({"model.pkl"})

            def scorer(self, estimator: Any, outputs: Any) -> Any:
                return lambda rows: np.random.default_rng().random(len(rows))

            def save(self, estimator: Any, folder: Path) -> None:
                (folder / "model.pkl").write_bytes(pickle.dumps(estimator))

            def open(self, folder: Path, frozen: Any) -> Any:
                pickle.loads((folder / "model.pkl").read_bytes())
                return self.scorer(None, ())

        return Pickler()

    @pytest.fixture
    def job(self, tmp_path: Path) -> Any:
        return toy_job("classification", tmp_path)


class TestTrainerThatClaims(Imported, TrainerContract):
    """Names files in folders and no outputs, answers beyond all bounds, and never grows to the whole."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Claims(SklearnTrainer):
            files = frozenset({"folder/model.skops"})
            outputs = frozenset()

            def scorer(self, estimator: Any, outputs: Any) -> Any:
                answer = super().scorer(estimator, outputs)
                return lambda rows: 2 * answer(rows)

            def growth(self, job: Any, rounds: int) -> Any:
                yield from ((0.9, None), (0.5, None))

        return Claims()

    @pytest.fixture
    def job(self, tmp_path: Path) -> Any:
        return toy_job("classification", tmp_path)


class TestExecutorThatLetsGo(Imported, ExecutorContract):
    """Forgets what it cancelled, and the log with it."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Forgetful(ProcessExecutor):
            gone = False

            def cancel(self, handle: Any) -> None:
                self.gone, self.handle = True, handle

            def poll(self, handle: Any, seconds: float) -> bool:
                return self.gone or super().poll(handle, seconds)

            def logs(self, handle: Any) -> Sequence[str]:
                return ()

            def result(self, handle: Any) -> int | None:
                return None if self.gone else super().result(handle)

        made = Forgetful()
        yield made
        if made.gone:
            made.handle.stop()
            made.handle.close()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "process"}


class TestAlertThatTells(Imported, AlertContract):
    """Raises where nobody answers, shows its token, and says that all went well."""

    secret = "s3cret"

    @pytest.fixture
    def plugin(self) -> Any:
        class Teller(WebhookRoute):
            def send(self, spec: Any, alert: Any) -> str | None:
                if spec.url is None:
                    return None
                raise OSError(spec.url.get_secret_value())

        return Teller()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "webhook", "url_env": "NOWHERE"}

    @pytest.fixture
    def arrived(self) -> Sequence[str]:
        return ()

    @pytest.fixture
    def broken(self) -> dict[str, Any]:
        return {"kind": "webhook", "url": "http://127.0.0.1:9/s3cret"}


class OpenSpec(AlertSpec):
    """Shows its token to whoever reads the settings."""

    url: str


class TestAlertThatShowsItsToken(Imported, AlertContract):
    """Says why it was not taken in as many lines as it likes."""

    secret = "s3cret"

    @pytest.fixture
    def plugin(self) -> Any:
        class Open(AlertRoute):
            spec = OpenSpec

            def send(self, spec: Any, alert: Any) -> str | None:
                return "no\nanswer"

        return Open()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "open", "url": "http://127.0.0.1:9/s3cret"}

    @pytest.fixture
    def arrived(self) -> Sequence[str]:
        return ()

    @pytest.fixture
    def broken(self, data: dict[str, Any]) -> dict[str, Any]:
        return data


class TestRolloutThatIsTheChampion(Imported, RolloutContract):
    """Takes everything in one step, draws what follows, and never goes back."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Hasty(Rollout):
            looks = itertools.count()

            def stages(self, spec: Any) -> Any:
                return (Stage(role=Role.CANARY, weight=100),)

            def judge(self, spec: Any, standing: Any) -> Verdict:
                return Verdict(move=Move.ON, reason=f"look {next(self.looks)}")

        return Hasty()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "hasty"}


class TestRolloutThatAlwaysGoesBack(Imported, RolloutContract):
    """Whatever was seen."""

    @pytest.fixture
    def plugin(self) -> Any:
        class Timid(Rollout):
            def stages(self, spec: Any) -> Any:
                return (Stage(role=Role.CANARY, weight=1),)

            def judge(self, spec: Any, standing: Any) -> Verdict:
                return Verdict(move=Move.BACK, reason="who knows")

        return Timid()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "timid"}


class TestStepOfAnotherShape(StepContract):
    """Takes one argument, and has a result of its own."""

    step = "ingest"
    module = "tests.unit.testing.wrong_step"
