"""The file that a version's code travels in: equal for equal sources, and nothing but Python's modules."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airloop.errors import ArtifactError
from airloop.registry.code.archive import LIMIT, Module, pack, read
from airloop.registry.code.closure import Source


def test_equal_sources_make_equal_bytes_whenever_they_were_written(tmp_path: Path) -> None:
    sources = {}
    for name in ("b", "a"):
        path = tmp_path / f"{name}.py"
        path.write_text(f"{name} = 1", encoding="utf-8")
        sources[name] = Source(path, package=False)
    before = pack(sources, "guess")
    os.utime(tmp_path / "a.py", (1, 1))
    (tmp_path / "b.py").chmod(0o755)
    assert pack(dict(reversed(sources.items())), "guess") == before
    assert read(before, "here") == {"a": Module(b"a = 1", False), "b": Module(b"b = 1", False)}


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", how) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


def link() -> bytes:
    entry = zipfile.ZipInfo("shop/link.py")
    entry.external_attr, entry.create_system = 0o120777 << 16, 3
    return zipped((entry, b"/etc/passwd"))


def twice() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped(("a.py", b"x = 1"), ("a.py", b"x = 2"))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a path upwards": lambda: zipped(("../evil.py", b"")),
    "a path upwards inside": lambda: zipped(("shop/../../evil.py", b"")),
    "an absolute path": lambda: zipped(("/tmp/evil.py", b"")),
    "a Windows path": lambda: zipped(("shop\\evil.py", b"")),
    "a link": link,
    "a folder": lambda: zipped(("shop/", b"")),
    "a .pth": lambda: zipped(("evil.pth", b"import os")),
    "bytecode": lambda: zipped(("shop/evil.pyc", b"")),
    "a shared object": lambda: zipped(("shop/evil.so", b"")),
    "the standard library's name": lambda: zipped(("json/__init__.py", b"")),
    "Airloop's name": lambda: zipped(("airloop/errors.py", b"")),
    "another version's name": lambda: zipped(("airloop_versions/x.py", b"")),
    "no package at all": lambda: zipped(("__init__.py", b"")),
    "a name of no module": lambda: zipped(("shop/1st.py", b"")),
    "a name that looks alike": lambda: zipped(("shορ.py", b"")),
    "a NUL in the name": lambda: zipped((zipfile.ZipInfo("a.py"), b"")).replace(b"a.py", b"\0.py"),
    "the same twice": twice,
    "package and module": lambda: zipped(("a.py", b""), ("a/__init__.py", b"")),
    "compressed": lambda: zipped(("a.py", b"x" * 100), how=zipfile.ZIP_DEFLATED),
    "a bomb": lambda: zipped(("a.py", b"\0" * (LIMIT + 1)), how=zipfile.ZIP_DEFLATED),
    "thousands": lambda: zipped(*((f"a{number}.py", b"") for number in range(2_001))),
    "no archive": lambda: b"PK\x03\x04 nothing",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused(kind: str) -> None:
    with pytest.raises(ArtifactError, match="code in the model's artifact is refused"):
        read(HOSTILE[kind](), "here")


@given(st.binary(max_size=400), st.integers(0, 400))
def test_damaged_bytes_are_refused_or_the_same_modules(noise: bytes, at: int) -> None:
    whole = zipped(("shop/__init__.py", b""), ("shop/a.py", b"x = 1"))
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    try:
        found = read(damaged, "here")
    except ArtifactError:
        return
    assert all(name.isidentifier() or "." in name for name in found)
