"""Where a plug-in from elsewhere must be installed as well: in the environment in which a model's steps run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from airloop.check.problems import Problem
from airloop.errors import SpecError
from airloop.execution.executor import executor_of
from airloop.issues import KeyPath, spell
from airloop.plugins.registry import GATES, METRICS, OWN, TRAINERS, Plugin, Seam, find
from airloop.specs.model import ModelSpec, metric_places
from airloop.specs.yaml.document import Document


def missing_plugins(document: Document, spec: ModelSpec) -> list[Problem]:
    """What a model's own environment lacks of the plug-ins that its spec names, or must not lack.

    The interpreter is not run: what is installed beside it is read from its files.
    """
    problems: dict[str, Problem] = {}
    environment = spec.environment
    executor, _ = executor_of(spec.compute)
    for path, plugin in used(spec):
        if plugin.distribution == OWN:
            continue
        if executor.environment == "image":
            problem: Problem | None = _of_image(document, path, plugin, spec)
        elif environment is not None and environment.python is not None:
            problem = _of_python(document, path, plugin, Path(environment.python))
        else:
            continue
        if problem is not None:
            problems.setdefault(plugin.distribution, problem)
    return list(problems.values())


def used(spec: ModelSpec) -> Iterator[tuple[KeyPath, Plugin]]:
    """The plug-ins that a model's steps call, and where its spec names them."""
    places: list[tuple[KeyPath, Seam, str]] = [
        (("training", "trainer"), TRAINERS, spec.training.trainer)
    ]
    places += [
        (("algorithms", index, "trainer"), TRAINERS, one.trainer)
        for index, one in enumerate(spec.algorithms)
    ]
    places += [(path, METRICS, name) for path, name in metric_places(spec) if ":" not in name]
    places += [
        (("gates", "own", index), GATES, own.kind)
        for index, own in enumerate(spec.gates.own)
        if not isinstance(own, str)
    ]
    for path, seam, name in places:
        try:
            yield path, find(seam, name)
        except SpecError:  # the spec's own validation says so
            continue


def _of_image(document: Document, path: KeyPath, plugin: Plugin, spec: ModelSpec) -> Problem:
    """Nobody here can look into an image: it is only said."""
    image = spec.environment.image if spec.environment else None
    return Problem(
        f"the {plugin.seam.noun} {plugin.name} is {plugin.origin}: the image of the steps must hold it",
        str(document.path),
        document.line(path),
        spell(path),
        value=image,
        remedy=f"see that it is built with {plugin.distribution}=={plugin.version}",
        severity="notice",
    )


def _of_python(document: Document, path: KeyPath, plugin: Plugin, python: Path) -> Problem | None:
    folders = [str(found) for found in python.parent.parent.glob("lib/python3*/site-packages")]
    if not folders:  # no virtual environment: the step itself will say what it lacks
        return None
    wanted = _normal(plugin.distribution)
    there = [one for one in metadata.distributions(path=folders) if _normal(one.name) == wanted]
    if there and there[0].version == plugin.version:
        return None
    has = f"has {there[0].version}" if there else "lacks it"
    return Problem(
        f"the {plugin.seam.noun} {plugin.name} is {plugin.origin}, the model's environment {has}",
        str(document.path),
        document.line(path),
        spell(path),
        value=str(python),
        remedy=f"{python} -m pip install {plugin.distribution}=={plugin.version}",
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
