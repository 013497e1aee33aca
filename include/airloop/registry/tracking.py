"""MLflow, reached with a bound on patience: its default is to retry for minutes while a task seems to hang."""

from __future__ import annotations

import http
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airloop.errors import AirloopError, ArtifactError, PermanentError, UnreachableError
from airloop.registry import credentials
from airloop.settings import Settings
from airloop.storage.trouble import translate_error

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Seconds for one answer, and how often a request is sent again; a step's own retry comes after.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
#: How long a store may take to say that it lives: boto3 tries five times.
_PROBE_SECONDS = 60
#: The folder of a run's artifacts that holds the model.
FOLDER = "model"
#: Where a run keeps the same model fitted on the held-out days too.
REFIT = "refit"

#: What MLflow's client makes of a server that does not let it in.
_REFUSALS = {
    "UNAUTHENTICATED": http.HTTPStatus.UNAUTHORIZED,
    "CUSTOMER_UNAUTHORIZED": http.HTTPStatus.UNAUTHORIZED,
    "PERMISSION_DENIED": http.HTTPStatus.FORBIDDEN,
}
_GONE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_TROUBLE = (
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
)


def client(settings: Settings) -> MlflowClient:
    """A client of the settings' MLflow, tracking and registry alike."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    credentials.sign_in(settings)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=settings.mlflow_uri, registry_uri=settings.mlflow_uri)


@contextmanager
def reaching(settings: Settings) -> Iterator[None]:
    """Turn MLflow's failures into ours.

    :raises UnreachableError: if the server does not answer or says that it is in trouble
    :raises ArtifactError: if what was asked for is not there
    :raises PermanentError: if it refused the request, or who asks
    """
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    where = settings.mlflow_uri
    try:
        yield
    except AirloopError:
        raise
    except MlflowException as error:
        reason = str(error).splitlines()[0][:300]
        if error.error_code in _REFUSALS:
            raise credentials.refusal(settings, _REFUSALS[error.error_code]) from None
        if trouble := _store_trouble(settings, str(error), error.error_code):
            raise _store_unreachable(where, trouble) from error
        if error.error_code in _GONE:
            raise ArtifactError("MLflow does not have it", value=reason, where=where) from error
        if error.error_code in _TROUBLE:
            raise _unreachable(where, reason) from error
        raise PermanentError("MLflow refused", value=reason, where=where) from error
    except (RequestException, SQLAlchemyError, ConnectionError, TimeoutError) as error:
        answer = getattr(error, "response", None)
        if answer is not None and answer.status_code in credentials.REFUSALS:
            raise credentials.refusal(settings, answer.status_code) from None
        raise _unreachable(where, f"{type(error).__name__}: {error}") from error


def download(uri: str, scratch: Path, settings: Settings) -> Path:
    """Copy an artifact folder (``runs:/<id>/model``) from MLflow's store into a scratch folder.

    :raises ArtifactError: if it is not there
    :raises UnreachableError: if the store does not answer
    """
    client(settings)
    from mlflow.artifacts import download_artifacts

    try:
        with reaching(settings):
            path = download_artifacts(
                artifact_uri=uri, dst_path=str(scratch), tracking_uri=settings.mlflow_uri
            )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError("the artifact is not there", value=str(error), where=uri) from error
    except OSError as error:  # a full disk here, or a store that fails: neither lasts
        raise translate_error(error, "the artifacts' store or this machine's cache", uri) from error
    folder = Path(path)
    if not folder.is_dir():
        raise ArtifactError("the artifact is not a folder", value=uri, where=settings.mlflow_uri)
    return folder


def run_url(settings: Settings, experiment_id: str, run_id: str) -> str | None:
    """The page of a run, where MLflow is a server."""
    if not settings.mlflow_uri.startswith("http"):
        return None
    return f"{settings.mlflow_uri}/#/experiments/{experiment_id}/runs/{run_id}"


def _unreachable(where: str, reason: str) -> UnreachableError:
    return UnreachableError(
        "MLflow does not answer",
        value=reason,
        where=where,
        remedy="see that its server runs (airloop status, or its pod), or correct mlflow_uri in the settings",
    )


def _store_unreachable(where: str, reason: str) -> UnreachableError:
    return UnreachableError(
        "MLflow answers, but its store of artifacts fails",
        value=reason,
        where=where,
        remedy="see its log, and stack.mlflow_artifacts_uri and storage_options of its server",
    )


def _store_trouble(settings: Settings, reason: str, code: str) -> str:
    """What the server's own store answers; empty where the store is not what failed.

    MLflow's client tells a store that failed as an artifact that is not there, and as a server that does not answer,
    and one that does not let it in likewise.

    :raises PermanentError: if the server does not let us ask
    """
    if not settings.mlflow_uri.startswith("http"):
        return ""
    if "Failed to download artifacts" not in reason and code not in _TROUBLE:
        return ""
    import requests

    url = f"{settings.mlflow_uri.rstrip('/')}/api/2.0/mlflow-artifacts/artifacts"
    try:
        # Rights are an experiment's: the first part of the path names one, be it there or not.
        answer = requests.get(
            url,
            params={"path": f"0/{FOLDER}"},
            auth=credentials.pair(settings),
            timeout=_PROBE_SECONDS,
        )
    except requests.RequestException:
        return ""
    if answer.status_code in credentials.REFUSALS:
        raise credentials.refusal(settings, answer.status_code)
    if answer.status_code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return ""
    return " ".join(answer.text.split())[:200] or answer.reason
