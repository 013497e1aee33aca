"""Two versions' code in one process."""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from pathlib import Path

import pytest

from airloop.errors import ArtifactError
from airloop.registry.code.archive import Module
from airloop.registry.code.finder import Code, opened


def code(digest: str, **modules: str) -> Code:
    """Modules by their names, with two underscores for a dot; those that hold others are packages."""
    names = {name.replace("__", "."): text.encode() for name, text in modules.items()}
    packages = {one for one in names if any(other.startswith(f"{one}.") for other in names)}
    return opened(
        f"sha256:{digest}", {name: Module(text, name in packages) for name, text in names.items()}
    )


def test_each_version_sees_its_own_helper_by_absolute_relative_and_lazy_imports() -> None:
    text = (
        "import shop.helper\nimport shop.helper as short\nfrom shop import helper as one\n"
        "from shop.helper import value\nfrom . import helper as near\nimport importlib\n"
        "def lazy():\n    from shop.later import value\n    return value\n"
        "def named(name):\n    return importlib.import_module(name).value\n"
        "def all_of_it():\n"
        "    return {shop.helper.value, short.value, one.value, value, near.value, lazy(),\n"
        "            named('shop.later'), named('shop.helper')}\n"
    )
    versions = {
        number: code(
            f"seen{number}",
            shop="",
            shop__model=text,
            shop__helper=f"value = {number}",
            shop__later=f"value = {number}",
        )
        for number in (1, 2)
    }
    models = {number: one.module("shop.model") for number, one in versions.items()}
    for number, model in models.items():
        assert model.all_of_it() == {number}


def test_no_state_is_shared_between_versions() -> None:
    text = "seen = []\ndef features(x):\n    seen.append(x)\n    return list(seen)"
    one, two = (code(f"state{number}", model=text) for number in (1, 2))
    one.module("model").features("a")
    assert two.module("model").features("b") == ["b"]
    assert one.module("model").features("c") == ["a", "c"]


def test_the_checkouts_module_of_that_name_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kiosk.py").write_text("value = 'checkout'", encoding="utf-8")
    (tmp_path / "kiosk_parts.py").write_text("value = 'checkout'", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    mine = code(
        "own", kiosk="value = 'version'\ndef other():\n    import kiosk\n    return kiosk.value"
    )
    assert mine.module("kiosk").other() == "version"
    import kiosk

    assert kiosk.value == "checkout"
    monkeypatch.delitem(sys.modules, "kiosk")


def test_what_a_version_does_not_hold_is_not_taken_from_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "include"
    (project / "shop").mkdir(parents=True)
    for name in ("shop/__init__.py", "shop/extra.py", "other.py"):
        (project / name).write_text("value = 'checkout'", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path, str(project)])
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    text = "import importlib\ndef get(name):\n    return importlib.import_module(name)"
    version = code("lacks", shop="", shop__model=text)
    model = version.module("shop.model")
    for name in ("shop.extra", "other"):
        with pytest.raises(ModuleNotFoundError, match=name.replace(".", r"\.")):
            model.get(name)
    assert model.get("json").dumps([1]) == "[1]"


def test_a_closed_versions_modules_go_and_an_open_ones_stay() -> None:
    one = code(
        "gone",
        shop="",
        shop__model="def features():\n    from shop import late\n    return late.x",
        shop__late="x = 1",
    )
    two = code("stays", model="x = 1")
    features, prefix = one.module("shop.model").features, one.prefix
    assert features() == 1
    two.module("model")
    assert code("gone", model="") is one, "the version is open: its code is the same"
    del one
    gc.collect()
    assert not [name for name in sys.modules if name.startswith(prefix)]
    assert f"{two.prefix}.model" in sys.modules


def test_threads_that_import_at_once_get_one_module() -> None:
    one = code("raced", model="import time\ntime.sleep(0.05)\nstate = object()")
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(one.module("model").state)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_a_traceback_shows_the_versions_own_line() -> None:
    model = code(
        "fails", shop="", shop__model="def features():\n    raise ValueError('no rows')"
    ).module("shop.model")
    try:
        model.features()
    except ValueError:
        told = traceback.format_exc()
    assert "sha256_fails/shop/model.py" in told
    assert "raise ValueError('no rows')" in told


@pytest.mark.parametrize("text", ["import nothing_of_that_name", "import sys; sys.exit(3)", "x ="])
def test_code_that_cannot_be_imported_is_one_sentence(text: str) -> None:
    with pytest.raises(ArtifactError, match="own code cannot be imported"):
        code(f"bad{len(text)}", model=text).module("model")
