"""The home that Airloop 0.1 made (tests/golden), unpacked somewhere else, and today's servers on it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airloop.contracts import Deployment
from airloop.devstack.addresses import DEFAULT_PORTS, Addresses, write_addresses
from airloop.devstack.components import components
from airloop.devstack.environment import process_environment, stack_environment
from airloop.devstack.layout import current_layout
from airloop.devstack.processes import start, stop
from airloop.devstack.secrets import ensure_secrets
from airloop.exchange.keys import Key
from airloop.execution.runner import StepRunner
from airloop.ledger import Ledger, open_ledger
from airloop.registry import credentials
from airloop.settings import Settings, load_settings
from tests.support.checkout import ROOT
from tests.support.projects import forget, told_of
from tests.support.servers import free_ports

#: Seconds for a server to start on a machine that does much else.
PATIENCE = 240.0


class Golden:
    """The project, its home, and what 0.1 said of both."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "golden-0.1"
        self.home = self.project / "home"
        with tarfile.open(ROOT / "tests" / "golden" / "airloop-0.1.tar.xz") as archive:
            archive.extractall(folder, filter="data")
        # Where a project keeps its modules today; 0.1 had them in its own checkout.
        shutil.copytree(ROOT / "include" / "flights", self.project / "include" / "flights")
        self.expected: dict[str, Any] = json.loads((self.project / "expected.json").read_text())
        self.model: str = self.expected["model"]

    @property
    def settings(self) -> Settings:
        """Read anew, since the servers choose their ports."""
        return load_settings()

    @property
    def ledger(self) -> Ledger:
        """The ledger, which must have been migrated."""
        return open_ledger(self.settings)

    def deployments(self) -> dict[int, Deployment]:
        """Each version's, by its number."""
        return {one.version: one for one in self.ledger.deployments(self.model)}

    def airloop(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, as a person calls it in the project."""
        command = [str(Path(sys.executable).parent / "airloop"), *arguments]
        return subprocess.run(
            command, cwd=self.project, capture_output=True, text=True, check=False
        )

    def step(self, key: Key, **request: Any) -> dict[str, Any]:
        """Run the step that a key names as an operator does, in a process of its own."""
        name = type(key).__name__.lower()
        fence = self.ledger.begin_attempt(str(key), owner="the test of the upgrade")
        return StepRunner(self.settings).run(name, fence, request)


@contextmanager
def unpacked(folder: Path) -> Iterator[Golden]:
    """The golden project in a folder, as the one that this process and its children work on."""
    golden = Golden(folder)
    with told_of(golden.project, golden.home), pytest.MonkeyPatch.context() as patch:
        # The checkout's folder on the path would make a package of its include/.
        patch.delenv("PYTHONPATH", raising=False)
        patch.setenv("AIRLOOP__SERVING__TOKEN", "golden")
        patch.setenv("OMP_NUM_THREADS", "1")
        forget()
        yield golden


@contextmanager
def servers() -> Iterator[None]:
    """MLflow, the prediction service and the step host, as `airloop up` starts them, on ports of their own."""
    layout, mark = current_layout(), uuid.uuid4().hex
    layout.create()
    ports = free_ports(len(DEFAULT_PORTS))
    addresses = Addresses(**dict(zip(DEFAULT_PORTS, ports, strict=True)))
    write_addresses(layout, addresses)
    forget()
    ensure_secrets(layout.secrets)
    env = process_environment(stack_environment(layout, addresses.url("mlflow")), mark)
    env |= credentials.variables(load_settings())
    parts = [
        one
        for one in components(layout, addresses, load_settings())
        if one.name in {"mlflow", "serving", "step-host"}
    ]
    records = []
    try:
        for part in parts:
            log = layout.logs / f"{part.name}.log"
            told = {**env, **part.env}
            record = start(part.name, part.command, env=told, cwd=ROOT, log=log, folder=layout.run)
            records.append(record)
            until = time.monotonic() + PATIENCE
            while not part.healthy(record.started_at):
                assert record.alive, log.read_text()[-3000:]
                assert time.monotonic() < until, f"{part.name} does not start"
                time.sleep(0.3)
        yield
    finally:
        stop(records, mark)
