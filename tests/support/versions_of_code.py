"""Two versions of the flights' model whose helper module differs: ``python -m tests.support.versions_of_code NUMBER``.

Trains in a process of its own, since another version's code is imported nowhere else by then, and prints the version.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.support.checkout import ROOT

#: What `features_rows()` multiplies the distance by, and counts the weekday from: the helper's, by version.
HELPERS = {1: ("1.0", 3), 2: ("1.609344", 0)}
_MODULE = Path("include") / "flights" / "flight_delay.py"
_PLAIN = {
    '"distance": rows["distance"],': '"distance": rows["distance"] * measures.MILE,',
    "+ 3) % 7": "+ measures.MONDAY) % 7",
    "import numpy as np\n": "import numpy as np\n\nfrom flights import measures\n",
}


def write_project(project: Path, helper: int) -> None:
    """The checkout's project with that helper beside its model, and the model that asks it."""
    for name in ("config", "include/flights"):
        shutil.copytree(
            *(ROOT / name, project / name),
            dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"),
        )  # fmt: skip
    mile, monday = HELPERS[helper]
    text = (project / _MODULE).read_text(encoding="utf-8")
    for plain, asked in _PLAIN.items():
        assert plain in text, f"{_MODULE} is written otherwise now"
        text = text.replace(plain, asked, 1)
    (project / _MODULE).write_text(text, encoding="utf-8")
    (project / _MODULE).with_name("measures.py").write_text(
        f"MILE = {mile}\nMONDAY = {monday}\n", encoding="utf-8"
    )


if __name__ == "__main__":
    from airloop.settings import Settings
    from bench import serving_world as world

    number = int(sys.argv[1])
    print(world.train(Settings(), number, max_iter=10 * number).model_dump_json())
