"""What limits a night's verdict, for who reads its reason."""

from __future__ import annotations

from airloop.monitoring.health.variation import MIN_DAYS
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window


def besides(window: Window, size: int, reference: Reference, season: Reference) -> str:
    """What limits the verdict, for who reads its reason."""
    return _short_window(window, size) + _few_days(reference) + _of_its_season(season, reference)


def unsaid(answers: int) -> str:
    """How many answers say nothing of the model, since their rows were not sent as they were delivered."""
    told = f"; {answers} answers to rows that were sent otherwise than delivered say nothing of the model"
    return told if answers else ""


def _short_window(window: Window, size: int) -> str:
    there = len(window.days)
    return f"; only {there} of the window's {size} partitions are there" if there < size else ""


def _of_its_season(season: Reference, reference: Reference) -> str:
    there, days = len(season.days), len(reference.days)
    return f"; held against the {there} of {days} days that are of its season" if there < days else ""  # fmt: skip


def _few_days(reference: Reference) -> str:
    days = len(reference.days)
    few = f"; a reference of {days} partitions does not say how they vary"
    return few if reference.health is not None and days < MIN_DAYS else ""
