"""The plan of probes: never more than it may be, at the times it may be, always the same."""

import itertools
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.units import probes
from cti.units.probes import AFTER, WEEK, plan_of_day, plan_of_week, result_of
from schemas.calendar import Calendar, Override, Schedule, is_open
from schemas.probes import ProbeResult
from schemas.times import SHANGHAI, day_of, midnight
from schemas.units import ProbePlan, Unit, Units

pytestmark = pytest.mark.unit

CALENDAR = Calendar(
    schedules={
        "office": Schedule(workdays=("08:30-12:00", "14:00-18:00")),
        "night": Schedule(every=("22:00-07:00",)),
        "always": Schedule(every=("00:00-24:00",)),
        "overlap": Schedule(every=("08:00-12:00",), workdays=("11:00-13:00",)),
    }
)
HOURS = ["office", "night", "always", "overlap", "misspelt"]


def units(count: int, hours: list[str], **plan: object) -> Units:
    return Units(
        probes=ProbePlan.model_validate(plan),
        units={
            f"u{n}": Unit(
                name=f"单位{n}", phone="80010001", login=f"u{n}", clerk="张", head="李",
                head_login=f"h{n}", hours=hours[n % len(hours)],
            )
            for n in range(count)
        },
    )  # fmt: skip


DAYS = st.dates(date(2025, 1, 1), date(2026, 12, 31))
PLANS = st.fixed_dictionaries(
    {
        "per_week": st.integers(0, 21),
        "at_night": st.floats(0, 1),
        "ring_for": st.integers(5, 60),
        "at_once": st.integers(1, 3),
    }
)
CITIES = st.builds(
    lambda n, hours, plan: units(n, hours, **plan),
    st.integers(1, 12),
    st.lists(st.sampled_from(HOURS), min_size=1, max_size=4),
    PLANS,
)


@settings(max_examples=60, deadline=None)
@given(CITIES, DAYS, st.text(max_size=8))
def test_no_unit_is_rung_more_often_than_planned_and_never_too_many_at_once(
    city: Units, day: date, seed: str
) -> None:
    week = plan_of_week(city, CALENDAR, day, seed)
    monday = midnight(probes.monday_of(day))
    assert all(monday <= call.at < monday + WEEK for call in week)
    assert list(week) == sorted(week, key=lambda call: call.at)
    lasts = city.probes.ring_for + AFTER
    for code in city.units:
        own = [call.at for call in week if call.unit == code]
        assert len(own) <= city.probes.per_week
        assert all(b - a >= probes.APART for a, b in itertools.pairwise(own))
    for call in week:
        together = [other for other in week if call.at <= other.at < call.at + lasts]
        assert len(together) <= city.probes.at_once


@settings(max_examples=60, deadline=None)
@given(CITIES, DAYS, st.text(max_size=8))
def test_the_same_seed_gives_the_same_plan_and_days_make_up_the_week(
    city: Units, day: date, seed: str
) -> None:
    week = plan_of_week(city, CALENDAR, day, seed)
    monday = probes.monday_of(day)
    days = [plan_of_day(city, CALENDAR, monday + timedelta(days=n), seed) for n in range(7)]
    assert tuple(call for of_day in days for call in of_day) == week
    assert all(day_of(c.at) == monday + timedelta(days=n) for n, d in enumerate(days) for c in d)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["office", "night", "overlap"]), PLANS, DAYS, st.integers(1, 6), st.text())
def test_the_share_outside_hours_is_kept_over_the_weeks(
    hours: str, plan: dict[str, float], day: date, weeks: int, seed: str
) -> None:
    city = units(1, [hours], **{**plan, "per_week": min(plan["per_week"], 7)})
    calls = [
        call
        for n in range(weeks)
        for call in plan_of_week(city, CALENDAR, day + timedelta(weeks=n), seed)
    ]
    opened = [probes.open_spans(CALENDAR, hours, probes.monday_of(day + timedelta(weeks=n)))
              for n in range(weeks)]  # fmt: skip
    if not all(opened):  # a week of holidays: all that is left is outside
        return
    inside = sum(is_open(CALENDAR, hours, datetime.fromtimestamp(c.at, SHANGHAI)) for c in calls)
    wanted = weeks * city.probes.per_week
    assert len(calls) == wanted
    assert abs((wanted - inside) - wanted * city.probes.at_night) < 1 + 1e-6


