"""What a skops file may build besides skops' own defaults, which are scikit-learn's estimators and numpy's functions.

Reviewed one by one. Neither a constructor nor ``__setstate__`` of these runs anything found in the file, none of them
imports or opens anything, and indices are checked by :mod:`airloop.registry.formats.bounds` before anything follows them.
What runs a name out of the file (``operator.methodcaller``, ``numpy.vectorize``, bound methods) never comes here, nor do
KD- and ball trees, whose indices cannot be looked at.
"""

from __future__ import annotations

from typing import Final

#: Arrays and numbers.
_HOLDERS: Final = (
    "builtins.object",
    "numpy.dtype",
    *("numpy.floating", "numpy.integer", "numpy.number"),
    "scipy.interpolate._bsplines.BSpline",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.impute._iterative.IterativeImputer",
    "sklearn.impute._iterative._ImputerTriplet",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
#: How a Gaussian process compares rows.
_KERNELS: Final = (
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    *(
        f"sklearn.gaussian_process.kernels.{name}"
        for name in (
            *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared"),
            *("Exponentiation", "Matern", "Product", "RBF", "RationalQuadratic", "Sum"),
            "WhiteKernel",
        )
    ),
)
#: How a search divided its rows and read its scores; an answer asks neither.
_SEARCHES: Final = (
    "sklearn.metrics._scorer._PassthroughScorer",
    *(
        f"sklearn.model_selection._split.{name}"
        for name in ("KFold", "RepeatedStratifiedKFold", "StratifiedKFold", "TimeSeriesSplit")
    ),
)
#: Functions, and what binds arguments to one: they take arrays, and give arrays.
_FUNCTIONS: Final = (
    "functools.partial",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "sklearn.compose._column_transformer.make_column_selector",
    *(
        f"sklearn.feature_selection._univariate_selection.{name}"
        for name in ("chi2", "f_classif", "f_regression")
    ),
    *(
        f"sklearn.feature_selection._mutual_info.mutual_info_{name}"
        for name in ("classif", "regression")
    ),
    "sklearn.utils.validation.check_array",
)
TRUSTED_TYPES: Final = frozenset((*_HOLDERS, *_KERNELS, *_SEARCHES, *_FUNCTIONS))
