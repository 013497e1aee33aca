"""LightGBM's models (``model.txt``): each line is read before the library, which believes them, reads any.

It has no model of several values or quantiles: there is one for each, behind each other in the file.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

from airloop.plugins.trainer import OutputKind
from airloop.registry.formats.boosters.parts import (
    MOST_ANSWERS,
    Answer,
    Ints,
    Opened,
    check_tree,
    claim,
    reading,
)

LIBRARY: Final = "LightGBM"
#: What answers P(positive), what one probability a class, and what a value.
PROBABILITIES: Final = frozenset({"binary", "cross_entropy"})
CLASSES: Final = frozenset({"multiclass"})
QUANTILE: Final = "quantile"
VALUES: Final = frozenset(
    {
        *("regression", "regression_l1", "huber", "fair", "poisson", QUANTILE, "mape"),
        *("gamma", "tweedie"),
    }
)
END: Final = "end of trees\n"
_HEADER: Final = frozenset(
    {
        *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx"),
        *("objective", "feature_names", "feature_infos", "tree_sizes", "monotone_constraints"),
    }
)
#: The lines of a tree with a number for each inner node, or for each leaf.
_INNER: Final = (
    *("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child"),
    *("internal_value", "internal_weight", "internal_count"),
)
_LEAVES: Final = ("leaf_value", "leaf_weight", "leaf_count")
_OTHERS: Final = (
    "num_leaves",
    "num_cat",
    "cat_boundaries",
    "cat_threshold",
    "is_linear",
    "shrinkage",
)
_CATEGORICAL: Final = 1
_WHOLE = re.compile(r"-?[0-9]{1,10}")
_REAL = re.compile(r"-?(?:[0-9]{1,40}(?:\.[0-9]{1,40})?(?:e[+-][0-9]{1,3})?|inf|nan)")
_OBJECTIVE = re.compile(r"[a-z0-9_]+( [a-z_]+:[-+0-9.e]+)*( sqrt)?")


def open_model(content: bytes, where: str) -> Opened:
    """Open a model.

    :raises ArtifactError: if an index in it points outside
    """
    with reading(LIBRARY, where):
        found = [_open(text) for text in _models(content.decode("ascii"))]
        objective, first = found[0]
        if len(found) == 1:
            return first
        for other, one in found:
            claim(one.kind is OutputKind.VALUE, "several models of this kind")
            claim(one.features == first.features, "models of other features")
            claim((other == QUANTILE) == (objective == QUANTILE), "models of other kinds")
    kind = OutputKind.QUANTILES if objective == QUANTILE else OutputKind.VALUES
    return Opened(first.features, kind, len(found), _beside([one.answer for _, one in found]))


def _models(text: str) -> list[str]:
    *models, rest = text.split(END)
    claim(not rest and len(models) <= MOST_ANSWERS, "the file's end")
    return [one + END for one in models]


def _beside(each: list[Answer]) -> Answer:
    return lambda rows: np.column_stack([answer(rows) for answer in each])


def _open(text: str) -> tuple[str, Opened]:
    """What one of them minimised, and the model."""
    head = _check(text)
    import lightgbm

    booster = lightgbm.Booster(model_str=text)
    features = int(head["max_feature_idx"]) + 1
    claim(booster.num_feature() == features, "max_feature_idx")
    objective, width = head["objective"].split()[0], int(head["num_class"])
    kind = OutputKind.PROBABILITY if objective in PROBABILITIES else OutputKind.VALUE
    kind = OutputKind.CLASSES if objective in CLASSES else kind

    def answer(rows: Any) -> Any:
        # One thread a call: the service parallelises over requests.
        return np.asarray(booster.predict(rows, num_threads=1), np.float64)

    return objective, Opened(features, kind, width, answer)


def _check(text: str) -> dict[str, str]:
    """Its first lines."""
    claim(text.endswith(END) and text.startswith("tree\n"), "the file's end")
    top, *trees = re.split(r"^(?=Tree=)", text.removesuffix(END), flags=re.MULTILINE)
    head = _pairs(top.removeprefix("tree\n"), _HEADER)
    claim(head["version"] == "v4" and head["label_index"] == "0", "version")
    claim(_OBJECTIVE.fullmatch(head["objective"]), "the objective")
    (width,) = _wholes(head["num_class"])
    claim(head["num_class"] == head["num_tree_per_iteration"], "the trees of an iteration")
    objective, *told = head["objective"].split()
    claim(objective in PROBABILITIES | CLASSES | VALUES, "an objective that is not known")
    if objective in CLASSES:
        claim(1 < width <= MOST_ANSWERS and told == [f"num_class:{width}"], "num_class")
    else:
        claim(width == 1, "more than one answer")
    features = int(_wholes(head["max_feature_idx"])[0]) + 1
    claim(0 < features <= len(text), "max_feature_idx")
    for key in ("feature_names", "feature_infos"):
        claim(len(head[key].split(" ")) == features, key)
    claim(trees and len(trees) % width == 0, "the number of trees")
    # It jumps to each tree by these.
    claim(_wholes(head["tree_sizes"]).tolist() == [len(one) for one in trees], "tree_sizes")
    for place, tree in enumerate(trees):
        number, _, lines = tree.partition("\n")
        claim(number == f"Tree={place}", "the number of a tree")
        _check_tree(_pairs(lines, {*_INNER, *_LEAVES, *_OTHERS}), features)
    return head


def _pairs(lines: str, known: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(None, lines.split("\n")):
        # "average_output", of random forests, is a word alone.
        key, equals, value = line.partition("=")
        claim((equals and key in known) or line == "average_output", "a line of another kind")
        claim(key not in found, f"{key} twice")
        found[key] = value
    return found


def _check_tree(tree: dict[str, str], features: int) -> None:
    (leaves,), (categorical,) = _wholes(tree["num_leaves"]), _wholes(tree["num_cat"])
    claim(0 < leaves <= len(tree["leaf_value"]), "num_leaves")
    claim(tree["is_linear"] == "0", "linear leaves")
    claim(_REAL.fullmatch(tree["shrinkage"]), "shrinkage")
    values = _reals(tree["leaf_value"])
    claim(len(values) == leaves and np.isfinite(values).all(), "leaf_value")
    for names, count in ((_INNER, leaves - 1), (_LEAVES, leaves)):
        for name in names:
            # A tree of one leaf has no line for the others.
            claim(len(_reals(tree.get(name, ""))) in {count, 0 if leaves == 1 else count}, name)
    if leaves == 1:
        claim(categorical == 0, "num_cat")
        return
    children = np.concatenate([_wholes(tree["left_child"]), _wholes(tree["right_child"])])
    # A leaf is told by its complement: here it stands behind the inner nodes.
    inner = int(leaves) - 1
    check_tree(np.where(children < 0, inner + ~children, children), inner + int(leaves))
    claim((children < inner).all(), "a child that is no node")
    split = _wholes(tree["split_feature"])
    claim(((split >= 0) & (split < features)).all(), "a feature that there is not")
    _check_categories(tree, int(categorical))


def _check_categories(tree: dict[str, str], count: int) -> None:
    by_set = (_wholes(tree["decision_type"]) & _CATEGORICAL) != 0
    places = _reals(tree["threshold"])[by_set]
    claim(((places >= 0) & (places < count) & (places == np.floor(places))).all(), "threshold")
    if count:
        bounds = _wholes(tree["cat_boundaries"])
        claim(len(bounds) == count + 1 and bounds[0] == 0, "cat_boundaries")
        claim((np.diff(bounds) > 0).all(), "cat_boundaries")
        claim(bounds[-1] == len(_wholes(tree["cat_threshold"])), "cat_threshold")


def _wholes(text: str) -> Ints:
    words = text.split(" ")
    claim(all(_WHOLE.fullmatch(word) for word in words), "a number")
    return np.array([int(word) for word in words], np.int64)


def _reals(text: str) -> Any:
    words = text.split(" ") if text else []
    claim(all(_REAL.fullmatch(word) for word in words), "a number")
    return np.array([float(word) for word in words], np.float64)
