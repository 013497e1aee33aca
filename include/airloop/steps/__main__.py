"""Run one step: ``python -m airloop.steps <step> --request <uri> --result <uri>``.

How it ended stands in the result file, and its exit code says the same (``airloop.exchange.wire``).
"""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from airloop import paths
from airloop.accounting.limits import exhausted
from airloop.errors import (
    AirloopError,
    RequestError,
    SpecError,
    StorageFullError,
)
from airloop.exchange.group import Ranks
from airloop.exchange.seal import require_key
from airloop.exchange.store import StepStore
from airloop.exchange.wire import Exit, describe, exit_of
from airloop.execution.context import StepContext
from airloop.execution.engine import engine_of
from airloop.settings import load_settings
from airloop.specs import load_catalog
from airloop.steps import STEPS

log = logging.getLogger("airloop.steps")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step named on the command line and return its exit code."""
    arguments = _parse(argv)
    if arguments.lifeline is not None:
        watch_caller(arguments.lifeline)
    if os.getpid() == 1:
        obey_sigterm()
    _log_to_stdout()
    ranks = Ranks.of()
    helper = ranks if ranks is not None and ranks.index else None
    answer = helper.error_uri(arguments.result) if helper else arguments.result
    try:
        begin_in_project()
        require_key()
        store = _store()
    except AirloopError as error:
        log.error("the step cannot begin: %s", error)
        _note(answer, error)
        return Exit.PERMANENT
    try:
        result = _run(arguments.step, store.read(arguments.request), helper)
    except (Exception, SystemExit) as error:
        told = exhausted(error, arguments.step) or _as_told(error, arguments.step)
        if told is not error:
            traceback.print_exc(file=sys.stdout)
        # What the step held goes, so that there is memory to tell how it ended.
        traceback.clear_frames(error.__traceback__)
        if told is None:
            return 1
        store.write(answer, {"error": describe(told)})
        return exit_of(told)
    if helper is None:
        store.write(answer, {"result": result})
    return Exit.OK


def _as_told(error: BaseException, step: str) -> AirloopError | None:
    """What is told of whatever ended a step; None for a crash, which its log alone explains."""
    if isinstance(error, AirloopError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return SpecError(
            "the environment lacks a library that this step needs",
            value=error.name,
            where=sys.executable,
            remedy="install requirements.lock there",
        )
    if isinstance(error, SystemExit):
        return SpecError(
            "code of the project ended the step's process by itself",
            value=f"sys.exit({error.code!r})",
            where=f"step {step}",
            remedy="let it raise an error instead; the step's log shows where",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StorageFullError("no space left on the device", where=str(error.filename or ""))
    return None


def begin_in_project() -> None:
    """Take the project that this step was told of, and let its modules be imported.

    :raises SpecError: if it was told of none, or the project is not the one that the caller read, or there is none
    """
    project = paths.root()
    told = os.environ.get(paths.DIGEST)
    if told is not None and not paths.is_project(project):
        raise SpecError(
            "there is no project here to hold against the one that the step was begun with",
            value="no config/airloop.yaml",
            where=str(project),
            remedy=f"build the image from the project, by the Dockerfile that `airloop new` writes ({told} is expected)",
        )
    if told is not None and told != (found := paths.digest(project)):
        raise SpecError(
            "the project here is not the one that the step was begun with",
            value=found,
            where=str(project),
            remedy="rebuild the image that the step runs in, or deploy the same config/ and include/ everywhere "
            f"({told} is expected)",
        )
    paths.put_on_path()


def _store() -> StepStore:
    settings = load_settings()
    return StepStore(settings.step_store_uri, settings.storage_options)


def _note(answer: str, error: AirloopError) -> None:
    """Leave it where the step's answer is awaited, if that can be reached: a pod's log may be lost."""
    try:
        _store().write(answer, {"error": describe(error)})
    except AirloopError as other:
        log.info("this is in the log alone: %s", other)


def _log_to_stdout() -> None:
    logging.getLogger("airloop").setLevel(logging.INFO)
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        force=True,  # in a fork of the step host a library may have been first
    )


def watch_caller(lifeline: int) -> None:
    """Kill this process group as soon as the caller's end of the pipe ``lifeline`` closes.

    A caller that was killed with SIGKILL cannot tell its child; the kernel closes its files all the same.
    """

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


def obey_sigterm() -> None:
    """End on SIGTERM, as a process does that is not the first of its container.

    The kernel keeps from process 1 every signal that it handles not: a pod that is deleted would go on, with its
    GPU, until the cluster's patience ends.
    """
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m airloop.steps", description="Run one step.")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--request", required=True, help="URI of the request in the step store")
    parser.add_argument("--result", required=True, help="URI where the result goes")
    parser.add_argument("--lifeline", type=int, help="pipe whose closing means: the caller died")
    return parser.parse_args(argv)


def _run(step: str, payload: dict[str, Any] | None, helper: Ranks | None = None) -> dict[str, Any]:
    """Validate the request, build the context, run the step, or in a pod that helps the first one its part of it."""
    from airloop.execution.accounting import accounted, metered
    from airloop.execution.own import body_of
    from airloop.ledger import open_ledger

    if payload is None:
        raise RequestError("there is no request to run", value=step)
    module = importlib.import_module(f"airloop.steps.{step}")
    try:
        request = module.Request.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(
            first["msg"], value=first["input"], where=f"request of step {step}, key {first['loc']}"
        ) from error
    settings = load_settings()
    work = settings.home / "work"
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    workdir = tempfile.mkdtemp(prefix=f"{step}-", dir=work)
    # What libraries leave in temporary folders goes too: a forked child ends without their clean-up at exit.
    tempfile.tempdir = workdir
    engine = engine_of()
    try:
        catalog, ledger = load_catalog().once(), open_ledger(settings)
        context = StepContext(settings, catalog, ledger, Path(workdir), engine)
        if helper is not None:
            with metered(step, request, context):
                module.assist(request, context, helper)
            return {}
        result = accounted(step, request, context, body_of(step, module, request, context))
        dumped: dict[str, Any] = result.model_dump(mode="json")
        return dumped
    finally:
        engine.close()
        tempfile.tempdir = None
        shutil.rmtree(workdir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
