"""Who Airloop is to MLflow: of the stack's own server the loop's user, of any other whom the environment names."""

from __future__ import annotations

import http
import os

from airloop.errors import PermanentError
from airloop.ours import is_ours, require_ours
from airloop.paths import home_folder
from airloop.settings import Settings
from airloop.textfile import first_line

#: By these MLflow's own client signs in; they travel in the environment alone.
USERNAME, PASSWORD = _PAIR = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
#: How a client may speak to a server that is not the stack's.
_FOREIGN = (
    *(USERNAME, PASSWORD, "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_INSECURE_TLS"),
    *("MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"),
)
#: The users that the server makes: the loop may all with runs and models, a reader sees them.
LOOP, READER = "airloop", "reader"
#: The file of the loop's password among the stack's secrets.
SECRET = "mlflow_password"  # noqa: S105 - a name, no password
#: What a server answers whom it does not know, and whom it lets do less.
REFUSALS = (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN)
#: The name and password that this process had before it signed in at the stack's own server.
_displaced: dict[str, str] = {}


def variables(settings: Settings) -> dict[str, str]:
    """What a process needs in its environment to speak to the settings' MLflow.

    :raises UnreachableError: if another user of the machine listens where the stack's own server should
    """
    secret = _own(settings)
    if secret is not None:
        return {USERNAME: LOOP, PASSWORD: secret}
    found = {name: os.environ[name] for name in _FOREIGN if name in os.environ}
    if _holds_own():
        del found[PASSWORD]
        found.pop(USERNAME, None)
        found |= _displaced
    return found


def sign_in(settings: Settings) -> None:
    """Let MLflow's client in this process be whom the settings' server knows.

    The stack's own password goes to the stack's own server, whatever another installation left in this shell.
    """
    found = variables(settings)
    if not _holds_own():
        _displaced.clear()
        _displaced.update({name: os.environ[name] for name in _PAIR if name in os.environ})
    for name in _PAIR:
        if name not in found:
            os.environ.pop(name, None)
    os.environ.update(found)


def pair(settings: Settings) -> tuple[str, str] | None:
    """Name and password for a request of one's own; None where there are none.

    :raises UnreachableError: if another user of the machine listens where the stack's own server should
    """
    found = variables(settings)
    return (found[USERNAME], found[PASSWORD]) if {USERNAME, PASSWORD} <= found.keys() else None


def refusal(settings: Settings, status: int) -> PermanentError:
    """The one sentence about a server that does not let us in, or not do it."""
    own = _is_own(settings)
    who = LOOP if own else os.environ.get(USERNAME, "")
    if status == http.HTTPStatus.FORBIDDEN:
        what = "MLflow lets this user not do what the loop does"
        remedy = f"give it the rights in MLflow, or name another by {USERNAME} and {PASSWORD}"
    elif who or "MLFLOW_TRACKING_TOKEN" in os.environ:
        what = "MLflow knows no such user with this password"
        remedy = f"correct {USERNAME} and {PASSWORD} in the environment"
    else:
        what = "MLflow asks for a sign-in, and none is set"
        remedy = f"set {USERNAME} and {PASSWORD} in the environment"
    if own:
        remedy = (
            "`airloop down`, then `airloop up`: it gives MLflow the passwords of the home folder"
        )
    return PermanentError(what, value=who or None, where=settings.mlflow_uri, remedy=remedy)


def _own(settings: Settings) -> str | None:
    """The loop's password at the server that `airloop up` started here; None of any other.

    Its port may be anybody's once it has died: the kernel is asked whose it is before the password goes there.
    """
    if not _is_own(settings):
        return None
    require_ours(settings.mlflow_uri, "MLflow")
    return _secret()


def _is_own(settings: Settings) -> bool:
    """Whether it is the server that `airloop up` started here, and gave a password."""
    return _secret() is not None and is_ours(settings.mlflow_uri)


def _holds_own() -> bool:
    """Whether this process's environment has the stack's own password: no other server may be told it."""
    secret = _secret()
    return secret is not None and os.environ.get(PASSWORD) == secret


def _secret() -> str | None:
    """The password that `airloop up` made; the first line of the file, and None where that is empty."""
    file = home_folder() / "secrets" / SECRET
    return (first_line(file) or None) if file.exists() else None
