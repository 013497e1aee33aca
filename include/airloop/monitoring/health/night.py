"""A night as it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from airloop.monitoring.profiles.profile import Profile
from airloop.monitoring.sketch import Floats


@dataclass(frozen=True)
class Night:
    """A night as it is judged, and the sound days before it."""

    key: str
    profile: Profile
    rows: pd.DataFrame
    #: The figures of the days just before, in the order of the history's keys.
    before: Floats
    #: Their partitions.
    days: Sequence[str]
    #: The days just before that are not of the reference.
    profiles: Sequence[Profile]
    #: Their rows, by their partitions.
    samples: Mapping[str, pd.DataFrame] = field(default_factory=dict)
