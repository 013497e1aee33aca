"""Versions that need other versions of a library, side by side in one service: each in a process of its own."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest

from airloop.contracts import ArtifactRef
from airloop.data.snapshot import split
from airloop.errors import ArtifactError, DataError, UnreachableError
from airloop.features import transform as checkout
from airloop.registry import loader
from airloop.registry.code.lock import Lock
from airloop.serving.environments import loading, overlay, worker
from airloop.serving.environments.remote import RemoteModel
from airloop.serving.responses import Condition
from airloop.serving.runtime.endpoints import Endpoints
from airloop.settings import Settings
from airloop.training.fitted import fit
from airloop.training.package import pack
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, model_spec, rows
from tests.support.serving_fakes import FakeLedger, client, deployment
from tests.support.wheels import unpacked, wheel

MODEL = """
import tariffs
from sklearn.linear_model import LogisticRegression


def features(rows):
    frame = rows[["distance", "rain"]].fillna(0.0)
    tariffs.checked(frame["distance"])
    frame["distance"] = frame["distance"] * tariffs.FACTOR
    return frame


def label(rows):
    late = rows["minutes_late"]
    return (late > 0).astype(float).where(late.notna())


def build(params):
    return LogisticRegression()
"""
LIBRARY = """
import os, signal, time
FACTOR = {factor}


def checked(values):
    if (values == 666.0).any():
        os.kill(os.getpid(), signal.SIGKILL)
    if (values == 777.0).any():
        time.sleep(600)
    if (values == 888.0).any():
        raise ValueError("a secret value")
"""
SPEC = {"module": "tariff_shop.model", "training": {"params": {}}}
PATIENCE = 120.0


class World:
    """A project whose model was trained with tariffs 1 and with tariffs 2, of which the service has neither."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.versions: dict[int, ArtifactRef] = {}
        self.answers: dict[int, np.ndarray[Any, Any]] = {}
        package = root / "include" / "tariff_shop"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("", encoding="utf-8")
        (package / "model.py").write_text(MODEL, encoding="utf-8")
        for number in (1, 2):
            made = wheel(
                root / "wheels", "tariffs", f"{number}.0", LIBRARY.format(factor=2.0 - number)
            )
            sys.path.insert(0, str(unpacked(made, root / f"trained{number}")))
            importlib.invalidate_caches()
            try:
                self._train(number)
            finally:
                sys.path.pop(0)
                self.forget()

    def _train(self, number: int) -> None:
        spec, folder = model_spec(**SPEC), self.root / f"version{number}"
        self.parts = split(spec, dataset_spec(), rows(), HOLDOUT)
        self.frame = self.parts.holdout.frame[list(spec.inputs)]
        fitted = fit(spec, dataset_spec(), self.parts, {})
        package = pack(spec, dataset_spec(), self.parts, fitted, folder, trained_on=DAYS[:-2])
        self.versions[number] = ArtifactRef(uri=folder.as_uri(), digest=package.digest)
        found = loader.load(self.versions[number], Settings()).predict(self.frame)
        self.answers[number] = np.asarray(found)

    def forget(self) -> None:
        """As a process that starts anew would."""
        checkout._import.cache_clear()
        gc.collect()
        for name in [
            one for one in sys.modules if one.partition(".")[0] in ("tariff_shop", "tariffs")
        ]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_PROJECT", str(root))
        patch.setenv("AIRLOOP_HOME", str(root / "home"))
        patch.setenv("AIRLOOP__SERVING__ENVIRONMENTS", "build")
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(root / "wheels"))
        patch.setattr(sys, "path", [*sys.path, str(root / "include")])
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        yield World(root)


@pytest.fixture(scope="module")
def models(world: World) -> Iterator[dict[int, RemoteModel]]:
    """Both versions, each in its process: to start one costs more than all that is asked of it."""
    with ThreadPoolExecutor() as side_by_side:
        both = side_by_side.map(partial(opened, world), (1, 2))
        found = dict(zip((1, 2), both, strict=True))
    del both
    yield found
    found.clear()
    gc.collect()
    eventually(lambda: not children())


