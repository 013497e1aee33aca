"""A model small enough to read: it answers ``x * scale``, and fails where its rows tell it to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from airloop.contracts import ArtifactRef, Deployment
from airloop.errors import DataError
from airloop.serving.http.app import Application
from airloop.serving.http.middleware import Middleware
from airloop.serving.http.tokens import Tokens
from airloop.serving.runtime.endpoints import Endpoints
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.traffic import Share, Traffic, alone
from airloop.vocabulary import Role

TOKEN = "a-token-of-the-test"
GOOD_ROW: dict[str, Any] = {"key": "k1", "day": "2013-03-01", "x": 2.0, "n": 1, "class": "a"}


def dataset_spec() -> DatasetSpec:
    return DatasetSpec.model_validate(
        {
            "name": "things",
            "description": "things",
            "owner": "tests",
            "source": {"kind": "python", "function": "nowhere:rows"},
            "partition_column": "day",
            "start": "2013-01-01",
            "keys": ["key"],
            "columns": {
                "key": {"type": "string", "nullable": False},
                "day": {"type": "date", "nullable": False},
                "x": {"type": "float"},
                "n": {"type": "integer", "nullable": False},
                "class": {"type": "string", "nullable": False},
                "late": {"type": "float", "known": "after"},
            },
            "expectations": [{"expect": "expect_table_row_count_to_be_between"}],
        }
    )


def model_spec(name: str = "doubler", **serving: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": name,
            "description": "doubles",
            "owner": "tests",
            "dataset": "things",
            "module": "nowhere",
            "task": "regression",
            "target": {"column": "late"},
            "inputs": ["day", "x", "n", "class"],
            "gates": {"primary": "mae", "absolute": {"mae": {"max": 1}}},
            "serving": {"event_time": "day", "max_rows": 100, **serving},
        }
    )


class FakeModel:
    """Answers ``x * scale``; a row of class ``poison`` raises, ``unseen`` is refused, ``nan`` has no finite answer."""

    def __init__(self, scale: float = 2.0, spec: ModelSpec | None = None) -> None:
        self.scale, self.spec, self.dataset = scale, spec or model_spec(), dataset_spec()
        self.calls: list[int] = []
        self.before: Callable[[], None] = lambda: None
        self.drifted = ""

    def answer(self, values: Mapping[str, Sequence[Any]]) -> np.ndarray:
        return self.predict(pd.DataFrame(values))

    def predict(self, frame: pd.DataFrame, now: DatasetSpec | None = None) -> np.ndarray:
        self.before()
        self.calls.append(len(frame))
        if (frame["class"] == "unseen").any():
            raise DataError("the model refuses these rows: ValueError")
        if (frame["class"] == "poison").any():
            raise ValueError("could not convert string to float: 'a secret value'")
        answer = frame["x"].astype(float).fillna(0.0).to_numpy() * self.scale
        return np.where(frame["class"] == "nan", np.nan, answer)


def artifact(number: int) -> ArtifactRef:
    return ArtifactRef(uri=f"runs:/{number}/model", digest=f"sha256:{number:064x}")


def deployment(number: int, sequence: int | None = None, model: str = "doubler") -> Deployment:
    return Deployment(
        model=model,
        sequence=sequence or number,
        version=number,
        previous=None,
        artifact=artifact(number),
        kind="promote",
        reason="test",
        at=datetime.now(UTC),
    )


class FakeLedger:
    """Deployments and artifacts by hand: what the slots follow."""

    def __init__(self, **models: FakeModel) -> None:
        self.current: dict[str, Deployment] = {}
        self.names: list[str] = ["doubler"]
        self.artifacts: dict[str, Any] = {}
        self.loads: list[str] = []
        self.shared: dict[str, Traffic] = {}
        #: Why the ledger cannot be read, if so.
        self.down: Exception | None = None
        #: What the slots take for the time.
        self.now = 0.0

    def deploy(
        self, number: int, model: Any, *, sequence: int | None = None, name: str = "doubler"
    ) -> None:
        """``model``: what loading gives, or the exception it raises."""
        self.artifacts[artifact(number).uri] = model
        self.current[name] = deployment(number, sequence, name)

    def direct(self, *others: tuple[int, Any, Role, float], **more: Any) -> None:
        """Let other versions answer beside the one that is deployed: number, model, role and weight."""
        now, before = self.current["doubler"], self.shared.get("doubler")
        for number, model, _, _ in others:
            self.artifacts[artifact(number).uri] = model
        left = 100 - sum(weight for _, _, role, weight in others if role is not Role.SHADOW)
        standing = [(now.version, None, Role.CHAMPION, left), *others]
        shares = [
            Share(version=number, role=role, weight=weight, artifact=artifact(number))
            for number, _, role, weight in standing
        ]
        self.shared["doubler"] = alone(now).model_copy(
            update={"number": before.number + 1 if before else 1, "shares": tuple(shares), **more}
        )

    def deployed(self) -> dict[str, Deployment]:
        if self.down is not None:
            raise self.down
        return dict(self.current)

    def load(self, ref: ArtifactRef) -> Any:
        self.loads.append(ref.uri)
        found = self.artifacts[ref.uri]
        if isinstance(found, Exception):
            raise found
        return found

    def slots(self, home: Path) -> Endpoints:
        return Endpoints(
            home,
            models=lambda: self.names,
            deployed=self.deployed,
            load=self.load,
            traffic=self.shared.get,
            clock=lambda: self.now,
        )


def client(slots: Endpoints, token: str = TOKEN, **options: Any) -> httpx.AsyncClient:
    """A client of the whole application, middleware included, without a socket."""
    transport = httpx.ASGITransport(Middleware(Application(slots), Tokens(TOKEN)), **options)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers)


def parsed_row(**changes: Any) -> dict[str, Any]:
    """A row as the schema gives it."""
    return {"key": "k1", "day": date(2013, 3, 1), "x": 2.0, "n": 1, "class": "a", **changes}
