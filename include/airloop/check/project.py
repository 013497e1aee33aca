"""What is wrong in the files of the project itself: its settings, its environments, its pools."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from airloop.check.problems import Problem, from_error, problems_of
from airloop.ejection import owned
from airloop.errors import SpecError
from airloop.issues import SpecIssue, issues_of
from airloop.paths import config_folder, dags_folder, known
from airloop.plugins.alert import AlertSpec
from airloop.settings import SettingsFields, read_settings, setting_error
from airloop.specs.catalog import Catalog
from airloop.specs.pools import FILE, pool_rules
from airloop.specs.sections.storage import SECRETS
from airloop.specs.yaml.document import Document, read_document
from airloop.specs.yaml.layers import Layers, environment_file
from airloop.textfile import is_there, is_written


def settings_problems(folder: Path) -> list[Problem]:
    """What is wrong in airloop.yaml, in each environment's file, and in this process's variables."""
    found: list[Problem] = []
    base = _document(folder / "airloop.yaml", found)
    paths = sorted(filter(is_written, (folder / "environments").glob("*.yaml")))
    documents = [_document(path, found) for path in paths]
    names = Catalog(folder).model_names()
    for document in [base, *documents]:
        found += problems_of(document, _not_there(document, names)) if document else []
    for document in [None, *documents]:
        found += _layered([part for part in (base, document) if part is not None])
    if base is not None and (name := base.data.get("environment")) is not None:
        where = base.where(SpecIssue(("environment",), ""))
        try:
            environment_file(folder, name, where)
        except SpecError as error:
            found.append(from_error(error, str(base.path)))
    if folder.resolve() == config_folder().resolve():
        told = {(problem.file, problem.key) for problem in found}
        _, errors = read_settings()
        active = [from_error(error, "the environment") for error in errors]
        found += [problem for problem in active if (problem.file, problem.key) not in told]
    return found


def pool_problems(folder: Path) -> list[Problem]:
    """What is wrong in pools.json, where there is one."""
    found: list[Problem] = []
    document = _document(folder / FILE, found)
    return found if document is None else problems_of(document, pool_rules(document.data))


def alert_routes(folder: Path) -> tuple[AlertSpec, ...]:
    """The alert routes of this process's settings, where they are those of the folder and nothing is wrong with them."""
    if folder.resolve() != config_folder().resolve():
        return ()
    settings, _ = read_settings()
    return () if settings is None else settings.alerts


def dag_problems(folder: Path) -> list[Problem]:
    """DAG files of the project that bear a packaged one's name and are none that was ejected."""
    if folder.resolve() != config_folder().resolve() or known() is None:
        return []
    try:
        owned(dags_folder())
    except SpecError as error:
        return [from_error(error, str(dags_folder()))]
    return []


def _document(path: Path, found: list[Problem]) -> Document | None:
    try:
        return read_document(path) if is_there(path) else None
    except SpecError as error:
        found.append(from_error(error, str(path)))
        return None


def _secrets(document: Document) -> list[SpecIssue]:
    """Credentials of a bucket that stand in a file, which is committed and copied into images."""
    options = document.data.get("storage_options")
    here = [name for name in SECRETS if isinstance(options, dict) and name in options]
    remedy = "set the variable {} instead, or storage_connection"
    what = "a secret does not belong into a file"
    return [
        SpecIssue(("storage_options", name), what, None, remedy.format(name.upper()))
        for name in here
    ]


def _not_there(document: Document, names: tuple[str, ...]) -> list[SpecIssue]:
    """Models to be kept in memory that have no spec."""
    serving = document.data.get("serving")
    pinned = serving.get("pinned") if isinstance(serving, dict) else None
    return [
        SpecIssue(("serving", "pinned", index), "there is no such model", name, valid=names)
        for index, name in enumerate(pinned if isinstance(pinned, list) else [])
        if isinstance(name, str) and name not in names
    ]


def _layered(documents: list[Document]) -> list[Problem]:
    """The flaws of some settings files, and what is wrong with them laid over each other."""
    layers = Layers(documents)
    found = [
        problem for document in documents for problem in problems_of(document, _secrets(document))
    ]
    flawed = {(problem.file, problem.key) for problem in found}
    try:
        SettingsFields.model_validate(layers.data())
    except ValidationError as error:
        for issue in issues_of(error, SettingsFields):
            problem = from_error(setting_error(issue, layers, {}), "")
            if (problem.file, problem.key) not in flawed:
                found.append(problem)
    return found
