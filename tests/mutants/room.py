"""A room of the package and the tests that ought to notice what is sabotaged in it.

They are run once on the package as it is, which tells how long they take and which of them run which line: a mutant is
tried on those alone, and on all only where they notice nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import coverage

from tests.mutants.mutation import Mutant
from tests.support.checkout import ROOT

#: Seconds that a run may take: so much, and so many times what it takes without sabotage.
PATIENCE, TIMES = 30.0, 5.0
#: Of more tests than these all are run.
MOST = 200
_PYTEST = (
    *(sys.executable, "-m", "pytest", "-q", "-x"),
    *("-p", "no:cacheprovider", "-p", "pytest_timeout", "-p", "pytest_cov"),
)
#: pytest's exit code where a test that was named is not there.
_NO_SUCH_TEST = 4


class Fate(StrEnum):
    """What became of a mutant. A test that never ends tells nobody what is wrong: it is counted by itself."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    TIMED_OUT = "timed out"


@dataclass
class Room:
    """One room; its package lies in a copy, which comes first on the tests' path.

    :param copy: the folder that holds the copied package
    :param tests: files and folders below the checkout
    """

    name: str
    copy: Path
    tests: tuple[str, ...]
    patience: float = PATIENCE
    _runs: dict[str, dict[int, list[str]]] = field(default_factory=dict)

    def learn(self) -> float | None:
        """Run all tests on the package as it is; returns the seconds, None where they fail."""
        data, config = self.copy / f"{self.name}.coverage", self.copy / "coveragerc"
        config.write_text("[run]\nbranch = false\n", encoding="utf-8")
        began = time.monotonic()
        code = self._pytest(
            *self.tests, f"--cov={self.copy / 'airloop' / self.name}", "--cov-context=test",
            "--cov-report=", f"--cov-config={config}", data=data, patience=None,
        )  # fmt: skip
        if code:
            return None
        found = coverage.CoverageData(str(data))
        found.read()
        self._runs = {
            Path(path).name: found.contexts_by_lineno(path) for path in found.measured_files()
        }
        seconds = time.monotonic() - began
        self.patience = PATIENCE + TIMES * seconds
        return seconds

    def fate(self, mutant: Mutant, module: str) -> Fate:
        """What the tests make of a mutant of one of the room's modules."""
        (self.copy / "airloop" / self.name / module).write_text(mutant.source, encoding="utf-8")
        named = self.tests_of(module, mutant.line)
        if named and (code := self._pytest(*named)) not in {0, _NO_SUCH_TEST}:
            return Fate.TIMED_OUT if code is None else Fate.NOTICED
        code = self._pytest(*self.tests)
        if code is None:
            return Fate.TIMED_OUT
        return Fate.NOTICED if code else Fate.SURVIVED

    def tests_of(self, module: str, line: int) -> tuple[str, ...]:
        """The tests that run a line, or the nearest above it that any runs; none where that is no help."""
        lines = self._runs.get(module, {})
        near = max((one for one in lines if one <= line and lines[one]), default=None)
        contexts = lines[near] if near is not None else []
        # What runs at import belongs to no test.
        if "" in contexts:
            return ()
        found = {context.rpartition("|")[0] for context in contexts}
        return tuple(sorted(found)) if len(found) <= MOST else ()

    def _pytest(
        self, *arguments: str, data: Path | None = None, patience: float | None = -1.0
    ) -> int | None:
        """pytest's exit code; None where it did not end."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        # Loading every plug-in that is installed takes longer than most tests.
        env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        env["PYTHONPATH"] = os.pathsep.join((str(self.copy), env.get("PYTHONPATH", "")))
        if data is not None:
            env["COVERAGE_FILE"] = str(data)
        process = subprocess.Popen(
            [*_PYTEST, *arguments],
            cwd=ROOT,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(self.patience if patience == -1.0 else patience)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # With the servers that its tests started.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
