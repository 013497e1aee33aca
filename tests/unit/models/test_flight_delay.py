from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from flights import flight_delay

FLIGHT = {
    "flight_date": pd.Timestamp("2013-03-08"),  # a Friday
    "carrier": "UA",
    "origin": "EWR",
    "dest": "IAH",
    "distance": 1400.0,
    "sched_dep_minute": 23 * 60,
    "sched_arr_minute": 60,
    "plane_year": 1999.0,
    **dict.fromkeys(flight_delay.WEATHER, 50.0),
}


def flight(**changes: object) -> pd.DataFrame:
    return pd.DataFrame([FLIGHT | changes])


def test_time_and_age_are_derived_from_the_schedule():
    features = flight_delay.features(flight()).iloc[0]
    assert features["weekday"] == 4
    assert features["plane_age"] == 14
    assert features["scheduled_minutes"] == 120, "an arrival after midnight is two hours later"


def test_midnight_is_near_to_a_minute_before_midnight():
    around = [
        flight_delay.features(flight(sched_dep_minute=minute)).iloc[0] for minute in (0, 1439)
    ]
    for name in ("departure_sin", "departure_cos"):
        assert around[0][name] == pytest.approx(around[1][name], abs=0.01)


def test_only_what_is_known_at_departure_is_used():
    with_outcome = flight(dep_delay=300.0, arr_time=5.0, air_time=60.0, arr_delay=290.0)
    pd.testing.assert_frame_equal(
        flight_delay.features(with_outcome), flight_delay.features(flight())
    )


@pytest.mark.parametrize(
    ("delay", "late"), [(15.0, 0.0), (15.1, 1.0), (-20.0, 0.0), (np.nan, np.nan)]
)
def test_late_means_more_than_fifteen_minutes_and_a_cancelled_flight_is_unknown(delay, late):
    assert flight_delay.label(flight(arr_delay=delay)).iloc[0] == pytest.approx(late, nan_ok=True)


def test_missing_weather_and_a_new_airline_are_answered():
    frame = pd.concat([flight(sched_dep_minute=60 * hour) for hour in range(24)] * 4)
    model = flight_delay.build({"max_iter": 5, "min_samples_leaf": 2})
    model.fit(flight_delay.features(frame), np.arange(len(frame)) % 2)
    strange = flight(carrier="ZZ", **dict.fromkeys(flight_delay.WEATHER, np.nan))
    assert 0 <= model.predict_proba(flight_delay.features(strange))[0, 1] <= 1
