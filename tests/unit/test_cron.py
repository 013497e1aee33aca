"""Cron expressions are checked as Airflow's own library would, without importing it."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airloop.cron import check_cron, is_daily, times_a_day

FIELDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


@pytest.mark.parametrize(
    "text",
    ["0 6 * * *", "*/15 0-6,18-23 1,15 * mon-fri", "0 0 29 2 *", "5/10 * * jan SUN", "0 8 * * 7"],
)
def test_an_expression_that_the_scheduler_takes_is_taken(text):
    from croniter import croniter

    assert check_cron(text) == text
    assert croniter(text, datetime(2013, 1, 1)).get_next(datetime) > datetime(2013, 1, 1)


@pytest.mark.parametrize(
    ("text", "times", "daily"),
    [
        ("0 6 * * *", 1, True),
        ("0 * * * *", 24, True),
        ("*/15 6,18 * * *", 8, True),
        ("0 6 * * 1-5", 1, False),
        ("0 6 * * 0-6", 1, True),
        ("0 6 * * 1-7", 1, True),
        ("0 6 1 * *", 1, False),
        ("0 6 */1 1-12 *", 1, True),
    ],
)
def test_how_often_it_ticks_on_a_day_and_whether_on_each(text, times, daily):
    assert (times_a_day(text), is_daily(text)) == (times, daily)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@daily", "five fields"),
        ("", "five fields"),
        ("0 6 * * * *", "five fields"),
        ("0  6 * * *", "five fields"),
        ("60 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day of the month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * * 8", "day of the week"),
        ("0 0 * * funday", "day of the week"),
        ("*/0 * * * *", "step of 0"),
        ("5-1 * * * *", "backwards"),
        ("a * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("1, * * * *", "minute"),
        ("*-5 * * * *", "mixes"),
        ("0 0 31 4 *", "never run"),
        ("0 6 * * *\n", "day of the week"),
        ("٠ 6 * * *", "minute"),
    ],
)
def test_an_expression_that_would_fail_or_never_run_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        check_cron(text)


def fields(low, high):
    number = st.integers(low, high)
    pair = st.tuples(number, number).map(sorted)
    return st.one_of(
        st.just("*"),
        number.map(str),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.tuples(pair, st.integers(1, 9)).map(lambda t: f"{t[0][0]}-{t[0][1]}/{t[1]}"),
        st.lists(number.map(str), min_size=1, max_size=4).map(",".join),
        st.integers(1, 9).map("*/{}".format),
    )


@settings(max_examples=200, deadline=None)
@given(st.tuples(*(fields(low, high) for low, high in FIELDS)).map(" ".join))
def test_whatever_is_taken_the_scheduler_takes_too(text):
    from croniter import croniter

    said = ""
    try:
        check_cron(text)
    except ValueError as error:
        said = str(error)
    assert croniter.is_valid(text) if not said else "never run" in said
