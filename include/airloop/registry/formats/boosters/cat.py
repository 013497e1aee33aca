"""CatBoost's models (``model.cbm``): the library verifies their FlatBuffers, not where their indices point.

Three parts follow each other: four letters with the size of the core, the core, and, where categories are told by what was
seen of them, the tables of what was seen.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from airloop.plugins.trainer import OutputKind
from airloop.registry.formats.boosters.flat import Table
from airloop.registry.formats.boosters.parts import MOST_ANSWERS, Answer, Opened, claim, reading

LIBRARY: Final = "CatBoost"
#: What answers P(positive), and what one probability a class.
PROBABILITIES: Final = frozenset({"Logloss", "CrossEntropy"})
CLASSES: Final = frozenset({"MultiClass"})
#: What answers a value, by its logarithm, several at once, and several quantiles at once.
VALUES: Final = frozenset({"RMSE", "MAE", "Quantile", "Huber", "Expectile", "LogCosh", "MAPE"})
LOGARITHMS: Final = frozenset({"Poisson", "Tweedie"})
SEVERAL: Final = frozenset({"MultiRMSE"})
QUANTILES: Final = frozenset({"MultiQuantile"})
#: The one entry of the model's own dictionary: how its sums become answers.
ANSWERS: Final = "answers"
SUMS: Final = "RawFormulaVal"
#: By the loss's name: a value where it is none of these.
WAYS: Final = {
    **dict.fromkeys(PROBABILITIES, "Probability"),
    **dict.fromkeys(CLASSES, "Softmax"),
    **dict.fromkeys(LOGARITHMS, "Exponent"),
    **dict.fromkeys(SEVERAL, "Values"),
    **dict.fromkeys(QUANTILES, "Quantiles"),
}
_KINDS: Final = {
    "Probability": OutputKind.PROBABILITY,
    SUMS: OutputKind.VALUE,
    "Exponent": OutputKind.VALUE,
    "Softmax": OutputKind.CLASSES,
    "Values": OutputKind.VALUES,
    "Quantiles": OutputKind.QUANTILES,
}
#: What answers one number a row.
_ALONE: Final = frozenset({OutputKind.PROBABILITY, OutputKind.VALUE})

_MAGIC: Final = b"CBM1"
_TABLES: Final = "static_provider_v1"
# Fields of TModelTrees.
_SPLITS, _SIZES, _STARTS, _CATEGORICAL, _FLOATS, _ONE_HOT, _CTRS, _VALUES = range(1, 9)
_STEPS, _LEAVES, _TEXTS, _ESTIMATED = range(10, 14)
_BIASES, _BINS, _EMBEDDINGS = 16, 17, 18
#: Splits that share a byte of a row, and the deepest symmetric tree.
_PER_BYTE: Final = 254
_DEEPEST: Final = 16
#: What a row of a table of categories holds: counts of each class, a mean with a count, or a count.
_CLASSES, _MEANS, _COUNTS = frozenset({0, 1}), frozenset({2, 3}), frozenset({4, 5})
#: A place in a table of categories where there is none.
_EMPTY: Final = 2**64 - 1
_BUCKET: Final = np.dtype([("hash", "<u8"), ("row", "<u4")])


def open_model(content: bytes, where: str) -> Opened:
    """Open a model.

    :raises ArtifactError: if an index in it points outside
    """
    with reading(LIBRARY, where):
        core, tables = _parts(content)
        way = _way(core)
        trees = core.table(1)
        width = trees.scalar(0, "i", 0)
        claim(width == 1 if _KINDS[way] in _ALONE else 1 < width <= MOST_ANSWERS, "its answers")
        features = _check(trees, tables, width)
        import catboost

        model = catboost.CatBoost()
        model.load_model(blob=content)

    return Opened(features, _KINDS[way], width, _answer(model, way))


def _answer(model: Any, way: str) -> Answer:
    # By its sums: of many classes it says at each answer that it was not told by which loss they came.
    asked = SUMS if _KINDS[way] not in _ALONE else way

    def answer(rows: Any) -> Any:
        # One thread a call: the service parallelises over requests.
        found = np.asarray(model.predict(rows, prediction_type=asked, thread_count=1), np.float64)
        if _KINDS[way] in _ALONE:
            return found[:, -1] if found.ndim == 2 else found
        if way != "Softmax":
            return found
        powers = np.exp(found - found.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    return answer


def _parts(content: bytes) -> tuple[Table, list[Table]]:
    claim(content[:4] == _MAGIC, "the file's first letters")
    size = struct.unpack_from("<I", content, 4)[0]
    claim(size <= len(content) - 8, "the size of the core")
    core = Table(content[8 : 8 + size])
    claim(core.text(0) == "FlabuffersModel_v1", "the version of the format")
    rest, named = content[8 + size :], core.texts(3)
    claim(named == ([_TABLES] if rest else []), "a part that is not known")
    return core, list(_tables(rest)) if rest else []


def _tables(rest: bytes) -> Iterator[Table]:
    count = struct.unpack_from("<I", rest)[0]
    place = 4
    for _ in range(count):
        size = struct.unpack_from("<I", rest, place)[0]
        claim(size <= len(rest) - place - 4, "the size of a table")
        yield Table(rest[place + 4 : place + 4 + size])
        place += 4 + size
    claim(place == len(rest), "the file's end")


def _way(core: Table) -> str:
    told = {entry.text(0): entry.text(1) for entry in core.tables(2)}
    claim(told.keys() == {ANSWERS} and told[ANSWERS] in _KINDS, "how it answers")
    return told[ANSWERS]


def _check(trees: Table, tables: list[Table], width: int) -> int:
    """How many features it takes."""
    claim(len(trees.numbers(_BIASES, "d")) in ({0, width} if width > 1 else {0, 1}), "the biases")
    claim(
        not any(trees.tables(field) for field in (_TEXTS, _ESTIMATED, _EMBEDDINGS)),
        "features of texts",
    )
    floats, categorical = trees.tables(_FLOATS), trees.tables(_CATEGORICAL)
    features = _check_features(floats, categorical)
    sizes = [len(one.numbers(3, "f")) for one in floats]
    for one in trees.tables(_ONE_HOT):
        claim(0 <= one.scalar(0, "i", -1) < len(categorical), "a category of no feature")
        claim(not one.texts(2) or len(one.texts(2)) == len(one.numbers(1, "i")), "one-hot values")
        sizes.append(len(one.numbers(1, "i")))
    seen = {_check_table(one, floats, len(categorical)) for one in tables}
    claim(len(seen) == len(tables), "a table twice")
    for one in trees.tables(_CTRS):
        told = one.table(0)
        key = _key(told.table(0), floats, len(categorical))
        classes = {own[-1] for own in seen if own[:-1] == key}
        claim(classes, "a table that is missing")
        claim(0 <= told.scalar(1, "i", 0) < max(*classes, 1), "a class that there is not")
        sizes.append(len(one.numbers(1, "f")))
    _check_trees(trees, sizes, width)
    return features


def _check_features(floats: list[Table], categorical: list[Table]) -> int:
    """Each feature has a place of its own, and one among those of its kind."""
    flat = []
    for kind, first in ((floats, 1), (categorical, 0)):
        own = [one.scalar(first, "i", -1) for one in kind]
        claim(own == list(range(len(kind))), "the number of a feature")
        flat += [one.scalar(first + 1, "i", -1) for one in kind]
    claim(flat and sorted(flat) == list(range(len(flat))), "the place of a feature")
    for one in floats:
        borders = one.numbers(3, "f")
        claim(
            np.isfinite(borders).all() and (np.diff(borders) > 0).all(), "the borders of a feature"
        )
    return len(flat)


def _key(base: Table, floats: list[Table], categorical: int) -> tuple[Any, ...]:
    """Which features a table of categories combines, and how."""
    combined = base.table(0)
    features = combined.numbers(0, "i")
    claim(((features >= 0) & (features < categorical)).all(), "a category of no feature")
    splits = combined.numbers(1, "if").tolist()
    for number, border in splits:
        claim(0 <= number < len(floats), "a feature that there is not")
        claim(np.float32(border) in floats[number].numbers(3, "f"), "a border that there is not")
    values = combined.numbers(2, "ii").tolist()
    claim(all(0 <= number < categorical for number, _ in values), "a category of no feature")
    claim(len(features), "a table of no category")
    return (base.scalar(1, "b", 0), tuple(features.tolist()), tuple(splits), tuple(values))


def _check_table(table: Table, floats: list[Table], categorical: int) -> tuple[Any, ...]:
    """Its key, and how many classes it counts."""
    base, classes = table.table(0), table.scalar(4, "i", 0)
    kind = base.scalar(1, "b", 0)
    row = {**dict.fromkeys(_CLASSES, 4 * classes), **dict.fromkeys(_MEANS, 8)}.get(kind, 4)
    claim(kind in _CLASSES | _MEANS | _COUNTS and row > 0, "a table of another kind")
    content = table.numbers(2, "B")
    claim(len(content) % row == 0, "the rows of a table")
    raw = table.numbers(1, "B")
    claim(len(raw) % _BUCKET.itemsize == 0, "the places of a table")
    places = np.frombuffer(raw.tobytes(), _BUCKET)
    count = len(places)
    # Looked through from a hash on, place after place, round the end, until an empty one.
    claim(count > 0 and count & (count - 1) == 0, "the places of a table")
    full = places["hash"] != _EMPTY
    claim(not full.all(), "a table without an empty place")
    claim((places["row"][full] < len(content) // row).all(), "a row that there is not")
    return (*_key(base, floats, categorical), classes)


def _check_trees(trees: Table, sizes: list[int], width: int) -> None:
    splits, depths = trees.numbers(_SPLITS, "i"), trees.numbers(_SIZES, "i").astype(np.int64)
    values, steps = trees.numbers(_VALUES, "d"), trees.numbers(_STEPS, "HH")
    claim(len(depths) and (depths >= 0).all() and depths.sum() == len(splits), "the size of a tree")
    starts = np.cumsum(depths) - depths
    claim(np.array_equal(trees.numbers(_STARTS, "i"), starts), "the start of a tree")
    claim(((splits >= 0) & (splits < sum(sizes))).all(), "a split that there is not")
    claim(np.isfinite(values).all(), "a leaf's value")
    # The same once more, as the library follows them: by the byte of a row that holds the splits of a feature.
    packed = trees.numbers(_BINS, "HBB")
    claim(len(packed) in {0, len(splits)}, "the packed splits")
    wide = sum(-(-size // _PER_BYTE) for size in sizes)
    claim((packed["0"] < max(wide, 1)).all(), "a byte that there is not")
    if len(steps):
        _check_steps(steps, trees.numbers(_LEAVES, "I"), starts, depths, len(values) - width)
    else:
        claim((depths <= _DEEPEST).all(), "the depth of a tree")
        claim((1 << depths).sum() * width == len(values), "the leaves")


def _check_steps(steps: Any, leaves: Any, starts: Any, sizes: Any, last: int) -> None:
    """A step leads on by so many nodes, or nowhere: then the node's leaf answers, whose numbers begin at the last at most."""
    claim((sizes > 0).all() and len(steps) == len(leaves) == sizes.sum(), "the steps")
    left = np.repeat(starts + sizes, sizes) - np.arange(len(steps))
    claim((steps["0"] < left).all() and (steps["1"] < left).all(), "a step out of its tree")
    ends = (steps["0"] == 0) | (steps["1"] == 0)
    claim((leaves[ends].astype(np.int64) <= last).all(), "a leaf that there is not")
