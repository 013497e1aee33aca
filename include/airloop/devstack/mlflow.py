"""MLflow's server as one process: ``python -m airloop.devstack.mlflow HOST PORT``.

``mlflow server`` imports MLflow twice, in a parent that then only waits: 10 s of CPU and 130 MB for nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: What ``mlflow server`` tells its worker, by the names of MLflow's own constants (a test compares them).
BACKEND_STORE_URI = "_MLFLOW_SERVER_FILE_STORE"
ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
ARTIFACTS_DESTINATION = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"
SERVE_ARTIFACTS = "_MLFLOW_SERVER_SERVE_ARTIFACTS"
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
        # By this one MLflow's own command line finds it.
        "MLFLOW_BACKEND_STORE_URI": database,
    }


def main() -> None:
    """Make the database if there is none, then serve."""
    import uvicorn

    host, port = sys.argv[1], int(sys.argv[2])
    make_database(os.environ[BACKEND_STORE_URI])
    uvicorn.run("mlflow.server.fastapi_app:app", host=host, port=port)


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
