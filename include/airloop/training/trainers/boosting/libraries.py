"""What differs between XGBoost, LightGBM and CatBoost before, during and after a fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final, Protocol

from airloop.plugins.trainer import Output, OutputKind
from airloop.registry.formats.boosters import cat, lgbm, xgb

#: What LightGBM calls the same by other names.
_ALIASES: Final = frozenset(
    {
        *("regression_l2", "l2", "mean_squared_error", "mse", "l2_root", "root_mean_squared_error"),
        *("rmse", "l1", "mean_absolute_error", "mae", "mean_absolute_percentage_error"),
    }
)


class Library(Protocol):
    """One of the three."""

    name: ClassVar[str]
    #: The package that its estimators come from, and the trainer of a spec.
    package: ClassVar[str]
    #: Its estimators by the model's task, and by what they shall answer what they may be asked to minimise.
    estimators: ClassVar[Mapping[str, frozenset[str]]]
    losses: ClassVar[Mapping[OutputKind, frozenset[str]]]
    #: The parameters that name the loss, and those that end a fit early.
    loss: ClassVar[tuple[str, ...]]
    early: ClassVar[tuple[str, ...]]
    #: The parameter with the levels of quantiles, if it is one of its own: they stand in the spec.
    levels: ClassVar[str | None] = None
    #: What it fits one model for each number of, since one of it answers only one.
    apart: ClassVar[frozenset[OutputKind]] = frozenset()
    #: Parameters with the only values with which a model can be stored.
    only: ClassVar[Mapping[str, tuple[Any, ...]]]
    #: Parameters of the estimator that its ``fit`` wants to be given.
    of_fit: ClassVar[tuple[str, ...]] = ()
    #: The parameter that names columns of texts; None where it takes none.
    categorical: ClassVar[str | None] = None
    #: Parameters with the only values with which it takes a stream.
    streamed: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def settings(self, params: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """What is set where the user's code left it open: the seed, silence, no files, the same model each time."""

    def aim(self, output: Output, place: int) -> dict[str, Any]:
        """What makes it answer this, where its estimator alone would answer something else.

        :param place: of the number that is fitted, of who fits each apart
        """

    def validation(self, rows: Any, truth: Any, weights: Any) -> dict[str, Any]:
        """Rows that decide when to stop, as its ``fit`` takes them."""

    def native(self, estimator: Any) -> Any:
        """The booster within a fitted estimator."""

    def content(self, booster: Any) -> bytes:
        """Such a booster as the content of its file, up to the best iteration."""


