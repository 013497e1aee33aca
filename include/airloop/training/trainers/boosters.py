"""The trainers of XGBoost, LightGBM and CatBoost, as plug-ins: what they can do. How they fit stands in ``boosting``."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airloop.plugins.trainer import Output, OutputKind
from airloop.training.trainer import Trainer

if TYPE_CHECKING:
    from airloop.registry.frozen import FrozenSpec, Scorer
    from airloop.training.trainer import FitJob
    from airloop.training.trainers.boosting.libraries import Library

_ALONE = "leave it out: a booster uses all cores by itself"


class _BoosterTrainer(Trainer):
    """Boosters, alone or behind steps of scikit-learn, kept in the library's own format without code."""

    outputs: ClassVar[frozenset[OutputKind]] = frozenset(OutputKind)
    alone: ClassVar[str] = _ALONE

    @abstractmethod
    def _library(self) -> Library:
        """What differs from the others."""

    def fit(self, job: FitJob) -> Any:
        """Build and fit the estimator, and open it from its own bytes."""
        from airloop.training.trainers.boosting import fitting, streaming

        if job.stream is not None:
            return streaming.fit(job, job.stream, self._library())
        return fitting.fit(job, self._library())

    def rehearse(self, job: FitJob) -> None:
        """Build it, look whether it can be stored, and store what a few rows make of it."""
        from airloop.training.trainers.boosting import fitting, streaming

        if job.model.training.stream:
            streaming.check(job, self._library())
        fitting.rehearse(job, self._library())

    def scorer(self, estimator: Any, outputs: tuple[Output, ...]) -> Scorer:
        """What it was fitted for: the model knows that."""
        score: Scorer = estimator.score
        return score

    def save(self, estimator: Any, folder: Path) -> None:
        """Write the booster's file, and the steps before it as skops."""
        from airloop.training.trainers.boosting import fitting

        fitting.save(estimator, folder)

    def open(self, folder: Path, frozen: FrozenSpec) -> Scorer:
        """Read them, once their indices were looked at."""
        from airloop.registry import artifacts, loader
        from airloop.registry.formats.boosters.model import open_boosted

        steps = folder / artifacts.SKOPS
        head = loader.read_skops(steps) if steps.exists() else None
        return open_boosted(self.library, head, folder, frozen.model.answer).score

    def weighs(self, job: FitJob) -> bool:
        """All of them do."""
        return True


class XGBoostTrainer(_BoosterTrainer):
    """Boosters of XGBoost, kept as ``model.ubj``."""

    library: ClassVar[str] = "XGBoost"
    requires: ClassVar[tuple[str, ...]] = ("xgboost", "sklearn", "skops")
    distributions: ClassVar[tuple[str, ...]] = ("xgboost", "xgboost-cpu", "scikit-learn", "skops")
    remedy: ClassVar[str] = (
        "pip install xgboost-cpu, or xgboost for GPUs (Airloop's extra `xgboost`)"
    )
    files: ClassVar[frozenset[str]] = frozenset({"model.ubj", "model.skops"})
    streams: ClassVar[bool] = True

    def _library(self) -> Library:
        from airloop.training.trainers.boosting.libraries import XGBoost

        return XGBoost()


class LightGBMTrainer(_BoosterTrainer):
    """Boosters of LightGBM, kept as ``model.txt``."""

    library: ClassVar[str] = "LightGBM"
    requires: ClassVar[tuple[str, ...]] = ("lightgbm", "sklearn", "skops")
    distributions: ClassVar[tuple[str, ...]] = ("lightgbm", "scikit-learn", "skops")
    remedy: ClassVar[str] = "pip install lightgbm (Airloop's extra `lightgbm`)"
    files: ClassVar[frozenset[str]] = frozenset({"model.txt", "model.skops"})
    streams: ClassVar[bool] = True

    def _library(self) -> Library:
        from airloop.training.trainers.boosting.libraries import LightGBM

        return LightGBM()


class CatBoostTrainer(_BoosterTrainer):
    """Boosters of CatBoost, kept as ``model.cbm``."""

    library: ClassVar[str] = "CatBoost"
    requires: ClassVar[tuple[str, ...]] = ("catboost", "sklearn", "skops")
    distributions: ClassVar[tuple[str, ...]] = ("catboost", "scikit-learn", "skops")
    remedy: ClassVar[str] = "pip install catboost (Airloop's extra `catboost`)"
    files: ClassVar[frozenset[str]] = frozenset({"model.cbm", "model.skops"})

    def _library(self) -> Library:
        from airloop.training.trainers.boosting.libraries import CatBoost

        return CatBoost()
