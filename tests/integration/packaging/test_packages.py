"""A version packaged in each form, and asked the same thousand rows in each: the same answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest

from airloop.contracts import ArtifactRef, ModelVersion
from airloop.data.lake.lake import Lake
from airloop.data.snapshot import split
from airloop.delivery.packaging import packages
from airloop.errors import ArtifactError, GateError, RequestError
from airloop.ledger import Ledger
from airloop.serving.packaged import Packaged
from airloop.settings import Settings
from airloop.training.fitted import fit
from airloop.training.package import pack
from bench.rivals.servers import free_port
from tests.support.loop.project import passed
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, model_spec, rows
from tests.support.toy_lake import filled

MODEL = """
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def features(rows):
    return rows[["distance", "parcels"]]{made}


def label(rows):
    late = rows["minutes_late"]
    return (late > 0).astype(float).where(late.notna())


def build(params):
    numbers = ColumnTransformer([("numbers", "passthrough", ["distance", "parcels"])])
    return make_pipeline(numbers, LogisticRegression())
"""
INPUTS = ["distance", "parcels"]
COUNT = 1_000


class World:
    """Two registered versions: one whose features are its inputs, and one that makes its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.dataset = root, dataset_spec()
        self.settings: Settings = filled(root / "home", self.dataset, rows())
        self.ledger = Ledger(f"sqlite:///{root / 'ledger.db'}")
        self.versions = {
            1: self._trained(1, "plain", ""),
            2: self._trained(2, "made", ".assign(far=1.0)"),
        }
        frame = rows(per_day=200)[["id", *INPUTS]].head(COUNT)
        self.frame = frame
        self.rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
        self.made: dict[str, Path] = {}

    def _trained(self, number: int, name: str, made: str) -> ModelVersion:
        folder = self.root / "include" / f"shop_{name}"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "model.py").write_text(MODEL.format(made=made))
        spec = model_spec(
            module=f"shop_{name}.model",
            inputs=INPUTS,
            training={"params": {}},
            gates={"slices": "none"},
        )
        parts = split(spec, self.dataset, rows(), HOLDOUT)
        artifact = self.root / f"artifact{number}"
        found = pack(
            spec,
            self.dataset,
            parts,
            fit(spec, self.dataset, parts, {}),
            artifact,
            trained_on=DAYS[:-2],
        )
        ref = ArtifactRef(uri=artifact.as_uri(), digest=found.digest)
        version = ModelVersion(model=spec.name, version=number, run_id=f"run{number}", artifact=ref)
        passed(self.ledger, version)
        return version

    def package(self, form: str, number: int = 1) -> Path:
        if form not in self.made or number != 1:
            target = self.root / "packages" / f"{form}{number}"
            made = packages.package(self.versions[number], self.ledger, self.settings, form, target)
            if number != 1:
                return made
            self.made[form] = made
        return self.made[form]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_PROJECT", str(root))
        patch.setattr(sys, "path", [*sys.path, str(root / "include")])
        patch.setattr(sys, "dont_write_bytecode", True)
        yield World(root)


@pytest.fixture(scope="module")
def wanted(world: World) -> np.ndarray[Any, Any]:
    """What the opened artifact answers."""
    from airloop.registry import loader

    model = loader.load(world.versions[1].artifact, world.settings)
    return np.asarray(model.predict(world.frame))


