"""The ladder a late clock climbs: each rung once, in order, never while it pauses."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.tickets.clocks import moment, reckon
from cti.tickets.ladder import climbs, next_climb
from schemas.cases import Clock, ClockName, Pause
from schemas.limits import BUILT_IN_LADDER, Limits, Rung, ladder_of
from schemas.times import read
from tests.cti.lives import CALENDAR

pytestmark = pytest.mark.unit

BEGIN = read("2025-09-22 09:00")
CLOSE = reckon(
    Clock(name=ClockName.CLOSE, begun_at=BEGIN, amount=5, measure="workdays", hours="office"),
    CALENDAR,
)
"""Due on Sunday 28 September, which works, at 18:00."""


def told(clock: Clock, when: str, limits: Limits | None = None) -> list[str]:
    return [climb.tell for climb in climbs([clock], limits or Limits(), CALENDAR, read(when))]


@pytest.mark.parametrize(
    ("when", "who"),
    [
        ("2025-09-22 18:00", []),
        ("2025-09-26 14:14", []),
        ("2025-09-26 14:15", ["clerk"]),
        ("2025-09-28 17:59", ["clerk"]),
        ("2025-09-28 18:00", ["clerk", "head"]),
        ("2025-09-30 18:00", ["clerk", "head"]),
        ("2025-10-09 14:14", ["clerk", "head"]),
        ("2025-10-09 14:15", ["clerk", "head", "monitors"]),
        ("2025-10-11 18:00", ["clerk", "head", "monitors", "leader"]),
        ("2026-10-11 18:00", ["clerk", "head", "monitors", "leader"]),
    ],
)
def test_the_later_the_higher_in_working_time(when: str, who: list[str]) -> None:
    # 0.7 x 5 days: Tue Wed Thu, and 3 h 45 of Fri; half of 5 days past Sunday evening: Mon, Tue,
    # 8 free days, 3 h 45 of Thu 9
    assert told(CLOSE, when) == who


def test_a_rung_is_taken_once() -> None:
    at = read("2025-09-28 18:00")
    taken = list(climbs([CLOSE], Limits(), CALENDAR, at))
    assert [(climb.index, climb.clock.rung) for climb in taken] == [(0, 1), (1, 2)]
    assert taken[1].at == at
    assert not list(climbs([taken[-1].clock], Limits(), CALENDAR, at))
    assert taken[0].source == BUILT_IN_LADDER[0].source


def test_what_pauses_or_ended_climbs_no_further() -> None:
    paused = replace(CLOSE, pauses=(Pause(at=BEGIN + 1, until=None, why="citizen"),))
    ended = replace(CLOSE, ended_at=BEGIN + 1)
    late = read("2026-01-01 00:00")
    assert not list(climbs([paused, ended], Limits(), CALENDAR, late))
    assert next_climb(paused, Limits(), CALENDAR) is None
    assert next_climb(ended, Limits(), CALENDAR) is None


def test_the_next_rung_is_known_beforehand() -> None:
    assert next_climb(CLOSE, Limits(), CALENDAR) == read("2025-09-26 14:15")
    assert next_climb(replace(CLOSE, rung=1), Limits(), CALENDAR) == CLOSE.due_at
    assert next_climb(replace(CLOSE, rung=4), Limits(), CALENDAR) is None


def test_an_extended_clock_climbs_from_the_granted_date() -> None:
    granted = replace(CLOSE, fixed_due=read("2025-10-17 18:00"))
    assert told(granted, "2025-10-10 12:00") == ["clerk"]
    assert told(granted, "2025-10-17 18:00") == ["clerk", "head"]
    # two and a half working days later
    assert told(granted, "2025-10-22 12:00") == ["clerk", "head"]
    assert told(granted, "2025-10-22 14:15") == ["clerk", "head", "monitors"]


def test_a_clock_with_rungs_of_its_own_climbs_these_alone() -> None:
    def rung(after: float, tell: str, clock: str | None = None) -> Rung:
        return Rung.model_validate({"after": after, "tell": tell, "clock": clock, "source": "试验"})

    limits = Limits(ladder=(rung(0.5, "leader"), rung(0, "head"), rung(0, "monitors", "contact")))
    assert [one.tell for one in ladder_of(limits, ClockName.CLOSE)] == ["head", "leader"]
    assert [one.tell for one in ladder_of(limits, ClockName.CONTACT)] == ["monitors"]
    assert told(replace(CLOSE, name=ClockName.CONTACT), "2025-12-01 00:00", limits) == ["monitors"]
    only = Limits(ladder=(rung(0, "monitors", "contact"),))
    assert told(CLOSE, "2025-12-01 00:00", only) == []


@given(
    steps=st.lists(st.integers(1, 40), max_size=12),
    amount=st.sampled_from((1, 2, 5)),
    measure=st.sampled_from(("workdays", "workhours", "hours", "days")),
)
@settings(max_examples=60, deadline=None)
def test_however_often_one_looks_each_rung_is_told_once_and_in_order(
    steps: list[int], amount: int, measure: str
) -> None:
    clock, now, seen = replace(CLOSE, amount=amount, measure=measure), BEGIN, []
    for hours in steps:
        now += hours * 3600
        for climb in climbs([clock], Limits(), CALENDAR, now):
            assert climb.at <= now
            clock = climb.clock
            seen.append(climb.index)
    assert seen == list(range(len(seen)))
    reached = [rung for rung in BUILT_IN_LADDER if moment(clock, CALENDAR, 1 + rung.after) <= now]
    assert len(seen) == len(reached)
