"""Files whose trees and splines point outside themselves: refused before anything follows them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    IsolationForest,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_array

from airloop.errors import ArtifactError
from airloop.registry import loader
from airloop.registry.formats import bounds
from airloop.registry.formats.trust import TRUSTED_TYPES

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(80, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


def tree() -> Any:
    return DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, Y)


def forest() -> Any:
    return ExtraTreesClassifier(3, max_depth=3, random_state=0).fit(X, Y)


def boosting() -> Any:
    return GradientBoostingClassifier(n_estimators=3, random_state=0).fit(X, Y)


def kept(estimator: Any, folder: Path) -> Path:
    path = folder / "model.skops"
    skops.io.dump(estimator, path)
    return path


def edited(path: Path, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> Path:
    """The file with what ``change`` made of its schema and its members."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    schema = json.loads(members["schema.json"])
    change(schema, members)
    members["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def node(schema: Any, cls: str) -> dict[str, Any]:
    """The first node of a class, wherever it is."""
    waiting = [schema]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, dict):
            if one.get("__class__") == cls:
                return one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    raise LookupError(cls)


def stored(array: np.ndarray[Any, Any]) -> bytes:
    sink = BytesIO()
    np.save(sink, array)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("column", "place", "value"),
    [
        ("children_left", 0, 10**9),
        ("children_left", 0, -7),
        ("children_right", 0, 10**9),
        ("children_right", 0, -1),
        ("children_right", 1, 0),
        ("children_right", 0, 0),
        ("feature", 0, 3),
        ("feature", 0, -2),
    ],
)
@pytest.mark.parametrize("made", [tree, forest, boosting])
def test_a_node_that_points_outside_is_refused(
    made: Callable[[], Any], column: str, place: int, value: int, tmp_path: Path
) -> None:
    estimator = made()
    inner = estimator
    while not hasattr(inner, "tree_"):
        inner = np.asarray(inner.estimators_).ravel()[-1]
    getattr(inner.tree_, column)[place] = value
    with pytest.raises(ArtifactError, match="outside itself"):
        loader.read_skops(kept(estimator, tmp_path))


def number(node_: dict[str, Any], text: str) -> None:
    """Of its own: skops takes the first thing with a number for all."""
    node_.pop("__id__", None)
    node_["content"] = text


def counted(schema: Any, text: str) -> None:
    number(node(schema, "Tree")["content"]["content"]["node_count"], text)


def no_nodes(schema: Any, _: dict[str, bytes]) -> None:
    counted(schema, "0")


def less_than_none(schema: Any, _: dict[str, bytes]) -> None:
    counted(schema, "-5")


def never_filled(schema: Any, _: dict[str, bytes]) -> None:
    content = node(schema, "Tree")["content"]
    content["content"], content["key_types"]["content"] = {}, []


def more_outputs(schema: Any, _: dict[str, bytes]) -> None:
    number(node(schema, "Tree")["__reduce__"]["args"]["content"][2], "50000000")


def told_before(schema: Any, _: dict[str, bytes]) -> None:
    """An argument that looks sound, with the number of something else, which skops would take."""
    told = node(schema, "Tree")["__reduce__"]["args"]["content"][2]
    told["__id__"] = 77
    first = {**told, "content": "50000000"}
    wanted = node(schema, "DecisionTreeClassifier")["content"]["content"]
    wanted["max_leaf_nodes"] = first


def fewer_classes(schema: Any, members: dict[str, bytes]) -> None:
    classes = node(schema, "Tree")["__reduce__"]["args"]["content"][1]
    members[classes["file"]] = stored(np.array([-2], dtype=np.int64))


def other_features(schema: Any, _: dict[str, bytes]) -> None:
    number(node(schema, "Tree")["__reduce__"]["args"]["content"][0], "400")


def by_another_loader(schema: Any, _: dict[str, bytes]) -> None:
    tree_node = node(schema, "Tree")
    arguments = tree_node.pop("__reduce__")["args"]
    arguments["content"][2]["content"] = "50000000"
    tree_node |= {"__loader__": "ConstructorFromReduceNode", "content": arguments}


def as_a_type(schema: Any, _: dict[str, bytes]) -> None:
    node(schema, "Tree")["__loader__"] = "TypeNode"


def under_another_name(schema: Any, _: dict[str, bytes]) -> None:
    node(schema, "Tree").update({"__class__": "dtype", "__module__": "numpy"})


