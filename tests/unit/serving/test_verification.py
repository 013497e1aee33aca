from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import orjson
import pandas as pd
import pytest

from airloop.contracts import Check, ModelVersion, Outcome
from airloop.delivery import objectives, verification
from airloop.delivery.load import LoadResult
from airloop.delivery.verification import verify
from airloop.errors import ArtifactError, UnreachableError
from airloop.serving.http.middleware import Middleware
from airloop.serving.requests import RequestSchema, Row
from airloop.settings import Settings
from airloop.specs.sections.serving import ObjectivesSpec
from tests.support.serving_fakes import FakeModel, artifact

VERSION = ModelVersion(model="doubler", version=4, run_id="r", artifact=artifact(4))


class Loaded(FakeModel):
    runtime = "fake"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setattr(objectives, "LOAD_REQUESTS", 40)
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

    monkeypatch.setattr(verification.environments, "load", load)
    monkeypatch.setattr(verification, "newest_rows", lambda *_: frame)
    checks = verify(VERSION, settings, settings.home / "work")
    return {check.name: check for check in checks}


def test_a_good_version_passes_every_check(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    checks = run(settings, monkeypatch, Loaded(), rows())
    assert list(checks) == ["loads", "parity", "refuses bad input", "load", "memory"]
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
    from airloop.serving.requests import RequestSchema

    parse = RequestSchema.parse
    monkeypatch.setattr(
        RequestSchema, "parse", lambda self, body: parse(self, body.replace(b"NaN", b"0.0"))
    )
    checks = run(settings, monkeypatch, Loaded(), rows())
    assert checks["refuses bad input"].outcome is Outcome.BAD
    assert "NaN" in checks["refuses bad input"].reason


LAX = {
    "a wrong token": lambda patch: patch.setattr(Middleware, "_may_enter", lambda *_: True),
    "an unknown field": lambda patch: _answer_instead(patch, b"no_such_field"),
    "a missing field": lambda patch: _answer_instead(patch, b"[{}]"),
}


def _answer_instead(patch: pytest.MonkeyPatch, sign: bytes) -> None:
    """Take a body with this sign for a good row."""
    parse = RequestSchema.parse

    def lax(self: RequestSchema, body: bytes) -> list[Row]:
        good = orjson.dumps({"rows": [self.placeholder]})
        return parse(self, good if sign in body else body)

    patch.setattr(RequestSchema, "parse", lax)


@pytest.mark.parametrize("what", LAX)
def test_a_service_that_lets_in_what_it_must_refuse_is_bad(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, what: str
):
    LAX[what](monkeypatch)
    check = run(settings, monkeypatch, Loaded(), rows())["refuses bad input"]
    assert check.outcome is Outcome.BAD
    assert check.reason.startswith(f"{what} was answered 200")


def put_under(result: LoadResult) -> Callable[..., LoadResult]:
    return lambda *_: result


SLOW = LoadResult(1.0, 1.0, [0.01] * 30 + [2.25] * 10)
LOADS = {
    "all answered in time": (LoadResult(1.0, 1.0, [0.01] * 40), Outcome.OK),
    "one of them failed": (LoadResult(1.0, 1.0, [0.01] * 39, {"503": 1}), Outcome.BAD),
    "one of them was cut": (LoadResult(1.0, 1.0, [0.01] * 39, {"OSError": 1}), Outcome.BAD),
    "none was answered": (LoadResult(1.0), Outcome.BAD),
}


@pytest.mark.parametrize("what", LOADS)
def test_a_load_is_judged_by_its_failures_and_its_slowest(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, what: str
):
    result, outcome = LOADS[what]
    monkeypatch.setattr(objectives, "_load", put_under(result))
    check = objectives.small_load(settings, "doubler", [{"x": 1.0}])
    assert check.outcome is outcome, check.reason
    assert check.figures["failed"] == result.failed
    assert f"{len(result.latencies)} of 40 answered" in check.reason


IDLE = LoadResult(1.0, 0.9, [0.002] * 40)
BUSY = LoadResult(4.0, 0.8, [0.3] * 40)
MOMENTS = {
    "on an idle machine it is the model": (IDLE, Outcome.BAD, "2023 ms are the model's own"),
    "on a busy one it is the machine": (BUSY, Outcome.OK, "5.0 times what is computed"),
    "on one that gives nothing": (LoadResult(30, 0.8, [0.3] * 40), Outcome.UNKNOWN, "too busy"),
    "on one that answers nothing": (
        LoadResult(1, 0.9, [], {"OSError": 40}),
        Outcome.UNKNOWN,
        "busy",
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_comes_late_is_judged_by_what_the_machine_can_do_at_that_moment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, moment: str
):
    reference, outcome, said = MOMENTS[moment]
    monkeypatch.setattr(objectives, "_load", put_under(SLOW))
    monkeypatch.setattr(objectives, "_reference", lambda *_: reference)
    check = objectives.small_load(settings, "doubler", [{"x": 1.0}])
    assert check.outcome is outcome, check.reason
    assert said in check.reason


def test_the_reference_is_answered_by_the_server_and_by_no_model(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(objectives, "LOAD_P99_MS", 0.0)
    check = run(settings, monkeypatch, Loaded(), rows())["load"]
    assert check.outcome is not Outcome.UNKNOWN, check.reason
    assert "without a model p99" in check.reason


def test_what_came_late_in_a_busy_moment_is_asked_once_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    results = iter([SLOW, LoadResult(1.0, 1.0, [0.01] * 40)])
    monkeypatch.setattr(objectives, "_load", lambda *_: next(results))
    assert objectives.small_load(settings, "doubler", [{"x": 1.0}]).ok


@pytest.mark.parametrize("check", ["refusals", "small_load"])
def test_a_service_that_goes_away_meanwhile_could_not_tell(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, check: str
):
    def gone(*_: object) -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(verification, check, gone)
    checks = run(settings, monkeypatch, Loaded(), rows())
    name = {"refusals": "refuses bad input", "small_load": "load"}[check]
    assert checks[name].outcome is Outcome.UNKNOWN


def test_a_large_answer_from_single_precision_may_differ_by_its_steps(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    class Priced(Loaded):
        def predict(self, frame: pd.DataFrame) -> np.ndarray:
            # As a network's sums in a batch of another size: one step of 300,000 in single precision.
            step = 0.0 if frame["day"].dtype.kind == "M" else 0.03125
            answers = (super().predict(frame) + 300_000).astype(np.float32) + np.float32(step)
            return answers.astype(np.float64)

    checks = run(settings, monkeypatch, Priced(), rows())
    assert checks["parity"].ok, checks["parity"].reason


def objective(**named: int) -> ObjectivesSpec:
    return ObjectivesSpec.model_validate(named)


FAST = LoadResult(1.0, 1.0, [0.01] * 40)
ASKED = {
    "in time": (FAST, objective(p99_ms=20), IDLE, Outcome.OK),
    "late": (FAST, objective(p99_ms=5), IDLE, Outcome.BAD),
    "late beside others": (FAST, objective(p99_ms=5), LoadResult(4.0, 0.8, [0.009] * 40), Outcome.OK),
    "often enough": (FAST, objective(rps=40), IDLE, Outcome.OK),
    "too seldom": (FAST, objective(rps=100), IDLE, Outcome.BAD),
    "seldom beside others": (FAST, objective(rps=100), BUSY, Outcome.OK),
    "on a machine that gives nothing": (FAST, objective(rps=100), LoadResult(30, 0.8, [0.3] * 40), Outcome.UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("what", ASKED)
def test_a_version_keeps_what_the_spec_asks_for_or_is_not_delivered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, what: str
):
    result, asked, reference, outcome = ASKED[what]
    monkeypatch.setattr(objectives, "_load", put_under(result))
    monkeypatch.setattr(objectives, "_reference", lambda *_: reference)
    check = objectives.small_load(settings, "doubler", [{"x": 1.0}], asked)
    assert check.outcome is outcome, check.reason


MB = 1 << 20
TAKES = {
    "as ever": (200, 210, 210, objective(), Outcome.OK),
    "as little as is allowed": (200, 210, 230, objective(memory_mb=30), Outcome.OK),
    "more than is allowed": (200, 250, 260, objective(memory_mb=30), Outcome.BAD),
    "more and more": (200, 210, 300, objective(), Outcome.BAD),
}


@pytest.mark.parametrize("what", TAKES)
def test_memory_is_what_it_takes_and_what_it_keeps(monkeypatch: pytest.MonkeyPatch, what: str):
    before, opened, now, asked, outcome = TAKES[what]
    monkeypatch.setattr(objectives, "resident", lambda: now * MB)
    check = objectives.memory(before * MB, opened * MB, asked)
    assert check.outcome is outcome, check.reason


def test_a_version_that_keeps_what_it_is_asked_is_bad(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    kept: list[bytes] = []

    class Leaking(Loaded):
        def answer(self, values: dict[str, list[object]]) -> np.ndarray:
            kept.append(b"x" * (16 << 20))
            return super().answer(values)

    check = run(settings, monkeypatch, Leaking(), rows())["memory"]
    assert check.outcome is Outcome.BAD
    assert "it keeps what it is asked" in check.reason


@pytest.mark.parametrize("what", ["a row without n", "x of another type", "key as null"])
def test_a_field_that_is_let_through_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, what: str
):
    parse = RequestSchema.parse

    def lax(self: RequestSchema, body: bytes) -> list[Row]:
        """Mend what is wrong with one field."""
        name = next(word for word in what.split() if word in {"n", "x", "key"})
        row = orjson.loads(body.replace(b"NaN", b"null"))["rows"][0]
        wrong = name not in row or row[name] is None or isinstance(row[name], dict)
        if b"NaN" in body or len(row) < 2 or "no_such_field" in row or not wrong:
            return parse(self, body)
        return parse(
            self,
            orjson.dumps({"rows": [{**self.placeholder, **row, name: self.placeholder[name]}]}),
        )

    monkeypatch.setattr(RequestSchema, "parse", lax)
    check = run(settings, monkeypatch, Loaded(), rows())["refuses bad input"]
    assert check.outcome is Outcome.BAD
    name = next(word for word in what.split() if word in {"n", "x", "key"})
    assert re.search(rf"\b{name}\b.* was answered 200, not 422", check.reason)
