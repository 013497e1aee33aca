"""An interpreter that no step can run in is one clear error before anything is started."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from airloop.contracts import Fence
from airloop.errors import SpecError
from airloop.execution import interpreter
from airloop.execution.interpreter import check_interpreter, requirements
from airloop.execution.runner import StepRunner
from airloop.settings import Settings
from tests.support.environments import make_environment
from tests.unit.execution.test_runner import settings  # noqa: F401


def program(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def refused(python: str) -> str:
    with pytest.raises(SpecError) as caught:
        check_interpreter(python)
    line = str(caught.value)
    assert f"got '{python}'; in the model's environment.python" in line
    assert "\n" not in line
    return line


def test_the_projects_own_interpreter_will_do() -> None:
    check_interpreter(sys.executable)
    assert {"pydantic", "mlflow", "scikit-learn", "psutil"} <= set(requirements())


def test_an_environment_on_top_of_the_projects_will_do(tmp_path: Path) -> None:
    check_interpreter(str(make_environment(tmp_path / "venv")))


def test_one_that_is_not_there(tmp_path: Path) -> None:
    line = refused(str(tmp_path / "venv" / "bin" / "python"))
    assert line.startswith("there is no such Python interpreter")
    assert line.endswith("create the environment, or correct the path")
    assert refused(str(tmp_path)).startswith("there is no such Python interpreter")


def test_one_that_may_not_be_run(tmp_path: Path) -> None:
    python = program(tmp_path / "python", "#!/bin/sh\n", mode=0o644)
    line = refused(python)
    assert line.startswith("the Python interpreter may not be run")
    assert line.endswith(f"chmod +x {python}")


def test_one_that_is_no_python(tmp_path: Path) -> None:
    for text in ("#!/bin/sh\necho hello\n", "#!/no/such/shell\n", "#!/bin/sh\necho 3\n"):
        assert refused(program(tmp_path / "python", text)).startswith(
            "this program is no Python interpreter that works"
        )


def test_one_that_is_too_old(tmp_path: Path) -> None:
    python = program(
        tmp_path / "python",
        '#!/bin/sh\necho \'{"version": [3, 9], "missing": [], "airloop": null}\'\n',
    )
    assert "a Python 3.9, steps need 3.11 or newer" in refused(python)


def test_one_without_airloops_libraries(tmp_path: Path) -> None:
    python = str(make_environment(tmp_path / "venv", project=False))
    line = refused(python)
    assert line.startswith(
        "the environment lacks libraries that every step needs: airloop, alembic, "
    )
    assert line.endswith(
        f"{python} -m pip install airloop=={metadata.version('airloop')}, then the model's own libraries"
    )


def test_a_step_is_not_sent_there(settings: Settings, tmp_path: Path) -> None:
    runner = StepRunner(settings, python=str(tmp_path / "python"))
    with pytest.raises(SpecError, match="there is no such Python interpreter"):
        runner.run("ingest", Fence(key="k", token=1), {"do": "work"})
    assert not (settings.home / "ledger.db").exists()


def test_control_without_the_question_the_step_would_crash_and_be_tried_again(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airloop.errors import TransientError
    from airloop.execution import process

    assert interpreter.PATIENCE >= 30
    monkeypatch.setattr(process, "check_interpreter", lambda python: None)
    python = str(make_environment(tmp_path / "venv", project=False))
    with pytest.raises(TransientError, match="crashed"):
        StepRunner(settings, python=python).run("ingest", Fence(key="k", token=1), {"do": "work"})
