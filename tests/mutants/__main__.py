"""`make mutants`: sabotages gates, verdicts, monitoring and ledger, and prints which of it no test noticed.

Each mutant is written into a copy of the package, which comes first on the path of a pytest over the tests of that room;
the checkout itself is never changed. ``python -m tests.mutants --each 5 --only delivery`` for a part of it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.mutants.mutation import mutants
from tests.mutants.room import Fate, Room
from tests.support.checkout import ROOT

PACKAGE = ROOT / "include" / "airloop"
#: What is sabotaged, and the tests that ought to notice.
ROOMS: dict[str, tuple[str, ...]] = {
    "evaluation": ("tests/unit/evaluation", "tests/unit/test_contracts.py"),
    "delivery": (
        *("tests/unit/serving/test_verification.py", "tests/unit/serving/test_load.py"),
        "tests/unit/serving/test_delivery.py",
    ),
    "monitoring": ("tests/unit/monitoring",),
    "ledger": ("tests/unit/ledger",),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the mutants; 1 where one survived, or its tests did not end."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--each", type=int, default=3, help="mutants of a module")
    parser.add_argument("--only", choices=sorted(ROOMS), action="append")
    options = parser.parse_args(arguments)
    fates: Counter[Fate] = Counter()
    with tempfile.TemporaryDirectory(prefix="airloop-mutants-") as scratch:
        shutil.copytree(PACKAGE, Path(scratch, "airloop"))
        for name in options.only or ROOMS:
            fates += _sabotage(Room(name, Path(scratch), ROOMS[name]), options.seed, options.each)
    tried, late = fates.total(), fates[Fate.TIMED_OUT]
    more = f"; {late} kept their tests from ending" if late else ""
    _say(f"{fates[Fate.NOTICED]} of {tried} sabotages were noticed{more}")
    return int(fates[Fate.NOTICED] < tried)


def _sabotage(room: Room, seed: int, each: int) -> Counter[Fate]:
    """Every mutant of one room, told where nobody noticed it."""
    began = time.monotonic()
    if (seconds := room.learn()) is None:
        sys.exit(f"{room.name}: its tests fail without any sabotage, so they can notice none")
    _say(f"{room.name}: {seconds:.0f} s without any sabotage")
    fates: Counter[Fate] = Counter()
    for path in sorted((PACKAGE / room.name).glob("*.py")):
        for mutant in mutants(path.read_text(encoding="utf-8"), seed, each):
            fate = room.fate(mutant, path.name)
            fates[fate] += 1
            if fate is not Fate.NOTICED:
                _say(f"{fate}  {room.name}/{path.name}:{mutant.line}: {mutant.what}")
        shutil.copy(path, room.copy / "airloop" / room.name / path.name)
    _say(f"{room.name}: {fates.total()} sabotages in {time.monotonic() - began:.0f} s")
    return fates


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
