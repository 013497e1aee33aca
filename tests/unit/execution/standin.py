"""Run ``airloop.steps`` with a stand-in for the step ``ingest`` that does what its request says.

``python standin.py <step> --request …`` is a plain child; ``python standin.py --host <socket>`` a step host whose
forks inherit the stand-in; ``--call <home> <request>`` a caller that can be killed.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import types
from pathlib import Path

from airloop.contracts import Fence
from airloop.errors import GateError, UnreachableError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.specs.sections.storage import SECRETS

#: As `ulimit -v` sets it.
LIMIT = 4 << 30


class Request(StepRequest):
    do: str
    path: str = ""


class Result(StepResult):
    said: str


def die(how: str) -> None:
    """By a signal, or by asking for more memory than there may be."""
    if how == "crash":
        os.kill(os.getpid(), 9)
    if how == "abort":
        print("terminate called after throwing an instance of 'std::bad_alloc'", flush=True)
        os.abort()
    import pyarrow as pa

    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    if how == "memory":
        bytearray(2 * LIMIT)
    pa.allocate_buffer(2 * LIMIT)


def run(request: Request, context: StepContext) -> Result:
    print(f"doing {request.do}", flush=True)
    assert context.workdir.is_dir()
    match request.do:
        case "permanent":
            raise GateError("too weak", value=0.51, where="roc_auc", remedy="train on more data")
        case "transient":
            raise UnreachableError("no answer", where="http://nowhere")
        case "full":
            raise OSError(28, "No space left on device", "/full")
        case "crash" | "memory" | "arrow memory" | "abort":
            die(request.do)
        case "bug":
            raise ZeroDivisionError("a bug")
        case "silent":
            os._exit(0)
        case "sleep":
            grandchild = subprocess.Popen(["sleep", "60"])
            Path(request.path).write_text(f"{os.getpid()} {grandchild.pid}")
            time.sleep(60)
        case "leave":
            subprocess.Popen(["sleep", "60"])
        case "environment":
            secrets = [name for name in os.environ if name.lower() in SECRETS]
            print(*(f"{name}={os.environ[name]}" for name in sorted(secrets)), sep="\n", flush=True)
            return Result(said=",".join(sorted(key for key in os.environ if "AIRFLOW" in key)))
    return Result(said=f"done in {context.settings.environment}")


def caller(home: str, path: str) -> None:
    os.environ["AIRLOOP_HOME"] = home
    from airloop.execution import process
    from airloop.execution.runner import StepRunner
    from airloop.settings import load_settings

    process.command = lambda: [sys.executable, *COMMAND]
    request = {"do": "sleep", "path": path}
    StepRunner(load_settings()).run("ingest", Fence(key="k", token=1), request)


COMMAND = [__file__]

if __name__ == "__main__":
    module = types.ModuleType("airloop.steps.ingest")
    module.__dict__.update(Request=Request, Result=Result, run=run)
    sys.modules["airloop.steps.ingest"] = module
    if sys.argv[1] == "--host":
        from airloop.execution import host, libraries

        libraries.LIBRARIES = tuple(os.environ.get("STANDIN_LIBRARIES", "").split())
        host.IDLE_SECONDS = float(os.environ.get("STANDIN_IDLE", "900"))
        sys.argv = sys.argv[1:]
        host.main()
    if "--careless" in sys.argv:  # the protection taken away
        sys.argv.remove("--careless")
        COMMAND.append("--careless")
        import airloop.steps.__main__ as steps

        steps.watch_caller = lambda lifeline: None
    if sys.argv[1] == "--call":
        caller(sys.argv[2], sys.argv[3])
    from airloop.steps.__main__ import main

    sys.exit(main())
