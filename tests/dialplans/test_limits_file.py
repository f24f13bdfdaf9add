"""The city's limits.toml: whole, sourced, and of one piece."""

from pathlib import Path

import pytest

from cti.tickets.clocks import moment
from dialplans.casebook import read
from schemas.calendar import Calendar, Schedule
from schemas.cases import Clock, ClockName, Kind, Urgency
from schemas.limits import BUILT_IN, Limits, ladder_of, limit_for
from schemas.numbers import Register
from schemas.times import read as time_of

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[2] / "dialplans" / "baoji"
CALENDAR = Calendar(schedules={"office": Schedule(workdays=("08:30-12:00", "14:00-18:00"))})


@pytest.fixture(scope="module")
def limits() -> Limits:
    book, faults = read(FOLDER, CALENDAR, Register({}))
    assert faults["limits.toml"] == []
    return book.limits


def due(limits: Limits, clock: ClockName, kind: str, urgency: Urgency) -> float:
    _, limit = limit_for(limits, clock, kind, urgency)
    begun = time_of("2025-09-26 16:00")
    running = Clock(name=clock, begun_at=begun, amount=limit.amount, measure=limit.measure)
    return moment(running, CALENDAR)


def test_every_clock_kind_and_urgency_has_a_limit_of_the_city(limits: Limits) -> None:
    for clock in ClockName:
        for kind in Kind:
            for urgency in Urgency:
                name, limit = limit_for(limits, clock, kind, urgency)
                assert name in limits.limits
                assert limit.source
    assert not set(BUILT_IN) & set(limits.limits)


def test_what_is_more_urgent_is_never_due_later(limits: Limits) -> None:
    for clock in ClockName:
        for kind in Kind:
            times = [due(limits, clock, kind, urgency) for urgency in Urgency]
            assert sorted(times, reverse=True) == times


def test_the_answer_is_due_no_earlier_than_the_work(limits: Limits) -> None:
    for kind in Kind:
        for urgency in Urgency:
            work = due(limits, ClockName.CLOSE, kind, urgency)
            assert due(limits, ClockName.REPLY, kind, urgency) >= work


def test_what_is_urgent_waits_for_no_working_hours(limits: Limits) -> None:
    for limit in limits.limits.values():
        if limit.urgency in (Urgency.URGENT, Urgency.PRESSING):
            assert limit.measure == "hours"


def test_every_clock_climbs_and_not_before_it_is_yellow(limits: Limits) -> None:
    for limit in limits.limits.values():
        assert ladder_of(limits, limit.clock)
        assert all(1 + rung.after >= limit.yellow for rung in ladder_of(limits, limit.clock))
    assert [rung.tell for rung in ladder_of(limits, ClockName.CLOSE)] == [
        *("clerk", "head", "monitors", "leader"),
    ]


def test_a_fault_is_told_with_its_line(tmp_path: Path) -> None:
    text = (FOLDER / "limits.toml").read_text(encoding="utf-8")
    wrong = text.replace('kinds = ["help"]', 'kinds = ["helf"]').replace(
        "amount = 13", "amount = 0"
    )
    (tmp_path / "limits.toml").write_text(wrong, encoding="utf-8")
    book, faults = read(tmp_path, CALENDAR, Register({}))
    told = [str(fault) for fault in faults["limits.toml"]]
    assert len(told) == 2
    assert any("close_help" in line for line in told)
    assert any("close_advice" in line and "amount" in line for line in told)
    assert book.limits == Limits()
