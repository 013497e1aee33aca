"""A function of a bench in a process of its own: its imports, its memory and its end are its own.

``python -m bench.apart bench.gx:measure '{"short": true}' OUT`` is what it runs; the answer is JSON in the file OUT.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT

#: What a person installs when a library that only a bench needs is missing.
REMEDY = "make .venv/.bench .venv/.torch"
#: Seconds for a process that was told to end: it may have a stack to stop.
GRACE = 60
#: Nobody phones home, and no thread spins at a barrier while it waits for another.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "OMP_WAIT_POLICY": "PASSIVE",
    # A key for the step store, which `airloop up` makes elsewhere.
    "AIRLOOP_STEP_KEY": "of-the-benches-alone" * 2,
}


#: Set by tests: everything in the caller's process, whose imports are paid already. Memory is then nobody's own.
HERE = "AIRLOOP_BENCH_HERE"


class MissingError(Exception):
    """A library that the bench needs is not installed."""


class BrokenError(Exception):
    """The function raised, or took too long; the message is the end of what it wrote."""


def call(function: str, *, limit: float = 1_200, **arguments: Any) -> Any:
    """Run ``module:function`` with the arguments, and return what it returned.

    :raises MissingError: if a library is missing
    :raises BrokenError: if it did not return within ``limit`` seconds, or raised
    """
    if os.environ.get(HERE):
        return _here(function, arguments)
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as folder:
        out, log = Path(folder) / "out.json", Path(folder) / "log"
        command = [sys.executable, "-m", "bench.apart", function, json.dumps(arguments), str(out)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=_environment(), stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
            try:
                process.wait(limit)
            except BaseException as error:
                _end(process)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise BrokenError(f"it took longer than {limit:g} s") from None
                raise
        told = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        if "missing" in told:
            raise MissingError(told["missing"])
        if process.returncode or "answer" not in told:
            raise BrokenError(log.read_text(encoding="utf-8", errors="replace")[-3000:])
        return told["answer"]


def _environment() -> dict[str, str]:
    """The caller's, without what measures coverage: it would be what is measured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return kept | QUIET | {"PYTHONPATH": str(ROOT), "AIRLOOP_PROJECT": str(ROOT)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with all that it started; it may put things in order first."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _here(function: str, arguments: dict[str, Any]) -> Any:
    module, name = function.split(":")
    try:
        return getattr(importlib.import_module(module), name)(**arguments)
    except ModuleNotFoundError as error:
        raise MissingError(f"{error.name} is not installed: {REMEDY}") from error


def _inside(function: str, arguments: dict[str, Any], out: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    warnings.simplefilter("ignore")
    try:
        told = {"answer": _here(function, arguments)}
    except MissingError as error:
        told = {"missing": str(error)}
    out.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    _inside(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
