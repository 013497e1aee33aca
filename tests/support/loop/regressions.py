"""Ordinary pipelines of scikit-learn whose answer is a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    HuberRegressor,
    LassoCV,
    QuantileRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from tests.support.loop.pipelines import features, native, on

__all__ = ["REGRESSORS", "build", "features"]


def build(params: dict[str, Any]) -> Any:
    return REGRESSORS[params["which"]]()


REGRESSORS: dict[str, Callable[[], Any]] = {
    "ridge": on(Ridge()),
    "lasso": on(LassoCV(cv=2)),
    "elastic net": on(ElasticNet()),
    "Huber": on(HuberRegressor(max_iter=500)),
    "Tweedie": on(TweedieRegressor(power=0)),
    "median": on(QuantileRegressor(alpha=0.01)),
    "Bayesian ridge": on(BayesianRidge()),
    "regression tree": on(DecisionTreeRegressor(max_depth=4)),
    "regression forest": on(RandomForestRegressor(5)),
    "regression boosting": on(GradientBoostingRegressor(n_estimators=5)),
    "ninth decile": on(GradientBoostingRegressor(loss="quantile", n_estimators=5)),
    "histogram regression": native(HistGradientBoostingRegressor(max_iter=5)),
    "adaptive regression": on(AdaBoostRegressor(n_estimators=4)),
    "nearest values": on(KNeighborsRegressor()),
    "support vector regression": on(SVR()),
    "regression network": on(MLPRegressor(hidden_layer_sizes=(4,), max_iter=300)),
    "of a scaled target": lambda: TransformedTargetRegressor(
        on(Ridge())(), transformer=StandardScaler()
    ),
    "stacked regression": on(
        StackingRegressor([("line", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))], cv=2)
    ),
    "regression vote": on(
        VotingRegressor([("line", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))])
    ),
}