def elsewhere(world: World) -> dict[str, str]:
    """The environment of who has neither the project nor its home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOOP")}
    return {**kept, "AIRLOOP_HOME": str(world.root / "nobodys"), "PYTHONPATH": ""}


def test_a_wheel_answers_where_it_is_installed(world: World, wanted: np.ndarray[Any, Any]) -> None:
    [file] = world.package("wheel").iterdir()
    assert file.name == "lateness_model-1-py3-none-any.whl"
    installed = world.root / "installed"
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--offline"]
    subprocess.run([*uv, "--target", str(installed), str(file)], check=True)
    assert "Requires-Dist: airloop==" in next(installed.glob("*.dist-info/METADATA")).read_text()
    script = "import json, sys\nfrom lateness_model import predict\nprint(json.dumps(predict(json.load(sys.stdin))))"
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(world.rows), text=True, capture_output=True,
        env={**elsewhere(world), "PYTHONPATH": str(installed)}, check=True, cwd=world.root,
    )  # fmt: skip
    np.testing.assert_allclose(json.loads(done.stdout), wanted, rtol=1e-9)


def served(world: World, argv: list[str], folder: Path, home: Path) -> Any:
    """What a thousand rows are answered by a service that BentoML starts; and a row that does not fit."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        *argv,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    env = {**elsewhere(world), "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    with (world.root / "service.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            until_ready(url, process, world.root / "service.log")
            answer = httpx.post(f"{url}/predict", json={"rows": world.rows}, timeout=60)
            wrong = httpx.post(f"{url}/predict", json={"rows": [{"id": "a"}]}, timeout=60)
            assert (wrong.status_code, "rows.0.distance" in wrong.text) == (400, True)
            return answer.json()
        finally:
            process.terminate()
            process.wait(120)


def until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_a_bento_answers_as_bentoml_serves_it(world: World, wanted: np.ndarray[Any, Any]) -> None:
    [file] = world.package("bento").iterdir()
    assert file.name == "lateness-1.bento"
    home = world.root / "bento-home"
    env = {**elsewhere(world), "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    subprocess.run(
        [sys.executable, "-m", "bentoml", "import", str(file)],
        env=env,
        check=True,
        capture_output=True,
    )
    answers = served(world, ["lateness:1"], world.root, home)
    np.testing.assert_allclose(answers, wanted, rtol=1e-9)


def test_a_containers_context_answers_by_its_own_command(
    world: World, wanted: np.ndarray[Any, Any]
) -> None:
    folder = world.package("container")
    assert sorted(one.name for one in folder.iterdir()) == ["Dockerfile", "service.py", "version"]
    text = (folder / "Dockerfile").read_text()
    assert "ARG BASE=airloop-serving:" in text
    command = json.loads(text.split("CMD ", 1)[1])
    assert command[:4] == ["python", "-m", "bentoml", "serve"]
    answers = served(
        world, [command[4], "--working-dir", str(folder)], folder, world.root / "image-home"
    )
    np.testing.assert_allclose(answers, wanted, rtol=1e-9)


def test_an_onnx_file_answers_from_the_inputs_alone(
    world: World, wanted: np.ndarray[Any, Any]
) -> None:
    folder = world.package("onnx")
    described = json.loads((folder / "lateness-1.json").read_text())
    assert described["inputs"] == {"distance": "tensor(double)", "parcels": "tensor(double)"}
    assert described["digest"] == world.versions[1].artifact.digest
    session = onnxruntime.InferenceSession(str(folder / "lateness-1.onnx"))
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    fed = {
        name: world.frame[[name]].to_numpy(kinds[kind])
        for name, kind in described["inputs"].items()
    }
    found = session.run(None, fed)
    answers = np.asarray(found[-1])
    assert np.isclose(answers.reshape(COUNT, -1)[:, -1], wanted, rtol=1e-5).all()


def test_what_makes_features_of_its_own_is_no_onnx_file(world: World) -> None:
    with pytest.raises(
        RequestError, match=r"Python, which an ONNX file does not hold; got \['far'\]"
    ):
        world.package("onnx", 2)
    assert not (world.root / "packages" / "onnx2").exists()


def test_the_same_version_makes_the_same_wheel(world: World) -> None:
    [one] = world.package("wheel").iterdir()
    again = packages.package(
        world.versions[1], world.ledger, world.settings, "wheel", world.root / "again"
    )
    assert one.read_bytes() == next(again.iterdir()).read_bytes()


def test_nothing_unproven_is_packaged_and_nothing_half_done_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = world.root / "packages" / "none"
    stranger = world.versions[1].model_copy(update={"run_id": "nobodys"})
    with pytest.raises(GateError):
        packages.package(stranger, world.ledger, world.settings, "wheel", target)
    with pytest.raises(RequestError, match="a version is not packaged so"):
        packages.package(world.versions[1], world.ledger, world.settings, "zip", target)

    def dies(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setitem(packages.FORMS, "wheel", dies)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="no space"):
        packages.package(world.versions[1], world.ledger, world.settings, "wheel", target)
    assert not target.exists()
    assert not [one for one in target.parent.iterdir() if one.name.startswith(".none")]
    target.mkdir()
    with pytest.raises(RequestError, match="the folder is there already"):
        packages.package(world.versions[1], world.ledger, world.settings, "wheel", target)


def test_a_package_whose_bytes_were_changed_does_not_open(world: World, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(world.package("container") / "version", tmp_path / "version"))
    assert Packaged(folder).predict(world.rows[:2])
    (folder / "artifact" / "model.onnx").write_bytes(b"another")
    with pytest.raises(ArtifactError):
        Packaged(folder)
    with pytest.raises(ArtifactError, match="this is no packaged version"):
        Packaged(tmp_path)


def test_a_dataset_without_rows_cannot_show_that_features_are_inputs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lake, "partitions", lambda *_: [])
    with pytest.raises(RequestError, match="no rows to show"):
        packages.package(
            world.versions[1], world.ledger, world.settings, "onnx", world.root / "empty"
        )


def test_rows_beyond_one_requests_most_are_answered_in_parts(world: World) -> None:
    opened = Packaged(world.package("container") / "version")
    many = [*world.rows, *world.rows]
    assert len(opened.predict(many)) == 2 * COUNT
    assert opened.predict([]) == []
    with pytest.raises(RequestError, match="distance"):
        opened.predict([{"id": "a", "distance": "far", "parcels": 1}])
