"""What a version needs of its own: which libraries count, and what a lock may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airloop.errors import ArtifactError
from airloop.registry.code.lock import MAX_LINES, Lock, parsed
from airloop.registry.code.needs import needed
from tests.support.loop.specimens import model_spec
from tests.support.wheels import unpacked, wheel


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, with the libraries tariffs (which requires roads and numpy), signs and lanes installed."""
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    (tmp_path / "include" / "shop").mkdir(parents=True)
    installed = tmp_path / "installed"
    requires = {"tariffs": ["roads>=1", "numpy", "absent; extra == 'more'"]}
    for name, number in {"tariffs": "1.5", "roads": "2.0", "signs": "3.0", "lanes": "4.0"}.items():
        made = wheel(tmp_path / "wheels", name, number, "", requires.get(name, ()))
        unpacked(made, installed)
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.syspath_prepend(str(tmp_path / "include"))
    return tmp_path / "include"


def lock_of(project: Path, helper: str = "", **spec: Any) -> tuple[str, ...]:
    package = project / "shop"
    texts = {"__init__": "", "model": spec.pop("text"), "helper": helper}
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    found = needed(model_spec(module="shop.model", **spec), project)
    return found.lines if found is not None else ()


def test_what_the_code_imports_counts_with_what_that_requires_but_not_airloops_own(
    project: Path,
) -> None:
    text = "import json, numpy, pandas, sklearn.pipeline\nimport tariffs\n"
    assert lock_of(project, text=text) == ("roads==2.0", "tariffs==1.5")


def test_a_helper_and_a_function_that_imports_later_count(project: Path) -> None:
    text = "from shop.helper import one\ndef features(rows):\n    import signs\n"
    assert lock_of(project, text=text, helper="import lanes\none = 1") == (
        "lanes==4.0",
        "signs==3.0",
    )


def test_what_only_build_and_label_import_does_not_count(project: Path) -> None:
    text = (
        "def features(rows):\n    return rows\n"
        "def label(rows):\n    import signs\n"
        "def build(params):\n    import tariffs\n    from shop import helper\n"
        "def build_other(params):\n    import lanes\n"
    )
    training = {"build": "build_other"}
    assert lock_of(project, text=text, helper="import roads", training=training) == ()


def test_a_model_of_airloops_own_libraries_needs_none_of_its_own(project: Path) -> None:
    assert lock_of(project, text="import holidays, lightgbm\nfrom sklearn import svm\n") == ()


def test_a_lock_reads_what_it_wrote_and_says_what_differs_here(project: Path) -> None:
    lock = Lock((("signs", "2.0"), ("tariffs", "1.5"), ("unheard-of", "1!2.0+cpu")))
    assert parsed(lock.text.encode(), "there") == lock
    assert lock.differing() == "signs 2.0, here 3.0; unheard-of 1!2.0+cpu, here missing"
    assert Lock(lock.pins[1:2]).differing() == ""


@pytest.mark.parametrize(
    "line",
    [
        *("https://x.example/tariffs.whl", "tariffs @ https://x.example/t.whl", "./tariffs"),
        *("--index-url https://x.example", "-e .", "tariffs", "tariffs>=1", "tariffs==1.*"),
        *("tariffs==1.0 --hash=sha256:00", "tariffs==1.0; python_version>'3'", "Tariffs==1.0"),
        *("-tariffs==1.0", "tariffs[more]==1.0", "", "#", "tariffs==1.0\x00"),
    ],
)
def test_anything_but_a_name_and_a_version_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ArtifactError, match="no library in one version") as told:
        parsed(f"signs==1.0\n{line}\n".encode(), "environment.lock")
    assert "environment.lock:2" in str(told.value)


def test_bytes_that_are_no_text_and_too_many_lines_are_refused() -> None:
    with pytest.raises(ArtifactError):
        parsed(b"\xff\xfe", "environment.lock")
    with pytest.raises(ArtifactError, match="more libraries"):
        parsed(b"signs==1.0\n" * (MAX_LINES + 1), "environment.lock")
