"""XGBoost's models (``model.ubj``): read by our own eyes before the library follows their indices."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from airloop.plugins.trainer import OutputKind
from airloop.registry.formats.boosters import ubjson
from airloop.registry.formats.boosters.parts import (
    MOST_ANSWERS,
    MOST_CATEGORIES,
    Ints,
    Opened,
    check_tree,
    claim,
    reading,
)

LIBRARY: Final = "XGBoost"
#: What answers P(positive), what one probability a class, and what a value or several.
PROBABILITIES: Final = frozenset({"binary:logistic"})
CLASSES: Final = frozenset({"multi:softprob"})
QUANTILE: Final = "reg:quantileerror"
VALUES: Final = frozenset(
    {
        *("reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror"),
        *("reg:logistic", "reg:gamma", "reg:tweedie", QUANTILE, "count:poisson"),
    }
)
_KINDS: Final = frozenset({"float", "int", "i", "q", "c"})
_LEAF: Final = -1
#: The parent of a root.
_NONE: Final = 2**31 - 1
_PER_NODE: Final = (
    *("base_weights", "default_left", "left_children", "loss_changes", "parents"),
    *("right_children", "split_conditions", "split_indices", "split_type", "sum_hessian"),
)


def open_model(content: bytes, where: str) -> Opened:
    """Open a model.

    :raises ArtifactError: if an index in it points outside
    """
    with reading(LIBRARY, where):
        learner = ubjson.loads(content)["learner"]
        features, kind, width = _check(learner)
        import xgboost

        # One thread a call: the service parallelises over requests.
        booster = xgboost.Booster({"nthread": 1, "verbosity": 0})
        booster.load_model(bytearray(content))
        claim(booster.num_features() == features, "the number of features")

    def answer(rows: Any) -> Any:
        return np.asarray(booster.inplace_predict(rows, validate_features=False), np.float64)

    return Opened(features, kind, width, answer)


def _check(learner: dict[str, Any]) -> tuple[int, OutputKind, int]:
    """How many features it takes, what it answers, and how many numbers that is."""
    params = learner["learner_model_param"]
    features = _number(params["num_feature"])
    kind, width = _answers(learner["objective"], params)
    claim(not learner["attributes"], "attributes")
    for key in ("feature_names", "feature_types"):
        claim(len(learner[key]) in {0, features}, key)
    claim(set(learner["feature_types"]) <= _KINDS, "feature_types")
    booster = learner["gradient_booster"]
    claim(booster["name"] in {"gbtree", "dart"}, "a booster that is not known")
    if booster["name"] == "dart":
        weights, booster = booster["weight_drop"], booster["gbtree"]
        claim(len(weights) == len(booster["model"]["trees"]), "weight_drop")
    _check_model(booster["model"], features, width)
    return features, kind, width


def _answers(objective: dict[str, Any], params: dict[str, Any]) -> tuple[OutputKind, int]:
    name = objective["name"]
    claim(name in PROBABILITIES | CLASSES | VALUES, "an objective that is not known")
    classes, targets = _number(params["num_class"]), _number(params["num_target"])
    width = max(classes, targets)
    claim(0 < width <= MOST_ANSWERS and min(classes, targets) <= 1, "the number of answers")
    claim(len(_listed(params["base_score"])) in {1, width}, "base_score")
    if name in CLASSES:
        told = _number(objective["softmax_multiclass_param"]["num_class"])
        claim(targets == 1 < classes == told, "the number of classes")
        return OutputKind.CLASSES, width
    claim(classes == 0, "the number of classes")
    if name == QUANTILE:
        levels = _listed(objective["quantile_loss_param"]["quantile_alpha"])
        claim(len(levels) == width, "the number of quantiles")
    if width > 1:
        claim(name in VALUES, "the number of answers")
        return (OutputKind.QUANTILES if name == QUANTILE else OutputKind.VALUES), width
    return (OutputKind.PROBABILITY if name in PROBABILITIES else OutputKind.VALUE), width


def _listed(text: Any) -> list[float]:
    claim(isinstance(text, str), "a list of numbers")
    return [float(one) for one in text.removeprefix("[").removesuffix("]").split(",")]


def _number(text: Any) -> int:
    claim(isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10, "a count")
    return int(text)


def _check_model(model: dict[str, Any], features: int, width: int) -> None:
    trees = model["trees"]
    params = model["gbtree_model_param"]
    claim(trees and _number(params["num_trees"]) == len(trees), "num_trees")
    claim(_number(params["num_parallel_tree"]) > 0, "num_parallel_tree")
    claim(all(len(part) == 0 for part in model["cats"].values()), "categories of a frame")
    claim(len(model["tree_info"]) == len(trees), "tree_info")
    of = _ints(model["tree_info"])
    claim(((of >= 0) & (of < width)).all(), "a tree of another class")
    steps = _ints(model["iteration_indptr"])
    claim(len(steps) > 1 and steps[0] == 0 and steps[-1] == len(trees), "iteration_indptr")
    claim((np.diff(steps) > 0).all(), "iteration_indptr")
    for place, tree in enumerate(trees):
        claim(tree["id"] == place, "the number of a tree")
        _check_nodes(tree, features)


def _check_nodes(tree: dict[str, Any], features: int) -> None:
    params = tree["tree_param"]
    count = _number(params["num_nodes"])
    claim(count > 0 and _number(params["num_feature"]) == features, "num_feature of a tree")
    claim(_number(params["size_leaf_vector"]) <= 1, "size_leaf_vector")
    claim(_number(params["num_deleted"]) < count, "num_deleted")
    for name in _PER_NODE:
        claim(len(tree[name]) == count, name)
    left, right = _ints(tree["left_children"]), _ints(tree["right_children"])
    inner = left != _LEAF
    claim((inner == (right != _LEAF)).all(), "a node with one child")
    children = np.concatenate([left[inner], right[inner]])
    check_tree(children, count)
    parents, own = _ints(tree["parents"]), np.nonzero(inner)[0]
    claim(parents[0] == _NONE, "the parent of the root")
    claim((parents[children] == np.concatenate([own, own])).all(), "a parent")
    split = _ints(tree["split_indices"])[inner]
    claim(((split >= 0) & (split < features)).all(), "a feature that there is not")
    # A leaf's value stands where an inner node's threshold does.
    claim(np.isfinite(np.asarray(tree["split_conditions"], float)[~inner]).all(), "a leaf's value")
    _check_categories(tree, inner, count)


def _check_categories(tree: dict[str, Any], inner: Any, count: int) -> None:
    types = _ints(tree["split_type"])
    claim(np.isin(types, (0, 1)).all(), "split_type")
    nodes, starts, sizes = (
        _ints(tree[f"categories_{part}"]) for part in ("nodes", "segments", "sizes")
    )
    categories = _ints(tree["categories"])
    claim(len(nodes) == len(starts) == len(sizes), "categories_segments")
    claim((np.diff(nodes) > 0).all() and ((nodes >= 0) & (nodes < count)).all(), "categories_nodes")
    claim(np.array_equal(nodes, np.nonzero(types * inner)[0]), "a categorical split without any")
    claim(((sizes > 0) & (sizes <= len(categories))).all(), "categories_sizes")
    claim(((starts >= 0) & (starts <= len(categories) - sizes)).all(), "categories_segments")
    claim(((categories >= 0) & (categories < MOST_CATEGORIES)).all(), "a category")


def _ints(values: Any) -> Ints:
    found = np.asarray(values)
    claim(found.ndim == 1 and (found.dtype.kind in "iu" or not len(found)), "numbers of a type")
    return found.astype(np.int64)
