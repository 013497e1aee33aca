"""What a bench promises: its row of the table, and green or red by code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

#: What a bench returns: ``values`` by name for the targets, ``sides`` by name, and ``notes``.
Figures = Mapping[str, Any]
#: Every bench that draws anything draws from this.
SEED = 7


class State(StrEnum):
    """What became of a row."""

    GREEN = "green"
    RED = "**red**"
    UNKNOWN = "could not tell"
    MISSING = "not measurable"
    BROKEN = "**broke**"


@dataclass(frozen=True)
class Target:
    """A bound on one figure.

    :param figure: its name among the row's values
    :param words: the figure in words; ``{}`` is its value, or the bound where the target is told
    :param form: how the value is written
    """

    figure: str
    words: str
    most: float | None = None
    least: float | None = None
    form: str = ".2f"

    def told(self) -> str:
        """The target: the figure with its bound."""
        bounds = [("≥", self.least), ("≤", self.most)]
        return self.words.format(
            " and ".join(f"{sign} {_plain(bound)}" for sign, bound in bounds if bound is not None)
        )

    def measured(self, value: float | None) -> str:
        """The figure as it was measured."""
        text = self.words.format("?" if value is None else format(value, self.form))
        return text if self.met(value) is not False else f"**{text}**"

    def met(self, value: float | None) -> bool | None:
        """Whether a value keeps the bound; None where there is none, or NaN."""
        if value is None or value != value:
            return None
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )


@dataclass(frozen=True)
class Row:
    """One line of the table.

    :param limit_seconds: a bench that takes longer is ended, and its row says so
    :param quick: whether ``make bench`` without a name runs it
    """

    what: str
    against: str
    targets: tuple[Target, ...]
    limit_seconds: float = 300

    def state(self, figures: Figures) -> State:
        """Green only if every target is met."""
        verdicts = [target.met(figures["values"].get(target.figure)) for target in self.targets]
        if False in verdicts:
            return State.RED
        return State.GREEN if all(verdicts) and verdicts else State.UNKNOWN

    def measured(self, figures: Figures) -> str:
        """The targets' figures, then what each side took."""
        told = [one.measured(figures["values"].get(one.figure)) for one in self.targets]
        sides = [f"{name} {_side(side)}" for name, side in figures.get("sides", {}).items()]
        return "; ".join([*told, *sides, *figures.get("notes", ())])


def _side(side: Mapping[str, Any]) -> str:
    """``1.2 s (1.1 s CPU, 310 MB, 1,161 req/s)``."""
    inside = [f"{_seconds(side['cpu'])} CPU"] if side.get("cpu") is not None else []
    if side.get("peak_mb") is not None:
        inside.append(f"{side['peak_mb']:,.0f} MB")
    inside += [side["more"]] if side.get("more") else []
    told = f" ({', '.join(inside)})" if inside else ""
    return f"{_seconds(side['wall'])}{told}"


def _seconds(value: float) -> str:
    return (
        f"{1000 * value:.2f} ms"
        if value < 0.1
        else f"{value:.2f} s"
        if value < 10
        else f"{value:.0f} s"
    )


def _plain(bound: float) -> str:
    return f"{bound:,.3f}".rstrip("0").rstrip(".")
