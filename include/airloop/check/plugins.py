"""Where a plug-in from elsewhere must be installed as well: in the environment in which a model's steps run.

A step reads the spec, the dataset's and the settings whole, so it needs every plug-in that one of them names; and each of
those needs what its own distribution requires.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from airloop.check.problems import Problem
from airloop.errors import SpecError
from airloop.execution.executor import executor_of
from airloop.execution.interpreter import requirements
from airloop.issues import KeyPath, spell
from airloop.plugins.alert import AlertSpec
from airloop.plugins.registry import (
    ALERTS,
    EXECUTORS,
    GATES,
    METRICS,
    OWN,
    ROLLOUTS,
    SOURCES,
    TRAINERS,
    Plugin,
    Seam,
    find,
)
from airloop.specs.model import ModelSpec, metric_places
from airloop.specs.yaml.document import Document


def missing_plugins(
    document: Document, spec: ModelSpec, source: object = None, alerts: Sequence[AlertSpec] = ()
) -> list[Problem]:
    """What a model's own environment lacks of the plug-ins that its steps read of, and of what those require.

    The interpreter is not run: what is installed beside it is read from its files.

    :param source: the ``kind`` of its dataset's source
    :param alerts: the routes that the settings name
    """
    problems: dict[str, Problem] = {}
    environment = spec.environment
    executor, _ = executor_of(spec.compute)
    for path, plugin in used(spec, source, alerts):
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


def used(
    spec: ModelSpec, source: object, alerts: Sequence[AlertSpec]
) -> Iterator[tuple[KeyPath, Plugin]]:
    """The plug-ins that a model's steps read of, and where: those of its own spec, its dataset's source, the settings'."""
    places: list[tuple[KeyPath, Seam, object]] = [
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
    places += [(("compute",), EXECUTORS, executor_of(spec.compute)[1].kind)]
    places += [(("dataset",), SOURCES, source)]
    if spec.serving.rollout is not None:
        places += [(("serving", "rollout"), ROLLOUTS, spec.serving.rollout.kind)]
    places += [(("environment",), ALERTS, route.kind) for route in alerts]
    for path, seam, name in places:
        try:
            yield path, find(seam, str(name))
        except SpecError:  # the validation of whatever names it says so
            continue


def _of_image(document: Document, path: KeyPath, plugin: Plugin, spec: ModelSpec) -> Problem:
    """Nobody here can look into an image: it is only said."""
    image = spec.environment.image if spec.environment else None
    there = {_normal(name) for name in requirements()}
    besides = [one for one in _required(plugin) if _normal(one.name) not in there]
    more = f", and what that requires: {_listed(besides)}" if besides else ""
    wanted = " and ".join(map(str, [f"{plugin.distribution}=={plugin.version}", *besides]))
    return Problem(
        f"the {plugin.seam.noun} {plugin.name} is {plugin.origin}: the image of the steps must hold it{more}",
        str(document.path),
        document.line(path),
        spell(path),
        value=image,
        remedy=f"see that it is built with {wanted}",
        severity="notice",
    )


def _of_python(document: Document, path: KeyPath, plugin: Plugin, python: Path) -> Problem | None:
    folders = [str(found) for found in python.parent.parent.glob("lib/python3*/site-packages")]
    # Of what is no environment of its own the step itself will say what it lacks.
    if not folders or _sees_more(python):
        return None
    version = _installed(plugin.distribution, folders)
    wanted = [f"{plugin.distribution}=={plugin.version}"]
    has = "lacks it" if version is None else f"has {version}"
    if version == plugin.version:
        lacking = [one for one in _required(plugin) if not _is_met(one, folders)]
        if not lacking:
            return None
        wanted = [str(one) for one in lacking]
        has = f"lacks what that requires: {_listed(lacking)}"
    return Problem(
        f"the {plugin.seam.noun} {plugin.name} is {plugin.origin}, the model's environment {has}",
        str(document.path),
        document.line(path),
        spell(path),
        value=str(python),
        remedy=f"{python} -m pip install {shlex.join(wanted)}",
    )


def _required(plugin: Plugin) -> Iterator[Requirement]:
    """What a plug-in's distribution requires beside Airloop, its extras left out."""
    for line in metadata.requires(plugin.distribution) or ():
        try:
            one = Requirement(line)
        except InvalidRequirement:  # a stranger's metadata: an installer would have said so
            continue
        wanted = one.marker is None or one.marker.evaluate({"extra": ""})
        if wanted and _normal(one.name) != OWN:
            one.marker = None
            yield one


def _is_met(one: Requirement, folders: list[str]) -> bool:
    version = _installed(one.name, folders)
    return version is not None and one.specifier.contains(version, prereleases=True)


def _installed(distribution: str, folders: list[str]) -> str | None:
    """The version that lies in an environment."""
    found = metadata.distributions(name=distribution, path=folders)
    return next((one.version for one in found), None)


def _sees_more(python: Path) -> bool:
    """Whether an environment also takes what is installed outside of it."""
    try:
        told = (python.parent.parent / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"(?im)^include-system-site-packages\s*=\s*true", told) is not None


def _listed(wanted: Sequence[Requirement]) -> str:
    return ", ".join(map(str, wanted))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
