from __future__ import annotations

import operator
import socket
import time
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from airloop.errors import SpecError, UnreachableError
from airloop.execution import process, ray_address
from airloop.execution.engine import VARIABLE, InProcess, engine_of, variables
from airloop.execution.executors import RaySpec
from airloop.execution.ray_engine import RayEngine

RAY = "airloop.execution.ray_engine:RayEngine"


def test_in_one_process_the_parts_are_computed_in_their_order_when_they_are_asked_for():
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for part in range(3):
            taken.append(part)
            yield part

    answers = InProcess().spread(operator.add, 10, parts())
    assert (next(answers), taken) == (10, [0])
    assert list(answers) == [11, 12]


def test_a_step_computes_by_the_engine_that_its_executor_names():
    assert isinstance(engine_of({}), InProcess)
    named = engine_of(variables(RAY, {"address": "head:6379", "workers": 3}))
    assert isinstance(named, RayEngine)
    assert named.address == "head:6379"


@pytest.mark.parametrize(
    "told", ["{", '{"engine": "airloop.nowhere:Engine"}', '{"engine": "airloop.errors:Gone"}']
)
def test_an_engine_that_cannot_be_loaded_is_named(told: str):
    with pytest.raises(SpecError, match=r"the step's engine cannot be loaded.*AIRLOOP_ENGINE"):
        engine_of({VARIABLE: told})


def test_an_engines_name_takes_no_credentials_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the caller's")
    named = variables(RAY, {"address": "local"})
    assert process.environment(named)["AWS_SECRET_ACCESS_KEY"] == "the caller's"
    assert process.environment(named)[VARIABLE] == named[VARIABLE]
    own = process.environment({**named, "AWS_ACCESS_KEY_ID": "its own"})
    assert "AWS_SECRET_ACCESS_KEY" not in own


@pytest.fixture
def mute() -> Iterator[str]:
    """A server that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_never_answers_is_given_up(
    mute: str, scheme: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ray_address, "ANSWER_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=f"does not answer; got '{scheme}{mute}'.*start it"):
        list(RayEngine(scheme + mute).spread(operator.add, 1, [1]))
    assert time.monotonic() - began < 60


def test_without_work_no_cluster_is_asked():
    engine = RayEngine("127.0.0.1:9")
    engine.close()


@pytest.mark.parametrize("address", ["local", "head:6379", "ray://head.ray.svc:10001"])
def test_an_address_is_taken(address: str):
    assert RaySpec(kind="ray", address=address).address == address


@pytest.mark.parametrize("address", ["head", "http://head:8265", "ray://me:secret@head:10001", ""])
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises((SpecError, ValidationError)):
        RaySpec(kind="ray", address=address)