@pytest.mark.parametrize(
    "change",
    [
        *(no_nodes, less_than_none, never_filled, more_outputs, fewer_classes),
        *(told_before, other_features, by_another_loader, as_a_type, under_another_name),
    ],
)
def test_a_tree_that_scikit_learn_never_wrote_is_refused(
    change: Callable[[Any, dict[str, bytes]], None], tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError):
        loader.read_skops(edited(kept(tree(), tmp_path), change))


def wide_member(forest_: Any) -> None:
    wide = np.column_stack([X, X])
    forest_.estimators_[1] = DecisionTreeClassifier(random_state=0).fit(wide, wide[:, 5] > 0)


def wide_stage(boosting_: Any) -> None:
    boosting_.estimators_ = np.concatenate([boosting_.estimators_] * 2, axis=1)


def stage_of_classes(boosting_: Any) -> None:
    boosting_.estimators_[1, 0] = tree()


def claimed_columns(forest_: Any) -> None:
    forest_.estimators_features_[0] = np.array([0])


@pytest.mark.parametrize(
    ("made", "spoil"),
    [
        (forest, wide_member),
        (boosting, wide_stage),
        (boosting, stage_of_classes),
        (
            lambda: IsolationForest(n_estimators=3, max_features=2, random_state=0).fit(X),
            claimed_columns,
        ),
        (lambda: BaggingClassifier(n_estimators=3, random_state=0).fit(X, Y), claimed_columns),
    ],
)
def test_an_ensemble_that_asks_its_trees_for_more_than_they_get_is_refused(
    made: Callable[[], Any], spoil: Callable[[Any], None], tmp_path: Path
) -> None:
    estimator = made()
    assert loader.read_skops(kept(estimator, tmp_path)) is not None  # the control
    spoil(estimator)
    with pytest.raises(ArtifactError, match="outside itself"):
        loader.read_skops(kept(estimator, tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("c", np.zeros((1, 5))),
        ("t", np.zeros(2)),
        ("t", np.array([0.0, 1.0, 2.0, 3.0, np.nan, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0])),
        ("t", np.arange(11.0)[::-1].copy()),
        ("k", -1),
        ("k", 10**6),
    ],
)
def test_a_spline_of_too_few_numbers_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    estimator = SplineTransformer().fit(X)
    assert loader.read_skops(kept(estimator, tmp_path)) is not None  # the control
    # Past its own setters, as a file goes.
    spline = estimator.bsplines_[0]
    spline.__dict__[name if name in spline.__dict__ else f"_{name}"] = value
    with pytest.raises(ArtifactError, match="a spline of the model points outside itself"):
        loader.read_skops(kept(estimator, tmp_path))


def test_a_tree_behind_a_bound_function_is_looked_at_too(tmp_path: Path) -> None:
    bad = tree()
    bad.tree_.feature[0] = 99
    step = FunctionTransformer(partial(check_array, estimator=bad))
    with pytest.raises(ArtifactError, match="outside itself"):
        loader.read_skops(kept(make_pipeline(step), tmp_path))


@pytest.mark.parametrize("loader_name", ["MethodNode", "OperatorFuncNode"])
def test_what_is_trusted_lends_no_method(loader_name: str, tmp_path: Path) -> None:
    def change(schema: Any, _: dict[str, bytes]) -> None:
        one = node(schema, "DecisionTreeClassifier")
        inner = dict(one)
        one.clear()
        one |= {"__class__": "DecisionTreeClassifier", "__module__": "sklearn.tree._classes"}
        one |= {"__loader__": loader_name, "content": {"func": "fit", "obj": inner}}

    with pytest.raises(ArtifactError):
        loader.read_skops(edited(kept(tree(), tmp_path), change))


def test_control_without_the_bounds_the_process_dies(tmp_path: Path) -> None:
    bad = tree()
    bad.tree_.children_left[0] = bad.tree_.children_right[0] = 10**12
    path = kept(bad, tmp_path)
    code = (
        "import sys, numpy as np, skops.io\n"
        "model = skops.io.load(sys.argv[1], trusted=sys.argv[2].split())\n"
        "model.predict_proba(np.zeros((1, 3)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), " ".join(TRUSTED_TYPES)],
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == -signal.SIGSEGV, done.stderr


def test_control_a_file_as_it_was_saved_is_read(tmp_path: Path) -> None:
    for made in (tree, forest, boosting):
        path = kept(made(), tmp_path)
        bounds.check_schema(path)
        np.testing.assert_array_equal(
            loader.read_skops(path).predict_proba(X), made().predict_proba(X)
        )
