"""`make mutants`: sabotages gates, verdicts, monitoring and ledger, and prints which of it no test noticed.

Each mutant is written into a copy of the package, which comes first on the path of a pytest over the tests of that room;
the checkout itself is never changed. ``python -m tests.mutants --each 5 --only delivery`` for a part of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.mutation import Mutant, mutants
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
PATIENCE = 600


def main() -> int:
    """Run the mutants; 1 where one survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--each", type=int, default=3, help="mutants of a module")
    parser.add_argument("--only", choices=sorted(ROOMS), action="append")
    options = parser.parse_args()
    survivors, tried = [], 0
    with tempfile.TemporaryDirectory(prefix="airloop-mutants-") as scratch:
        copied = Path(shutil.copytree(PACKAGE, Path(scratch, "airloop")))
        for room in options.only or ROOMS:
            if not _passes(Path(scratch), ROOMS[room]):
                sys.exit(f"{room}: its tests fail without any sabotage, so they can notice none")
            for path in sorted((PACKAGE / room).glob("*.py")):
                target = copied / room / path.name
                for mutant in mutants(path.read_text(encoding="utf-8"), options.seed, options.each):
                    tried += 1
                    if _survives(mutant, target, Path(scratch), ROOMS[room]):
                        survivors.append(f"{room}/{path.name}:{mutant.line}: {mutant.what}")
                        sys.stdout.write(f"survived  {survivors[-1]}\n")
                        sys.stdout.flush()
                shutil.copy(path, target)
    sys.stdout.write(f"{tried - len(survivors)} of {tried} sabotages were noticed\n")
    return 1 if survivors else 0


def _survives(mutant: Mutant, target: Path, scratch: Path, tests: tuple[str, ...]) -> bool:
    target.write_text(mutant.source, encoding="utf-8")
    return _passes(scratch, tests)


def _passes(scratch: Path, tests: tuple[str, ...]) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    path = os.pathsep.join((str(scratch), os.environ.get("PYTHONPATH", "")))
    try:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False  # a loop without an end is noticed too
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
