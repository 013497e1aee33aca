"""An artifact of before outputs were declared is what it is: one number a row, the same as it recorded."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from airloop.plugins.trainer import OutputKind
from airloop.registry import loader
from tests.support.checkout import ROOT

PACKED = ROOT / "tests" / "golden" / "airloop-0.1.tar.xz"
DIGESTS = (
    "1cc0b2bb7fba45d20f28f2735f1facae8a75f561611e84b27f0a4bd45d3672f3",
    "a4483305ff3e50080e9f58b283ec023e96af71330c8dbd5fb5088f6e89df79fa",
)


@pytest.mark.parametrize("digest", DIGESTS)
def test_a_version_of_0_1_answers_one_probability_a_row(digest: str, tmp_path: Path) -> None:
    folder = f"golden-0.1/home/artifacts/{digest}"
    with tarfile.open(PACKED) as archive:
        inside = [one for one in archive.getmembers() if one.name.startswith(f"{folder}/")]
        archive.extractall(tmp_path, members=inside, filter="data")
    # Asks the recorded examples, whose answers must be those of then.
    model = loader.open_folder(tmp_path / folder, f"sha256:{digest}")
    assert model.spec.outputs is None
    assert (model.spec.answer.kind, model.spec.goal) == (OutputKind.PROBABILITY, "classification")
    assert model.spec.answer.columns == ("airloop_prediction",)
    assert model.scorer is not None
    assert np.isscalar(model.spec.answer.named([0.5])[0])
