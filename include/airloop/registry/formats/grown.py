"""Bounds of single trees, of forests and of gradient boosting (``sklearn.tree._tree.Tree``).

Its constructor copies as many numbers as it is told to, before anybody can look at it: hence :func:`misbuilt`, on the file.
What is built is looked at by :func:`outside`.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

_MODULE: Final = "sklearn.tree._tree"
#: More classes than any target has; more would ask for more memory than there is.
_MOST_CLASSES: Final = 100_000
_LEAF: Final = -1


def misbuilt(file: zipfile.ZipFile, schema: Any) -> bool:
    """Whether a skops file would build a tree with other arguments than scikit-learn gives it.

    :param schema: the file's own description of what is to be built
    """
    trees = [one for one in _nodes(schema) if _names_tree(one)]
    return any(not _as_saved(file, one) for one in trees) or _ambiguous(schema, trees)


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _names_tree(node: dict[str, Any]) -> bool:
    """Whether it names a tree, whatever it would make of it."""
    return node.get("__module__") == _MODULE or node.get("__loader__") == "TreeNode"


def _ambiguous(schema: Any, trees: list[dict[str, Any]]) -> bool:
    """Whether an argument of a tree shares its number with another thing: skops takes the first of that number."""
    given = [tree["__reduce__"]["args"] for tree in trees]
    parts = (part for one in given for part in (one, *one["content"]))
    numbered = {part["__id__"]: part for part in parts if "__id__" in part}
    return bool(numbered) and any(
        one != numbered[one["__id__"]] for one in _nodes(schema) if one.get("__id__") in numbered
    )


def _as_saved(file: zipfile.ZipFile, node: dict[str, Any]) -> bool:
    if (node["__module__"], node["__class__"], node["__loader__"]) != (_MODULE, "Tree", "TreeNode"):
        return False
    arguments = node["__reduce__"]["args"]
    features, classes, outputs = arguments["content"]
    loaders = [one["__loader__"] for one in (arguments, features, classes, outputs)]
    if (
        loaders != ["TupleNode", "JsonNode", "NdArrayNode", "JsonNode"]
        or classes["type"] != "numpy"
    ):
        return False
    counts = np.load(io.BytesIO(file.read(classes["file"])), allow_pickle=False)
    numbers = [json.loads(one["content"]) for one in (features, outputs)]
    return bool(
        all(type(one) is int and one > 0 for one in numbers)
        and counts.shape == (numbers[1],)
        and counts.dtype.kind == "i"
        and counts.min() > 0
        and counts.max() <= _MOST_CLASSES
    )


def outside(holder: Any) -> str | None:
    """What of an object's own tree, or of the trees that it asks together, points outside; None if nothing does."""
    if hasattr(holder, "tree_") and not _sound(holder.tree_, int(holder.n_features_in_)):
        return "a tree"
    if _wider(holder):
        return "a tree of an ensemble"
    return (
        "a stage of the boosting"
        if hasattr(holder, "n_trees_per_iteration_") and _torn(holder)
        else None
    )


def _wider(ensemble: Any) -> bool:
    """Whether a tree of an ensemble asks for other columns than it gets: the ensemble looks at its rows, the tree does not."""
    members = getattr(ensemble, "estimators_", ())
    trees = [
        one
        for one in (members.ravel().tolist() if isinstance(members, np.ndarray) else members)
        if hasattr(one, "tree_")
    ]
    if not trees:
        return False
    most = int(ensemble.n_features_in_)
    if not hasattr(ensemble, "estimators_features_"):
        return any(int(one.n_features_in_) != most for one in trees)
    given = [len(columns) for columns in ensemble.estimators_features_]
    return max(given) > most or given != [int(one.n_features_in_) for one in trees]


def _torn(boosting: Any) -> bool:
    """Whether gradient boosting has more trees a stage than columns to add them to, or trees with several values."""
    stages = getattr(boosting, "estimators_", None)
    if stages is None:
        return False  # histogram boosting, whose trees are elsewhere
    trees = [one.tree_ for one in stages.ravel()]
    columns = int(boosting.n_trees_per_iteration_)
    if stages.ndim != 2 or stages.shape[1] != columns:
        return True
    return any(tree.n_outputs != 1 or tree.max_n_classes != 1 for tree in trees)


def _sound(tree: Any, features: int) -> bool:
    """Whether every path through a tree stays in it, asks for features that there are, and ends."""
    count = int(tree.node_count)
    # Its arrays are views of so many nodes: of more than there are, reading them is reading outside.
    if not 0 < count <= int(tree.capacity) or int(tree.n_features) != features:
        return False
    left, right = tree.children_left, tree.children_right
    inner = left != _LEAF
    own = np.arange(count)[inner]
    return all(
        bool(((child[inner] > own) & (child[inner] < count)).all()) for child in (left, right)
    ) and bool(((tree.feature[inner] >= 0) & (tree.feature[inner] < features)).all())
