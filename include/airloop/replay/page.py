"""A replay's account for people: a table of text, and a page with pictures that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from airloop.replay.account import Account, Row

_WIDTH, _HEIGHT, _LEFT, _STRIP = 760, 220, 48, 18
_COLOURS = ("#3b6fb6", "#c2571a", "#2f8f4e", "#8a4fb0", "#7a7a7a")
#: Drawn as lines, beside the best: more cannot be told apart.
_DRAWN = ("never", "on_drift", "by_gain", "oracle")
_HEAD = (
    "policy", "metric", "proper", "trainings", "promoted", "wrong", "refused wrongly", "missed", "CPU s", "regret",
)  # fmt: skip
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;width:100%}td,th{padding:.25em .6em;text-align:right;border-bottom:1px solid #8884}
td:first-child,th:first-child{text-align:left}figure{margin:1.5em 0}figcaption{font-weight:600}svg{width:100%}
text{font-size:11px;fill:currentColor}.key{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}
tr.future{opacity:.6}:root{color-scheme:light dark}"""


def lines(account: Account) -> list[list[str]]:
    """The table's rows, its head first."""
    return [list(_HEAD), *(_cells(row) for row in account.rows)]


def summary(account: Account) -> str:
    """What was replayed, in a sentence."""
    return (
        f"{account.model}: {account.nights} nights from {account.first} to {account.last}; metric {account.metric}, "
        f"proper score {account.proper}, means over partitions; best that could be followed: {account.best}"
    )


def html(account: Account) -> str:
    """The page."""
    head, *rows = lines(account)
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f'<tr class="{"future" if row.knows_the_future else ""}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for row, cells in zip(account.rows, rows, strict=True)
    )
    proposal = f"<p>{escape(account.proposal.sentence)}</p>" if account.proposal else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Replay of {escape(account.model)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>Replay of {escape(account.model)}</h1>"
        f"<p>{escape(summary(account))}.</p>{proposal}"
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        f"{_curves(account)}{_trainings(account)}"
        "<p>Wrong: promotions after which the model was worse for two weeks than who served before. Missed: weeks in "
        "which a fresh model would have been clearly better, and none took over. Regret: against the best that could "
        "be followed, with its 95 % interval by blocks of weeks. Policies that know the future stand in grey.</p>"
        "</body></html>"
    )


def _cells(row: Row) -> list[str]:
    primary, proper = (
        "–" if value is None else f"{value:.4f}" for value in (row.primary, row.proper)
    )
    counts = (
        row.trainings,
        row.promoted,
        row.wrong_promotions,
        row.wrong_refusals,
        row.missed,
        round(row.cpu_seconds),
    )
    return [row.name, primary, proper, *map(str, counts), str(row.regret)]


def _curves(account: Account) -> str:
    """The metric week by week, of a few policies."""
    names = dict.fromkeys([account.best, *_DRAWN])
    drawn = [row for row in account.rows if row.name in names][: len(_COLOURS)]
    values = [value for row in drawn for value in row.weeks if value is not None]
    if not values:
        return ""
    low, high = min(values), max(values)
    reach = (high - low) or 1.0
    parts, keys = [], []
    for row, colour in zip(drawn, _COLOURS, strict=False):
        points = " ".join(
            f"{_x(index, len(row.weeks)):.1f},{10 + (_HEIGHT - 30) * (high - value) / reach:.1f}"
            for index, value in enumerate(row.weeks)
            if value is not None
        )
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{points}"/>')  # fmt: skip
        keys.append(f'<i class="key" style="background:{colour}"></i>{escape(row.name)}')
    parts.append(f'<text x="2" y="14">{high:.3f}</text><text x="2" y="{_HEIGHT - 18}">{low:.3f}</text>')  # fmt: skip
    parts.append(_ends(account, _HEIGHT))
    caption = f"{escape(account.metric)} by week {''.join(keys)}"
    return _figure(caption, parts, _HEIGHT)


def _trainings(account: Account) -> str:
    """When each policy trained."""
    height = _STRIP * len(account.rows) + 24
    parts = []
    for number, row in enumerate(account.rows):
        y = _STRIP * number + 12
        parts.append(f'<text x="{_WIDTH}" y="{y + 4}" text-anchor="end">{escape(row.name)}</text>')
        for night in row.nights:
            x = _LEFT + (_WIDTH - 220 - _LEFT) * _share(account, night)
            parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="3.2" fill="{_COLOURS[0]}"><title>{night}</title></circle>')  # fmt: skip
    parts.append(_ends(account, height))
    return _figure("trainings", parts, height)


def _share(account: Account, night: str) -> float:
    """How far through the replay a night lies."""
    from airloop.calendar import moment_of

    begin, end = moment_of(account.first), moment_of(account.last)
    return (moment_of(night) - begin) / (end - begin)


def _x(index: int, count: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - 10) * index / max(count - 1, 1)


def _ends(account: Account, height: int) -> str:
    return f'<text x="{_LEFT}" y="{height - 2}">{account.first} to {account.last}</text>'


def _figure(caption: str, parts: Sequence[str], height: int) -> str:
    drawn = "".join(parts)
    return (
        f'<figure><figcaption>{caption}</figcaption><svg viewBox="0 0 {_WIDTH} {height}" role="img">'
        f"{drawn}</svg></figure>"
    )
