"""Choices of a window: what one is, and which is on record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from airloop.calendar import moment_of
from airloop.contracts import Decision
from airloop.durations import duration_of
from airloop.figures import Figures
from airloop.ledger import Ledger
from airloop.specs import ModelSpec
from airloop.training.choice import can_weigh
from airloop.training.validation import with_training
from airloop.vocabulary import Action, Topic

#: More partitions than any history has.
ALL = 1_000_000
#: A choice holds for so long, in the data's time.
HELD = "30d"
HOLDS = duration_of(HELD)


@dataclass(frozen=True)
class Choice:
    """A window in partitions, why, the loss of each that was tried, and in how long its rows lose half of their weight."""

    window: int
    reason: str
    losses: dict[str, float]
    half_life: str | None = None

    def applied(self, model: ModelSpec) -> ModelSpec:
        """The model with what was chosen; a half-life of the spec's own stays."""
        chosen = with_window(model, self.window)
        if self.half_life is None or model.training.half_life is not None:
            return chosen
        return with_half_life(chosen, self.half_life)

    def suits(self, model: ModelSpec) -> bool:
        """Whether the model can be fitted by it: its trainer may be another than the one that was chosen for."""
        changed = self.applied(model).training.half_life != model.training.half_life
        return not changed or can_weigh(model)


def newest(
    ledger: Ledger, model: ModelSpec, last: str, as_of: datetime | None = None
) -> Choice | None:
    """The newest choice that still holds on a day; none where its half-life is one that the model cannot follow."""
    for decision in ledger.decisions(model.name, Topic.WINDOW):
        if as_of is not None and decision.at > as_of:
            continue
        age = moment_of(last) - moment_of(str(decision.figures["partition"]))
        if timedelta() <= age < HOLDS:
            # Choices of before knew no half-life.
            fades = decision.figures.get("half_life")
            window = int(decision.figures["window"] or ALL)
            half_life = None if fades is None else str(fades)
            choice = Choice(window, decision.reason, {}, half_life)
            return choice if choice.suits(model) else None
    return None


def record(ledger: Ledger, model: str, last: str, choice: Choice) -> Decision:
    """Put a choice down, once."""
    figures: Figures = {
        "partition": last,
        "window": choice.window,
        "half_life": choice.half_life,
    }
    # A figure's name is one word.
    words = {name: "_".join(name.replace(",", "").split()) for name in choice.losses}
    figures |= {f"loss_{words[name]}": loss for name, loss in choice.losses.items()}
    return ledger.record_decision(
        entity=model,
        topic=Topic.WINDOW,
        action=Action.CHOSEN,
        reason=choice.reason,
        figures=figures,
        # One that is void is replaced on the same day, by one without a half-life.
        id=f"window:{model}:{last}:{choice.half_life or 'alike'}",
    )


def with_window(model: ModelSpec, window: int) -> ModelSpec:
    """The model with another window, in partitions."""
    return with_training(model, window=window, window_days=None)


def with_half_life(model: ModelSpec, half_life: str) -> ModelSpec:
    """The model with rows that count half as much for each such span of age."""
    return with_training(model, half_life=half_life)
