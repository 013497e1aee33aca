"""Files of XGBoost, LightGBM and CatBoost as nobody's training wrote them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from airloop.registry.formats.boosters import ubjson
from airloop.registry.formats.boosters.flat import Table

Edit = Callable[[bytes], bytes]
FAR = 10**8


def dumps(value: Any) -> bytes:
    """Universal Binary JSON as XGBoost writes it."""
    if isinstance(value, dict):
        inner = b"".join(_count(key.encode()) + dumps(one) for key, one in value.items())
        return b"{" + inner + b"}"
    if isinstance(value, np.ndarray):
        marker = {"i1": "i", "u1": "U", "i2": "I", "i4": "l", "i8": "L", "f4": "d", "f8": "D"}
        kind = marker[value.dtype.str[1:]].encode()
        return b"[$" + kind + b"#L" + struct.pack(">q", len(value)) + value.tobytes()
    if isinstance(value, list):
        return b"[#L" + struct.pack(">q", len(value)) + b"".join(dumps(one) for one in value)
    if isinstance(value, str):
        return b"S" + _count(value.encode())
    if isinstance(value, bool):
        return b"T" if value else b"F"
    if isinstance(value, float):
        return b"d" + struct.pack(">f", value)
    # In the narrowest type that holds it.
    for marker, kind in ((b"i", ">b"), (b"I", ">h"), (b"l", ">i")):
        if -(2 ** (8 * struct.calcsize(kind) - 1)) <= value < 2 ** (8 * struct.calcsize(kind) - 1):
            return marker + struct.pack(kind, value)
    return b"L" + struct.pack(">q", value)


def _count(text: bytes) -> bytes:
    return b"L" + struct.pack(">q", len(text)) + text


def _learner(change: Callable[[dict[str, Any]], None]) -> Edit:
    def edit(content: bytes) -> bytes:
        model = ubjson.loads(content)
        change(model["learner"])
        return dumps(model)

    return edit


def _tree(name: str, place: int, value: Any) -> Edit:
    """One number of the first tree."""

    def change(learner: dict[str, Any]) -> None:
        tree = learner["gradient_booster"]["model"]["trees"][0]
        array = tree[name].copy()
        array[place] = value
        tree[name] = array

    return _learner(change)


def _said(*path: str, value: Any) -> Edit:
    def change(learner: dict[str, Any]) -> None:
        inner = learner
        for key in path[:-1]:
            inner = inner[int(key)] if isinstance(inner, list) else inner[key]
        inner[path[-1]] = value

    return _learner(change)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _byte(content: bytes) -> bytes:
    """The first count of an array of numbers, made absurd."""
    place = content.index(b"[$l#L") + 5
    return content[:place] + struct.pack(">q", 2**60) + content[place + 8 :]


_MODEL = ("gradient_booster", "model")
_FIRST = (*_MODEL, "trees", "0", "tree_param")
XGBOOST: dict[str, Edit] = {
    "cut": _cut,
    "an absurd size": _byte,
    "a size below nothing": lambda content: content.replace(b"[$l#L\0", b"[$l#L\xff", 1),
    "a left child beyond": _tree("left_children", 0, FAR),
    "a right child beyond": _tree("right_children", 0, FAR),
    "a child before": _tree("left_children", 0, -7),
    "one child": _tree("right_children", 0, -1),
    "a cycle": _tree("left_children", 0, 0),
    "a cycle below": _tree("right_children", 1, 1),
    "two parents": _tree("left_children", 0, 2),
    "a feature beyond": _tree("split_indices", 0, FAR),
    "a feature before": _tree("split_indices", 0, -5),
    "another parent": _tree("parents", 1, FAR),
    "a leaf that is no number": _tree("split_conditions", -1, np.nan),
    "a split by categories of none": _tree("split_type", 0, 1),
    "fewer nodes": _said(*_FIRST, "num_nodes", value="3"),
    "more nodes": _said(*_FIRST, "num_nodes", value="999999999"),
    "nodes of no number": _said(*_FIRST, "num_nodes", value="NaN"),
    "nodes below nothing": _said(*_FIRST, "num_nodes", value="-1"),
    "leaves of vectors": _said(*_FIRST, "size_leaf_vector", value="9999"),
    "more trees": _said(*_MODEL, "gbtree_model_param", "num_trees", value="9999"),
    "no tree": _said(*_MODEL, "trees", value=[]),
    "steps beyond": _said(*_MODEL, "iteration_indptr", value=np.array([0, FAR], ">i4")),
    "trees of other classes": _said(*_MODEL, "tree_info", value=np.full(12, 9, ">i4")),
    "more features": _said("learner_model_param", "num_feature", value="999999999"),
    "features of no number": _said("learner_model_param", "num_feature", value="nan"),
    "another loss": _said("objective", "name", value="multi:softprob"),
    "another booster": _said("gradient_booster", "name", value="gblinear"),
    "more answers": _said("learner_model_param", "num_target", value="999999999"),
    "other base scores": _said("learner_model_param", "base_score", value="[1E0,2E0,3E0]"),
    "names of other features": _said("feature_names", value=["a"] * 9),
    "attributes": _said("attributes", value={"scikit_learn": "{}"}),
}


#: Of a file with several classes, and of one with several quantiles.
XGBOOST_SEVERAL: dict[str, dict[str, Edit]] = {
    "xgboost, classes": {
        "trees of a class that there is not": _said(
            *_MODEL, "tree_info", value=np.full(36, 3, ">i4")
        ),
        "fewer classes": _said("learner_model_param", "num_class", value="2"),
        "more classes": _said("learner_model_param", "num_class", value="4"),
        "classes and targets": _said("learner_model_param", "num_target", value="3"),
        "a loss of other classes": _said(
            "objective", "softmax_multiclass_param", "num_class", value="9999"
        ),
        "a loss of one answer": _said("objective", "name", value="reg:squarederror"),
    },
    "xgboost, quantiles": {
        "fewer answers": _said("learner_model_param", "num_target", value="1"),
        "fewer quantiles": _said(
            "objective", "quantile_loss_param", "quantile_alpha", value="[1E-1]"
        ),
    },
}


def _line(name: str, value: Callable[[str], str]) -> Edit:
    """The first line of a name with another value."""

    def edit(content: bytes) -> bytes:
        text = content.decode()
        made = re.sub(
            rf"^{name}=(.*)$", lambda found: f"{name}={value(found[1])}", text, count=1, flags=re.M
        )
        assert made != text, name
        if name == "tree_sizes":
            return made.encode()
        # With the sizes that fit: it is to be refused for what it says.
        sizes = [len(one) for one in re.findall(r"^Tree=.*?(?=^Tree=|^end of)", made, re.M | re.S)]
        told = "tree_sizes=" + " ".join(map(str, sizes))
        return re.sub(r"^tree_sizes=.*$", told, made, count=1, flags=re.M).encode()

    return edit


def _first(value: str) -> Callable[[str], str]:
    return lambda told: " ".join([value, *told.split(" ")[1:]])


LIGHTGBM: dict[str, Edit] = {
    "cut": _cut,
    "a left child beyond": _line("left_child", _first(str(FAR))),
    "a right child beyond": _line("right_child", _first(str(FAR))),
    "a leaf beyond": _line("left_child", _first(str(-FAR))),
    "a cycle": _line("left_child", _first("0")),
    "two parents": _line("left_child", lambda told: " ".join([told.split(" ")[0]] * 3)),
    "a feature beyond": _line("split_feature", _first(str(FAR))),
    "a feature before": _line("split_feature", _first("-3")),
    "fewer children": _line("left_child", lambda told: told.split(" ")[0]),
    "fewer leaves": _line("leaf_value", lambda told: told.split(" ")[0]),
    "no number of leaves": _line("num_leaves", lambda _: "nan"),
    "more leaves": _line("num_leaves", lambda _: "999999999"),
    "leaves below nothing": _line("num_leaves", lambda _: "-1"),
    "a number of no end": _line("num_leaves", lambda _: "9" * 40),
    "sets of categories that are not there": _line("num_cat", lambda _: "9999"),
    "a split by a set that is not there": _line("decision_type", _first("1")),
    "a leaf that is no number": _line("leaf_value", _first("nan")),
    "linear leaves": _line("is_linear", lambda _: "1"),
    "trees at other places": _line("tree_sizes", _first(str(FAR))),
    "trees before the file": _line("tree_sizes", _first("-9999")),
    "more features": _line("max_feature_idx", lambda _: "999999999"),
    "features below nothing": _line("max_feature_idx", lambda _: "-2"),
    "more classes": _line("num_class", lambda _: "9999"),
    "more trees an iteration": _line("num_tree_per_iteration", lambda _: "9999"),
    "another loss": _line("objective", lambda _: "multiclass num_class:3"),
    "a loss with a path": _line("objective", lambda _: "binary ../../etc"),
    "parameters of its own": lambda content: content + b"\nparameters:\n[data: /etc/passwd]\n",
    "a line of another kind": lambda content: content.replace(b"Tree=0\n", b"Tree=0\nx=1\n"),
}


_PART = re.compile(b"tree\n.*?end of trees\n", re.S)
LIGHTGBM_SEVERAL: dict[str, dict[str, Edit]] = {
    "lightgbm, classes": {
        "fewer classes": _line("num_class", lambda _: "2"),
        "more trees an iteration": _line("num_tree_per_iteration", lambda _: "9"),
        "a loss of other classes": _line("objective", lambda _: "multiclass num_class:4"),
        "a loss of one answer": _line("objective", lambda _: "binary sigmoid:1"),
        "two models of classes": lambda content: content * 2,
    },
    "lightgbm, quantiles": {
        "a model cut": lambda content: content[: -len(content) // 6],
        "more after the last": lambda content: content + b"tree\n",
        "a model of another loss": _line("objective", lambda _: "regression"),
        "a child beyond in the last": lambda content: b"".join(
            [
                *_PART.findall(content)[:-1],
                LIGHTGBM["a left child beyond"](_PART.findall(content)[-1]),
            ]
        ),
    },
}


def _core(content: bytes) -> Table:
    size = struct.unpack_from("<I", content, 4)[0]
    return Table(content[8 : 8 + size])


def _vector(field: int, kind: str, place: int, value: Any) -> Edit:
    """One number of a vector of the trees."""

    def edit(content: bytes) -> bytes:
        start, count = _core(content).table(1)._vector(field, struct.calcsize(f"<{kind}"))
        assert count, field
        at = 8 + start + (place % count) * struct.calcsize(f"<{kind}")
        made = bytearray(content)
        struct.pack_into(f"<{kind}", made, at, *(value if isinstance(value, tuple) else (value,)))
        return bytes(made)

    return edit


def _scalar(table: Callable[[Table], Table], field: int, kind: str, value: Any) -> Edit:
    def edit(content: bytes) -> bytes:
        at = table(_core(content).table(1))._field(field)
        assert at, field
        made = bytearray(content)
        struct.pack_into(f"<{kind}", made, 8 + at, value)
        return bytes(made)

    return edit


def _last_table(content: bytes) -> tuple[int, Table]:
    """The first table of categories, and where it begins."""
    start = 8 + struct.unpack_from("<I", content, 4)[0] + 8
    size = struct.unpack_from("<I", content, start - 4)[0]
    return start, Table(content[start : start + size])


def _places(change: Callable[[Any], None]) -> Edit:
    """The places of the first table of categories."""

    def edit(content: bytes) -> bytes:
        start, table = _last_table(content)
        at, count = table._vector(1, 1)
        places = np.frombuffer(content[start + at : start + at + count], "<u8,<u4").copy()
        change(places)
        made = bytearray(content)
        made[start + at : start + at + count] = places.tobytes()
        return bytes(made)

    return edit


def _all_full(places: Any) -> None:
    places["f0"] = 5


def _row_beyond(places: Any) -> None:
    places["f1"] = FAR


def _sized(field: int, count: int) -> Edit:
    """Another count of a vector of the first table of categories."""

    def edit(content: bytes) -> bytes:
        start, table = _last_table(content)
        made = bytearray(content)
        struct.pack_into("<I", made, start + table._vector(field, 1)[0] - 4, count)
        return bytes(made)

    return edit


def _sized_of_trees(field: int, count: int) -> Edit:
    """Another count of a vector of the trees."""

    def edit(content: bytes) -> bytes:
        made = bytearray(content)
        at = 8 + _core(content).table(1)._vector(field, 8)[0] - 4
        struct.pack_into("<I", made, at, count)
        return bytes(made)

    return edit


_SYMMETRIC: dict[str, Edit] = {
    "cut": _cut,
    "other letters": lambda content: b"CBM2" + content[4:],
    "an absurd size": lambda content: content[:4] + b"\xff\xff\xff\xff" + content[8:],
    "a split beyond": _vector(1, "i", 0, FAR),
    "a split before": _vector(1, "i", 0, -FAR),
    "a packed split beyond": _vector(17, "HBB", 0, (65_000, 0, 0)),
    "a deep tree": _vector(2, "i", 0, FAR),
    "a tree below nothing": _vector(2, "i", 0, -1),
    "a tree from elsewhere": _vector(3, "i", 1, FAR),
    "a tree from before": _vector(3, "i", 1, -FAR),
    "a leaf that is no number": _vector(8, "d", 0, float("nan")),
    "borders that are no numbers": _scalar(lambda trees: trees.tables(5)[1], 1, "i", FAR),
    "a feature elsewhere": _scalar(lambda trees: trees.tables(5)[0], 2, "i", FAR),
    "another width": _scalar(lambda trees: trees, 0, "i", 9999),
    "a table without an empty place": _places(_all_full),
    "a row of a table beyond": _places(_row_beyond),
    "fewer places": _sized(1, 12 * 3),
    "more places": _sized(1, 2**31),
    "fewer rows": _sized(2, 0),
    "no table": lambda content: content[: 8 + struct.unpack_from("<I", content, 4)[0]],
}
_BY_DEPTH: dict[str, Edit] = {
    "a step beyond": _vector(10, "HH", 0, (65_000, 1)),
    "a step out of the last tree": _vector(10, "HH", -1, (3, 3)),
    "a leaf beyond": _vector(11, "I", -1, FAR),
    "a split beyond, by depth": _vector(1, "i", 0, FAR),
}
_CLASSES: dict[str, Edit] = {
    "fewer answers": _scalar(lambda trees: trees, 0, "i", 2),
    "more answers": _scalar(lambda trees: trees, 0, "i", 2**30),
    "one answer": _scalar(lambda trees: trees, 0, "i", 1),
    "an answer by itself": lambda content: content.replace(b"Softmax", b"Another"),
    "fewer biases": _sized_of_trees(16, 2),
}
#: The first place behind the last leaf's first number.
_LEAVES: dict[str, Edit] = {
    "a leaf that ends beyond": lambda content: _vector(
        11, "I", -1, len(_core(content).table(1).numbers(8, "d")) - 2
    )(content)
}
#: With the case whose file is edited.
CATBOOST = {
    "catboost, classification, alone": _SYMMETRIC,
    "catboost, by depth": _BY_DEPTH,
    "catboost, classes, alone": _CLASSES,
    "catboost, classes, by loss": _LEAVES,
}
