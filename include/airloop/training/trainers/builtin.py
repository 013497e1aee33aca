"""The trainers that are built in, as plug-ins: what they can do. How they fit stands in the modules of this package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airloop.contracts import Contract
from airloop.plugins.trainer import Output, OutputKind
from airloop.specs.sections.fitting import FitOptions
from airloop.training.trainer import Number, Trainer

if TYPE_CHECKING:
    from airloop.registry.frozen import FrozenSpec, Scorer
    from airloop.training.trainer import FitJob


class SklearnTrainer(Trainer):
    """Estimators of scikit-learn, kept as skops."""

    library: ClassVar[str] = "scikit-learn"
    requires: ClassVar[tuple[str, ...]] = ("sklearn", "skops")
    distributions: ClassVar[tuple[str, ...]] = ("scikit-learn", "skl2onnx", "skops")
    files: ClassVar[frozenset[str]] = frozenset({"model.skops"})
    outputs: ClassVar[frozenset[OutputKind]] = frozenset(OutputKind)
    alone: ClassVar[str] = (
        "set trainer: torch, or leave it out: scikit-learn uses all cores by itself"
    )

    def fit(self, job: FitJob) -> Any:
        """Build and fit the estimator."""
        from airloop.training.trainers import scikit

        return scikit.fit(job)

    def rehearse(self, job: FitJob) -> None:
        """Build it, fit it on a few rows, and look at the types that it then holds."""
        from airloop.training.trainers import scikit

        scikit.rehearse(job)

    def scorer(self, estimator: Any, outputs: tuple[Output, ...]) -> Scorer:
        """P(positive), one a class, the class, or the value."""
        from airloop.registry.loader import estimator_scorer

        return estimator_scorer(estimator, outputs)

    def save(self, estimator: Any, folder: Path) -> None:
        """Write ``model.skops``."""
        from airloop.training.trainers import scikit

        scikit.save(estimator, folder)

    def open(self, folder: Path, frozen: FrozenSpec) -> Scorer:
        """Read ``model.skops``, if all in it is trusted."""
        from airloop.registry.loader import skops_scorer

        return skops_scorer(folder, frozen)

    def onnx(self, estimator: Any, frozen: FrozenSpec, number: Number) -> bytes:
        """As skl2onnx converts it."""
        from airloop.training.trainers import scikit_graph

        return scikit_graph.onnx(estimator, frozen, number)

    def weighs(self, job: FitJob) -> bool:
        """Where the estimator, or its last step, takes weights."""
        from airloop.training.trainers import scikit

        return scikit.weight_of(scikit.build(job)) is not None

    def growth(self, job: FitJob, rungs: int) -> Iterator[tuple[float, Any]]:
        """Tree by tree, where the estimator can go on from where it is."""
        from airloop.training.trainers import growth

        return growth.grow(job, rungs)


class TorchTrainer(Trainer):
    """Networks of torch, kept as layers and weights."""

    library: ClassVar[str] = "torch"
    requires: ClassVar[tuple[str, ...]] = ("torch", "safetensors")
    distributions: ClassVar[tuple[str, ...]] = ("torch", "safetensors")
    remedy: ClassVar[str] = "run scripts/venv torch (Airloop's extra `torch`)"
    files: ClassVar[frozenset[str]] = frozenset({"network.json", "model.safetensors"})
    outputs: ClassVar[frozenset[OutputKind]] = frozenset(OutputKind)
    options: ClassVar[type[Contract]] = FitOptions
    streams: ClassVar[bool] = True
    processes: ClassVar[bool] = True
    checkpoints: ClassVar[bool] = True

    def fit(self, job: FitJob) -> Any:
        """Train the network."""
        from airloop.training.trainers.torch import trainer

        return trainer.fit(job)

    def rehearse(self, job: FitJob) -> None:
        """Build the network."""
        from airloop.training.trainers.torch import trainer

        trainer.rehearse(job)

    def scorer(self, estimator: Any, outputs: tuple[Output, ...]) -> Scorer:
        """What it was trained for: the network knows that, but for the likeliest class."""
        (output,) = outputs
        return lambda rows: output.decided(estimator.score(rows))

    def save(self, estimator: Any, folder: Path) -> None:
        """Write ``network.json`` and ``model.safetensors``."""
        estimator.save(folder)

    def open(self, folder: Path, frozen: FrozenSpec) -> Scorer:
        """Read them."""
        from airloop.registry.formats.torch.estimator import open_estimator

        return self.scorer(open_estimator(folder, frozen), frozen.model.answers)

    def onnx(self, estimator: Any, frozen: FrozenSpec, number: Number) -> bytes:
        """The graph, which computes in double whatever its inputs are."""
        from airloop.training.trainers.torch import graph

        return graph.to_onnx(estimator.network, frozen)
