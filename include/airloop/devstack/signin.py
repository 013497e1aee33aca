"""Who may come in at MLflow's server: its configuration, its users and their rights, made before it listens."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from airloop.devstack import private
from airloop.devstack.attempts import Attempts
from airloop.errors import SpecError
from airloop.registry.credentials import LOOP, READER

if TYPE_CHECKING:
    from flask import Response
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
    from werkzeug.datastructures import Authorization

#: Where the configuration is written. Where it is not set, the server lets everybody in: that is for tests.
CONFIG = "MLFLOW_AUTH_CONFIG_PATH"
#: Signs the forms of MLflow's own pages about users.
SECRET_KEY = "MLFLOW_FLASK_SERVER_SECRET_KEY"  # noqa: S105 - a variable's name
ADMIN = "admin"
#: The variable of each user's password.
PASSWORDS = {
    ADMIN: "MLFLOW_AUTH_ADMIN_PASSWORD",
    LOOP: "AIRLOOP_MLFLOW_PASSWORD",
    READER: "AIRLOOP_MLFLOW_READER_PASSWORD",
}
#: What each may do with every experiment and every registered model, those that are not yet there too.
_RIGHTS = {LOOP: "MANAGE", READER: "READ"}
#: Of users whom an administrator made: a check costs a tenth of a second of a core.
_CACHE_SECONDS = 60
#: Paths that are asked by POST and change nothing, by their ends: lists and pages of MLflow (a test compares them).
_QUESTIONS = (
    *("/search", "/search-datasets", "/graphql", "/get-latest-versions"),
    *("/traces/batchGetInfos", "/traces/calculate-filter-correlation"),
)
#: MLflow lets every user make these, whatever the rights say.
_MADE = {"experiment": "/experiments/create", "registered_model": "/registered-models/create"}
_attempts = Attempts()


def sign_in_environment(
    config: Path, secret_key: str, passwords: Mapping[str, str]
) -> dict[str, str]:
    """What the server reads besides its stores."""
    named = {PASSWORDS[user]: password for user, password in passwords.items()}
    return {CONFIG: str(config), SECRET_KEY: secret_key, **named}


def prepare(database: str) -> None:
    """Write the configuration and bring users and rights to what the environment says; existing runs stay theirs.

    :param database: SQLAlchemy's URL of the users' tables: a file of their own, or MLflow's own database
    :raises SpecError: if a password or the key is missing: then nobody is let in
    """
    missing = [name for name in (SECRET_KEY, *PASSWORDS.values()) if not os.environ.get(name)]
    if missing:
        raise SpecError(
            "MLflow's server needs a password for each of its users and a key for its pages",
            value=", ".join(missing),
            where="the environment",
            remedy="set them as docs/production.md says",
        )
    _write(Path(os.environ[CONFIG]), database)
    os.environ["MLFLOW_AUTH_ADMIN_USERNAME"] = ADMIN
    # Else every worker of the server checks the password again.
    os.environ["_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED"] = "true"
    os.environ["_MLFLOW_SGI_NAME"] = "uvicorn"
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store, path = SqlAlchemyStore(), Path(database.removeprefix("sqlite:///"))
    if not database.startswith("sqlite:///") or path.exists():
        _make_users(store, database)
        return
    # Made aside, as MLflow's own file is: a start that is killed leaves no half of one.
    aside = path.with_name(f"{path.name}.new")
    for old in path.parent.glob(f"{aside.name}*"):
        old.unlink()
    _make_users(store, f"sqlite:///{aside}")
    aside.replace(path)


def authenticate() -> Authorization | Response:
    """Who asks MLflow's server, for each request.

    MLflow calls this on the thread that takes every connection, so no password that is wrong may cost a hash of MLflow's.
    A reader may ask for what changes nothing: MLflow's own rights let every user make experiments and models.
    """
    from flask import make_response, request

    who = request.authorization
    if who is None or not who.username or who.password is None:
        return _refusal()
    if who.username not in PASSWORDS:
        return _of_an_administrator(who, who.username, who.password)
    if not _same(who.password, os.environ[PASSWORDS[who.username]]):
        return _refusal()
    if who.username != READER or _asks(request.method, request.path):
        return who
    denied: Response = make_response("Permission denied: this user may only read", 403)
    return denied


def _refusal() -> Response:
    from mlflow.server.auth import make_basic_auth_response

    asks_again: Response = make_basic_auth_response()
    return asks_again


def _of_an_administrator(who: Authorization, user: str, password: str) -> Authorization | Response:
    """A user whom an administrator made: MLflow alone knows the password, by a hash."""
    from flask import Response, make_response, request
    from mlflow.server import auth

    if not _attempts.take(user, password):
        refusal: Response = make_response(
            "Too many wrong passwords: try again in a few seconds", 429
        )
        refusal.headers["Retry-After"] = "5"
        return refusal
    if not auth.store.has_user(user):
        _attempts.give_back()
        return _refusal()
    found: Authorization | Response = auth.authenticate_request_basic_auth()
    if isinstance(found, Response):
        _attempts.failed(user, password)
        return found
    _attempts.succeeded(user, password)
    if request.method == "POST" and not _may_make(auth.store, user, request.path):
        denied: Response = make_response("Permission denied: this user may make none", 403)
        return denied
    return found


def _may_make(store: SqlAlchemyStore, user: str, path: str) -> bool:
    """Whether it makes nothing new, or an administrator gave this user a right on all there are of the kind."""
    kinds = [kind for kind, end in _MADE.items() if path.rstrip("/").endswith(end)]
    found = store.get_user(user)
    if not kinds or found.is_admin:
        return True
    roles = store.list_user_roles(found.id)
    return any(
        right.resource_pattern == "*"
        and right.resource_type in (*kinds, "workspace")
        and right.permission in {"EDIT", "MANAGE"}
        for role in roles
        for right in store.list_role_permissions(role.id)
    )


def _same(given: str, right: str) -> bool:
    """In a time that tells nothing of the right one, not even its length."""
    one, other = (hashlib.sha256(text.encode()).digest() for text in (given, right))
    return hmac.compare_digest(one, other)


def _asks(method: str, path: str) -> bool:
    return method in {"GET", "HEAD", "OPTIONS"} or (method == "POST" and path.endswith(_QUESTIONS))


def _write(path: Path, database: str) -> None:
    lines = {
        "default_permission": "NO_PERMISSIONS",
        # MLflow interpolates, so a percent sign is doubled.
        "database_uri": database.replace("%", "%%"),
        "admin_username": ADMIN,
        "authorization_function": f"{__name__}:{authenticate.__name__}",
        "auth_cache_ttl_seconds": str(_CACHE_SECONDS),
    }
    private.write(
        path, "[mlflow]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
    )


def _make_users(store: SqlAlchemyStore, database: str) -> None:
    store.init_db(database)
    for user, variable in PASSWORDS.items():
        password = os.environ[variable]
        if not store.has_user(user):
            store.create_user(user, password, is_admin=user == ADMIN)
        elif not store.authenticate_user(user, password):
            store.update_user(user, password=password)
        for kind in _MADE:
            if user in _RIGHTS:
                store.grant_user_permission(user, kind, "*", _RIGHTS[user])
    store.engine.dispose()
