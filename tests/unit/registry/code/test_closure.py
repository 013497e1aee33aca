"""Which of a project's files travel with a version."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from airloop.errors import SpecError
from airloop.registry.code.archive import LIMIT, pack
from airloop.registry.code.closure import closure


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "include"


def write(root: Path, **modules: str) -> None:
    """Modules by their names, with two underscores for a dot; ``__init__`` stands at the end of a package's."""
    for name, text in modules.items():
        package = name.endswith("__init")
        path = root.joinpath(*name.removesuffix("__init").split("__"))
        path = path / "__init__.py" if package else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_what_it_imports_travels_and_nothing_else(root: Path) -> None:
    write(
        root,
        shop__init="",
        shop__model="import shop.near\nfrom shop import far as away\nfrom .deep.down import thing\nimport json, numpy",
        shop__near="def later():\n    from shop.lazy import x\n    return x",
        shop__far="",
        shop__lazy="x = 1",
        shop__deep__init="from .beside import *",
        shop__deep__down="thing = 1",
        shop__deep__beside="__all__ = ['a']",
        shop__other="import shop.model",
        elsewhere="",
    )
    assert set(closure("shop.model", root)) == {
        "shop",
        "shop.model",
        "shop.near",
        "shop.far",
        "shop.lazy",
        "shop.deep",
        "shop.deep.down",
        "shop.deep.beside",
    }


def test_a_second_package_travels_and_a_name_given_as_text(root: Path) -> None:
    write(
        root,
        shop__init="",
        shop__model="import importlib\nimport common.units\nimportlib.import_module('shop.named')\n"
        "importlib.import_module('.beside', __package__)",
        shop__named="",
        shop__beside="",
        common__units="",
    )
    assert set(closure("shop.model", root)) == {
        "shop",
        "shop.model",
        "shop.named",
        "shop.beside",
        "common.units",
    }


def test_what_a_star_imports_by_the_packages_list_travels(root: Path) -> None:
    write(
        root,
        shop__init="",
        shop__model="from shop.parts import *",
        shop__parts__init="__all__ = ['one', 'two']",
        shop__parts__one="",
        shop__parts__two="",
        shop__parts__three="",
    )
    found = closure("shop.model", root)
    assert {"shop.parts.one", "shop.parts.two"} <= set(found)
    assert "shop.parts.three" not in found


def test_circles_end(root: Path) -> None:
    write(root, shop__init="", shop__a="import shop.b", shop__b="import shop.a")
    assert set(closure("shop.a", root)) == {"shop", "shop.a", "shop.b"}


def test_a_module_that_is_installed_does_not_travel(root: Path) -> None:
    write(root, json__init="")
    assert closure("json", root) == {}
    assert closure("numpy.linalg", root) == {}


@pytest.mark.parametrize(
    "line",
    [
        "import sys; sys.path.append('/srv/shared')",
        "import sys; sys.path.insert(0, '..')",
        "import sys; sys.path += ['/srv']",
        "import sys; sys.path[:0] = ['/srv']",
        "from importlib import util\nutil.spec_from_file_location('a', '/srv/a.py')",
        "import runpy; runpy.run_path('/srv/a.py')",
    ],
)
def test_code_from_a_path_is_refused_with_its_line(root: Path, line: str) -> None:
    write(root, shop__init="", shop__model=f"# one\n{line}\n")
    with pytest.raises(SpecError, match="by its path") as told:
        closure("shop.model", root)
    assert "model.py:" in str(told.value)
    assert "import it by its name" in str(told.value)


def test_a_module_outside_the_project_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "shared"
    write(outside, strangers="")
    write(root, shop__init="", shop__model="\nimport strangers\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(outside)])
    with pytest.raises(SpecError, match="imports strangers from outside its project") as told:
        closure("shop.model", root)
    assert "model.py:2" in str(told.value)


def test_more_than_a_megabyte_is_refused_and_names_the_largest(root: Path) -> None:
    write(root, shop__init="", shop__model="from shop import table", shop__table="#" * LIMIT)
    with pytest.raises(SpecError, match="may travel with a version") as told:
        pack(closure("shop.model", root), "guess")
    assert "shop.table, 1,000,000 bytes" in str(told.value)


def test_a_file_that_is_not_python_is_named(root: Path) -> None:
    write(root, shop__init="", shop__model="import shop.broken", shop__broken="def (:\n")
    with pytest.raises(SpecError, match="cannot be read") as told:
        closure("shop.model", root)
    assert "broken.py:1" in str(told.value)
