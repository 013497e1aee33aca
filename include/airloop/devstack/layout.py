"""Where the embedded stack keeps things: the folders and files under ``AIRLOOP_HOME``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airloop.errors import StorageFullError
from airloop.paths import home_folder


@dataclass(frozen=True)
class Layout:
    """All paths of one stack, from its home folder."""

    home: Path

    @property
    def airflow(self) -> Path:
        """Airflow's own home: configuration, database, task logs."""
        return self.home / "airflow"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artifacts."""
        return self.home / "mlflow"

    @property
    def secrets(self) -> Path:
        """One file a secret; folder 700, files 600."""
        return self.home / "secrets"

    @property
    def run(self) -> Path:
        """Process records and the lock of `airloop up`."""
        return self.home / "run"

    @property
    def provisioned(self) -> Path:
        """There while Airflow has its pools and connections: a task that begins before waits for it."""
        return self.run / "provisioned"

    @property
    def cluster(self) -> Path:
        """What `up` found of the cluster that the steps' pods go to; no secret."""
        return self.run / "cluster.json"

    @property
    def logs(self) -> Path:
        """One log file a component."""
        return self.home / "logs"

    @property
    def runtime(self) -> Path:
        """The addresses in use, read by :mod:`airloop.settings`."""
        return self.home / "runtime.yaml"

    @property
    def env_file(self) -> Path:
        """For a shell: ``. .airloop/env`` makes `airflow`, `mlflow` and `bentoml` speak to this stack."""
        return self.home / "env"

    @property
    def demo_report(self) -> Path:
        """What the last `airloop demo` did."""
        return self.home / "demo-report.json"

    def create(self) -> None:
        """Make the folders; the home is private, since it holds data and secrets.

        :raises StorageFullError: if the file system refuses
        """
        try:
            for folder in (self.home, self.airflow, self.mlflow, self.secrets, self.run, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.secrets.chmod(0o700)
        except OSError as error:
            raise StorageFullError(
                "the state folder cannot be made",
                value=error.strerror,
                where=str(self.home),
                remedy="free space there, or set AIRLOOP_HOME to a folder you may write to",
            ) from error


def current_layout() -> Layout:
    """The layout of ``AIRLOOP_HOME``."""
    return Layout(home_folder())
