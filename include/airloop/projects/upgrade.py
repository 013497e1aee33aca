"""`airloop upgrade --check`: what the installed Airloop changes for a project, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from airloop import __version__, ejection, paths
from airloop.compatibility import made_by, order
from airloop.errors import SpecError
from airloop.issues import value_at
from airloop.ledger.database import Database
from airloop.ledger.schema import COMMAND, Age, state
from airloop.projects.template import ORIGIN, Origin, digest, template_files
from airloop.renames import current
from airloop.settings import load_settings
from airloop.specs.catalog import spec_files
from airloop.specs.yaml.document import read_document


@dataclass(frozen=True)
class Finding:
    """One thing to do."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.where}: {self.what}; {self.remedy}"


def findings(project: Path) -> list[Finding]:
    """All that there is to do, in the order in which to do it; nothing is changed.

    :raises SpecError: if a file of the project cannot be read
    """
    return [
        *_ledger(),
        *_modules(project),
        *_ejected(project / "dags"),
        *_template(project),
        *_made_by(project),
    ]


def _ledger() -> Iterator[Finding]:
    if state(Database(load_settings().ledger_url)) is Age.OLDER:
        yield Finding(
            "the ledger",
            "was written by an older Airloop",
            f"run `airloop down`, then `{COMMAND}`",
        )


def _made_by(project: Path) -> Iterator[Finding]:
    version = made_by(project / paths.MARKER)
    if version is None:
        yield Finding(
            str(paths.MARKER),
            "does not say which Airloop made this project",
            f'when all else is done, add airloop: "{__version__}"',
        )
    elif order(version) < order(__version__):
        yield Finding(
            str(paths.MARKER),
            f"the project is of Airloop {version}",
            f'when all else is done, write airloop: "{__version__}"',
        )


def _modules(project: Path) -> Iterator[Finding]:
    """Specs that name a module as an older Airloop did: still understood, not for ever."""
    places = (("models", ("module",)), ("datasets", ("source", "function")))
    for folder, key in places:
        for path in spec_files(project / "config" / folder):
            try:
                document = read_document(path)
            except SpecError as error:
                where = str(path.relative_to(project))
                yield Finding(where, f"cannot be judged: {error}", "put it right first")
                continue
            value = value_at(document.data, key)
            if not isinstance(value, str):
                continue
            module, colon, function = value.partition(":")
            if (new := current(module)) != module:
                where = f"{path.relative_to(project)}, line {document.line(key)}"
                what = f"{'.'.join(key)} has a name of an older Airloop, {value}"
                yield Finding(where, what, f"write {new}{colon}{function}")


def _ejected(dags: Path) -> Iterator[Finding]:
    for kind, path in ejection.owned(dags).items():
        marker = ejection.MARKER.search(path.read_text(encoding="utf-8"))
        if marker is not None and marker["digest"] != digest(ejection.packaged(kind).encode()):
            yield Finding(
                f"dags/{kind}.py",
                f"the packaged file changed since {marker['version']}, of which this is a copy",
                f"compare it with what `airloop eject {kind}` makes in another project",
            )


def _template(project: Path) -> Iterator[Finding]:
    """Files that ``airloop new`` would make differently today."""
    noted = project / ORIGIN
    if not noted.is_file():
        return
    try:
        origin = Origin.model_validate_json(noted.read_bytes())
    except ValidationError:
        raise SpecError(
            "this is not what `airloop new` noted about the project",
            where=str(noted),
            remedy="delete it, and the template's files are no longer compared",
        ) from None
    for path, content in template_files(origin).items():
        now, then = digest(content), origin.files.get(path)
        file = project / path
        mine = digest(file.read_bytes()) if file.is_file() else None
        if path == str(paths.MARKER) or now in {then, mine}:
            continue
        remedy = "take it over from a project that `airloop new` makes beside"
        if mine is None and then is not None:
            continue
        if then is None:
            yield Finding(path, "the template has this file now", remedy)
        elif mine == then:
            yield Finding(path, "the template changed, and the project has not", remedy)
        else:
            yield Finding(
                path, "the template changed, and so did the project", "merge what is of use"
            )
