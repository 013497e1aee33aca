"""One day in figures: of each column its place, its spread, its shares; of pairs of numbers their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.monitoring.profiles.absences import groups_of, scattered
from airloop.monitoring.profiles.contents import Contents, Hashes
from airloop.monitoring.profiles.layout import Layout
from airloop.monitoring.profiles.ties import SIGN, strange
from airloop.monitoring.sketch import Floats, numbers_of

#: What a figure is of, and its name: ``("temp", "median")``, ``("origin", "= EWR")``, ``("temp", "> dewp")``.
Key = tuple[str, str]
#: Figures need no more rows than this.
SAMPLE = 20_000
#: Of a column's numbers those that occur most often are kept, with their shares.
TOPS = 5
#: Of the night itself there are more.
NIGHT_TOPS = 40
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
#: The figures that are places on the column's own scale.
PLACES = ("mean", "lowest", "highest", *QUANTILES)
#: ``rows`` of the whole.
WHOLE = ""
#: How much a number differs, in a row's standard deviations' logarithm, among rows of one moment.
WITHIN = "within"
#: Rows of one moment are these together, on average.
TOGETHER = 5
#: The shares of numbers that are round, and what they are multiples of.
ROUND = {"whole": 1.0, "tens": 10.0}
#: The shares of those that are the day's highest, and its lowest.
CAPPED, FLOORED = "capped", "floored"

Tops = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Profile:
    """The figures of one day."""

    rows: int
    values: Mapping[Key, float]
    tops: Mapping[str, Tops]
    contents: Hashes

    def of(self, key: Key) -> float:
        """One figure, NaN where it cannot be told."""
        return self.values.get(key, np.nan)


def related(what: str) -> bool:
    """Whether a figure is of two columns, with the other's name after its sign."""
    return what[:2] in {"> ", SIGN}


