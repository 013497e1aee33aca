"""The served API against its own OpenAPI document, by requests that are made from it: good ones, bad ones, all answered
with a status and a body that the document names.

Making a request from the document takes ten times what its answer takes: so the values of the good ones are put together
anew, each column's drawn for itself, in as many requests more. ``AIRLOOP_FUZZ_EXAMPLES`` is how many of each kind are
made; `make fuzz-api` for the long form.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth

from airloop.contracts import ModelVersion
from airloop.delivery.sandbox import serve_version
from airloop.settings import Settings
from tests.support.serving_fakes import FakeModel, artifact, dataset_spec, model_spec

#: Requests of each kind to each operation.
EXAMPLES = int(os.environ.get("AIRLOOP_FUZZ_EXAMPLES", "60"))
#: Of the operations that have next to nothing to vary.
FEW = 500
LONG = "AIRLOOP_FUZZ_EXAMPLES" in os.environ
#: Requests that are put together of the values of one that was made, and the most rows of each.
ANEW, ROWS = 47 if LONG else 5, 5
PREDICT, REFRESH, SLOTS = "POST /models/every/predict", "POST /slots/refresh", "GET /slots"
PROBES = ("GET /healthz", "GET /readyz")
GOOD, BAD = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


def every_type() -> FakeModel:
    """A model with a column of each type, nullable and not."""
    plain = dataset_spec().model_dump(mode="json", exclude_unset=True)
    more = {
        f"{kind}_{'or_null' if nullable else 'always'}": {"type": kind, "nullable": nullable}
        for kind in ("string", "integer", "float", "boolean", "timestamp", "date")
        for nullable in (True, False)
    }
    model = FakeModel(spec=model_spec("every"))
    model.dataset = type(model.dataset).model_validate(
        {**plain, "columns": {**plain["columns"], **more}}
    )
    spec = model.spec.model_dump(mode="json", exclude_unset=True)
    model.spec = type(model.spec).model_validate({**spec, "inputs": [*spec["inputs"], *more]})
    return model


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, str]]]:
    """The operations by name, and the header that lets in."""
    version = ModelVersion(model="every", version=1, run_id="r", artifact=artifact(1))
    home = tmp_path_factory.mktemp("home")
    with serve_version(version, lambda _: every_type(), Settings(), home) as trial:
        schema = schemathesis.openapi.from_url(f"{trial.serving.url}/openapi.json")
        operations = {one.ok().label: one.ok() for one in schema.get_all_operations()}
        yield operations, {"Authorization": f"Bearer {trial.serving.bearer()}"}


@pytest.fixture(scope="module")
def asked() -> Counter[int]:
    """How many requests were answered with each status."""
    return Counter()


@contextmanager
def counting(asked: Counter[int]) -> Iterator[requests.Session]:
    """A session that counts its answers."""
    with requests.Session() as session:
        count = lambda answer, **_: asked.update([answer.status_code])  # noqa: E731
        session.hooks["response"].append(count)
        yield session


def test_the_document_names_every_operation(api):
    operations, _ = api
    assert set(operations) == {PREDICT, REFRESH, SLOTS, *PROBES}


@pytest.mark.parametrize(
    ("label", "mode"),
    [(PREDICT, GOOD), (PREDICT, BAD), (REFRESH, GOOD), (SLOTS, GOOD)]
    + [(label, GOOD) for label in PROBES],
    ids=lambda value: getattr(value, "value", value),
)
def test_every_answer_is_one_that_the_document_names(
    api, asked: Counter[int], label: str, mode: GenerationMode
):
    operations, headers = api
    operation = operations[label]

    @settings(
        max_examples=EXAMPLES if label == PREDICT else min(EXAMPLES, FEW),
        deadline=None,
        database=None,
        # The same requests in each run of CI; the long form looks for others.
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        if (label, mode) == (PREDICT, GOOD):
            made.extend(case.body["rows"])
        # Two requests more for each that succeeds: tokens have a test of their own.
        case.call_and_validate(headers=headers, session=session, excluded_checks=[ignored_auth])

    made: list[dict[str, Any]] = []
    with counting(asked) as session:
        ask()
        session.headers.update(headers)
        answers = Counter(answered_anew(operation, made, session))
    assert set(answers) <= {200, 422}
    assert answers[200] >= answers[422]


def test_as_many_were_asked_as_is_said_and_none_failed_inside(api, asked: Counter[int]) -> None:
    """Behind the test above: what a strategy gives up early, or says twice, would be asked less."""
    print(f"asked: {asked.total()}, by status {dict(sorted(asked.items()))}")
    assert asked.total() >= (2 + ANEW) * EXAMPLES
    assert not [status for status in asked if status >= 500]


def answered_anew(
    operation: Any, made: list[dict[str, Any]], session: requests.Session
) -> Iterator[int]:
    """The statuses of requests whose rows hold values of good rows, each column's drawn for itself."""
    drawn, url = random.Random(None if LONG else 7), operation.Case().as_transport_kwargs()["url"]
    for _ in range(ANEW * EXAMPLES if made else 0):
        rows = [
            {name: drawn.choice(made)[name] for name in made[0]}
            for _ in range(drawn.randint(1, ROWS))
        ]
        answer = session.post(url, json={"rows": rows}, timeout=60)
        operation.validate_response(answer)
        yield answer.status_code


def test_a_misspelt_parameter_is_refused_not_passed_over(api):
    operations, headers = api
    case = operations[REFRESH].Case(query={"modle": "every"})
    answer = case.call(headers=headers)
    assert answer.status_code == 422
    assert answer.json()["details"][0]["loc"] == ["query", "modle"]


def test_a_repeated_parameter_is_refused_by_its_name_wherever_there_are_any(api):
    operations, headers = api
    asking = {
        (label, one.name)
        for label, operation in operations.items()
        for one in operation.iter_parameters()
        if one.location == "query"
    }
    assert asking == {(REFRESH, "model"), (SLOTS, "model")}
    for label, name in asking:
        case = operations[label].Case(query={name: ["every", "every"]})
        answer = case.call(headers=headers)
        case.validate_response(answer)
        assert answer.status_code == 422
        assert answer.json()["details"] == [
            {"loc": ["query", name], "msg": "Say it once", "type": "repeated"}
        ]


@pytest.mark.parametrize("label", [PREDICT, REFRESH, SLOTS])
def test_nothing_is_answered_without_a_token(api, label: str):
    operations, _ = api
    case = operations[label].Case()
    for headers in ({}, {"authorization": "Bearer no"}):
        answer = case.call(headers=headers)
        case.validate_response(answer)
        assert answer.status_code == 401
