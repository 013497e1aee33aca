"""One DAG file a spec: stubs of three lines, so that Airflow reads, times and refuses each model by itself.

A stub holds no knowledge of its spec. Its last line is a digest of what it is made from as files: names, times and
sizes of the spec, its dataset's spec, the settings and the DAG files that the project owns. Where that changes the stub
is written anew, and so is newer than all of it: Airflow parses a file again that is newer than its last parse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from airloop.ejection import KINDS, owned
from airloop.errors import SpecError
from airloop.paths import MARKER
from airloop.plugins.executor import executor_named
from airloop.specs.catalog import spec_files
from airloop.specs.yaml.document import read_document

#: The folder of the stubs, beside the project's own DAG files.
STUBS = "airloop_stubs"
#: The kinds of DAG that a model has; the one before them is a dataset's.
MODEL_KINDS = KINDS[1:]
#: The DAGs of every project that belong to no spec, and whose ``build()`` makes each.
PROJECT_DAGS = {
    "airloop_audit": "airloop_dags.audit",
    "airloop_examine": "airloop_dags.examine",
    "airloop_replay": "airloop_dags.replay",
    "airloop_wake": "airloop_dags.wake",
}
#: Seconds of CPU that the parse of one stub takes, storing its DAGs included, on a slow core.
PARSE_SECONDS = 0.25
#: The share of one core that parsing again what did not change may take.
_SHARE = 0.05
#: Seconds between two parses of a file that does not change, and between two looks for changes, at the least.
_PARSE_AGAIN, _REFRESH = 60, 10

_TEXT = '''\
"""A stub for Airflow, written by Airloop from the project's specs: changes here are overwritten."""

from airloop_dags import build

