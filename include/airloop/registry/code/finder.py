"""Several versions' code in one process: each below a package of its own, ``airloop_versions.sha256_<digest>``.

Inside of a version its own packages keep their absolute names: ``import flights.weather`` there means the version's,
wherever it stands, in a function that is called later too. So does ``importlib.import_module``. A name of the project
that the version does not hold is not found, and never taken from the checkout.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any

from airloop.errors import ArtifactError
from airloop.paths import code_folder
from airloop.registry.code.archive import Module
from airloop.registry.code.closure import is_own

ROOT = "airloop_versions"


class Code:
    """The modules of one version. While it is referred to, they are imported; then they go."""

    def __init__(self, digest: str, modules: Mapping[str, Module]) -> None:
        self.modules = modules
        self.prefix = f"{ROOT}.{digest.replace(':', '_')}"
        self.tops = frozenset(name.partition(".")[0] for name in modules)

    def module(self, name: str) -> ModuleType:
        """One of its modules, imported when it is first asked for.

        :raises ArtifactError: if it is not there, or ends with an error when it is imported
        """
        try:
            return importlib.import_module(f"{self.prefix}.{name}")
        except (Exception, SystemExit) as error:
            raise ArtifactError(
                "the model's own code cannot be imported",
                value=f"{name}: {type(error).__name__}: {error}",
                where=self.prefix,
                remedy="install what it imports in the environment that runs this, or train again",
            ) from error

    def source(self, name: str) -> Module | None:
        """What a name below the prefix is: a module, or a package that only holds others."""
        if (module := self.modules.get(name)) is not None:
            return module
        inside = not name or any(known.startswith(f"{name}.") for known in self.modules)
        return Module(b"", package=True) if inside else None


class _Finder(importlib.abc.MetaPathFinder):
    """Finds what stands below :data:`ROOT`, and nothing else."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: weakref.WeakValueDictionary[str, Code] = weakref.WeakValueDictionary()

    def opened(self, digest: str, modules: Mapping[str, Module]) -> Code:
        """The code of a version: the same object, and the same modules, while anybody has it open."""
        with self.lock:
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)
            code = Code(digest, modules)
            if (before := self.known.get(code.prefix)) is not None:
                return before
            self.known[code.prefix] = code
            weakref.finalize(code, _forget, code.prefix)
            return code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a version's module."""
        if fullname == ROOT:
            loader = _Loader(Module(b"", package=True), None)
            return importlib.machinery.ModuleSpec(ROOT, loader, is_package=True)
        if not fullname.startswith(f"{ROOT}."):
            return None
        prefix = ".".join(fullname.split(".")[:2])
        if (code := self.known.get(prefix)) is None:
            return None
        if (source := code.source(fullname.removeprefix(prefix).removeprefix("."))) is None:
            return None
        spec = importlib.machinery.ModuleSpec(
            fullname, _Loader(source, code), origin=_file_of(fullname), is_package=source.package
        )
        spec.has_location = True
        spec.cached = None
        return spec


class _Loader(importlib.abc.InspectLoader):
    """Runs one module's source with the imports of its version."""

    def __init__(self, source: Module, code: Code | None) -> None:
        self._source = source
        # Not the code itself: a module that is imported must not keep its version in memory.
        self._importer = _Importer(code.prefix, code.tops) if code else None

    def is_package(self, fullname: str) -> bool:
        """Whether it holds modules."""
        return self._source.package

    def get_source(self, fullname: str) -> str:
        """Its text, which tracebacks show."""
        return importlib.util.decode_source(self._source.content)

    def get_code(self, fullname: str) -> CodeType:
        """Its code, compiled from the bytes."""
        return compile(self._source.content, _file_of(fullname), "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        """Run it."""
        if self._importer is not None:
            own = {**vars(builtins), "__import__": self._importer}
            module.__dict__["__builtins__"] = own
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102 - bytes that the ledger names


class _Importer:
    """What ``import`` does in a version's modules."""

    def __init__(self, prefix: str, tops: frozenset[str]) -> None:
        self._prefix, self._tops = prefix, tops

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - the names of what it stands for
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if level == 0 and name.partition(".")[0] in self._tops:
            if fromlist:
                return builtins.__import__(f"{self._prefix}.{name}", globals, locals, fromlist, 0)
            self.import_module(name)
            return sys.modules[f"{self._prefix}.{name.partition('.')[0]}"]
        found = builtins.__import__(name, globals, locals, fromlist or (), level)
        return self._importlib() if found is importlib else found

    def import_module(self, name: str, package: str | None = None) -> ModuleType:
        """``importlib.import_module`` as a version's module has it."""
        if name.startswith("."):
            return importlib.import_module(name, package)
        if name.partition(".")[0] in self._tops:
            return importlib.import_module(f"{self._prefix}.{name}")
        if is_own(name, code_folder()):
            raise ModuleNotFoundError(
                f"{name} does not travel with this version: no import statement names it"
            )
        return importlib.import_module(name)

    def _importlib(self) -> ModuleType:
        shown = ModuleType("importlib")
        vars(shown).update({**vars(importlib), "import_module": self.import_module})
        return shown


def _file_of(fullname: str) -> str:
    """What a traceback says instead of a path."""
    version, _, name = fullname.removeprefix(f"{ROOT}.").partition(".")
    return f"{version}/{name.replace('.', '/')}.py"


def _forget(prefix: str) -> None:
    """Take a version's modules out of the process, once nobody has the version open."""
    if _FINDER.known.get(prefix) is not None:
        return  # opened again in the meantime
    for name in [name for name in sys.modules if name == prefix or name.startswith(f"{prefix}.")]:
        del sys.modules[name]
    root = sys.modules.get(ROOT)
    if root is not None:
        vars(root).pop(prefix.partition(".")[2], None)


_FINDER = _Finder()
#: The code of a version: the same modules while anybody has it open.
opened = _FINDER.opened
