"""Everything that is wrong in a config folder, found in one pass: what `airloop check` prints.

Nothing is imported, opened or connected to but the files of the folder and the user's modules, and
those are only read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from airloop.check.modules import (
    OPTIONAL_FUNCTIONS,
    REQUIRED_FUNCTIONS,
    function_issues,
    named_issues,
    own_code,
    travel_issues,
)
from airloop.check.plugins import missing_plugins
from airloop.check.problems import Problem, from_error, problems_of
from airloop.check.project import alert_routes, dag_problems, pool_problems, settings_problems
from airloop.contracts import NAME_PATTERN
from airloop.cron import is_daily
from airloop.errors import SpecError
from airloop.execution.executor import executor_of
from airloop.issues import SpecIssue
from airloop.plugins.alert import AlertSpec
from airloop.plugins.source import functions_of
from airloop.plugins.trainer import needs_build
from airloop.specs.catalog import Catalog, misnamed, parse
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import Level, ModelSpec, trainers_of
from airloop.specs.rules import dataset_rules, model_rules, pair_rules
from airloop.specs.sections.days import WINDOW_DAYS
from airloop.specs.sections.pod_security import restricted_rules
from airloop.specs.sections.resources import local_gpus, machine_rules
from airloop.specs.sections.templates import FOLDER, template_rules
from airloop.specs.sections.tuning import builds
from airloop.specs.yaml.document import Document, read_document
from airloop.textfile import is_there, is_written, read_text

Data = dict[str, Any]
#: How many monitored windows the training days must hold, to tell how much one differs from another by chance.
_WINDOWS = 3


def check(catalog: Catalog) -> list[Problem]:
    """All problems of the specs and the settings under the catalog's folder, by file and line."""
    folder = catalog.folder
    if not folder.is_dir():
        remedy = "set AIRLOOP_CONFIG to the folder that holds airloop.yaml, datasets and models"
        return [Problem("the config folder does not exist", str(folder), remedy=remedy)]
    datasets: dict[str, Data] = {}
    found: list[Problem] = []
    for path in _files(folder / "datasets", found):
        document = _read(path, found)
        # A dataset that cannot be read is there all the same: its models are not to blame.
        datasets[path.stem] = document.data if document is not None else {}
        if document is not None:
            found += _dataset(document)
    alerts = alert_routes(folder)
    for path in _files(folder / "models", found):
        document = _read(path, found)
        if document is not None:
            found += _model(document, datasets, folder, alerts)
    found += _templates(folder)
    found += settings_problems(folder)
    found += pool_problems(folder)
    found += dag_problems(folder)
    unique = {(str(problem), problem.severity): problem for problem in found}
    return sorted(unique.values(), key=lambda problem: (problem.file, problem.line or 0))


def _files(folder: Path, found: list[Problem]) -> Iterator[Path]:
    if not is_there(folder):
        return
    try:
        paths = sorted(filter(is_written, folder.iterdir()))
    except OSError as error:
        what = "the folder cannot be listed"
        found.append(Problem(what, str(folder), value=error.strerror))
        return
    for path in paths:
        if path.suffix == ".yml":
            remedy = f"rename it to {path.stem}.yaml"
            found.append(Problem("a file that ends in .yml is not read", str(path), remedy=remedy))
        elif path.suffix == ".yaml" and not re.match(NAME_PATTERN, path.stem):
            found.append(from_error(misnamed(path), str(path)))
        elif path.suffix == ".yaml":
            yield path


def _read(path: Path, found: list[Problem]) -> Document | None:
    try:
        return read_document(path)
    except SpecError as error:
        found.append(from_error(error, str(path)))
        return None


def _dataset(document: Document) -> list[Problem]:
    data = document.data
    _, found = parse(document, DatasetSpec)
    source: Any = data.get("source")
    for key in functions_of(source):
        function = source.get(key)
        if isinstance(function, str) and function.count(":") == 1:
            found += named_issues(("source", key), function)
    problems = problems_of(document, [*found, *dataset_rules(data)])
    return problems or _skipped_days(document)


