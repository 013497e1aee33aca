"""Boosters of XGBoost, LightGBM and CatBoost, as people write them for a table with a text and two numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from tests.support.loop.pipelines import NUMBERS, features, label

__all__ = ["CASES", "LIBRARIES", "build", "features", "label"]

LIBRARIES = ("xgboost", "lightgbm", "catboost")
#: Small and quick.
_SIZE = {"n_estimators": 12, "max_depth": 4, "learning_rate": 0.2}


def build(params: dict[str, Any]) -> Any:
    return CASES[params["which"]]()


def estimator(library: str, task: str, **params: Any) -> Any:
    import catboost
    import lightgbm
    import xgboost

    kinds = {
        ("xgboost", "classification"): xgboost.XGBClassifier,
        ("xgboost", "regression"): xgboost.XGBRegressor,
        ("lightgbm", "classification"): lightgbm.LGBMClassifier,
        ("lightgbm", "regression"): lightgbm.LGBMRegressor,
        ("catboost", "classification"): catboost.CatBoostClassifier,
        ("catboost", "regression"): catboost.CatBoostRegressor,
    }
    return kinds[library, task](**(_SIZE | params))


def codes(text: Any = None) -> ColumnTransformer:
    """The text as a number, the numbers with what they miss."""
    text = text or OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([("text", text, ["courier"]), ("numbers", "passthrough", NUMBERS)])


def one_hot() -> ColumnTransformer:
    text = OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer([("text", text, ["courier"]), ("numbers", StandardScaler(), NUMBERS)])


def behind(head: Callable[[], Any], library: str, task: str, **params: Any) -> Callable[[], Any]:
    def made() -> Pipeline:
        return make_pipeline(head(), estimator(library, task, **params))

    return made


def alone(library: str, task: str, **params: Any) -> Callable[[], Any]:
    return lambda: estimator(library, task, **params)


def _tasks() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {}
    for library in LIBRARIES:
        for task in ("classification", "regression"):
            texts = {"cat_features": ["courier"]} if library == "catboost" else {}
            found[f"{library}, {task}, alone"] = alone(library, task, **texts)
            found[f"{library}, {task}, behind steps"] = behind(one_hot, library, task)
            found[f"{library}, {task}, stopped early"] = behind(
                codes, library, task, n_estimators=300, early_stopping_rounds=5
            )
    return found


def _others() -> dict[str, Callable[[], Any]]:
    kinds = {"enable_categorical": True, "feature_types": ["c", "q", "q"], "max_cat_to_onehot": 1}
    known = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=7)
    on = "classification"
    return {
        "xgboost, categories": behind(lambda: codes(known), "xgboost", on, **kinds),
        "xgboost, monotone": behind(codes, "xgboost", on, monotone_constraints=(0, 1, 1)),
        "xgboost, dart": behind(codes, "xgboost", on, booster="dart", rate_drop=0.3),
        "xgboost, forest": behind(codes, "xgboost", on, num_parallel_tree=3, subsample=0.7),
        "lightgbm, categories": behind(
            lambda: codes(known), "lightgbm", on, categorical_feature=[0], min_data_per_group=5
        ),
        "lightgbm, monotone": behind(codes, "lightgbm", on, monotone_constraints=[0, 1, 1]),
        "lightgbm, dart": behind(codes, "lightgbm", on, boosting_type="dart"),
        "lightgbm, forest": behind(
            codes, "lightgbm", on, boosting_type="rf", subsample=0.7, subsample_freq=1
        ),
        "lightgbm, by its target": behind(lambda: codes(TargetEncoder(cv=3)), "lightgbm", on),
        "catboost, one-hot": alone("catboost", on, cat_features=["courier"], one_hot_max_size=9),
        "catboost, by depth": alone(
            "catboost", on, cat_features=["courier"], grow_policy="Depthwise", one_hot_max_size=2
        ),
        "catboost, by loss": alone(
            "catboost", on, cat_features=["courier"], grow_policy="Lossguide", max_leaves=9
        ),
        "catboost, means": alone(
            "catboost",
            on,
            cat_features=["courier"],
            simple_ctr=["BinarizedTargetMeanValue", "Buckets", "Borders"],
        ),
        "catboost, monotone": behind(codes, "catboost", on, monotone_constraints=[0, 1, 1]),
    }


def _values() -> dict[str, Callable[[], Any]]:
    on = "regression"
    return {
        "xgboost, quantile": behind(
            codes, "xgboost", on, objective="reg:quantileerror", quantile_alpha=0.9
        ),
        "xgboost, absolute": behind(codes, "xgboost", on, objective="reg:absoluteerror"),
        "lightgbm, quantile": behind(codes, "lightgbm", on, objective="quantile", alpha=0.9),
        "lightgbm, absolute": behind(codes, "lightgbm", on, objective="mae"),
        "catboost, quantile": behind(
            codes, "catboost", on, loss_function="Quantile:alpha=0.9", boost_from_average=True
        ),
    }


def _several() -> dict[str, Callable[[], Any]]:
    """What answers more than one number a row, by the library's name and the output's."""
    found: dict[str, Callable[[], Any]] = {}
    for library in LIBRARIES:
        found[f"{library}, classes"] = behind(one_hot, library, "classification")
        found[f"{library}, quantiles"] = behind(codes, library, "regression")
        found[f"{library}, values"] = behind(codes, library, "regression")
        found[f"{library}, vector"] = behind(codes, library, "regression")
    on = "classification"
    return found | {
        "xgboost, classes, forest": behind(codes, "xgboost", on, num_parallel_tree=2),
        "xgboost, values, dart": behind(codes, "xgboost", "regression", booster="dart"),
        "xgboost, quantiles, stopped early": behind(
            codes, "xgboost", "regression", n_estimators=90, early_stopping_rounds=3
        ),
        "lightgbm, classes, stopped early": behind(
            codes, "lightgbm", on, n_estimators=90, early_stopping_rounds=3
        ),
        "lightgbm, quantiles, stopped early": behind(
            codes, "lightgbm", "regression", n_estimators=90, early_stopping_rounds=3
        ),
        "catboost, classes, alone": alone("catboost", on, cat_features=["courier"]),
        "catboost, classes, by loss": alone(
            "catboost", on, cat_features=["courier"], grow_policy="Lossguide", max_leaves=9
        ),
        "catboost, quantiles, by depth": behind(
            codes, "catboost", "regression", grow_policy="Depthwise"
        ),
    }


OTHERS = _others()
VALUES = _values()
SEVERAL = _several()
CASES = {**_tasks(), **OTHERS, **VALUES, **SEVERAL}
