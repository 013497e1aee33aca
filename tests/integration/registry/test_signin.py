"""MLflow's sign-in: whom its server lets in, who may do what, and what a wrong password is told."""

from __future__ import annotations

import itertools
import os
import stat
import threading
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from airloop.contracts import Outcome
from airloop.devstack.needs import _mlflow
from airloop.devstack.signin import ADMIN
from airloop.errors import PermanentError
from airloop.registry import credentials, runs, tracking
from airloop.registry.credentials import LOOP, PASSWORD, READER, USERNAME
from airloop.settings import Settings
from tests.support.servers import MlflowServer

API = "/api/2.0/mlflow"
#: The first step of each way to a model of one's own, and to the other doors of the server.
REQUESTS = (
    ("GET", f"{API}/experiments/search?max_results=1", None),
    ("POST", f"{API}/runs/search", {"experiment_ids": ["0"]}),
    ("POST", f"{API}/experiments/create", {"name": "somebody's"}),
    ("POST", f"{API}/registered-models/create", {"name": "somebody's"}),
    ("POST", f"{API}/model-versions/create", {"name": "m", "source": "s", "run_id": "r"}),
    ("POST", f"{API}/registered-models/alias", {"name": "m", "alias": "a", "version": "1"}),
    ("POST", f"{API}/users/create", {"username": "me", "password": "a-long-password"}),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/file", {}),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts?path=0", None),
    ("POST", "/graphql", {"query": "{ __typename }"}),
    ("POST", "/v1/traces", {}),
    ("GET", "/ajax-api/3.0/mlflow/traces", None),
    ("GET", "/", None),
)


