"""Bounds of histogram-boosted trees: scikit-learn follows their node indices without looking."""

from __future__ import annotations

from typing import Any

import numpy as np


def outside(holder: Any) -> str | None:
    """What of an object's boosted trees points outside their arrays, or back; None if nothing does.

    Children stand behind their parent in every tree that scikit-learn grows, so a path through it ends.
    """
    if not hasattr(holder, "_predictors"):
        return None
    features = int(holder.n_features_in_)
    trees = (tree for iteration in holder._predictors for tree in iteration)
    return None if all(_sound(tree, features) for tree in trees) else "a tree"


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
