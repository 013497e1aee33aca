"""MLflow's server as one process: ``python -m airloop.devstack.mlflow HOST PORT``.

``mlflow server`` imports MLflow twice, in a parent that then only waits: 10 s of CPU and 130 MB for nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from airloop.devstack import signin

#: What ``mlflow server`` tells its worker, by the names of MLflow's own constants (a test compares them).
BACKEND_STORE_URI = "_MLFLOW_SERVER_FILE_STORE"
ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
ARTIFACTS_DESTINATION = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"
SERVE_ARTIFACTS = "_MLFLOW_SERVER_SERVE_ARTIFACTS"
#: By these MLflow's own command line finds the same: what a container is given.
_PUBLIC_DATABASE, _PUBLIC_ARTIFACTS = "MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION"
#: Clients get artifacts from the server.
_PROXIED = "mlflow-artifacts:/"


def server_environment(database: str, artifacts: str) -> dict[str, str]:
    """What the server reads, as :func:`main` needs it.

    :param database: SQLAlchemy's URL
    :param artifacts: where the server keeps artifacts: a folder or a bucket
    """
    return {
        BACKEND_STORE_URI: database,
        ARTIFACT_ROOT: _PROXIED,
        ARTIFACTS_DESTINATION: artifacts,
        SERVE_ARTIFACTS: "true",
        _PUBLIC_DATABASE: database,
        _PUBLIC_ARTIFACTS: artifacts,
    }


def main() -> None:
    """Make the database if there is none and the users, then serve; in several processes where asked to."""
    import uvicorn

    host, port = sys.argv[1], int(sys.argv[2])
    database = os.environ[_PUBLIC_DATABASE]
    os.environ |= server_environment(database, os.environ[_PUBLIC_ARTIFACTS])
    make_database(database)
    app, workers = "mlflow.server.fastapi_app:app", int(os.environ.get("MLFLOW_WORKERS", "1"))
    guarded = signin.CONFIG in os.environ
    if guarded:
        signin.prepare(users_database(database))
        app = "mlflow.server.auth:create_app"
    uvicorn.run(app, host=host, port=port, factory=guarded, workers=workers)


def users_database(url: str) -> str:
    """Where the users are kept: beside a file, for a second writer would wait for it; else in the same database."""
    if not url.startswith("sqlite:///"):
        return url
    return f"sqlite:///{Path(url.removeprefix('sqlite:///')).with_name('users.db')}"


def make_database(url: str) -> None:
    """Make a new SQLite database aside: a start that is killed leaves no half of one. MLflow makes any other itself."""
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if not url.startswith("sqlite:///"):
        SqlAlchemyStore(url, _PROXIED)
    else:
        aside = path.with_name(f"{path.name}.new")
        for old in path.parent.glob(f"{aside.name}*"):
            old.unlink()
        store = SqlAlchemyStore(f"sqlite:///{aside}", _PROXIED)
        store.engine.dispose()
        aside.replace(path)


if __name__ == "__main__":
    main()