@pytest.fixture
def settings(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An MLflow that somebody else runs: its address in the settings, the user in the environment."""
    for name, value in mlflow_server.variables().items():
        monkeypatch.setenv(name, value)
    return Settings(mlflow_uri=mlflow_server.url)


def asked(
    server: MlflowServer, method: str, path: str, body: object, user: str | None = None
) -> int:
    auth = (user, server.passwords[user]) if user else None
    url = server.url + path
    return httpx.request(method, url, json=body, auth=auth, trust_env=False, timeout=60).status_code


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_nobody_comes_in_without_a_password(
    mlflow_server: MlflowServer, method: str, path: str, body: object
) -> None:
    assert asked(mlflow_server, method, path, body) == httpx.codes.UNAUTHORIZED


def test_the_probes_are_asked_without_one(mlflow_server: MlflowServer) -> None:
    assert asked(mlflow_server, "GET", "/health", None) == httpx.codes.OK


def test_the_loop_makes_runs_and_models_and_the_reader_sees_them_and_changes_nothing(
    mlflow_server: MlflowServer, settings: Settings
) -> None:
    name = f"read-{uuid4().hex[:8]}"
    client = tracking.client(settings)
    with tracking.reaching(settings):
        experiment = runs.experiment(client, name)
        run = client.create_run(experiment).info.run_id
        client.log_text(run, "a file", "folder/file.txt")
        client.create_registered_model(name)
        client.create_model_version(name, f"runs:/{run}/folder", run)
        client.set_registered_model_alias(name, "champion", "1")
    sees = (
        ("GET", f"{API}/runs/get?run_id={run}", None),
        ("POST", f"{API}/runs/search", {"experiment_ids": [experiment]}),
        ("GET", f"{API}/registered-models/get?name={name}", None),
        ("GET", f"{API}/artifacts/list?run_id={run}&path=folder", None),
        ("GET", "/", None),
    )
    for request in sees:
        assert asked(mlflow_server, *request, user=READER) == httpx.codes.OK, request
    named = {"name": name, "version": "1", "run_id": run}
    writes = (
        ("POST", f"{API}/experiments/create", {"name": f"{name}-2"}),
        ("POST", f"{API}/runs/create", {"experiment_id": experiment}),
        ("POST", f"{API}/runs/set-tag", {"run_id": run, "key": "a", "value": "b"}),
        ("POST", f"{API}/runs/delete", {"run_id": run}),
        ("POST", f"{API}/experiments/delete", {"experiment_id": experiment}),
        ("POST", f"{API}/registered-models/create", {"name": f"{name}-2"}),
        ("POST", f"{API}/model-versions/create", {"name": name, "source": "s", "run_id": run}),
        ("POST", f"{API}/registered-models/alias", named | {"alias": "champion"}),
        ("POST", f"{API}/model-versions/set-tag", named | {"key": "a", "value": "b"}),
        ("DELETE", f"{API}/registered-models/delete", {"name": name}),
        ("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/x", {}),
        ("DELETE", f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/folder", {}),
        ("PATCH", f"{API}/users/update-password", {"username": READER, "password": "another-pass"}),
        ("POST", f"{API}/users/create", {"username": "me", "password": "a-long-password"}),
    )
    for request in writes:
        assert asked(mlflow_server, *request, user=READER) == httpx.codes.FORBIDDEN, request
    assert client.get_registered_model(name).aliases == {"champion": "1"}


def test_a_runs_files_are_sent_without_asking_for_the_run_again(
    mlflow_server: MlflowServer, settings: Settings, tmp_path: Path
) -> None:
    """Each request costs the server a look at the run, by which it finds the rights."""
    client = tracking.client(settings)
    with tracking.reaching(settings):
        run = client.create_run(runs.experiment(client, f"sent-{uuid4().hex[:8]}")).info
    wanted = {
        f"{folder}{number}.txt" for folder in ("", "model/", "model/deep/") for number in "123"
    }
    for name in wanted:
        path = tmp_path / "sent" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    before = len((mlflow_server.folder / "log").read_text().splitlines())
    with tracking.reaching(settings):
        runs.upload(client, run, tmp_path / "sent")
    lines = (mlflow_server.folder / "log").read_text().splitlines()[before:]
    assert [line.split('"')[1].split()[0] for line in lines if "HTTP/" in line] == ["PUT"] * 9
    back = Path(client.download_artifacts(run.run_id, "", str(tmp_path)))
    assert {name: (back / name).read_text() for name in wanted} == {name: name for name in wanted}


def test_the_loop_is_no_administrator(mlflow_server: MlflowServer) -> None:
    body = {"username": f"u{uuid4().hex[:8]}", "password": "a-long-password"}
    path = f"{API}/users/create"
    assert asked(mlflow_server, "POST", path, body, user=LOOP) == httpx.codes.FORBIDDEN
    assert asked(mlflow_server, "POST", path, body, user=ADMIN) == httpx.codes.OK
    assert asked(mlflow_server, "DELETE", f"{API}/users/delete", body, user=ADMIN) == httpx.codes.OK


@pytest.mark.parametrize(
    ("user", "password", "says"),
    [
        (LOOP, "wrong", "MLflow knows no such user with this password; got 'airloop'; in {url}; correct MLFLOW_TRACKING_USERNAME"),
        ("", "", "MLflow asks for a sign-in, and none is set; in {url}; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
    ],
)  # fmt: skip
def test_a_wrong_password_is_one_permanent_error_that_says_what_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    user: str, password: str, says: str,
) -> None:  # fmt: skip
    monkeypatch.setenv(USERNAME, user)
    monkeypatch.setenv(PASSWORD, password)
    if not user:
        monkeypatch.delenv(USERNAME)
        monkeypatch.delenv(PASSWORD)
    client = tracking.client(settings)
    told = []
    with pytest.raises(PermanentError) as refused, tracking.reaching(settings):
        client.search_experiments()
    told.append(str(refused.value))
    with pytest.raises(PermanentError) as refused:
        tracking.download("mlflow-artifacts:/0/r/artifacts/model", tmp_path, settings)
    told.append(str(refused.value))
    assert len(set(told)) == 1, told
    assert told[0].startswith(says.format(url=settings.mlflow_uri))
    assert "\n" not in told[0]


def test_a_user_who_may_not_is_told_apart_from_one_who_is_not_known(
    mlflow_server: MlflowServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in mlflow_server.variables(READER).items():
        monkeypatch.setenv(name, value)
    client = tracking.client(settings)
    with (
        pytest.raises(PermanentError, match="lets this user not do") as refused,
        tracking.reaching(settings),
    ):
        client.create_experiment("readers")
    assert mlflow_server.passwords[READER] not in str(refused.value)


def test_status_tells_of_a_server_that_does_not_let_it_in(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _mlflow(settings, True) == (Outcome.OK, "the server and its database answer")
    monkeypatch.setenv(PASSWORD, "wrong")
    outcome, says = _mlflow(settings, True)
    assert outcome is Outcome.BAD
    assert says.startswith("MLflow knows no such user with this password; got 'airloop'; in http:")


def test_the_server_keeps_no_password_where_others_read(mlflow_server: MlflowServer) -> None:
    config = mlflow_server.folder / "users.ini"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    words = config.read_text() + (mlflow_server.folder / "log").read_text()
    assert not [one for one in mlflow_server.passwords.values() if one in words]
    assert "default_permission = NO_PERMISSIONS" in config.read_text()
    command = Path(f"/proc/{mlflow_server.pid}/cmdline").read_text()
    assert not [one for one in mlflow_server.passwords.values() if one in command]


def test_the_stacks_password_goes_to_the_stacks_own_server_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setenv(USERNAME, "of-another-installation")
    monkeypatch.setenv(PASSWORD, "its-password")
    own, other = (Settings(mlflow_uri=f"http://127.0.0.1:{port}") for port in (5001, 5002))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / credentials.SECRET).write_text("the-loops\n")
    (tmp_path / "runtime.yaml").write_text("mlflow_uri: http://127.0.0.1:5001\n")
    assert credentials.pair(own) == (LOOP, "the-loops")
    assert credentials.pair(other) == ("of-another-installation", "its-password")
    (tmp_path / "secrets" / credentials.SECRET).unlink()
    assert credentials.pair(own) == ("of-another-installation", "its-password")


def test_a_server_that_is_not_the_stacks_is_not_given_its_password_by_way_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that spoke to the stack's server has its password in its environment, and so have its children."""
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    own, other = (Settings(mlflow_uri=f"http://127.0.0.1:{port}") for port in (5001, 5002))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / credentials.SECRET).write_text("the-loops\n")
    (tmp_path / "runtime.yaml").write_text("mlflow_uri: http://127.0.0.1:5001\n")
    monkeypatch.setenv(USERNAME, "of-another-installation")
    monkeypatch.setenv(PASSWORD, "its-password")
    credentials.sign_in(own)
    assert os.environ[PASSWORD] == "the-loops"
    assert credentials.pair(other) == ("of-another-installation", "its-password")
    credentials.sign_in(other)
    assert os.environ[PASSWORD] == "its-password"
    for name, value in {USERNAME: LOOP, PASSWORD: "the-loops"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(credentials, "_displaced", {})
    assert credentials.pair(other) is None
    credentials.sign_in(other)
    assert not {USERNAME, PASSWORD} & os.environ.keys()


@pytest.mark.parametrize("user", [LOOP, "an-admins"])
def test_wrong_passwords_do_not_keep_others_waiting(mlflow_server: MlflowServer, user: str) -> None:
    """MLflow asks for the password of an artifact on the one thread that also takes every connection."""
    body = {"username": "an-admins", "password": "a-long-password"}
    if user not in mlflow_server.passwords:
        asked(mlflow_server, "POST", f"{API}/users/create", body, user=ADMIN)
    ended, answers, numbers = threading.Event(), set[int](), itertools.count()

    def guess() -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while not ended.is_set():
                wrong = (user, f"wrong-{next(numbers)}")
                path = "/api/2.0/mlflow-artifacts/artifacts/0/a-file"
                answers.add(client.get(mlflow_server.url + path, auth=wrong).status_code)
                # They share this process's one lock with the thread that measures.
                time.sleep(0.02)

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for one in threads:
        one.start()
    waits = []
    try:
        time.sleep(1)
        for _ in range(8):
            began = time.monotonic()
            assert asked(mlflow_server, "GET", "/health", None) == httpx.codes.OK
            waits.append(time.monotonic() - began)
    finally:
        ended.set()
        for one in threads:
            one.join()
    assert sorted(waits)[4] < 0.5, waits
    limited = set() if user == LOOP else {httpx.codes.TOO_MANY_REQUESTS}
    assert answers == {httpx.codes.UNAUTHORIZED} | limited


def test_a_user_whom_an_administrator_made_comes_in_though_others_guess(
    mlflow_server: MlflowServer,
) -> None:
    name, right = f"u{uuid4().hex[:8]}", "a-long-password"
    body = {"username": name, "password": right}
    assert asked(mlflow_server, "POST", f"{API}/users/create", body, user=ADMIN) == httpx.codes.OK
    url = f"{mlflow_server.url}{API}/experiments/search?max_results=1"

    def status(password: str) -> int:
        return httpx.get(url, auth=(name, password), trust_env=False, timeout=60).status_code

    end = time.monotonic() + 30
    for kind in ("experiments", "registered-models"):
        path, made = f"{mlflow_server.url}{API}/{kind}/create", {"name": name}
        answer = httpx.post(path, json=made, auth=(name, right), trust_env=False, timeout=60)
        assert answer.status_code in {httpx.codes.FORBIDDEN, httpx.codes.TOO_MANY_REQUESTS}
    while status(right) != httpx.codes.OK:
        assert time.monotonic() < end
        time.sleep(0.5)
    while status("wrong") != httpx.codes.TOO_MANY_REQUESTS:
        assert time.monotonic() < end
    assert status(right) == httpx.codes.OK
