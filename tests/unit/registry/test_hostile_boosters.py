"""Files of boosters that point outside themselves: refused before a library follows them."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from airloop.errors import ArtifactError
from airloop.registry.formats.boosters import ubjson
from airloop.registry.formats.boosters.model import FILES
from airloop.training.trainers.boosting import fitting
from tests.support import hostile_boosters as hostile
from tests.unit.registry.test_boosters import KNOWN, job_of

#: Of XGBoost's and LightGBM's files.
COMMON = "classification, behind steps"
EDITS = [
    *((f"xgboost, {COMMON}", name, edit) for name, edit in hostile.XGBOOST.items()),
    *((f"lightgbm, {COMMON}", name, edit) for name, edit in hostile.LIGHTGBM.items()),
    *(
        (which, name, edit)
        for several in (hostile.XGBOOST_SEVERAL, hostile.LIGHTGBM_SEVERAL, hostile.CATBOOST)
        for which, of in several.items()
        for name, edit in of.items()
    ),
]


@cache
def stored(which: str) -> bytes:
    """The file of a case."""
    with TemporaryDirectory() as folder:
        job = job_of(which, Path(folder), 60)
        # What takes several splits, and the category among them.
        far = job.features["distance"] + 2 * job.features["rain"].fillna(1)
        far += 6 * (job.features["courier"] == "walk")
        truth = (far > 9).astype("float64")
        if "classes" in which:
            truth += far > 15
        elif "quantiles" in which:
            truth = far
        return fitting.fit(replace(job, truth=truth), KNOWN[which.partition(",")[0]]).content


def opened(which: str, content: bytes) -> None:
    FILES[KNOWN[which.partition(",")[0]].name][1](content, "a file")


@pytest.mark.parametrize(
    ("which", "edit"), [pytest.param(which, edit, id=f"{which}-{n}") for which, n, edit in EDITS]
)
def test_a_file_that_no_training_wrote_is_refused(which: str, edit: hostile.Edit) -> None:
    content = stored(which)
    opened(which, content)  # the control
    spoilt = edit(content)
    assert spoilt != content
    with pytest.raises(ArtifactError, match=r"points outside itself|cannot be read"):
        opened(which, spoilt)


def test_control_the_support_writes_what_xgboost_writes() -> None:
    content = stored(f"xgboost, {COMMON}")
    assert hostile.dumps(ubjson.loads(content)) == content


#: What opens a file without a look at it, and asks it.
_RAW = """
import sys, numpy as np
content, columns = open(sys.argv[2], "rb").read(), int(sys.argv[3])
rows = np.zeros((64, columns), np.float32); rows[:, 0] = np.linspace(-9, 9, 64)
if sys.argv[1] == "xgboost":
    import xgboost
    model = xgboost.Booster(); model.load_model(bytearray(content))
    model.inplace_predict(rows, validate_features=False)
elif sys.argv[1] == "lightgbm":
    import lightgbm
    model = lightgbm.Booster(model_str=content.decode())
    model.predict(rows)
else:
    import catboost
    model = catboost.CatBoost(); model.load_model(blob=content)
    texts = rows.astype(object); texts[:, 0] = np.resize(["bike", "van", "walk", "?"], 64)
    model.predict(texts, prediction_type="RawFormulaVal")
"""


def raw(which: str, content: bytes, folder: Path, seconds: int = 60) -> int | None:
    """How a process ends that opens it without a look; None for one that never does."""
    path = folder / "model"
    path.write_bytes(content)
    arguments = [
        which.partition(",")[0],
        str(path),
        "5" if which.endswith((COMMON, ", classes")) else "3",
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _RAW, *arguments],
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode


@pytest.mark.parametrize(
    ("which", "edit"),
    [
        (f"xgboost, {COMMON}", hostile.XGBOOST["a left child beyond"]),
        (f"lightgbm, {COMMON}", hostile.LIGHTGBM["a left child beyond"]),
    ],
)
def test_control_without_a_look_the_process_dies(
    which: str, edit: hostile.Edit, tmp_path: Path
) -> None:
    assert raw(which, stored(which), tmp_path) == 0
    assert (raw(which, edit(stored(which)), tmp_path) or 0) < 0


@pytest.mark.parametrize("which", sorted({which for which, _, _ in EDITS}))
def test_bytes_at_random_crash_nothing(which: str, tmp_path: Path) -> None:
    """What is let through after a byte has changed is opened where a crash can be seen."""
    chance, content = random.Random(1), stored(which)
    let_through = []
    for _ in range(100):
        spoilt = bytearray(content)
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        try:
            opened(which, bytes(spoilt))
        except ArtifactError:
            continue
        let_through.append(bytes(spoilt))
    for spoilt in let_through[:1]:
        assert raw(which, spoilt, tmp_path) == 0
