"""Ordinary pipelines of scikit-learn, as people write them for a table with a text and two numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)

# Without it IterativeImputer cannot be imported.
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import SelectFromModel, SelectKBest, f_classif
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

NUMBERS = ["distance", "rain"]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["courier", *NUMBERS]]


def label(frame: pd.DataFrame) -> pd.Series[float]:
    return (frame["minutes_late"] > 0).astype("float64").where(frame["minutes_late"].notna())


def build(params: dict[str, Any]) -> Any:
    return (CLASSIFIERS | REFUSED)[params["which"]]()


def table(*numbers: Any, text: Any = None) -> ColumnTransformer:
    """The text by its categories, the numbers imputed and then as they are told."""
    text = text or OneHotEncoder(handle_unknown="ignore")
    imputed = make_pipeline(SimpleImputer(), *numbers)
    return ColumnTransformer([("text", text, ["courier"]), ("numbers", imputed, NUMBERS)])


def on(*steps: Any) -> Callable[[], Pipeline]:
    """The steps behind that table, of numbers on one scale."""
    return lambda: make_pipeline(table(StandardScaler()), *steps)


def behind(*numbers: Any) -> Callable[[], Pipeline]:
    """A logistic regression behind the table with such numbers."""
    return lambda: make_pipeline(table(*numbers), LogisticRegression())


def codes() -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)


def native(estimator: Any) -> Callable[[], Pipeline]:
    """Boosting that knows categories and missing values by itself."""
    columns = [("text", codes(), ["courier"]), ("numbers", "passthrough", NUMBERS)]
    return lambda: make_pipeline(ColumnTransformer(columns), estimator)


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic": on(LogisticRegression()),
    "logistic, C by folds": on(LogisticRegressionCV(Cs=3)),
    "elastic logistic by gradients": on(SGDClassifier(loss="log_loss", penalty="elasticnet")),
    "tree": on(DecisionTreeClassifier(max_depth=4)),
    "random tree": on(ExtraTreeClassifier(max_depth=4)),
    "forest": on(RandomForestClassifier(10)),
    "random forest of extra trees": on(ExtraTreesClassifier(10)),
    "forest that knows missing values": native(RandomForestClassifier(10)),
    "bagging": on(BaggingClassifier(n_estimators=4, max_features=0.7)),
    "adaptive boosting": on(AdaBoostClassifier(n_estimators=5)),
    "gradient boosting": on(GradientBoostingClassifier(n_estimators=10)),
    "histogram boosting": native(HistGradientBoostingClassifier(max_iter=10)),
    "with native categories": native(
        HistGradientBoostingClassifier(categorical_features=[0], max_iter=10)
    ),
    "neighbours": on(KNeighborsClassifier()),
    "neighbours in a ball tree": on(KNeighborsClassifier(algorithm="ball_tree")),
    "support vectors, calibrated": on(CalibratedClassifierCV(LinearSVC(), cv=3)),
    "support vectors of a kernel": on(CalibratedClassifierCV(SVC(), cv=2)),
    "a forest, calibrated by steps": on(
        CalibratedClassifierCV(RandomForestClassifier(5), method="isotonic", cv=2)
    ),
    "naive Bayes": on(GaussianNB()),
    "naive Bayes of two values": on(BernoulliNB()),
    "linear discriminant": on(LinearDiscriminantAnalysis()),
    "quadratic discriminant": on(QuadraticDiscriminantAnalysis(reg_param=0.1)),
    "network": on(MLPClassifier((8,), max_iter=300)),
    "Gaussian process": on(
        SelectKBest(k=2), GaussianProcessClassifier(RBF() + WhiteKernel(), optimizer=None)
    ),
    "bins": behind(KBinsDiscretizer(quantile_method="averaged_inverted_cdf")),
    "splines": behind(SplineTransformer()),
    "products": behind(PolynomialFeatures(), StandardScaler()),
    "made normal": behind(PowerTransformer()),
    "ranks": behind(QuantileTransformer(n_quantiles=20)),
    "categories by their target": lambda: make_pipeline(
        table(text=TargetEncoder(cv=3)), LogisticRegression()
    ),
    "best columns": on(SelectKBest(f_classif, k=3), LogisticRegression()),
    "columns that a forest finds": on(
        SelectFromModel(RandomForestClassifier(5)), LogisticRegression()
    ),
    "components": behind(StandardScaler(), PCA(1)),
    "components of all": on(TruncatedSVD(2), LogisticRegression()),
    "imputed by neighbours": lambda: make_pipeline(
        ColumnTransformer([("numbers", KNNImputer(), NUMBERS)]), LogisticRegression()
    ),
    "imputed by a regression": lambda: make_pipeline(
        ColumnTransformer([("numbers", IterativeImputer(), NUMBERS)]), LogisticRegression()
    ),
    "imputed and marked": lambda: make_pipeline(
        ColumnTransformer([("numbers", SimpleImputer(add_indicator=True), NUMBERS)]),
        LogisticRegression(),
    ),
    "columns by their kind": lambda: make_pipeline(
        ColumnTransformer(
            [("numbers", SimpleImputer(), make_column_selector(dtype_include=np.number))]
        ),
        LogisticRegression(),
    ),
    "two ways side by side": behind(make_union(StandardScaler(), PCA(1))),
    "kernel, approximated": on(Nystroem(n_components=5), LogisticRegression()),
    "vote": on(
        VotingClassifier(
            [("line", LogisticRegression()), ("forest", RandomForestClassifier(5))], voting="soft"
        )
    ),
    "stack": on(
        StackingClassifier(
            [("line", LogisticRegression()), ("forest", RandomForestClassifier(5))], cv=2
        )
    ),
    "search": on(GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=StratifiedKFold(2))),
}


def doubled(values: Any) -> Any:
    return values * 2


def _refused() -> dict[str, Callable[[], Any]]:
    from sklearn.model_selection import TunedThresholdClassifierCV
    from sklearn.preprocessing import FunctionTransformer

    return {
        "a function of one's own": behind(FunctionTransformer(doubled)),
        "a threshold that was tuned": on(TunedThresholdClassifierCV(LogisticRegression())),
    }


#: What holds functions that nobody reviewed.
REFUSED = _refused()
