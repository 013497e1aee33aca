"""How the rivals of the service are started, asked and watched."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.checkout import ROOT

#: Seconds for a server to answer; a busy machine takes its time.
START = 300
Json = dict[str, Any]


class SilentError(Exception):
    """A server that does not answer, or not what it should."""


@dataclass(frozen=True)
class Server:
    """A command, and how one asks what it started."""

    argv: list[str]
    env: dict[str, str]
    port: int
    ready: str
    path: str
    body: Callable[[Json], Json]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


def rivals(home: Path, token: str) -> dict[str, Server]:
    """The yardstick, and the two servers that people are told to use."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOOP")}
    # MLflow's command looks for uvicorn on the path.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env |= {"PATH": path, "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}", "OTEL_SDK_DISABLED": "true"}
    model = {
        "BENCH_MODEL": str(home / "store" / "1" / "model.onnx"),
        "BENCH_TOKEN": token,
        "BENCH_LOG": str(home / "rival.log"),
        "BENCH_PIPELINE": str(home / "pipeline.joblib"),
        "BENTOML_HOME": str(home / "rival-bentoml"),
    }
    fast, flow, bento = free_port(), free_port(), free_port()
    module = [sys.executable, "-m"]
    return {
        "fastapi": Server(
            [*module, "uvicorn", "bench.rivals.fastapi_onnx:app", "--no-access-log", *_on(fast)],
            env | model, fast, "/metrics", "/predict", lambda row: {"rows": [row]},
        ),
        "mlflow": Server(
            [*module, "mlflow", "models", "serve", "-m", str(home / "mlflow-model"), "--env-manager", "local",
             *_on(flow)],
            env, flow, "/ping", "/invocations", lambda row: {"dataframe_records": [row]},
        ),
        "bentoml": Server(
            [*module, "bentoml", "serve", "bench.rivals.bento:FlightDelay", *_on(bento)],
            env | model, bento, "/readyz", "/predict", lambda row: {"rows": [row]},
        ),
    }  # fmt: skip


def pipeline(artifact: Path) -> Any:
    """The artifact's own estimator behind its features: it takes a request's rows."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    from airloop.registry import artifacts
    from airloop.registry.loader import read_skops

    estimator = read_skops(artifact / artifacts.SKOPS)
    return Pipeline([("features", FunctionTransformer(_features)), ("estimator", estimator)])


def _features(frame: Any) -> Any:
    """What a request's row becomes; a missing number arrives as None."""
    import pandas as pd

    from flights import flight_delay

    texts = {"flight_id", "flight_date", *flight_delay.CATEGORIES}
    numbers = [name for name in frame.columns if name not in texts]
    frame = frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers})
    made = flight_delay.features(frame.assign(flight_date=pd.to_datetime(frame["flight_date"])))
    # As the model's own were in training: a tree's threshold cuts a double elsewhere.
    return made.astype(dict.fromkeys(flight_delay.NUMBERS, "float32"))


def save_for_mlflow(model: Any, rows: list[Json], folder: Path) -> None:
    """As MLflow's documentation saves a pipeline of scikit-learn's: signature inferred, probabilities asked for."""
    import mlflow
    import pandas as pd

    frame = pd.DataFrame(rows)
    signature = mlflow.models.infer_signature(frame, model.predict_proba(frame))
    mlflow.sklearn.save_model(
        model, folder, signature=signature, pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle", pip_requirements=[],
    )  # fmt: skip


def answer_of(path: Path, row: Json) -> float:
    """What the pipeline itself answers."""
    import joblib
    import pandas as pd

    return float(joblib.load(path).predict_proba(pd.DataFrame([row]))[0, 1])


@contextmanager
def answering(server: Server, log: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Started, ready, and ended at the end: where it answers, and its process."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            server.argv, env=server.env, cwd=ROOT, stdout=output, stderr=output
        )
        try:
            _wait(f"{server.url}{server.ready}", process, log)
            yield f"{server.url}{server.path}", psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def until_deployed(url: str) -> None:
    """Wait until a version answers."""
    deadline = time.monotonic() + START
    with httpx.Client() as http:
        while (reply := http.get(url)).status_code != httpx.codes.OK:
            if time.monotonic() > deadline:
                raise TimeoutError(reply.text)
            time.sleep(0.1)


def used(process: psutil.Process) -> float:
    """CPU seconds of a server with all its processes."""
    return sum(sum(one.cpu_times()[:4]) for one in (process, *process.children(recursive=True)))


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _on(port: int) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(port)]


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START
    # One client for all looks: each new one reads the certificates of the world, a third of a core that the start lacks.
    with httpx.Client() as http:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if http.get(url).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise SilentError(f"{url}: {log.read_text(errors='replace').strip()[-300:]}")
