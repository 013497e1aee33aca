from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Check, ModelVersion, Outcome
from airloop.delivery import verification
from airloop.delivery.verification import verify
from airloop.errors import ArtifactError, UnreachableError
from airloop.settings import Settings
from tests.support.serving_fakes import FakeModel, artifact

VERSION = ModelVersion(model="doubler", version=4, run_id="r", artifact=artifact(4))


class Loaded(FakeModel):
    runtime = "fake"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setattr(verification, "LOAD_REQUESTS", 40)
    return Settings()


def rows(count: int = 30) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": [f"k{number}" for number in range(count)],
            "day": pd.to_datetime(["2013-03-01"] * count),
            "x": [None, *np.linspace(0.1, 3, count - 1)],
            "n": range(count),
            "class": "a",
        }
    )


def run(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    model: object,
    frame: pd.DataFrame | None,
) -> dict[str, Check]:
    def load(*_: object) -> object:
        if isinstance(model, Exception):
            raise model
        return model

    monkeypatch.setattr(verification.loader, "load", load)
    monkeypatch.setattr(verification, "newest_rows", lambda *_: frame)
    checks = verify(VERSION, settings, settings.home / "work")
    return {check.name: check for check in checks}


def test_a_good_version_passes_every_check(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    checks = run(settings, monkeypatch, Loaded(), rows())
    assert list(checks) == ["loads", "parity", "refuses bad input", "load"]
    assert all(check.ok for check in checks.values()), checks
    assert not (settings.home / "predictions").exists(), "the service's own log was not touched"


def test_spoiled_bytes_are_bad(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    checks = run(settings, monkeypatch, ArtifactError("a file differs"), rows())
    assert checks["loads"].outcome is Outcome.BAD


def test_answers_that_differ_online_are_bad(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    class Skewed(Loaded):
        def predict(self, frame: pd.DataFrame) -> np.ndarray:
            # As a transform that treats the types of a request otherwise than those of a table.
            shift = 0.0 if frame["day"].dtype.kind == "M" else 1e-6
            return super().predict(frame) + shift

    checks = run(settings, monkeypatch, Skewed(), rows())
    assert checks["parity"].outcome is Outcome.BAD


def test_a_version_that_cannot_answer_at_all_is_bad(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    class Silent(Loaded):
        def predict(self, frame: pd.DataFrame) -> np.ndarray:
            if frame["day"].dtype.kind == "M":
                return super().predict(frame)
            raise ValueError

    checks = run(settings, monkeypatch, Silent(), rows())
    assert checks["parity"].outcome is Outcome.BAD


def test_without_rows_to_ask_for_nobody_can_tell(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    checks = run(settings, monkeypatch, Loaded(), None)
    assert checks["parity"].outcome is Outcome.UNKNOWN


def test_a_check_that_could_not_be_made_could_not_tell(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    def gone(*_: object) -> None:
        raise UnreachableError("gone")

    monkeypatch.setattr(verification, "parity", gone)
    checks = run(settings, monkeypatch, Loaded(), rows())
    assert checks["parity"].outcome is Outcome.UNKNOWN
    assert checks["load"].ok


def test_a_service_that_accepts_nan_is_bad(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    from airloop.serving.http.schema import RequestSchema

    parse = RequestSchema.parse
    monkeypatch.setattr(
        RequestSchema, "parse", lambda self, body: parse(self, body.replace(b"NaN", b"0.0"))
    )
    checks = run(settings, monkeypatch, Loaded(), rows())
    assert checks["refuses bad input"].outcome is Outcome.BAD
    assert "NaN" in checks["refuses bad input"].reason