def sample(
    frame: pd.DataFrame, layout: Layout, start: int = 0, rows: int | None = None
) -> pd.DataFrame:
    """The rows that figures are taken from: all, or evenly spaced ones where there are many.

    :param start: of how many of the day's rows the frame's come after
    :param rows: how many the day has; by default these alone
    """
    names = [name for name in layout.columns if name in frame]
    every = max(1, -(-(len(frame) if rows is None else rows) // SAMPLE))
    # The rows first: a slice of all of them would keep them all.
    return frame.iloc[-start % every :: every][names] if every > 1 else frame[names]


def profile(layout: Layout, rows: pd.DataFrame, contents: Contents) -> Profile:
    """The figures of a day's sampled rows.

    :param contents: what is kept of the hashes of all of them
    """
    values: dict[Key, float] = {(WHOLE, "repeated"): contents.repeated}
    tops: dict[str, Tops] = {}
    numbers: dict[str, Floats] = {}
    for name in layout.numbers:
        if name in rows:
            numbers[name] = numbers_of(rows[name])[0]
            figures, tops[name] = _of_number(numbers[name], layout.known.get(name, ()))
            values |= {(name, what): value for what, value in figures.items()}
    for name, known in layout.categories.items():
        if name in rows:
            values |= {(name, what): value for what, value in _of_category(rows[name], known)}
    values |= dict(_of_two(layout, rows, numbers))
    for name in layout.times:
        if name in rows and layout.day in rows:
            hours = hours_into(rows[name], rows[layout.day])
            values |= {(name, what): value for what, value in _of_time(hours)}
    return Profile(contents.rows, values, tops, contents.smallest)


def _of_two(
    layout: Layout, rows: pd.DataFrame, numbers: Mapping[str, Floats]
) -> Iterator[tuple[Key, float]]:
    """The figures of two columns."""
    for a, b in layout.pairs:
        if a in numbers and b in numbers:
            yield (a, f"> {b}"), larger(numbers[a], numbers[b])
    for tie in layout.ties:
        if tie.column in rows and tie.other in rows:
            yield tie.key, strange(rows, tie)
    moments = next((name for name in layout.times if name in rows), None)
    if moments is not None:
        codes, kinds = pd.factorize(rows[moments])
        if len(kinds) * TOGETHER <= len(rows):
            for name, values in numbers.items():
                yield (name, WITHIN), within(values, codes)
    for name, others in layout.companions.items():
        if name in numbers and {*others} <= {*rows.columns}:
            gone = ~np.isfinite(numbers[name])
            yield (name, "scattered"), scattered(gone, groups_of(rows, others))


def larger(one: Floats, other: Floats) -> float:
    """The share of rows in which one number is the larger; NaN without any."""
    # Of equal numbers neither is: on a day of fog temperature and dew point are one.
    both = np.isfinite(one) & np.isfinite(other) & (one != other)
    return float((one[both] > other[both]).mean()) if both.any() else float("nan")


def within(values: Floats, moments: npt.NDArray[np.intp]) -> float:
    """The logarithm of how much numbers differ from the mean of their moment; NaN where they do not.

    Three airports have one weather, and one of them in another unit does not.
    """
    there = np.isfinite(values) & (moments >= 0)
    known, groups = values[there], moments[there]
    each = np.bincount(groups)
    free = len(known) - int((each > 0).sum())
    if free <= 0:
        return float("nan")
    means = np.bincount(groups, known) / np.maximum(each, 1)
    differ = float(np.sqrt(((known - means[groups]) ** 2).sum() / free))
    return float(np.log(differ)) if differ > 1e-9 * np.abs(known).max() else float("nan")


def hours_into(moments: pd.Series, days: pd.Series) -> Floats:
    """How many hours after its day's first midnight each moment lies."""
    if not pd.api.types.is_datetime64_any_dtype(moments.dtype):
        return np.full(len(moments), np.nan)
    stamps = moments.dt.tz_localize(None) if moments.dt.tz is not None else moments
    passed = stamps.to_numpy("datetime64[s]") - pd.to_datetime(days).to_numpy("datetime64[s]")
    gone = np.isnat(passed)
    return np.where(gone, np.nan, passed.astype(np.float64) / 3600)


def _of_number(values: Floats, known: tuple[float, ...]) -> tuple[dict[str, float], Tops]:
    finite = np.sort(values[np.isfinite(values)])
    missing = 1 - len(finite) / len(values) if len(values) else np.nan
    if not len(finite):
        return {"missing": missing}, ()
    places = [int(share * (len(finite) - 1)) for share in QUANTILES.values()]
    spread = float(finite.std())
    starts = np.flatnonzero(np.append(True, finite[1:] != finite[:-1]))
    lengths = np.diff(np.append(starts, len(finite)))
    order = np.argsort(-lengths, kind="stable")[:NIGHT_TOPS]
    tops = tuple(
        (float(finite[starts[index]]), float(lengths[index] / len(finite))) for index in order
    )
    # Of a day of one number, one gust that all saw, neither end is cut.
    ends = lengths / len(finite) if len(lengths) > 1 else np.full(1, np.nan)
    figures = {
        "missing": missing,
        "mean": float(finite.mean()),
        "spread": float(np.log(spread)) if spread > 1e-9 * np.abs(finite).max() else np.nan,
        "lowest": float(finite[0]),
        "highest": float(finite[-1]),
        **dict(zip(QUANTILES, finite[places].tolist(), strict=True)),
        "zero": float((finite == 0).mean()),
        "negative": float((finite < 0).mean()),
        "one value": tops[0][1],
        CAPPED: float(ends[-1]),
        FLOORED: float(ends[0]),
        **{what: float((finite % step == 0).mean()) for what, step in ROUND.items()},
    }
    if known:
        # A number beyond all that is known may be a warmer day's; one between them is of another grid.
        between = (finite[starts] >= known[0]) & (finite[starts] <= known[-1])
        strange = between & ~np.isin(finite[starts], known)
        figures["new"] = float(strange @ lengths / len(finite))
    return figures, tops


def _of_category(values: pd.Series, known: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    present = values[values.notna()].astype(str)
    yield "missing", 1 - len(present) / len(values) if len(values) else np.nan
    if len(present):
        shares = present.value_counts(normalize=True)
        yield "other", 1 - float(shares.reindex(known).sum())
        for name in known:
            yield f"= {name}", float(shares.get(name, 0.0))


def _of_time(hours: Floats) -> Iterator[tuple[str, float]]:
    known = hours[np.isfinite(hours)]
    yield "missing", 1 - len(known) / len(hours) if len(hours) else np.nan
    if len(known):
        low, middle, high = np.quantile(known, (0.05, 0.5, 0.95))
        yield from (("q05", float(low)), ("median", float(middle)), ("q95", float(high)))
        yield "outside", float(((known < 0) | (known >= 24)).mean())