def test_other_seeds_give_other_plans() -> None:
    city = units(5, ["office"])
    day = date(2026, 11, 23)
    plans = {plan_of_week(city, CALENDAR, day, seed) for seed in ("a", "b", "c")}
    assert len(plans) == 3
    assert plan_of_week(city, CALENDAR, day, "a") != plan_of_week(
        city, CALENDAR, day + timedelta(weeks=1), "a"
    )


def test_what_has_no_hours_is_rung_at_any_time_and_what_has_no_night_by_day() -> None:
    day = date(2026, 11, 23)
    for hours, share in (("misspelt", 0), ("always", 1)):
        city = units(1, [hours], per_week=10, at_night=share)
        assert len(plan_of_week(city, CALENDAR, day, "s")) == 10


def test_in_a_week_of_holidays_the_duty_phone_is_rung_all_the_same() -> None:
    monday = date(2026, 11, 23)
    closed = CALENDAR.model_copy(
        update={
            "overrides": tuple(
                Override(date=monday + timedelta(days=n), kind="holiday", why="测试")
                for n in range(7)
            )
        }
    )
    assert probes.open_spans(closed, "office", monday) == ()
    assert len(plan_of_week(units(1, ["office"], at_night=0), closed, monday, "s")) == 2


def test_where_no_time_is_left_a_call_is_left_out() -> None:
    tight = Calendar(schedules={"minute": Schedule(every=("10:00-10:01",))})
    city = units(10, ["minute"], per_week=7, at_night=0, ring_for=60)
    week = plan_of_week(city, tight, date(2026, 11, 23), "s")
    assert len(week) == 7  # one a day: each unit's next would overlap


@given(DAYS, st.sampled_from(HOURS))
@settings(max_examples=20, deadline=None)
def test_the_spans_of_a_week_are_when_the_schedule_is_open(day: date, hours: str) -> None:
    calendar = CALENDAR.model_copy(
        update={"overrides": (Override(date=day, kind="holiday", why="测试"),)}
    )
    monday = probes.monday_of(day)
    spans = probes.open_spans(calendar, hours, monday)
    begin = datetime.combine(monday, datetime.min.time(), SHANGHAI)
    for minute in range(0, WEEK // 60, 30):
        inside = any(a <= minute * 60 < b for a, b in spans)
        assert inside == is_open(calendar, hours, begin + timedelta(minutes=minute)), minute


@pytest.mark.parametrize(
    ("status", "cause", "alive", "result"),
    [
        ("ANSWER", 16, True, "answered"),
        ("ANSWER", 0, False, "answered"),
        ("BUSY", 17, True, "busy"),
        ("BUSY", 0, True, "busy"),
        ("NOANSWER", 0, True, "no_answer"),
        ("NOANSWER", 0, False, "failed"),  # a dead trunk
        ("CHANUNAVAIL", 19, True, "no_answer"),
        ("CHANUNAVAIL", 18, False, "no_answer"),
        ("CONGESTION", 21, False, "rejected"),
        ("BUSY", 21, False, "rejected"),
        ("CHANUNAVAIL", 1, False, "invalid"),
        ("CONGESTION", 22, False, "invalid"),
        ("CONGESTION", 28, False, "invalid"),
        ("CHANUNAVAIL", 20, False, "failed"),  # our own line is down
        ("CONGESTION", 34, True, "failed"),
        ("CHANUNAVAIL", 0, False, "failed"),
        ("CANCEL", 17, True, "failed"),
        ("", 16, True, "failed"),
    ],
)
def test_what_a_line_says_of_the_unit(status: str, cause: int, alive: bool, result: str) -> None:
    assert result_of(status, cause, alive=alive) is ProbeResult(result)
