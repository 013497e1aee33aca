"""What is built in keeps the contracts that are handed to others."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from airloop.data.sources.builtin import FileSource, PythonSource, SqlSource
from airloop.delivery.strategies.builtin import AllAtOnce, Canary, Shadow
from airloop.errors import ArtifactError
from airloop.plugins.gate import STANDING
from airloop.plugins.registry import GATES, METRICS, TRAINERS, load, names
from airloop.testing import (
    AlertContract,
    ExecutorContract,
    GateContract,
    MetricContract,
    RolloutContract,
    SourceContract,
    TrainerContract,
)
from airloop.testing.cases import case_of, fair, truth_of
from airloop.testing.specs import toy_job, toy_rows

DAY = "2013-01-05"


class TestFile(SourceContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return FileSource()

    @pytest.fixture
    def data(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / f"{DAY}.csv").write_text("id,x\na,1\nb,2\n")
        return {"kind": "file", "path": f"{tmp_path}/{{partition}}.csv", "format": "csv"}

    @pytest.fixture
    def partition(self) -> str:
        return DAY


class TestSql(SourceContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return SqlSource()

    @pytest.fixture
    def data(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        url = f"sqlite:///{tmp_path / 'shop.db'}"
        with sa.create_engine(url).begin() as connection:
            connection.execute(sa.text("CREATE TABLE orders (id TEXT, day TEXT)"))
            connection.execute(sa.text(f"INSERT INTO orders VALUES ('a', '{DAY}')"))
        monkeypatch.setenv("AIRLOOP_CONNECTION_MY_SHOP", url)
        query = "SELECT id FROM orders WHERE day >= :start AND day < :end"
        return {"kind": "sql", "query": query, "connection": "my-shop"}

    @pytest.fixture
    def partition(self) -> str:
        return DAY


class TestPython(SourceContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return PythonSource()

    @pytest.fixture
    def data(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        (tmp_path / "contract_orders.py").write_text(
            "import pandas as pd\n\n\ndef rows(day):\n"
            f"    if day == {DAY!r}:\n        yield pd.DataFrame({{'id': ['a']}})\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        return {"kind": "python", "function": "contract_orders:rows"}

    @pytest.fixture
    def partition(self) -> str:
        return DAY


@pytest.mark.parametrize("name", names(METRICS))
class TestMetrics(MetricContract):
    @pytest.fixture
    def plugin(self, name: str) -> Any:
        return load(METRICS, name)


@pytest.mark.parametrize("name", STANDING)
class TestGates(GateContract):
    @pytest.fixture
    def plugin(self, name: str) -> Any:
        return load(GATES, name)

    @pytest.fixture
    def data(self, name: str) -> dict[str, Any]:
        return {"kind": name}

    @pytest.fixture
    def good(self) -> Any:
        truth = truth_of()
        return case_of(fair(truth, 4.0), fair(truth, 1.0))

    @pytest.fixture
    def bad(self, name: str) -> Any:
        truth = truth_of()
        match name:
            case "calibration":
                pytest.skip("it informs only")
            case "signature":
                return case_of(fair(truth) + 2)
            case "leakage":
                told = toy_rows().assign(far=lambda rows: rows["late"])
                return case_of(frame=told)
            case "slices":
                rows = toy_rows().assign(wet=lambda rows: (rows["wet"] > 0).astype(float))
                truth, half = truth_of(rows), rows["wet"][-len(truth_of(rows)) :] > 0
                worse = np.where(half, 1 - fair(truth), fair(truth))
                gates = {"slices": ["wet"], "min_slice_rows": 50}
                return case_of(worse, fair(truth), frame=rows, gates=gates)
        return case_of(1 - fair(truth), fair(truth))

    @pytest.fixture
    def blind(self, name: str) -> Any:
        match name:
            case "calibration":
                pytest.skip("it informs only")
            case "leakage":
                nothing = toy_rows()
                nothing.loc[nothing["day"] >= "2024-03-05", "late"] = 1.0
                return case_of(frame=nothing, gates={"primary": "roc_auc"})
            case "signature":
                case = case_of()
                case.candidate = case.candidate.model_copy(update={"metrics": {"brier": 0.9}})
                return case
            case "slices":
                gates = {"slices": ["wet"], "min_slice_rows": 50}
                return case_of(gates=gates)

        def gone() -> Any:
            raise ArtifactError("the files are not there")

        case = case_of(champion=fair(truth_of()), gates={"min_holdout_rows": 10_000})
        case.open = gone
        return case


class TestSklearn(TrainerContract):
    @pytest.fixture(params=["classification"])
    def job(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        return toy_job(request.param, tmp_path)

    @pytest.fixture
    def plugin(self) -> Any:
        from airloop.training.trainers.builtin import SklearnTrainer

        return SklearnTrainer()


class TestTorch(TrainerContract):
    @pytest.fixture
    def plugin(self) -> Any:
        pytest.importorskip("torch")
        from airloop.training.trainers.builtin import TorchTrainer

        return TorchTrainer()

    @pytest.fixture(params=["classification", "regression"])
    def job(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        params = {"epochs": 8, "batch_rows": 64, "learning_rate": 0.02}
        job = toy_job(request.param, tmp_path, trainer="torch", params=params)
        module = "tests.unit.testing.network"
        return replace(job, model=job.model.model_copy(update={"module": module}))


class _Booster(TrainerContract):
    library = ""

    @pytest.fixture
    def plugin(self) -> Any:
        pytest.importorskip(self.library)
        return load(TRAINERS, self.library)

    @pytest.fixture(params=["classification", "regression"])
    def job(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        params = {"library": self.library, "task": request.param}
        job = toy_job(request.param, tmp_path, trainer=self.library, params=params)
        module = "tests.unit.testing.boosters"
        return replace(job, model=job.model.model_copy(update={"module": module}))


class TestXGBoost(_Booster):
    library = "xgboost"


class TestLightGBM(_Booster):
    library = "lightgbm"


class TestCatBoost(_Booster):
    library = "catboost"


class TestProcess(ExecutorContract):
    @pytest.fixture
    def plugin(self) -> Any:
        from airloop.execution.executors import ProcessExecutor

        return ProcessExecutor()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "process"}


class TestAllAtOnce(RolloutContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return AllAtOnce()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "all_at_once"}


class TestCanary(RolloutContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return Canary()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "canary", "weights": [5, 50]}


class TestShadow(RolloutContract):
    @pytest.fixture
    def plugin(self) -> Any:
        return Shadow()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "shadow", "weight": 20}


class TestLog(AlertContract):
    @pytest.fixture
    def plugin(self) -> Any:
        from airloop.alerts.routes import LogRoute

        return LogRoute()

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"kind": "log"}

    @pytest.fixture
    def arrived(self, caplog: pytest.LogCaptureFixture) -> Sequence[str]:
        caplog.set_level(logging.ERROR, "airloop.alert")
        return _Later(lambda: caplog.messages)

    @pytest.fixture
    def broken(self) -> dict[str, Any]:
        pytest.skip("a log takes everything")


class TestWebhook(AlertContract):
    secret = "s3cret"

    @pytest.fixture
    def plugin(self) -> Any:
        from airloop.alerts.routes import WebhookRoute

        return WebhookRoute()

    @pytest.fixture
    def arrived(self) -> Iterator[list[str]]:
        bodies: list[str] = []

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bodies.append(json.dumps(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silence."""

        server = HTTPServer(("127.0.0.1", 0), Hook)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.port = server.server_port
        yield bodies
        server.shutdown()
        thread.join()
        server.server_close()

    @pytest.fixture
    def data(self, arrived: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        monkeypatch.setenv("ALERT_URL", f"http://127.0.0.1:{self.port}/{self.secret}")
        return {"kind": "webhook", "url_env": "ALERT_URL"}

    @pytest.fixture
    def broken(self) -> dict[str, Any]:
        return {"kind": "webhook", "url": f"http://127.0.0.1:9/{self.secret}"}


class _Later(Sequence[str]):
    """Texts that are looked up when they are asked for."""

    def __init__(self, look: Any) -> None:
        self._look = look

    def __getitem__(self, index: Any) -> Any:
        return self._look()[index]

    def __len__(self) -> int:
        return len(self._look())
