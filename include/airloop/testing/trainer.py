"""The contract of trainers and of the formats in which they keep a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from airloop.plugins.registry import TRAINERS, Seam
from airloop.plugins.trainer import OutputKind
from airloop.testing.plugin import PluginContract

#: The answers of a model that was stored are those of the one that was trained.
TOLERANCE = 1e-6
#: How pickles and Python's compiled code begin.
_CODE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\xa7\r\r\n", b"\xcb\r\r\n")


class TrainerContract(PluginContract):
    """Subclass it with the fixtures ``plugin`` and ``job``.

    :func:`airloop.testing.specs.toy_job` makes a job.
    """

    seam: ClassVar[Seam] = TRAINERS

    @pytest.fixture
    def job(self, tmp_path: Path) -> Any:
        """What it is given to fit."""
        raise NotImplementedError("override the fixture `job`")

    @pytest.fixture
    def fitted(self, plugin: Any, job: Any) -> Any:
        """What it made of that."""
        return plugin.fit(job)

    def test_it_declares_what_it_can_make(self, plugin: Any, job: Any) -> None:
        """Outputs, files and modules, by name."""
        assert plugin.outputs <= set(OutputKind)
        assert {output.kind for output in job.outputs} <= plugin.outputs
        assert plugin.files
        assert all("/" not in name and not name.startswith(".") for name in plugin.files)
        assert all(name.replace(".", "").isidentifier() for name in plugin.requires)

    def test_it_answers_every_row_with_what_it_declares(
        self, plugin: Any, job: Any, fitted: Any
    ) -> None:
        """A number a row; a probability lies between 0 and 1."""
        import numpy as np

        answers = plugin.scorer(fitted, job.outputs)(job.features)
        assert answers.shape == (len(job.features),)
        assert np.isfinite(answers).all()
        if job.outputs[0].kind is OutputKind.PROBABILITY:
            assert ((answers >= 0) & (answers <= 1)).all()

    def test_it_has_learned_something(self, plugin: Any, job: Any, fitted: Any) -> None:
        """The answers go with the labels."""
        import numpy as np

        answers = plugin.scorer(fitted, job.outputs)(job.features)
        assert np.corrcoef(answers, np.asarray(job.truth, dtype=np.float64))[0, 1] > 0.3

    def test_the_same_seed_makes_the_same_model(self, plugin: Any, job: Any, fitted: Any) -> None:
        """A training that is repeated is the same training."""
        import numpy as np

        first, again = (
            plugin.scorer(one, job.outputs)(job.features) for one in (fitted, plugin.fit(job))
        )
        assert np.abs(first - again).max() <= TOLERANCE

    def test_it_keeps_the_files_that_it_names_and_no_code(
        self, plugin: Any, fitted: Any, tmp_path: Path
    ) -> None:
        """A file that runs code when it is opened is never opened."""
        folder = _saved(plugin, fitted, tmp_path)
        names = {path.name for path in folder.iterdir()}
        assert names
        assert names <= plugin.files
        for path in folder.iterdir():
            assert not path.read_bytes().startswith(_CODE), path.name

    def test_what_is_opened_answers_as_what_was_stored(
        self, plugin: Any, job: Any, fitted: Any, tmp_path: Path
    ) -> None:
        """To the last digits that matter."""
        import numpy as np

        folder = _saved(plugin, fitted, tmp_path)
        there = plugin.scorer(fitted, job.outputs)(job.features)
        opened = plugin.open(folder, frozen_of(job))(job.features)
        assert np.abs(opened - there).max() <= TOLERANCE

    def test_a_damaged_file_is_one_clear_error(
        self, plugin: Any, job: Any, fitted: Any, tmp_path: Path
    ) -> None:
        """Not answers that are wrong, nor an exception of the library's own."""
        from airloop.errors import ArtifactError

        folder = _saved(plugin, fitted, tmp_path)
        for path in folder.iterdir():
            path.write_bytes(b"damaged")
        with pytest.raises(ArtifactError):
            plugin.open(folder, frozen_of(job))(job.features)

    def test_a_search_can_follow_it(self, plugin: Any, job: Any) -> None:
        """It grows to the whole."""
        shares = [share for share, _ in plugin.growth(job, 3)]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


def frozen_of(job: Any) -> Any:
    """The spec that lies beside the files."""
    from airloop.registry.frozen import FrozenSpec
    from airloop.testing.specs import toy_dataset

    features = {str(name): "number" for name in job.features.columns}
    return FrozenSpec.model_validate(
        {"model": job.model, "dataset": toy_dataset(), "features": features}
    )


def _saved(plugin: Any, fitted: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    plugin.save(fitted, folder)
    return folder
