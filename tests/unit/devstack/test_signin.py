"""The users of MLflow's server: made before it listens, brought to what the environment says at each start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airloop.devstack import signin
from airloop.devstack.mlflow import users_database
from airloop.errors import SpecError
from airloop.registry.credentials import LOOP, READER

if TYPE_CHECKING:
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

#: Of MLflow's own import and migrations, on paths that we do not choose.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{words}")
    for words in ("starlette.middleware.wsgi is deprecated", "No path_separator found")
]

OLD = {user: f"old-password-of-{user}" for user in signin.PASSWORDS}


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SqlAlchemyStore]:
    """A start with these passwords; returns what it left."""
    # What a start sets for itself is taken back after the test.
    for name in ("MLFLOW_AUTH_ADMIN_USERNAME", "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED", "_MLFLOW_SGI_NAME"):  # fmt: skip
        monkeypatch.setenv(name, "false")

    def start(**changed: str) -> SqlAlchemyStore:
        for name, value in signin.sign_in_environment(
            tmp_path / "users.ini", "a-key", OLD | changed
        ).items():
            monkeypatch.setenv(name, value)
        database = users_database(f"sqlite:///{tmp_path / 'mlflow.db'}")
        signin.prepare(database)
        from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

        store = SqlAlchemyStore()
        store.init_db(database)
        return store

    return start


def rights(store: SqlAlchemyStore, user: str) -> set[tuple[str, str, str]]:
    roles = store.list_user_roles(store.get_user(user).id)
    found = (one for role in roles for one in store.list_role_permissions(role.id))
    return {(one.resource_type, one.resource_pattern, one.permission) for one in found}


def test_a_first_start_makes_them_aside_and_a_later_one_takes_the_new_passwords(
    tmp_path: Path, prepare: Callable[..., SqlAlchemyStore]
) -> None:
    (tmp_path / "users.db.new").write_text("what a start that was killed left")
    first = prepare()
    assert {one.name for one in tmp_path.iterdir()} == {"users.db", "users.ini"}
    assert all(first.authenticate_user(user, OLD[user]) for user in OLD)
    assert {user for user in OLD if first.get_user(user).is_admin} == {signin.ADMIN}
    kinds = ("experiment", "registered_model")
    assert rights(first, LOOP) == {(kind, "*", "MANAGE") for kind in kinds}
    assert rights(first, READER) == {(kind, "*", "READ") for kind in kinds}
    first.engine.dispose()
    later = prepare(**{READER: "another-password"})
    assert later.authenticate_user(READER, "another-password")
    assert not later.authenticate_user(READER, OLD[READER])
    assert later.authenticate_user(LOOP, OLD[LOOP])
    later.engine.dispose()


def test_without_a_password_nobody_is_let_in(
    tmp_path: Path, prepare: Callable[..., SqlAlchemyStore]
) -> None:
    with pytest.raises(SpecError, match="needs a password for each of its users") as refused:
        prepare(**{LOOP: ""})
    assert refused.value.value == signin.PASSWORDS[LOOP]
    assert not (tmp_path / "users.db").exists()


def test_a_user_without_a_right_on_all_makes_nothing_new(
    prepare: Callable[..., SqlAlchemyStore],
) -> None:
    store = prepare()
    for user, admin in (("guest", False), ("maker", False), ("boss", True)):
        store.create_user(user, "a-long-password", is_admin=admin)
    store.grant_user_permission("guest", "experiment", "*", "READ")
    store.grant_user_permission("maker", "experiment", "*", "EDIT")
    makes = {
        user: [
            signin._may_make(store, user, f"/api/2.0/mlflow/{path}")
            for path in ("experiments/create", "registered-models/create", "runs/create")
        ]
        for user in ("guest", "maker", "boss")
    }
    store.engine.dispose()
    assert makes == {
        "guest": [False, False, True],
        "maker": [True, False, True],
        "boss": [True, True, True],
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_reader_may_ask_by_post_is_in_mlflows_table_of_routes() -> None:
    from mlflow.server.handlers import get_endpoints

    posted = [path for path, _, methods in get_endpoints() if "POST" in methods]
    ends = set(signin._QUESTIONS) - {"/graphql"}
    assert {end for end in ends if any(path.endswith(end) for path in posted)} == ends
    for end in ("registered-models/get-latest-versions", "traces/batchGetInfos"):
        [path] = [one for one in posted if one.startswith("/api/") and one.endswith(end)]
        assert signin._asks("POST", path)
    assert not signin._asks("POST", "/api/2.0/mlflow/registered-models/create")


def test_the_users_are_in_mlflows_own_database_where_that_is_a_server() -> None:
    url = "postgresql+psycopg2://airloop:p%40ss@db.example/mlflow"
    assert users_database(url) == url
    assert users_database("sqlite:////home/mlflow/mlflow.db") == "sqlite:////home/mlflow/users.db"


def test_the_configuration_is_read_as_it_was_meant(tmp_path: Path) -> None:
    """A percent sign in a password of the database is MLflow's sign of interpolation."""
    import configparser

    url = "postgresql+psycopg2://airloop:p%40ss@db.example/mlflow"
    signin._write(tmp_path / "users.ini", url)
    found = configparser.ConfigParser()
    found.read(tmp_path / "users.ini")
    assert found["mlflow"]["database_uri"] == url
    assert found["mlflow"]["default_permission"] == "NO_PERMISSIONS"
    assert found.getint("mlflow", "auth_cache_ttl_seconds") == 60
