"""What extends Airloop: found by its entry points, imported when a spec or a setting names it.

What is built in is found in the same way, so nothing that it may do is closed to a wheel from elsewhere. A plug-in
that cannot be imported harms only who names it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any, Generic, Protocol

from airloop.contracts import NAME_PATTERN
from airloop.errors import AirloopError, SpecError

#: The distribution whose plug-ins are the built-in ones.
OWN = "airloop"
#: What to do where not even the built-in ones are found.
AGAIN = "install Airloop again: its own entry points are not there"
#: What every group of entry points of Airloop begins with.
_PREFIX = "airloop."


@dataclass(frozen=True)
class Seam:
    """One place where Airloop can be extended."""

    #: The group of entry points.
    group: str
    #: What messages call one of its plug-ins.
    noun: str
    #: The module and name of the Protocol that a plug-in keeps. It lies with the types that it names, so most lie in
    #: rooms above; like a plug-in it is found by its name.
    protocol: str


SOURCES = Seam("airloop.sources", "source", "airloop.plugins.source:Source")
GATES = Seam("airloop.gates", "gate", "airloop.evaluation.gate:Gate")
METRICS = Seam("airloop.metrics", "metric", "airloop.plugins.metric:Metric")
TRAINERS = Seam("airloop.trainers", "trainer", "airloop.training.trainer:Trainer")
EXECUTORS = Seam("airloop.executors", "executor", "airloop.execution.executor:Executor")
ALERTS = Seam("airloop.alerts", "alert route", "airloop.plugins.alert:AlertRoute")
ROLLOUTS = Seam("airloop.rollouts", "delivery strategy", "airloop.plugins.rollout:Rollout")
SEAMS = (SOURCES, GATES, METRICS, TRAINERS, EXECUTORS, ALERTS, ROLLOUTS)


@dataclass(frozen=True)
class Plugin:
    """One entry point: what a name stands for, and who brought it."""

    seam: Seam
    name: str
    #: ``package.module:Name``
    target: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """The distribution as pip writes it."""
        return f"{self.distribution} {self.version}"


@cache
def installed() -> tuple[Plugin, ...]:
    """Every plug-in that this environment knows of, by group and name; none of them is imported."""
    by_group = {seam.group: seam for seam in SEAMS}
    found = [
        Plugin(by_group[entry.group], entry.name, entry.value, name, version)
        for dist in _distributions()
        # Either reads and parses the whole of its METADATA, which dozens of entries must not do anew in every process.
        for name, version in [(dist.name, dist.version)]
        for entry in dist.entry_points
        if entry.group in by_group
    ]
    order = list(by_group)
    return tuple(sorted(found, key=lambda one: (order.index(one.seam.group), one.name)))


def names(seam: Seam) -> tuple[str, ...]:
    """The names that a spec may use, sorted."""
    return tuple(sorted({plugin.name for plugin in installed() if plugin.seam == seam}))


def find(seam: Seam, name: str) -> Plugin:
    """The one plug-in of a name.

    :raises SpecError: if there is none, or two distributions bring one
    """
    found = [plugin for plugin in installed() if plugin.seam == seam and plugin.name == name]
    if not found:
        remedy = "correct its spelling, or install the distribution that brings it"
        if OWN not in {plugin.distribution for plugin in installed()}:
            remedy = "install Airloop again: its own entry points are not there"
        raise SpecError(
            f"no {seam.noun} of this name is installed",
            value=name,
            remedy=remedy,
            valid=names(seam),
        )
    if len(found) > 1:
        whose = " and ".join(f"{plugin.origin} ({plugin.target})" for plugin in found)
        raise SpecError(
            f"two distributions bring a {seam.noun} of this name: {whose}",
            value=name,
            remedy="uninstall one of them",
        )
    return found[0]


def load(seam: Seam, name: str) -> Any:
    """A plug-in, ready for use: an object that keeps the seam's Protocol.

    :raises SpecError: if there is none of this name, two have it, or it cannot be imported; naming its distribution
    """
    return _loaded(find(seam, name))


def load_path(seam: Seam, path: str) -> Any:
    """A project's own, by ``package.module:Name``: what a spec names instead of a plug-in.

    :raises SpecError: if it cannot be imported
    """
    return _open(seam, path, f"the project's {seam.noun}", "correct the module, or the spec")


@cache
def _loaded(plugin: Plugin) -> Any:
    if not re.match(NAME_PATTERN, plugin.name):
        raise SpecError(
            f"{plugin.origin} names a {plugin.seam.noun} in a way that no spec can write",
            value=plugin.name,
            where=f"its entry points, group {plugin.seam.group}",
            remedy="use lower-case letters, digits and _",
        )
    whose = f"the {plugin.seam.noun} {plugin.name} of {plugin.origin}"
    return _open(plugin.seam, plugin.target, whose, f"repair or uninstall {plugin.distribution}")


def _open(seam: Seam, target: str, whose: str, remedy: str) -> Any:
    try:
        found = _attribute(target)
        made = found() if isinstance(found, type) else found
    except AirloopError:
        raise
    # A module may raise whatever it likes when it is imported, and even exit: that is this plug-in's failure alone.
    except (Exception, SystemExit) as error:
        raise SpecError(
            f"{whose} cannot be loaded: {type(error).__name__}: {error}",
            value=target,
            remedy=remedy,
        ) from error
    if not callable(made) and (lacking := sorted(members_of(seam) - set(dir(made)))):
        raise SpecError(
            f"{whose} is no {seam.noun}: it lacks {', '.join(lacking)}",
            value=target,
            remedy=f"let its class be a subclass of {seam.protocol.replace(':', '.')}",
        )
    return made


def _attribute(target: str) -> Any:
    module, _, name = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def members_of(seam: Seam) -> set[str]:
    """What a plug-in of a seam must have."""
    protocol = _attribute(seam.protocol)
    kept = [one for one in protocol.__mro__ if one not in {Protocol, Generic, object}]
    declared = {name for one in kept for name in (*one.__annotations__, *vars(one))}
    return {name for name in declared if not name.startswith("_")}


def _distributions() -> Iterator[metadata.Distribution]:
    """Those that bring entry points of Airloop, each once: the first of a name on the path is the one that counts."""
    seen = set()
    for dist in metadata.distributions():
        if f"[{_PREFIX}" not in (dist.read_text("entry_points.txt") or ""):
            continue
        name = re.sub(r"[-_.]+", "-", dist.name).lower()
        if name not in seen:
            seen.add(name)
            yield dist


def forget() -> None:
    """Look again at what is installed: for tests, and for who installs a wheel while the process runs."""
    installed.cache_clear()
    _loaded.cache_clear()