build({call})
# {digest}
'''


@dataclass(frozen=True)
class Mark:
    """How a file is told to have changed without reading it, and when it did."""

    text: str
    at: float = 0.0


_NOTHING = Mark("")


@dataclass(frozen=True)
class Stub:
    """One file to write, and what comes of it."""

    #: Below :data:`STUBS`.
    path: PurePosixPath
    #: The arguments of ``build``.
    call: str
    #: The DAGs that it makes.
    dags: tuple[str, ...]
    #: What it is about, as a file of the project; none for a DAG of the whole project.
    spec: str = ""
    digest: str = ""
    #: When what it is made from changed last, as the files say.
    changed: float = 0.0

    @property
    def text(self) -> str:
        """The file's content."""
        return _TEXT.format(call=self.call, digest=self.digest or "not looked at yet")


@dataclass
class Plan:
    """Which stubs a project needs now. It remembers what it read, so that another look reads only what changed."""

    config: Path
    #: The project's own DAG files.
    dags: Path
    _read: dict[Path, tuple[Mark, tuple[str, object]]] = field(default_factory=dict, repr=False)

    def names(self) -> frozenset[PurePosixPath]:
        """The stubs that need no reading of a file, by their paths."""
        models = (_model_path(name) for name in self._names("models"))
        datasets = map(_dataset_path, self._names("datasets"))
        return frozenset((*models, *datasets, *map(_project_path, PROJECT_DAGS)))

    def stubs(self) -> Iterator[Stub]:
        """All stubs, each with the digest of what it is made from."""
        shared = self._shared()
        marks = {name: _mark(self._file("datasets", name)) for name in self._names("datasets")}
        computed: dict[str, object] = {}
        for name, mark in marks.items():
            yield dataset_stub(name, shared, mark)
        for name in self._names("models"):
            path = self._file("models", name)
            mark = _mark(path)
            dataset, compute = self._needs(path, mark)
            computed[repr(compute)] = compute
            yield model_stub(name, shared, mark, marks.get(dataset, _NOTHING))
        for dag_id in sorted({*PROJECT_DAGS, *_of_executors(computed.values())}):
            yield project_stub(dag_id, shared)

    def _needs(self, path: Path, mark: Mark) -> tuple[str, object]:
        """A model's dataset and where its steps run; nothing where the file is none that can be read."""
        known = self._read.get(path)
        if known is None or known[0] != mark:
            try:
                data: Mapping[str, object] = read_document(path).data
            except SpecError:
                data = {}
            known = mark, (str(data.get("dataset", "")), data.get("compute"))
            self._read[path] = known
        return known[1]

    def _shared(self) -> Mark:
        """What every stub is made from."""
        environments = sorted((self.config / "environments").glob("*.yaml"))
        try:
            own = tuple(owned(self.dags).values())
        except SpecError:  # the stub's own import error says it
            own = ()
        return _together([_mark(path) for path in (self.config / MARKER.name, *environments, *own)])

    def _names(self, kind: str) -> Iterator[str]:
        """Every file, were its name none of a spec: it gets a stub too, whose import error says so."""
        return (path.stem for path in spec_files(self.config / kind))

    def _file(self, kind: str, name: str) -> Path:
        return self.config / kind / f"{name}.yaml"


def model_stub(name: str, *made_from: Mark) -> Stub:
    """The stub of a model."""
    dags = tuple(f"{kind}_{name}" for kind in MODEL_KINDS)
    mark, spec = _together(made_from), f"config/models/{name}.yaml"
    return Stub(_model_path(name), repr(name), dags, spec, mark.text, mark.at)


def dataset_stub(name: str, *made_from: Mark) -> Stub:
    """The stub of a dataset: a model that shares it has one of its own."""
    dags, call = (f"{KINDS[0]}_{name}",), f"dataset={name!r}"
    mark, spec = _together(made_from), f"config/datasets/{name}.yaml"
    return Stub(_dataset_path(name), call, dags, spec, mark.text, mark.at)


def project_stub(dag_id: str, *made_from: Mark) -> Stub:
    """The stub of a DAG that belongs to no spec."""
    mark, call = _together(made_from), f"dag={dag_id!r}"
    return Stub(_project_path(dag_id), call, (dag_id,), digest=mark.text, changed=mark.at)


def parse_interval(stubs: int) -> int:
    """Seconds after which a DAG file that did not change is parsed again: ``min_file_process_interval``."""
    return max(_PARSE_AGAIN, int(stubs * PARSE_SECONDS / _SHARE))


def refresh_interval(stubs: int) -> int:
    """Seconds after which specs are looked at again."""
    return max(_REFRESH, stubs // 100)


def first_pass(stubs: int) -> float:
    """Seconds within which a new processor has read everything once, on a machine that has other work."""
    return 120 + 4 * PARSE_SECONDS * stubs


def executor_dags(compute: object) -> Mapping[str, str]:
    """The DAGs that a model needs beside its own, by where its steps run; dag_id and module."""
    executor = executor_named(compute)
    return executor.dags if executor is not None else {}


def _of_executors(computed: Iterable[object]) -> set[str]:
    return {dag_id for one in computed for dag_id in executor_dags(one)}


def _model_path(name: str) -> PurePosixPath:
    return PurePosixPath("models", f"{name}.py")


def _project_path(dag_id: str) -> PurePosixPath:
    return PurePosixPath("project", f"{dag_id}.py")


def _dataset_path(name: str) -> PurePosixPath:
    return PurePosixPath("datasets", f"{name}.py")


def _mark(path: Path) -> Mark:
    """A dangling link or a vanished file is a state too."""
    try:
        found = path.stat()
    except OSError as error:
        return Mark(f"{path.name}: {error.errno}")
    said = f"{path.name}: {found.st_mtime_ns} {found.st_size} {found.st_ino}"
    return Mark(said, found.st_mtime)


def _together(marks: Iterable[Mark]) -> Mark:
    parts = tuple(marks)
    text = "\n".join(part.text for part in parts)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Mark(digest, max((part.at for part in parts), default=0.0))