class XGBoost(Library):
    """As ``model.ubj``."""

    name: ClassVar[str] = xgb.LIBRARY
    package: ClassVar[str] = "xgboost"
    estimators: ClassVar[Mapping[str, frozenset[str]]] = {
        "classification": frozenset({"XGBClassifier", "XGBRFClassifier"}),
        "regression": frozenset({"XGBRegressor", "XGBRFRegressor"}),
    }
    losses: ClassVar[Mapping[OutputKind, frozenset[str]]] = {
        OutputKind.PROBABILITY: xgb.PROBABILITIES,
        OutputKind.CLASSES: xgb.CLASSES,
        OutputKind.VALUE: xgb.VALUES,
        OutputKind.VALUES: xgb.VALUES - {xgb.QUANTILE},
        OutputKind.QUANTILES: frozenset({xgb.QUANTILE}),
    }
    levels: ClassVar[str | None] = "quantile_alpha"
    loss: ClassVar[tuple[str, ...]] = ("objective",)
    early: ClassVar[tuple[str, ...]] = ("early_stopping_rounds",)
    only: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "booster": ("gbtree", "dart"),
        "multi_strategy": ("one_output_per_tree",),
    }
    streamed: ClassVar[Mapping[str, tuple[str, ...]]] = {"tree_method": ("auto", "hist")}

    def settings(self, params: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """It has the seed already."""
        return {"verbosity": 0} if params.get("verbosity") is None else {}

    def aim(self, output: Output, place: int) -> dict[str, Any]:
        """All quantiles at once."""
        if not output.levels:
            return {}
        return {"objective": xgb.QUANTILE, "quantile_alpha": list(output.levels)}

    def validation(self, rows: Any, truth: Any, weights: Any) -> dict[str, Any]:
        """As a list of sets."""
        found = {"eval_set": [(rows, truth)], "verbose": False}
        return found if weights is None else {**found, "sample_weight_eval_set": [weights]}

    def native(self, estimator: Any) -> Any:
        """By its own name for it."""
        return estimator.get_booster()

    def content(self, booster: Any) -> bytes:
        """Without attributes: what they tell was of the fit."""
        best = booster.attr("best_iteration")
        if best is not None:
            booster = booster[: int(best) + 1]
        booster.set_attr(**dict.fromkeys(booster.attributes()))
        return bytes(booster.save_raw("ubj"))


class LightGBM(Library):
    """As ``model.txt``."""

    name: ClassVar[str] = lgbm.LIBRARY
    package: ClassVar[str] = "lightgbm"
    estimators: ClassVar[Mapping[str, frozenset[str]]] = {
        "classification": frozenset({"LGBMClassifier"}),
        "regression": frozenset({"LGBMRegressor"}),
    }
    losses: ClassVar[Mapping[OutputKind, frozenset[str]]] = {
        OutputKind.PROBABILITY: lgbm.PROBABILITIES,
        OutputKind.CLASSES: lgbm.CLASSES,
        OutputKind.VALUE: lgbm.VALUES | _ALIASES,
        OutputKind.VALUES: (lgbm.VALUES | _ALIASES) - {lgbm.QUANTILE},
        OutputKind.QUANTILES: frozenset({lgbm.QUANTILE}),
    }
    levels: ClassVar[str | None] = "alpha"
    apart: ClassVar[frozenset[OutputKind]] = frozenset({OutputKind.VALUES, OutputKind.QUANTILES})
    loss: ClassVar[tuple[str, ...]] = ("objective", "application", "app", "loss")
    early: ClassVar[tuple[str, ...]] = (
        *("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change"),
    )
    only: ClassVar[Mapping[str, tuple[Any, ...]]] = {"linear_tree": (False,)}
    of_fit: ClassVar[tuple[str, ...]] = ("categorical_feature",)

    def settings(self, params: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Each sum in one order, whatever the clock says: else it tries two ways and takes the faster."""
        ways = {"deterministic", "force_row_wise", "force_col_wise"}
        found: dict[str, Any] = (
            {} if ways & set(params) else dict.fromkeys(("deterministic", "force_row_wise"), True)
        )
        return found if {"verbose", "verbosity"} & set(params) else {**found, "verbosity": -1}

    def aim(self, output: Output, place: int) -> dict[str, Any]:
        """One quantile."""
        if not output.levels:
            return {}
        return {"objective": lgbm.QUANTILE, "alpha": output.levels[place]}

    def validation(self, rows: Any, truth: Any, weights: Any) -> dict[str, Any]:
        """One set, by its columns and its truth."""
        found = {"eval_X": rows, "eval_y": truth}
        return found if weights is None else {**found, "eval_sample_weight": [weights]}

    def native(self, estimator: Any) -> Any:
        """By its own name for it."""
        return estimator.booster_

    def content(self, booster: Any) -> bytes:
        """The trees alone; parameters and importances follow them, which nobody asks."""
        text: str = booster.model_to_string()
        return (text.partition(lgbm.END)[0] + lgbm.END).encode("ascii")


class CatBoost(Library):
    """As ``model.cbm``."""

    name: ClassVar[str] = cat.LIBRARY
    package: ClassVar[str] = "catboost"
    estimators: ClassVar[Mapping[str, frozenset[str]]] = {
        "classification": frozenset({"CatBoostClassifier"}),
        "regression": frozenset({"CatBoostRegressor"}),
    }
    losses: ClassVar[Mapping[OutputKind, frozenset[str]]] = {
        OutputKind.PROBABILITY: cat.PROBABILITIES,
        OutputKind.CLASSES: cat.CLASSES,
        OutputKind.VALUE: cat.VALUES | cat.LOGARITHMS,
        OutputKind.VALUES: cat.SEVERAL,
        OutputKind.QUANTILES: cat.QUANTILES,
    }
    loss: ClassVar[tuple[str, ...]] = ("loss_function", "objective")
    early: ClassVar[tuple[str, ...]] = ("early_stopping_rounds", "od_wait", "od_pval", "od_type")
    only: ClassVar[Mapping[str, tuple[Any, ...]]] = {"text_features": (), "embedding_features": ()}
    categorical: ClassVar[str | None] = "cat_features"

    def settings(self, params: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """It has parameters only where they were given."""
        found: dict[str, Any] = {}
        if not {"random_seed", "random_state"} & set(params):
            found["random_seed"] = seed
        if not {"verbose", "silent", "logging_level", "verbose_eval"} & set(params):
            found["logging_level"] = "Silent"
        return found if "allow_writing_files" in params else {**found, "allow_writing_files": False}

    def aim(self, output: Output, place: int) -> dict[str, Any]:
        """All quantiles, or all values, at once."""
        if output.levels:
            levels = ",".join(str(level) for level in output.levels)
            return {"loss_function": f"MultiQuantile:alpha={levels}"}
        return {"loss_function": "MultiRMSE"} if output.apart else {}

    def validation(self, rows: Any, truth: Any, weights: Any) -> dict[str, Any]:
        """As a pool where they have weights."""
        return {"eval_set": (rows, truth)}

    def native(self, estimator: Any) -> Any:
        """They are one."""
        return estimator

    def content(self, booster: Any) -> bytes:
        """With how it answers in place of what it tells of itself: its moment and its random number among that."""
        loss = str(booster.get_all_params()["loss_function"]).partition(":")[0]
        told = booster.get_metadata()
        for name in list(told.keys()):
            del told[name]
        told[cat.ANSWERS] = cat.WAYS.get(loss, cat.SUMS)
        with TemporaryDirectory(prefix="airloop-catboost-") as scratch:
            path = Path(scratch) / "model.cbm"
            booster.save_model(str(path))
            return path.read_bytes()
