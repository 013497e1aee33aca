"""What a torch training leaves, and what opening it may do."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from airloop.data.snapshot import split
from airloop.errors import ArtifactError, SpecError
from airloop.registry import artifacts, loader
from airloop.registry.artifacts import write_manifest
from airloop.registry.formats.torch import layers
from airloop.training.fitted import fit
from airloop.training.package import pack
from airloop.training.trainer import open_trainer
from tests.support.checkout import ROOT
from tests.support.loop.outcomes import CLASSES
from tests.support.loop.pairs import VALUES
from tests.support.loop.places import VECTOR
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, rows
from tests.support.loop.torch import torch_spec

PLAIN, RESIDUAL = "tests.support.loop.torch_model", "tests.support.loop.torch_residual"


def packed(folder: Path, module: str):
    params = {"epochs": 2, "batch_rows": 128, "learning_rate": 0.01}
    spec = torch_spec(module=module, training={"params": params})
    parts = split(spec, dataset_spec(), rows(), HOLDOUT)
    fitted = fit(spec, dataset_spec(), parts)
    target = folder / "model"
    conversion = pack(spec, dataset_spec(), parts, fitted, target, trained_on=DAYS[:-2]).conversion
    return target, fitted, conversion, parts.holdout.frame


def opened(folder: Path):
    (folder / artifacts.MANIFEST).unlink()
    digest = write_manifest(folder, model="lateness", task="classification")
    artifacts.verify(folder, digest)
    return loader.open_folder(folder, digest)


def test_a_plain_network_is_served_by_onnx_to_the_last_digits(tmp_path):
    folder, fitted, conversion, frame = packed(tmp_path, PLAIN)
    assert conversion.kept, conversion.reason
    model = opened(folder)
    assert model.runtime == "onnx"
    assert np.abs(model.predict(frame) - fitted.scores).max() < 1e-12
    (folder / artifacts.ONNX).unlink()
    by_torch = opened(folder)
    assert by_torch.runtime == "torch"
    strange = frame.head(50).assign(rain=np.nan, courier="drone", distance=1e9)
    assert np.abs(by_torch.predict(strange) - model.predict(strange)).max() < 1e-12


#: By the module and what it answers: the fields of the spec, and the metric that tells whether anything was learned.
SEVERAL = {
    "torch_outcomes": ({"outputs": {"classes": CLASSES}}, "log_loss", 0.95),
    "torch_outcomes, labels": ({"outputs": {"labels": CLASSES}}, "error_rate", 0.5),
    "torch_intervals": ({"task": "regression", "outputs": {"quantiles": [0.1, 0.5, 0.9]}}, "pinball", 1.5),
    "torch_pairs": ({"task": "regression", "outputs": {"values": VALUES}, "target": {"column": None}}, "relative_rmse", 0.9),
    "torch_places": ({"task": "regression", "outputs": {"vector": VECTOR}, "target": {"column": None}}, "rmse", 5.5),
}  # fmt: skip


@pytest.mark.parametrize("which", SEVERAL)
def test_several_numbers_a_row_are_learned_stored_and_served_by_onnx(which, tmp_path):
    fields, metric, most = SEVERAL[which]
    module, _, _ = which.partition(",")
    params = {"epochs": 8, "batch_rows": 128, "learning_rate": 0.02}
    gates = {"primary": metric, "absolute": {metric: {"max": most}}}
    spec = torch_spec(
        module=f"tests.support.loop.{module}", training={"params": params}, gates=gates, **fields
    )
    parts = split(spec, dataset_spec(), rows(), HOLDOUT)
    fitted = fit(spec, dataset_spec(), parts)
    assert fitted.metrics[metric] < most
    package = pack(spec, dataset_spec(), parts, fitted, tmp_path / "model", trained_on=DAYS[:-2])
    assert package.conversion.kept, package.conversion.reason
    model = opened(tmp_path / "model")
    assert model.runtime == "onnx"
    frame = parts.holdout.frame
    np.testing.assert_allclose(model.predict(frame), fitted.scores, rtol=1e-12, atol=1e-12)
    if module == "torch_outcomes":
        np.testing.assert_allclose(fitted.scores.sum(axis=1), 1)
        assert np.isin(fitted.scores, (0, 1)).all() == ("labels" in which)
    if module == "torch_intervals":
        assert (np.diff(fitted.scores) >= 0).all()
        below = (fitted.truth[:, :1] <= fitted.scores).mean(axis=0)
        np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.1)
    (tmp_path / "model" / artifacts.ONNX).unlink()
    by_torch = opened(tmp_path / "model")
    strange = frame.head(50).assign(rain=np.nan, courier="drone", distance=1e9)
    np.testing.assert_allclose(by_torch.predict(strange), model.predict(strange), rtol=1e-12)
    assert by_torch.predict(frame.iloc[:0]).shape == (0, *spec.answer.shape)
    changed = json.loads((tmp_path / "model" / artifacts.NETWORK).read_text())
    changed["columns"]["width"] = 0
    (tmp_path / "model" / artifacts.NETWORK).write_text(json.dumps(changed))
    with pytest.raises(ArtifactError, match="one number a row"):
        opened(tmp_path / "model")


def test_a_module_of_the_users_own_is_served_by_torch(tmp_path):
    folder, fitted, conversion, frame = packed(tmp_path, RESIDUAL)
    assert not conversion.kept
    model = opened(folder)
    assert model.runtime == "torch"
    assert (model.predict(frame) == fitted.scores).all()


def test_every_layer_that_is_described_is_rebuilt_and_written_as_onnx(tmp_path, monkeypatch):
    from torch import nn

    every = [nn.LazyLinear(5), nn.ReLU(), nn.Linear(5, 4, bias=False), nn.Tanh(), nn.Dropout(0.3)]
    every += [nn.Linear(4, 4), nn.Sigmoid(), nn.Identity(), nn.Linear(4, 1)]
    monkeypatch.setattr(
        "tests.support.loop.torch_model.build", lambda params: nn.Sequential(*every)
    )
    folder, fitted, conversion, frame = packed(tmp_path, PLAIN)
    assert conversion.kept, conversion.reason
    (folder / artifacts.ONNX).unlink()
    monkeypatch.setattr("tests.support.loop.torch_model.build", lambda params: 1 / 0)
    assert np.abs(opened(folder).predict(frame) - fitted.scores).max() < 1e-12


@pytest.mark.parametrize(
    "layer",
    [torch.nn.Softplus(), torch.nn.LayerNorm(3), type("Mine", (torch.nn.ReLU,), {})()],
)
def test_another_layer_is_not_described(layer):
    assert layers.describe(torch.nn.Sequential(layer)) is None


def change(folder: Path, act) -> None:
    path = folder / artifacts.NETWORK
    fields = json.loads(path.read_bytes())
    act(fields)
    path.write_text(json.dumps(fields))


HOSTILE = {
    "an unknown layer": lambda fields: fields["layers"].__setitem__(0, {"layer": "os.system"}),
    "other widths": lambda fields: fields["layers"][0].__setitem__("outputs", 3),
    "another feature": lambda fields: fields["columns"]["numbers"].__setitem__(
        "more", {"mean": 0, "scale": 1, "missing": False}
    ),
    "a key too many": lambda fields: fields.__setitem__("code", "import os"),
}


@pytest.mark.parametrize("act", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_network_that_was_tampered_with_is_refused(tmp_path, act):
    folder, *_ = packed(tmp_path, PLAIN)
    (folder / artifacts.ONNX).unlink()
    change(folder, act)
    with pytest.raises(ArtifactError):
        opened(folder)


class Payload:
    """What a pickle would run."""

    def __reduce__(self):
        return (Path.touch, (Path("/tmp/airloop-was-here"),))


def test_weights_that_are_a_pickle_run_nothing(tmp_path):
    folder, *_ = packed(tmp_path, PLAIN)
    (folder / artifacts.ONNX).unlink()
    marker = Path("/tmp/airloop-was-here")
    marker.unlink(missing_ok=True)
    (folder / artifacts.SAFETENSORS).write_bytes(pickle.dumps(Payload()))
    with pytest.raises(ArtifactError):
        opened(folder)
    torch.save(Payload(), folder / artifacts.SAFETENSORS)
    with pytest.raises(ArtifactError):
        opened(folder)
    assert not marker.exists()
    # The control: this is what would have happened.
    pickle.loads(pickle.dumps(Payload()))
    assert marker.exists()
    marker.unlink()


@pytest.mark.parametrize("name", ["model.pt2", "model.pt", "model.pth"])
def test_torchs_own_formats_hold_pickles_and_are_never_opened(tmp_path, name):
    folder, *_ = packed(tmp_path, PLAIN)
    (folder / name).write_bytes(b"PK")
    with pytest.raises(ArtifactError, match="never loaded"):
        opened(folder)


def run_without_torch(code: str) -> str:
    """Run code in a process in which torch and safetensors cannot be imported."""
    block = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'safetensors'}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", block + code], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_embedded_default_needs_no_torch_and_a_torch_spec_says_what_is_missing(tmp_path):
    folder, *_ = packed(tmp_path, PLAIN)
    digest = "sha256:" + hashlib.sha256((folder / artifacts.MANIFEST).read_bytes()).hexdigest()
    told = run_without_torch(
        "from pathlib import Path\n"
        "from airloop.errors import AirloopError\n"
        "from airloop.registry import artifacts, loader\n"
        "from airloop.training.trainer import open_trainer\n"
        "from tests.support.loop.artifact import pack_one\n"
        f"folder = Path({str(folder)!r})\n"
        f"print(loader.open_folder(folder, {digest!r}).runtime)\n"
        "(folder / artifacts.ONNX).unlink()\n"
        f"for act in (lambda: loader.open_folder(folder, {digest!r}), lambda: open_trainer('torch')):\n"
        "    try: act()\n"
        "    except AirloopError as error: print(error)\n"
        f"print(pack_one(Path({str(tmp_path / 'sk')!r})).fitted.trainer.library)\n"
    ).splitlines()
    assert told[0] == "onnx"
    assert "answers by torch, which is not installed here" in told[1]
    assert "run scripts/venv torch (Airloop's extra `torch`)" in told[2]
    assert told[3] == "scikit-learn"


def test_a_trainer_that_is_there_is_a_module_of_its_functions():
    for name in ("sklearn", "torch"):
        trainer = open_trainer(name)
        assert all(callable(getattr(trainer, one)) for one in ("fit", "scorer", "save", "onnx"))


def test_parameters_that_are_no_plain_data_are_refused():
    spec = torch_spec(training={"params": {"hidden": [float("nan")]}})
    with pytest.raises(SpecError, match="plain data"):
        fit(spec, dataset_spec(), split(spec, dataset_spec(), rows(), HOLDOUT))
