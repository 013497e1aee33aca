"""The contract of executors: a real step, begun, read, ended."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from airloop import paths
from airloop.contracts import Fence
from airloop.errors import AirloopError, DataError
from airloop.exchange import seal, wire
from airloop.exchange.store import StepStore
from airloop.execution.executor import StepJob
from airloop.plugins.registry import EXECUTORS, Seam
from airloop.testing.plugin import SpecContract

#: Seconds in which a step must have begun, or ended.
PATIENCE = 120.0
_STEP = '''
"""The step that the contract runs."""

import os
import pathlib
import time

from airloop.errors import DataError


def run(request, context):
    print("a line of the log", flush=True)
    if request.partition == "2024-03-02":
        pathlib.Path(context.settings.home, "begun").write_text(str(os.getpid()))
        time.sleep(600)
    raise DataError("the step has run", value=os.environ.get("A_CREDENTIAL"))
'''


class ExecutorContract(SpecContract):
    """Subclass it with the fixtures ``plugin`` and ``data``, and ``project`` where it needs more."""

    seam: ClassVar[Seam] = EXECUTORS

    @pytest.fixture
    def project(self, tmp_path: Path, data: dict[str, Any]) -> Path:
        """A project with one model, whose step ``score`` is the contract's."""
        folder = tmp_path / "project"
        _write(folder, data["kind"] if len(data) == 1 else data)
        return folder

    @pytest.fixture
    def job(
        self, project: Path, spec: Any, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Callable[[str], StepJob]]:
        """A step that raises at once (2024-03-01), or sleeps for ten minutes (2024-03-02)."""
        from airloop.settings import load_settings
        from airloop.specs.catalog import load_catalog

        monkeypatch.setenv(paths.PROJECT, str(project))
        monkeypatch.setenv("AIRLOOP_CONFIG", str(project / "config"))
        monkeypatch.setenv("AIRLOOP_HOME", str(project / ".airloop"))
        if seal.VARIABLE not in os.environ:
            monkeypatch.setenv(seal.VARIABLE, secrets.token_hex(32))
        load_settings.cache_clear()
        load_catalog.cache_clear()
        settings, catalog = load_settings(), load_catalog()
        store = StepStore(settings.step_store_uri, {})

        def make(day: str) -> StepJob:
            fence = Fence(key=f"score:toy_model:{day}", token=1)
            place = store.place("score", fence)
            asked = {"model": "toy_model", "partition": day, "fence": fence.model_dump()}
            store.write(f"{place}/request.json", asked)
            return StepJob(
                step="score",
                fence=fence,
                request_uri=f"{place}/request.json",
                result_uri=f"{place}/result.json",
                spec=spec,
                settings=settings,
                model=catalog.model("toy_model"),
                variables={"A_CREDENTIAL": "as given"},
            )

        yield make
        load_settings.cache_clear()
        load_catalog.cache_clear()

    def test_a_step_runs_to_its_end(self, plugin: Any, job: Callable[[str], StepJob]) -> None:
        """Its log is read while it runs, what it raised is read from the store."""
        asked = job("2024-03-01")
        handle = plugin.start(asked)
        lines: list[str] = []
        until = time.monotonic() + PATIENCE
        ended = False
        while not ended:
            assert time.monotonic() < until, lines
            ended = plugin.poll(handle, 1.0)
            lines += plugin.logs(handle)
        code = plugin.result(handle)
        with pytest.raises(DataError, match="the step has run"):
            wire.conclude("score", _answer(asked), code)
        assert lines.count("a line of the log") == 1
        assert code in {None, int(wire.Exit.PERMANENT)}

    def test_what_runs_is_waited_for_no_longer_than_asked(
        self, plugin: Any, job: Callable[[str], StepJob], project: Path
    ) -> None:
        """And cancelling ends it, with the process that it is; twice does no harm."""
        asked = job("2024-03-02")
        handle = plugin.start(asked)
        process = _begun(project / ".airloop" / "begun")
        began = time.monotonic()
        assert not plugin.poll(handle, 0.2)
        assert time.monotonic() - began < 30
        plugin.cancel(handle)
        plugin.cancel(handle)
        until = time.monotonic() + PATIENCE
        while not plugin.poll(handle, 1.0):
            assert time.monotonic() < until, "cancelled, and it goes on"
        with suppress(AirloopError):
            assert plugin.result(handle) != 0
        assert _answer(asked) is None
        if plugin.local:
            assert not _lives(process)


def _write(project: Path, compute: Any) -> None:
    from airloop.testing.specs import toy_dataset, toy_model

    for folder, spec in (("datasets", toy_dataset()), ("models", toy_model())):
        data = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if folder == "models":
            data |= {"compute": compute, "steps": {"score": "contract_step"}}
            data["resources"] = {"steps": ["score"]}
        path = project / "config" / folder / f"{spec.name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(data))
    (project / paths.MARKER).write_text("environment: local\n")
    (project / "config" / "environments").mkdir()
    (project / "config" / "environments" / "local.yaml").write_text("{}\n")
    (project / "include").mkdir()
    (project / "include" / "contract_step.py").write_text(_STEP)


def _answer(job: StepJob) -> dict[str, Any] | None:
    return StepStore(job.settings.step_store_uri, {}).read(job.result_uri)


def _begun(file: Path) -> int:
    until = time.monotonic() + PATIENCE
    while not file.exists() or not file.read_text():
        assert time.monotonic() < until, "the step did not begin"
        time.sleep(0.1)
    return int(file.read_text())


def _lives(process: int) -> bool:
    """Whether it still runs; one that ended and that nobody has reaped yet does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{process}")  # noqa: PTH110
