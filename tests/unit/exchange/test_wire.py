"""How a step ended, as it travels: every error comes back as it went, and what cannot be mended stays so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airloop import errors
from airloop.contracts import Fence
from airloop.errors import (
    AirloopError,
    DataError,
    PermanentError,
    SpecError,
    StepCrashError,
    TransientError,
    UnreachableError,
)
from airloop.exchange.wire import Exit, conclude, describe, exit_of, rebuild
from airloop.execution.pods.failures import diagnose
from airloop.specs.sections.resources import ResourcesSpec
from airloop.specs.sections.templates import CONTAINER


class ForeignError(SpecError):
    """What a foreign wheel may bring, with arguments of its own."""

    def __init__(self, column: str) -> None:
        super().__init__("no such column", value=column, valid=("temp", "dewp"))


class ForeignOutageError(UnreachableError):
    """Likewise, where trying again may help."""


def kinds(of: type[AirloopError] = AirloopError) -> Iterator[type[AirloopError]]:
    for kind in of.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
        yield from kinds(kind)


def travelled(error: AirloopError) -> AirloopError:
    return rebuild(json.loads(json.dumps(describe(error))))


def as_process(note: dict[str, Any] | None, code: int) -> AirloopError:
    with pytest.raises(AirloopError) as caught:
        conclude("ingest", note, code)
    return caught.value


def as_pod(note: dict[str, Any] | None, code: int) -> AirloopError:
    """As the pod's operator reads it: the note, else why the pod gave none."""
    if note is None:
        ended = {"name": CONTAINER, "state": {"terminated": {"exitCode": code}}}
        status = {"phase": "Failed", "containerStatuses": [ended]}
        lines = ["ERROR airloop.steps: the step cannot begin: no project"]
        return diagnose("pod", {"status": status}, [], lines, ResourcesSpec())
    with pytest.raises(AirloopError) as caught:
        conclude("ingest", note)
    return caught.value


WAYS = pytest.mark.parametrize("way", [as_process, as_pod])
Way = Callable[[dict[str, Any] | None, int], AirloopError]


@WAYS
@pytest.mark.parametrize("kind", sorted(set(kinds()), key=lambda kind: kind.__name__))
def test_every_error_comes_back_as_it_went(kind: type[AirloopError], way: Way) -> None:
    error = kind("too weak", value=0.51, where="roc_auc", remedy="train on more", valid=("a", "b"))
    found = way({"error": json.loads(json.dumps(describe(error)))}, exit_of(error))
    assert type(found) is kind
    assert str(found) == str(error)
    assert found.transient is kind.transient


@WAYS
def test_kinds_of_other_modules_come_back_too(way: Way) -> None:
    for error in (ForeignError("tmep"), ForeignOutageError("no answer")):
        found = way({"error": describe(error)}, exit_of(error))
        assert type(found) is type(error)
        assert str(found) == str(error)


@WAYS
@pytest.mark.parametrize(("permanent", "kind"), [(True, PermanentError), (False, TransientError)])
def test_of_an_unknown_kind_the_note_says_whether_trying_again_helps(
    permanent: bool, kind: type[AirloopError], way: Way
) -> None:
    note = {"type": "ErrorOfAnotherWheel", "permanent": permanent, "what": "no number"}
    assert type(way({"error": note}, 1)) is kind


def test_the_note_counts_where_it_and_the_kind_disagree() -> None:
    note = {"type": "DataError", "permanent": False, "what": "late"}
    assert type(rebuild(note)) is TransientError


def test_an_older_note_counts_by_its_kind() -> None:
    assert type(rebuild({"type": "DataError", "what": "no number"})) is DataError
    assert type(rebuild({"type": "UnreachableError", "what": "no"})) is UnreachableError
    assert type(rebuild({"type": "Gone", "what": "no"})) is TransientError


def test_a_value_that_is_no_json_is_told_by_its_repr() -> None:
    found = travelled(DataError("odd", value=Fence(key="k", token=1)))
    assert found.value == "Fence(key='k', token=1)"


@WAYS
def test_a_step_that_could_not_begin_is_not_tried_again(way: Way) -> None:
    found = way(None, Exit.PERMANENT)
    assert type(found) is PermanentError
    assert "could not begin" in str(found)
    assert "its log above" in str(found)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (0, TransientError, "ended without a result"),
        (1, StepCrashError, "crashed (exit code 1)"),
        (-9, StepCrashError, "crashed (killed by signal 9)"),
    ],
)
def test_without_a_note_the_exit_code_speaks(
    code: int, kind: type[AirloopError], said: str
) -> None:
    found = as_process(None, code)
    assert type(found) is kind
    assert said in str(found)
    assert getattr(found, "code", code) == code


def test_a_result_counts_whatever_became_of_the_process_that_left_it() -> None:
    assert conclude("ingest", {"result": {"rows": 3}}, -9) == {"rows": 3}


def test_nothing_known_is_worth_another_try() -> None:
    with pytest.raises(TransientError, match="neither a result nor an error"):
        conclude("ingest", None)
