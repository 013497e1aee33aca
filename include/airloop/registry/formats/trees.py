"""Bounds of boosted trees read from a file: scikit-learn follows their node indices without looking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from airloop.errors import ArtifactError


def check_bounds(estimator: Any, path: Path) -> None:
    """Refuse trees whose indices point outside their arrays, or back: they would crash or hang the process.

    skops warns of it: a file may hold any numbers there. Children stand behind their parent in every tree that
    scikit-learn grows, so a path through it ends.

    :raises ArtifactError: if an index is out of bounds
    """
    for holder in _holders(estimator):
        features = int(holder.n_features_in_)
        for tree in (tree for iteration in holder._predictors for tree in iteration):
            if not _sound(tree, features):
                raise ArtifactError("a tree of the model points outside itself", where=str(path))


def _sound(tree: Any, features: int) -> bool:
    nodes = tree.nodes
    own = np.arange(len(nodes))
    inner = nodes["is_leaf"] == 0
    for side in ("left", "right"):
        child = nodes[side].astype(np.int64)
        if not ((child[inner] > own[inner]) & (child[inner] < len(nodes))).all():
            return False
    feature = nodes["feature_idx"].astype(np.int64)[inner]
    categorical = inner & (nodes["is_categorical"] != 0)
    bitsets = min(len(tree.binned_left_cat_bitsets), len(tree.raw_left_cat_bitsets))
    return bool(
        len(nodes)
        and ((feature >= 0) & (feature < features)).all()
        and (nodes["bitset_idx"].astype(np.int64)[categorical] < bitsets).all()
    )


def _holders(root: Any) -> Iterator[Any]:
    """Every object with boosted trees inside an estimator, however deep it is nested."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | type | None):
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple | set | frozenset):
            waiting.extend(one)
        elif isinstance(one, np.ndarray):
            waiting.extend(one.ravel().tolist() if one.dtype == object else ())
        elif hasattr(one, "__dict__"):
            if hasattr(one, "_predictors"):
                yield one
            waiting.extend(vars(one).values())
