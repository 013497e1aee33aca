"""R3: an artifact that is truncated, flipped or swapped is refused; without the digests it would load."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from airloop.errors import ArtifactError
from airloop.registry import artifacts, loader
from airloop.settings import Settings
from tests.support.loop.artifact import Packed, pack_one

BLOCK = 4096
#: `make flipped-bits` flips 300.
FLIPS = int(os.environ.get("AIRLOOP_FLIPS", "200"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return pack_one(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Another model of the same spec: one tree."""
    return pack_one(tmp_path_factory.mktemp("other"), max_iter=1)


@pytest.fixture
def copy(packed: Packed, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed.folder, tmp_path / "model"))


def refused(folder: Path, packed: Packed, name: str) -> bool:
    with pytest.raises(ArtifactError) as refusal:
        artifacts.verify(folder, packed.ref.digest)
    return name in f"{refusal.value}"


def test_every_truncation_is_refused_and_names_the_file(packed, copy):
    count = 0
    for path in sorted(copy.iterdir()):
        content = path.read_bytes()
        for size in range(0, len(content), BLOCK):
            path.write_bytes(content[:size])
            assert refused(copy, packed, path.name)
            count += 1
        path.write_bytes(content)
    artifacts.verify(copy, packed.ref.digest)
    assert count > 50


def test_every_flipped_bit_is_refused(packed, copy):
    dice = random.Random(7)
    files = sorted(copy.iterdir())
    for _ in range(FLIPS):
        path = dice.choice(files)
        content = bytearray(path.read_bytes())
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        original = path.read_bytes()
        path.write_bytes(content)
        assert refused(copy, packed, path.name)
        path.write_bytes(original)


@pytest.mark.parametrize("name", [artifacts.ONNX, artifacts.SKOPS, artifacts.EXAMPLES])
def test_a_file_of_another_model_is_refused(packed, other, copy, name):
    if (other.folder / name).read_bytes() == (copy / name).read_bytes():
        pytest.fail("the two models do not differ in this file")
    shutil.copy(other.folder / name, copy / name)
    assert refused(copy, packed, name)


def test_a_whole_other_artifact_is_refused(packed, other):
    assert refused(other.folder, packed, artifacts.MANIFEST)


def test_a_missing_file_is_refused(packed, copy):
    (copy / artifacts.REFERENCE).unlink()
    assert refused(copy, packed, artifacts.REFERENCE)


def swapped(packed: Packed, other: Packed, copy: Path) -> Settings:
    """The store now holds another model's bytes under the first one's reference."""
    for name in (artifacts.ONNX, artifacts.SKOPS, artifacts.EXAMPLES):
        shutil.copy(other.folder / name, copy / name)
    return Settings()


def test_a_swapped_model_is_never_loaded(packed, other, copy, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path / "home"))
    settings = swapped(packed, other, copy)
    ref = packed.ref.model_copy(update={"uri": copy.as_uri()})
    with pytest.raises(ArtifactError):
        loader.load(ref, settings)
    assert not list((tmp_path / "home" / "artifacts").iterdir())


def test_without_the_digests_it_would_have_been_loaded(packed, other, copy, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(artifacts, "verify", lambda folder, digest: None)
    settings = swapped(packed, other, copy)
    model = loader.load(packed.ref.model_copy(update={"uri": copy.as_uri()}), settings)
    answers = model.predict(packed.holdout)
    assert np.abs(answers - packed.fitted.scores).max() > 0.05


def test_without_the_digests_a_flipped_threshold_would_have_been_loaded(packed, copy, monkeypatch):
    monkeypatch.setattr(loader, "check_examples", lambda predict, spec, folder: None)
    path = copy / artifacts.ONNX
    content = bytearray(path.read_bytes())
    dice, loaded = random.Random(3), 0
    for _ in range(30):
        position, bit = dice.randrange(len(content)), 1 << dice.randrange(8)
        content[position] ^= bit
        path.write_bytes(content)
        try:
            loader.open_folder(copy, packed.ref.digest)
            loaded += 1
        except ArtifactError:
            pass
        content[position] ^= bit
    assert loaded > 0


def test_the_examples_notice_a_swapped_model_even_without_digests(packed, other, copy):
    for name in (artifacts.ONNX, artifacts.SKOPS):
        shutil.copy(other.folder / name, copy / name)
    with pytest.raises(ArtifactError, match="no longer answers"):
        loader.open_folder(copy, packed.ref.digest)
