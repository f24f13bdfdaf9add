"""Working days and opening hours."""

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.calendar import (
    Calendar,
    Override,
    Schedule,
    is_open,
    is_workday,
    known_until,
    minutes,
    spans,
    windows,
)

pytestmark = pytest.mark.unit

OFFICE = Schedule(workdays=("08:30-12:00", "14:00-18:00"))
NIGHT = Schedule(every=("22:00-07:00",))
REST = Schedule(holidays=("00:00-24:00",))
CITY = Calendar(
    schedules={"office": OFFICE, "night": NIGHT, "rest": REST},
    overrides=(
        Override(date=date(2026, 6, 1), kind="holiday", why="city day"),
        Override(date=date(2026, 6, 6), kind="workday", why="exercise"),
    ),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-10-09", True),
        ("2026-10-02", False),  # National Day
        ("2026-10-10", True),  # 调休: a Saturday that is worked
        ("2026-06-13", False),
        ("2026-06-01", False),  # a Monday the city has given
        ("2026-06-06", True),
        ("2050-06-01", True),  # nobody knows yet: a Wednesday
        ("2050-06-04", False),
    ],
)
def test_working_days_are_the_state_councils_unless_the_city_says_otherwise(
    day: str, works: bool
) -> None:
    assert is_workday(CITY, date.fromisoformat(day)) is works


@pytest.mark.parametrize(
    ("schedule", "moment", "open_"),
    [
        ("office", "2026-06-02T08:29", False),
        ("office", "2026-06-02T08:30", True),
        ("office", "2026-06-02T11:59:59", True),
        ("office", "2026-06-02T12:00", False),
        ("office", "2026-06-01T09:00", False),
        ("night", "2026-06-02T21:59", False),
        ("night", "2026-06-02T22:00", True),
        ("night", "2026-06-03T06:59", True),
        ("night", "2026-06-03T07:00", False),
        ("rest", "2026-06-01T23:59", True),
        ("rest", "2026-06-02T00:00", False),
        ("attic", "2026-06-02T09:00", False),
    ],
)
def test_a_schedule_is_open_from_the_first_minute_to_before_the_last(
    schedule: str, moment: str, open_: bool
) -> None:
    assert is_open(CITY, schedule, at(moment)) is open_


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    friday = Calendar(schedules={"eve": Schedule(workdays=("22:00-02:00",))})
    assert is_open(friday, "eve", at("2026-06-13T01:00"))  # the night of Friday, a Saturday
    assert not is_open(friday, "eve", at("2026-06-15T01:00"))  # the night of Sunday


def test_spans_of_a_day_are_those_of_every_day_and_of_its_kind() -> None:
    plan = Schedule(every=("01:00-02:00",), workdays=("03:00-04:00",), holidays=("05:00-06:00",))
    assert spans(CITY, plan, date(2026, 6, 2)) == ("01:00-02:00", "03:00-04:00")
    assert spans(CITY, plan, date(2026, 6, 1)) == ("01:00-02:00", "05:00-06:00")


@pytest.mark.parametrize("span", ["8:30-12:00", "08:30", "24:00-25:00", "08:30-12:60", "", "x"])
def test_a_span_is_from_to(span: str) -> None:
    with pytest.raises(ValidationError, match="must be from-to"):
        Schedule(every=(span,))


def test_a_span_does_not_end_where_it_begins() -> None:
    with pytest.raises(ValidationError, match="begins when it ends"):
        Schedule(every=("08:00-08:00",))
    assert minutes("00:00-24:00") == (0, 1440)


def test_the_last_day_that_is_known_is_a_new_years_eve() -> None:
    last = known_until()
    assert (last.month, last.day) == (12, 31)
    assert is_workday(Calendar(), last) in (True, False)


TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0))
SPANS = (
    st.tuples(TIMES, TIMES)
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: f"{pair[0]:%H:%M}-{pair[1]:%H:%M}")
)


@given(
    every=st.lists(SPANS, max_size=3),
    workdays=st.lists(SPANS, max_size=3),
    day=st.dates(date(2026, 1, 2), date(2026, 12, 30)),
    moment=TIMES,
)
def test_within_a_window_nothing_changes(
    every: list[str], workdays: list[str], day: date, moment: time
) -> None:
    calendar = Calendar(
        schedules={"a": Schedule(every=tuple(every), workdays=tuple(workdays)), "b": OFFICE}
    )
    found = windows(calendar, {"day": day})
    assert found[0][1] == datetime.combine(day, time())
    assert found[-1][2] == datetime.combine(day + timedelta(days=1), time())
    when = datetime.combine(day, moment)
    name, begin, _ = next(window for window in found if window[1] <= when < window[2])
    assert name == "day"
    for schedule in calendar.schedules:
        assert is_open(calendar, schedule, when) is is_open(calendar, schedule, begin)
