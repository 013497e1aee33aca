"""Evidently's page on real frames, made in a process of its own: the library warns as it is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.checkout import ROOT

SCRIPT = """
import sys, time
import numpy as np, pandas as pd
from airloop.monitoring import report
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.sketch import Bins, Kind

DEST = "dest </script><b>"

def column(name, kind):
    bins = Bins(column=name, kind=kind)
    return ColumnReference(
        bins=bins, counts=(1,), missing=0, day_counts=(), day_missing=(), day_totals=()
    )

random = np.random.default_rng(0)
frames = [
    pd.DataFrame({"temp": random.normal(place, 5, 2000), DEST: random.choice(["A", "B"], 2000)})
    for place in (80, 35)
]
frames[0].loc[::3, "temp"] = np.nan
columns = (column("temp", Kind.NUMERIC), column(DEST, Kind.CATEGORY))
known = Reference(model="m", dataset="d", rows=1, days=(), day_rows=(), columns=columns)
import evidently.presets
started = time.process_time()
html = report.render(*frames, known)
assert "<html" in html and "temp" in html and "dest" in html, html[:300]
assert "<b>" not in html
print(time.process_time() - started)
from airloop.monitoring.scripts import share
from airloop.storage.files import Files
print(len(share(Files(sys.argv[1]), html, 2)))
"""


def test_evidently_draws_the_columns_that_matter_within_seconds_on_a_small_page(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seconds, size = done.stdout.splitlines()[-2:]
    assert float(seconds) < 10  # of CPU
    assert int(size) < 400_000  # of 3.7 MB: the rest is shared
    (script,) = (tmp_path / "Assets").iterdir()
    assert b"drawDashboard" in script.read_bytes()