@pytest.fixture(autouse=True)
def nothing_left(models: dict[int, RemoteModel]) -> Iterator[None]:
    """What a test started beside those has ended with its models."""
    yield
    gc.collect()
    shared = [model.worker for model in models.values()]
    eventually(lambda: {one.pid for one in children()} == {one.pid for one in shared})


def children() -> list[psutil.Process]:
    """Those that answer for a version; of one that has ended, only the exit code may be left."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if worker.MODULE in one.cmdline():
                found.append(one)
    return found


def eventually(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def opened(world: World, number: int) -> RemoteModel:
    model = loading.load(world.versions[number], Settings())
    assert isinstance(model, RemoteModel)
    return model


def columns(world: World, **changed: float) -> dict[str, list[Any]]:
    found = {name: world.frame[name].head(3).tolist() for name in world.frame}
    return found | {name: [value] * 3 for name, value in changed.items()}


def test_versions_of_other_libraries_answer_side_by_side_as_each_did(
    world: World, models: dict[int, RemoteModel]
) -> None:
    assert not np.allclose(world.answers[1], world.answers[2])
    for number in (1, 2, 1):
        np.testing.assert_array_equal(models[number].predict(world.frame), world.answers[number])
        np.testing.assert_allclose(
            models[number].answer(columns(world)), world.answers[number][:3], rtol=1e-6
        )
    assert {model.drifted for model in models.values()} == {""}
    assert len(children()) == 2
    home = world.root / "home" / "environments"
    assert sum(one.is_dir() for one in home.iterdir()) == 2


def test_without_the_setting_the_refusal_names_library_and_setting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP__SERVING__ENVIRONMENTS", "off")
    with pytest.raises(ArtifactError, match=r"tariffs 1\.0, here missing: set serving"):
        loading.load(world.versions[1], Settings())


def test_a_service_that_has_the_library_answers_in_its_own_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(world.root / "trained1"))
    model = loading.load(world.versions[1], Settings())
    assert not isinstance(model, RemoteModel)
    np.testing.assert_array_equal(model.predict(world.frame), world.answers[1])
    del model
    world.forget()


def test_rows_that_the_model_refuses_are_the_rows_fault_and_nothing_of_them_is_told(
    world: World, models: dict[int, RemoteModel]
) -> None:
    model = models[1]
    with pytest.raises(DataError) as told:
        model.answer(columns(world, distance=888.0))
    assert told.value.what == "the model's features() failed on these rows"
    np.testing.assert_allclose(model.answer(columns(world)), world.answers[1][:3], rtol=1e-6)


def test_a_process_that_hangs_is_started_again(
    world: World, models: dict[int, RemoteModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models[2]
    before, there = model.worker.pid, len(children())
    monkeypatch.setattr(worker, "HUNG_SECONDS", 1.0)
    with pytest.raises(UnreachableError, match="died, or hung"):
        model.answer(columns(world, distance=777.0))
    with pytest.raises(UnreachableError, match="being started again"):
        model.answer(columns(world))
    monkeypatch.setattr(worker, "HUNG_SECONDS", 20.0)
    eventually(lambda: model.worker.pid is not None)
    assert model.worker.pid != before
    np.testing.assert_allclose(model.answer(columns(world)), world.answers[2][:3], rtol=1e-6)
    assert len(children()) == there


def test_a_process_ends_with_the_service_even_while_it_hangs(world: World) -> None:
    script = (
        "import sys, threading, time\nfrom airloop.serving.environments import loading\n"
        "from airloop.contracts import ArtifactRef\nfrom airloop.settings import Settings\n"
        "model = loading.load(ArtifactRef(uri=sys.argv[1], digest=sys.argv[2]), Settings())\n"
        "rows = {name: [777.0] for name in model.spec.inputs}\n"
        "threading.Thread(target=lambda: model.answer(rows), daemon=True).start()\n"
        "time.sleep(1)\nprint(model.worker.pid, flush=True)\ntime.sleep(600)\n"
    )
    ref = world.versions[1]
    service = subprocess.Popen(
        [sys.executable, "-c", script, ref.uri, ref.digest], stdout=subprocess.PIPE, text=True
    )
    assert service.stdout is not None
    with service:
        pid = int(service.stdout.readline())
        assert psutil.pid_exists(pid)
        service.kill()
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


def test_the_child_sees_no_secret_of_the_service(models: dict[int, RemoteModel]) -> None:
    assert {"AWS_SECRET_ACCESS_KEY", "AIRLOOP__SERVING__ENVIRONMENTS"} <= {*os.environ}
    pid = models[1].worker.pid
    assert pid is not None
    names = set(psutil.Process(pid).environ())
    assert not {one for one in names if one.startswith(("AWS_", "AIRLOOP__"))}


def test_a_lock_that_was_exchanged_is_never_installed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path / "home"))
    folder = Path(shutil.copytree(world.root / "version1", tmp_path / "version"))
    (folder / "environment.lock").write_text("tariffs==2.0\n", encoding="utf-8")
    ref = ArtifactRef(uri=folder.as_uri(), digest=world.versions[1].digest)
    with pytest.raises(ArtifactError, match="not the one that was trained"):
        loading.load(ref, Settings())
    assert not (tmp_path / "home" / "environments").exists()


def test_the_service_says_503_while_a_process_is_gone_promotes_and_goes_back(
    world: World, models: dict[int, RemoteModel], tmp_path: Path
) -> None:
    spec, ledger = model_spec(**SPEC), FakeLedger()
    ledger.names = [spec.name]
    names = dict.fromkeys((*dataset_spec().keys, *spec.inputs))
    example = world.parts.holdout.frame[[*names]].iloc[0]
    row = {name: _plain(value) for name, value in example.items()}

    async def main() -> None:
        slots = ledger.slots(tmp_path)
        async with client(slots) as http:

            async def ask(**changed: float) -> httpx.Response:
                body = {"rows": [row | changed]}
                return await http.post(f"/models/{spec.name}/predict", json=body)

            async def killed_by_a_row() -> None:
                """While no version before it could answer in its place."""
                before = models[1].worker.pid
                gone = await ask(distance=666.0)
                assert (gone.status_code, gone.headers["retry-after"]) == (503, "1")
                await asyncio.to_thread(
                    eventually, lambda: models[1].worker.pid not in {None, before}
                )

            found: dict[int, list[float]] = {}
            for sequence, number in enumerate((1, 2, 1), 1):
                ledger.deploy(number, models[number], sequence=sequence, name=spec.name)
                await slots.refresh()
                answer = await ask()
                assert answer.status_code == 200, answer.text
                assert answer.json()["version"] == number
                predictions = answer.json()["predictions"]
                assert found.setdefault(number, predictions) == predictions
                if sequence == 1:
                    await killed_by_a_row()
                    assert (await ask()).json()["predictions"] == found[1]
            assert found[1] != found[2]
            (state,) = slots.states()
            assert state.condition is Condition.SERVING
        await slots.close()

    asyncio.run(main())
    ledger.artifacts.clear()


def test_slots_say_that_an_environment_is_being_built(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the service's own way of loading, which waits here until it was seen."""
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    go_on, install = threading.Event(), overlay._install

    def waiting(lock: Lock, folder: Path) -> None:
        assert go_on.wait(PATIENCE)
        install(lock, folder)

    monkeypatch.setattr(overlay, "_install", waiting)
    name = model_spec(**SPEC).name
    last = deployment(1, model=name).model_copy(update={"artifact": world.versions[1]})

    async def main() -> None:
        slots = Endpoints(
            tmp_path,
            models=lambda: [name],
            deployed=lambda: {name: last},
            load=lambda ref: loading.load(ref, Settings()),
        )
        bringing = asyncio.create_task(slots.refresh())
        while not (states := slots.states()) or states[0].condition is not Condition.BUILDING:
            await asyncio.sleep(0.01)
        assert "the environment of version 1 is being built" in states[0].says
        go_on.set()
        await bringing
        assert slots.states()[0].condition is Condition.SERVING
        await slots.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def _plain(value: Any) -> Any:
    if value is None or value != value:
        return None
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return value.item() if isinstance(value, np.generic) else value