def _skipped_days(document: Document) -> list[Problem]:
    """A tick ingests the day of the tick before: the days between become no partitions, which may be meant so."""
    schedule = document.data.get("schedule")
    if schedule is None or is_daily(schedule):
        return []
    what = "does not tick on each day: the days between are not ingested"
    issue = SpecIssue(("schedule",), what, schedule, "ignore this where the source has none")
    return [replace(one, severity="notice") for one in problems_of(document, [issue])]


def _templates(folder: Path) -> list[Problem]:
    """What is wrong in the pod templates."""
    found: list[Problem] = []
    for path in _files(folder / FOLDER, found):
        document = _read(path, found)
        if document is not None:
            wrong = [*template_rules(document.data)]
            if _is_restricted(folder):
                wrong += restricted_rules(document.data)
            found += problems_of(document, wrong)
    return found


def _is_restricted(folder: Path) -> bool:
    """Whether the project's own manifests make the steps' namespace one that enforces the profile ``restricted``."""
    path = folder / "kubernetes" / "namespaces.yaml"
    try:
        documents = list(yaml.safe_load_all(read_text(path)))
    except (SpecError, yaml.YAMLError):
        return False
    name = "pod-security.kubernetes.io/enforce"
    labels = [(one or {}).get("metadata", {}).get("labels") or {} for one in documents]
    return any(label.get(name) == "restricted" for label in labels)


def _model(
    document: Document, datasets: Mapping[str, Data], folder: Path, alerts: tuple[AlertSpec, ...]
) -> list[Problem]:
    data = document.data
    spec, found = parse(document, ModelSpec)
    found += model_rules(data)
    found += machine_rules(data, local_gpus())
    if spec is not None:
        found += executor_of(spec.compute)[0].issues(spec, folder)
    dataset = data.get("dataset")
    if isinstance(dataset, str) and dataset in datasets:
        found += pair_rules(data, datasets[dataset])
    elif isinstance(dataset, str):
        remedy = f"add config/datasets/{dataset}.yaml"
        what = "there is no such dataset"
        found.append(SpecIssue(("dataset",), what, dataset, remedy, tuple(datasets)))
    module = data.get("module")
    if isinstance(module, str):
        built = spec is None or needs_build(trainers_of(spec))
        wrong = function_issues(
            ("module",),
            module,
            required=REQUIRED_FUNCTIONS if built else ("features",),
            optional=OPTIONAL_FUNCTIONS,
        )
        found += wrong or travel_issues(module)
        for path, name in builds(data):
            found += function_issues(path, module, required=(name,))
    if spec is not None:
        found += own_code(spec)
    problems = problems_of(document, found)
    if spec is not None:
        problems += _few_windows(document, spec)
        problems += _no_budget(document, spec)
        source = datasets.get(spec.dataset, {}).get("source")
        kind = source.get("kind") if isinstance(source, Mapping) else None
        problems += missing_plugins(document, spec, kind, alerts)
    if data.get("level") == Level.CONTINUOUS_DELIVERY and data.get("level") is not True:
        problems.append(_level_two(document))
    return problems


def _few_windows(document: Document, spec: ModelSpec) -> list[Problem]:
    """A night is compared with the training days: too few of them, and chance looks like drift."""
    training, night = spec.training.window_days or WINDOW_DAYS, spec.monitoring.window_days
    if training >= _WINDOWS * night:
        return []
    what = f"is less than {_WINDOWS} times monitoring.window_days ({night}): the reference is thin"
    issue = SpecIssue(
        ("training", "window_days"), what, training, f"raise it to {_WINDOWS * night}"
    )
    return [replace(one, severity="notice") for one in problems_of(document, [issue])]


def _no_budget(document: Document, spec: ModelSpec) -> list[Problem]:
    """Where the budget is nothing the loop never trains by itself, which may be meant so."""
    if spec.retraining.monthly_budget or spec.level is Level.MANUAL:
        return []
    what = "is nothing: whatever is found, the loop never trains by itself"
    remedy = "raise it, or ignore this where only a schedule or a person shall train"
    issue = SpecIssue(("retraining", "monthly_budget"), what, 0, remedy)
    return [replace(one, severity="notice") for one in problems_of(document, [issue])]


def _level_two(document: Document) -> Problem:
    return Problem(
        "level 2 (CI/CD of the pipeline itself) is not there yet: this model runs as level 1",
        str(document.path),
        document.line(("level",)),
        "level",
        remedy="write level: 1 until then",
        severity="notice",
    )
