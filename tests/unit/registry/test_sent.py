from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from airloop.errors import ArtifactError
from airloop.registry import sent
from airloop.registry.loader import open_folder
from airloop.registry.sent import SentModel
from tests.support.loop.artifact import Packed, pack_one
from tests.support.loop.specimens import fake, model_spec


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return pack_one(tmp_path_factory.mktemp("packed"))


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that was sent nothing yet."""
    monkeypatch.setattr(sent, "_last", {})


def test_a_model_answers_where_it_arrives_as_where_it_was_sent(packed: Packed) -> None:
    model = open_folder(packed.folder, packed.ref.digest)
    there = pickle.loads(pickle.dumps(SentModel(model))).model
    assert there is not model
    assert np.array_equal(there.predict(packed.holdout), model.predict(packed.holdout))


def test_a_bit_that_flips_on_the_way_is_noticed(packed: Packed) -> None:
    opened, (files, digest) = SentModel(open_folder(packed.folder, packed.ref.digest)).__reduce__()
    name = next(name for name in files if name.endswith(".onnx"))
    wrong = bytes([files[name][0] ^ 1]) + files[name][1:]
    with pytest.raises(ArtifactError, match=name):
        opened({**files, name: wrong}, digest)


def test_a_file_that_comes_along_is_refused(packed: Packed, tmp_path: Path) -> None:
    opened, (files, digest) = SentModel(open_folder(packed.folder, packed.ref.digest)).__reduce__()
    outside = tmp_path / "outside.py"
    with pytest.raises(ArtifactError):
        opened({**files, str(outside): b"import os"}, digest)
    assert not outside.exists()


def test_a_model_without_an_artifact_is_not_sent() -> None:
    with pytest.raises(TypeError, match="loaded from its artifact"):
        pickle.dumps(SentModel(fake([0.5], model_spec())))
