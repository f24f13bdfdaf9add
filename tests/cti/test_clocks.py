"""The clocks of a ticket: what runs when, and what holds whatever comes."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cti.tickets import worktime
from cti.tickets.clocks import (
    DONE,
    GRANTED,
    extension_span,
    follow,
    light,
    moment,
    pressing,
    reckon,
    spoken_limit,
)
from cti.tickets.lifecycle import TRANSITIONS, ImpossibleMove, owner_of, step
from schemas.calendar import Calendar, Override, Schedule
from schemas.case_moves import (
    Answer,
    AskExtension,
    CaseMove,
    Close,
    DenyExtension,
    Dispatch,
    GrantExtension,
    GrantReturn,
    Merge,
    Refuse,
    RejectReturn,
    SendBack,
    ToCoordinator,
    Told,
    Withdraw,
)
from schemas.cases import Case, Clock, ClockName, Light, Pause, TicketState, Urgency
from schemas.limits import BUILT_IN, Limit, Limits, limit_for, limit_named
from schemas.times import iso, midnight, read
from schemas.units import Unit, Units
from tests.cti.lives import (
    ACCEPT,
    ASK_CITIZEN,
    CALENDAR,
    CHECK,
    CITIZEN_ANSWERED,
    CLOSE,
    CONTACT,
    DISPATCH,
    DRAFT,
    FINISH,
    FINISH_UNTOLD,
    HAPPY,
    OTHER,
    RETURN,
    REWORK,
    SIGN,
    START,
    by_kind,
    drafts,
    until,
)

pytestmark = pytest.mark.unit

C, S = ClockName, TicketState
HOUR, DAY = 3600.0, 86400.0
HALL = Unit(
    **{"name": "住建局", "phone": "3260000", "login": "zj", "clerk": "甲", "head": "乙"},
    **{"head_login": "zj.head", "hours": "hall"},
)
UNITS = Units(units={"zhujian": HALL})
CITY = Calendar(
    schedules={
        **CALENDAR.schedules,
        "hall": Schedule(workdays=("09:00-17:00",)),
        "night": Schedule(every=("22:00-07:00",), workdays=("08:00-09:00", "20:00-22:00")),
        "weekend": Schedule(holidays=("09:00-12:00",)),
    }
)


LONG = Limits(longest_extension=40)


class Life:
    """A ticket and its clocks, step by step; an hour after each."""

    def __init__(self, start: Case = DRAFT, limits: Limits | None = None) -> None:
        self.case, self.at, self.limits = start, START, limits or LONG
        self.clocks: tuple[Clock, ...] = ()
        self._follow(None, start, None)

    def _follow(self, before: Case | None, after: Case, move: CaseMove | None) -> None:
        self.clocks = follow(
            *(self.clocks, before, after, move),
            **{"at": self.at, "limits": self.limits, "units": UNITS, "calendar": CITY},
        )
        self.case = after

    def do(self, *moves: CaseMove, after: float = HOUR) -> "Life":
        for move in moves:
            self.at += after
            self._follow(self.case, step(self.case, move, at=self.at), move)
        return self

    def edit(self, **fields: object) -> "Life":
        self._follow(self.case, replace(self.case, **fields), None)
        return self

    def last(self, name: ClockName) -> Clock:
        return [clock for clock in self.clocks if clock.name is name][-1]

    def running(self) -> set[str]:
        return {clock.name + "~" * clock.paused for clock in self.clocks if clock.running}


# ---- what runs when


def test_the_whole_life_starts_and_ends_every_clock_once() -> None:
    life, seen = Life(), []
    for move in (None, *HAPPY):
        if move is not None:
            life.do(move)
        seen.append(life.running())
    assert seen == [
        *({"accept"}, {"dispatch"}, {"sign", "close", "reply"}, {"contact", "close", "reply"}),
        *({"close", "reply"}, {"check"}, {"check"}, set()),
    ]
    assert [(clock.name, clock.met) for clock in life.clocks] == [
        (name, True)
        for name in (C.ACCEPT, C.DISPATCH, C.SIGN, C.CLOSE, C.REPLY, C.CONTACT, C.CHECK)
    ]
    assert life.last(C.SIGN).unit == "zhujian"
    assert life.last(C.SIGN).hours == "hall"
    assert (life.last(C.CHECK).unit, life.last(C.CHECK).hours) == (None, "office")
    assert Life().do(ACCEPT, Dispatch(unit="wujia", reason="物价")).last(C.SIGN).hours == "office"


def test_what_comes_too_late_is_not_met() -> None:
    late = Life().do(ACCEPT, after=3 * HOUR).last(C.ACCEPT)
    assert (late.met, late.due_at, late.ended_at) == (False, START + 2 * HOUR, START + 3 * HOUR)
    on_time = Life().do(ACCEPT, after=2 * HOUR)
    assert on_time.last(C.ACCEPT).met


def test_the_citizen_is_told_later_and_that_clock_goes_on_until_then() -> None:
    life = Life().do(*HAPPY[:4], FINISH_UNTOLD)
    assert life.running() == {"check", "reply"}
    assert life.do(Told(text="已告知")).running() == {"check"}
    assert life.last(C.REPLY).met


def test_an_archived_ticket_whose_citizen_was_never_told_was_not_replied_to() -> None:
    never = Life().do(*HAPPY[:4], FINISH_UNTOLD, CHECK, Close(reached=False))
    assert (never.last(C.REPLY).met, never.running()) == (False, set())
    assert Life().do(*HAPPY[:4], FINISH_UNTOLD, CHECK, CLOSE).last(C.REPLY).met


@pytest.mark.parametrize("end", [Refuse(scope=1, text="外地"), Answer(text="请带证件")])
def test_a_decision_on_the_line_is_in_time_too(end: CaseMove) -> None:
    life = Life(replace(DRAFT, kind="consult")).do(end)
    assert (life.last(C.ACCEPT).met, life.running()) == (True, set())


def test_a_dropped_clock_is_neither_met_nor_missed_unless_it_was_late() -> None:
    soon = Life().do(*HAPPY[:3], Withdraw(reason="撤回"))
    assert {
        clock.name: clock.met for clock in soon.clocks if clock.name in (C.CLOSE, C.CONTACT)
    } == {
        C.CLOSE: None,
        C.CONTACT: None,
    }
    late = Life().do(*HAPPY[:3]).do(Merge(into=OTHER, reason="同一件"), after=30 * DAY)
    assert (late.last(C.CLOSE).met, late.last(C.CONTACT).met) == (False, False)


def test_the_close_clock_pauses_while_an_extension_is_judged() -> None:
    life = Life().do(*HAPPY[:3])
    due = life.last(C.CLOSE).due_at
    life.do(until(20))
    assert life.running() == {"contact", "close~", "reply~", "extension"}
    assert (life.last(C.CLOSE).due_at, life.last(C.CLOSE).yellow_at) == (None, None)
    assert light(life.last(C.CLOSE), life.at + 99 * DAY) is Light.OFF
    life.do(DenyExtension(text="理由不充分"))
    assert life.running() == {"contact", "close", "reply"}
    assert life.last(C.EXTENSION).met
    # an hour of Friday afternoon, added at the end of the last day: the hall opens at nine
    assert due == read("2025-10-10 17:00")
    assert life.last(C.CLOSE).due_at == read("2025-10-10 17:00")  # Friday is the day of begin
    assert life.last(C.CLOSE).pauses[0].why == "extension"


def test_a_granted_extension_is_the_due_time_of_closing_and_reply() -> None:
    asked = until(30)
    life = Life().do(*HAPPY[:4], asked)
    life.do(GrantExtension(text="同意"))
    for name in (C.CLOSE, C.REPLY):
        clock = life.last(name)
        assert (clock.due_at, clock.fixed_due) == (asked.until, asked.until)
        assert clock.pauses[-1].why == GRANTED
    assert life.last(C.CLOSE).yellow_at == pytest.approx(
        life.last(C.CLOSE).begun_at + 0.7 * (asked.until - life.last(C.CLOSE).begun_at)
    )
    signed = Life().do(*HAPPY[:3], asked, GrantExtension(text="同意"))
    assert signed.last(C.CONTACT).fixed_due is None
    assert signed.last(C.CLOSE).due_at == asked.until
    earlier = Life().do(*HAPPY[:4], asked, GrantExtension(until=START + 25 * DAY, text="五天"))
    assert earlier.last(C.CLOSE).due_at == START + 25 * DAY


def test_a_second_extension_takes_nothing_of_the_first_away() -> None:
    life = Life().do(*HAPPY[:4], until(30), GrantExtension(text="同意"))
    life.do(ASK_CITIZEN).do(CITIZEN_ANSWERED, after=2 * DAY)
    assert life.last(C.CLOSE).due_at == START + 32 * DAY
    asked = until(33)
    waiting = step(life.case, asked, at=life.at, most_extensions=2)
    life._follow(life.case, waiting, asked)
    life.do(GrantExtension(until=START + 20 * DAY, text="到20日后"))
    assert life.last(C.CLOSE).due_at == START + 32 * DAY


def test_the_citizens_silence_does_not_count_for_the_unit() -> None:
    life = Life().do(*HAPPY[:4])
    due = life.last(C.CLOSE).due_at
    life.do(ASK_CITIZEN, after=2 * DAY)  # Sunday the 28th, a working day
    assert life.running() == {"close~", "reply~", "citizen"}
    assert (life.last(C.CITIZEN).unit, life.last(C.CITIZEN).hours) == ("zhujian", "hall")
    life.do(CITIZEN_ANSWERED, after=DAY)
    assert life.running() == {"close", "reply"}
    assert life.last(C.CITIZEN).met
    assert due == read("2025-10-10 17:00")
    assert life.last(C.CLOSE).due_at == read("2025-10-11 17:00")  # a working Saturday


def test_finishing_ends_what_was_waited_for() -> None:
    life = Life().do(*HAPPY[:4], ASK_CITIZEN, FINISH)
    assert (life.last(C.CITIZEN).met, life.last(C.CLOSE).met, life.running()) == (
        *(None, True, {"check"}),
    )
    assert not life.last(C.CLOSE).paused


def test_a_granted_return_drops_the_units_clocks_and_begins_a_new_dispatch() -> None:
    life = Life().do(*HAPPY[:3], RETURN)
    assert life.running() == {"review", "close~", "reply~"}
    assert life.last(C.CONTACT).met is None
    life.do(GrantReturn(text="不属该局"), after=40 * DAY)
    assert life.running() == {"dispatch"}
    assert (life.last(C.CLOSE).met, life.last(C.REPLY).met, life.last(C.REVIEW).met) == (
        *(None, None, False),
    )
    assert life.last(C.DISPATCH).begun_at == life.at
    assert [clock.met for clock in life.clocks if clock.name is C.DISPATCH] == [True, None]


def test_a_rejected_return_goes_on_less_the_time_of_the_review() -> None:
    life = Life().do(ACCEPT, DISPATCH, RETURN).do(RejectReturn(text="职责所在"), after=DAY)
    assert life.running() == {"sign", "close", "reply"}
    assert [pause.why for pause in life.last(C.CLOSE).pauses] == ["return"]
    assert [clock.met for clock in life.clocks if clock.name is C.SIGN] == [True, None]


def test_dispatching_a_returned_ticket_elsewhere_begins_the_other_units_clocks() -> None:
    life = Life().do(ACCEPT, DISPATCH, RETURN, Dispatch(unit="jiaotong", reason="道路"))
    assert life.running() == {"sign", "close", "reply"}
    assert life.last(C.CLOSE).unit == "jiaotong"
    assert [clock.unit for clock in life.clocks if clock.name is C.CLOSE] == ["zhujian", "jiaotong"]
    assert life.last(C.REVIEW).met


def test_the_coordinator_gets_a_ticket_with_the_clock_it_has() -> None:
    life = Life().do(ACCEPT, ToCoordinator(reason="三个部门"))
    assert life.last(C.DISPATCH).begun_at == START + HOUR
    taken = Life().do(*HAPPY[:4], ToCoordinator(reason="三个部门"))
    assert taken.running() == {"dispatch"}
    assert taken.last(C.DISPATCH).begun_at == taken.at


def test_a_reply_that_was_none_leaves_the_unit_the_time_it_had() -> None:
    life = Life().do(*HAPPY[:4])
    due = life.last(C.CLOSE).due_at
    life.do(FINISH, after=2 * DAY).do(SendBack(reason="答非所问"), after=DAY)
    close = life.last(C.CLOSE)
    assert life.running() == {"close", "reply"}
    assert (close.met, close.ended_at, close.begun_at) == (None, None, START + 2 * HOUR)
    assert close.pauses == (Pause(at=life.at - DAY, until=life.at, why=DONE),)
    assert due == read("2025-10-10 17:00")
    assert close.due_at == read("2025-10-11 17:00")
    assert len([clock for clock in life.clocks if clock.name is C.CLOSE]) == 1
    assert life.last(C.CHECK).met is None
    untold = Life().do(*HAPPY[:4], FINISH_UNTOLD, SendBack(reason="答非所问"))
    assert untold.last(C.REPLY).pauses == ()


def test_a_ticket_from_before_there_were_clocks_gets_them_with_its_next_move() -> None:
    old = Life()
    old.case, old.clocks = step(step(DRAFT, ACCEPT, at=0), DISPATCH, at=0), ()
    assert old.do(SIGN).running() == {"contact", "close", "reply"}
    done = Life()
    done.clocks = ()
    done.case = replace(DRAFT, state=S.DONE, unit="zhujian", told_at=1.0)
    assert done.do(SendBack(reason="答非所问")).running() == {"close", "reply"}
    waits = Life()
    waits.case, waits.clocks = old.do(CONTACT).case, ()
    waits.do(until(20))
    assert waits.running() == {"close~", "reply~", "extension"}
    waits.clocks = tuple(replace(clock, pauses=()) for clock in waits.clocks)
    waits.do(GrantExtension(text="同意"))
    assert waits.last(C.CLOSE).pauses == (Pause(at=waits.at, until=waits.at, why=GRANTED),)


def test_rework_begins_new_clocks_and_keeps_the_old_ones() -> None:
    life = Life().do(*HAPPY[:4], FINISH_UNTOLD, CHECK, REWORK)
    assert life.running() == {"sign", "close", "reply"}
    assert [clock.met for clock in life.clocks if clock.name is C.CLOSE] == [True, None]
    assert [clock.running for clock in life.clocks if clock.name is C.REPLY] == [False, True]
    assert life.last(C.CLOSE).begun_at == life.at
    life.do(SIGN, CONTACT, FINISH, SendBack(reason="再次答非所问"))
    assert len([clock for clock in life.clocks if clock.name is C.CLOSE]) == 2


def test_an_edit_of_urgency_or_kind_chooses_the_limit_that_fits_now() -> None:
    life = Life().do(ACCEPT)
    assert spoken_limit(life.last(C.DISPATCH)) == "1个工作日"
    life.edit(urgency=Urgency.URGENT)
    clock = life.last(C.DISPATCH)
    assert (clock.due_at, clock.basis) == (START + HOUR + HOUR, "default.dispatch.urgent")
    assert len(life.clocks) == 2
    same = life.clocks
    assert life.edit(complete=True).clocks == same


# ---- limits


def limit(clock: ClockName, amount: float, **more: object) -> Limit:
    return Limit.model_validate(
        {"clock": clock, "amount": amount, "measure": "workdays", "source": "试验", **more}
    )


def test_the_most_special_limit_counts() -> None:
    limits = Limits(
        limits={
            "all": limit(C.CLOSE, 5),
            "consult": limit(C.CLOSE, 2, kinds=["consult"]),
            "urgent": limit(C.CLOSE, 1, urgency="urgent"),
            "urgent_consult": limit(C.CLOSE, 0.5, urgency="urgent", kinds=["consult"]),
            "other": limit(C.SIGN, 3),
        }
    )

    def name(kind: str | None, urgency: Urgency) -> str:
        return limit_for(limits, C.CLOSE, kind, urgency)[0]

    assert name("help", Urgency.NORMAL) == "all"
    assert name(None, Urgency.NORMAL) == "all"
    assert name("consult", Urgency.PRESSING) == "consult"
    assert name("help", Urgency.URGENT) == "urgent"
    assert name("consult", Urgency.URGENT) == "urgent_consult"
    assert limit_for(limits, C.CHECK, "help", Urgency.NORMAL)[0] == "default.check"
    assert limit_named(limits, "all") is limits.limits["all"]
    assert limit_named(limits, "default.check") is BUILT_IN["default.check"]
    assert limit_named(limits, "gone") is None


@pytest.mark.parametrize("urgency", Urgency)
@pytest.mark.parametrize("name", ClockName)
def test_every_clock_has_a_limit_without_any_file(name: ClockName, urgency: Urgency) -> None:
    _, found = limit_for(Limits(), name, "help", urgency)
    assert found.clock is name
    assert (urgency is Urgency.NORMAL) or found.measure == "hours"


def test_the_share_of_yellow_is_the_limits_own() -> None:
    limits = Limits(limits={"mine": limit(C.CLOSE, 4, yellow=0.25)})
    clock = Clock(name=C.CLOSE, begun_at=read("2025-03-03 10:00"), amount=4, measure="workdays")
    mine = reckon(replace(clock, basis="mine"), CITY, limits)
    assert mine.yellow_at == read("2025-03-04 18:00")
    assert mine.due_at == read("2025-03-07 18:00")
    gone = reckon(replace(clock, basis="gone"), CITY)
    assert gone.yellow_at == read("2025-03-06 16:30")  # 0.7 x 4 days of 7 h 30 are 2 days and 6 h


def test_an_ended_clock_is_reckoned_no_more() -> None:
    ended = Clock(name=C.SIGN, begun_at=0, amount=1, measure="hours", ended_at=5, due_at=77)
    assert reckon(ended, CITY) is ended
    assert light(ended, 999) is Light.OFF


@pytest.mark.parametrize(
    ("amount", "measure", "told"),
    [
        (5, "workdays", "5个工作日"),
        (0.5, "workdays", "0.5个工作日"),
        (4, "workhours", "4个工作小时"),
        (2, "hours", "2小时"),
        (0.25, "hours", "15分钟"),
        (15, "days", "15天"),
    ],
)
def test_a_limit_as_people_read_it(amount: float, measure: str, told: str) -> None:
    clock = Clock(name=C.CLOSE, begun_at=0, amount=amount, measure=measure)
    assert spoken_limit(clock) == told
    extended = replace(clock, fixed_due=read("2025-12-01 18:00"))
    assert spoken_limit(extended) == f"{told}，延至2025-12-01 18:00"


def test_an_extension_reaches_so_many_working_days_past_the_due_time() -> None:
    life = Life(limits=Limits()).do(*HAPPY[:4])
    due, last = read("2025-10-10 17:00"), read("2025-10-23 17:00")
    assert extension_span(life.clocks, Limits(), CITY) == (due, last)
    assert extension_span((), Limits(), CITY) is None
    for bad in (last + 1, due, due - DAY):
        before = life.clocks
        with pytest.raises(ImpossibleMove, match="最多延10个工作日，到2025-10-23 17:00"):
            life.do(AskExtension(until=bad, reason="等配件"))
        assert life.clocks == before
    assert "extension" in life.do(AskExtension(until=last, reason="等配件")).running()


def test_what_is_due_first_presses() -> None:
    life = Life().do(*HAPPY[:3])
    first = pressing(life.clocks)
    assert first is not None
    assert first.name is C.CONTACT
    assert pressing(Life().do(*HAPPY).clocks) is None


# ---- working time


def test_spans_are_joined_and_a_schedule_that_is_never_open_is_the_usual_one() -> None:
    def hours(name: str) -> list[tuple[float, float]]:
        return [(a / HOUR, b / HOUR) for a, b in worktime.day_spans(CITY, name)]

    assert hours("office") == [(8.5, 12), (14, 18)]
    assert hours("night") == [(8, 9), (20, 31)]
    assert hours("weekend") == hours("nobody") == hours("office")


def test_the_day_of_a_night_shift_ends_with_the_shift() -> None:
    begin = read("2025-03-10 10:00")
    assert worktime.after_day(CITY, "night", begin) == read("2025-03-11 07:00")
    clock = Clock(name=C.CLOSE, begun_at=begin, amount=1, measure="workdays", hours="night")
    assert iso(moment(clock, CITY)) == iso(read("2025-03-12 07:00"))


def test_time_that_runs_into_the_next_days_span_counts_once() -> None:
    odd = Calendar(schedules={"odd": Schedule(every=("22:00-09:00",), workdays=("08:00-10:00",))})
    begin = read("2025-03-10 22:00")
    clock = Clock(name=C.SIGN, begun_at=begin, amount=12, measure="workhours", hours="odd")
    assert moment(clock, odd) == begin + 12 * HOUR


def test_pauses_are_cut_out_of_a_stretch() -> None:
    def cut(*pauses: tuple[float, float], seconds: float = 5) -> float:
        return worktime.reached(seconds, [(10, 20), (30, 40)], pauses)

    assert cut() == 15
    assert cut((0, 5)) == 15
    assert cut((0, 12)) == 17
    assert cut((12, 14)) == 17
    assert cut((12, 18), (25, 35)) == 36
    assert cut((5, 25)) == 35
    assert cut((15, 50), seconds=4) == 14
    with pytest.raises(AssertionError):
        cut((0, 50))


# ---- what holds whatever comes

begins = st.integers(0, 730 * 1440).map(lambda m: midnight(date(2025, 1, 1)) + m * 60.0)
_gaps = st.lists(st.integers(1, 12 * 1440), max_size=6)


@st.composite
def clocks(draw: st.DrawFn) -> Clock:
    begin = draw(begins)
    at, pauses = begin, []
    gaps = draw(_gaps)
    for wait, lasts in zip(gaps[::2], gaps[1::2], strict=False):
        at += wait * 60
        pauses.append(
            Pause(at=at, until=at + lasts * 60, why=draw(st.sampled_from(("citizen", GRANTED))))
        )
        at += lasts * 60
    return Clock(
        name=C.CLOSE,
        begun_at=begin,
        amount=draw(st.sampled_from((0.25, 1, 2, 3.5, 5, 13))),
        measure=draw(st.sampled_from(("workdays", "workhours", "hours", "days"))),
        hours=draw(st.sampled_from(("office", "hall", "night", "nobody"))),
        extra=draw(st.sampled_from((0, 0, 2))),
        fixed_due=draw(st.none() | st.floats(1, 30).map(lambda days: begin + round(days * DAY))),
        pauses=tuple(pauses),
    )


_days = st.integers(-3, 40)


def with_days(begin: float, days: dict[int, str]) -> Calendar:
    first = worktime.day_of(begin)
    overrides = [
        Override.model_validate({"date": first + timedelta(days=day), "kind": kind, "why": "试"})
        for day, kind in days.items()
    ]
    return CITY.model_copy(update={"overrides": tuple(overrides)})


@given(
    clock=clocks(), days=st.dictionaries(_days, st.sampled_from(("holiday", "workday"))), new=_days
)
@settings(max_examples=300, deadline=None)
def test_a_holiday_that_is_added_makes_nothing_due_earlier(
    clock: Clock, days: dict[int, str], new: int
) -> None:
    before, after = (with_days(clock.begun_at, given) for given in (days, {**days, new: "holiday"}))
    for share in (0.3, 0.7, 1.0, 1.5):
        assert moment(clock, after, share) >= moment(clock, before, share)


@given(clock=clocks(), wait=st.integers(0, 9 * 1440), lasts=st.integers(0, 9 * 1440))
@settings(max_examples=200, deadline=None)
def test_a_pause_makes_nothing_due_earlier(clock: Clock, wait: int, lasts: int) -> None:
    at = max([clock.begun_at, *(pause.until or 0.0 for pause in clock.pauses)]) + wait * 60
    later = Pause(at=at, until=at + lasts * 60, why="citizen")
    paused = replace(clock, pauses=(*clock.pauses, later))
    assert moment(paused, CITY) >= moment(clock, CITY)


@given(clock=clocks())
@settings(max_examples=200, deadline=None)
def test_a_light_only_goes_from_green_over_yellow_to_red(clock: Clock) -> None:
    told = reckon(clock, CITY)
    assert told.due_at is not None
    assert told.yellow_at is not None
    assert clock.begun_at <= told.yellow_at <= told.due_at
    moments = [told.yellow_at - 1, told.yellow_at, told.due_at, told.due_at + 1]
    seen = [light(told, at) for at in moments]
    order = [Light.GREEN, Light.YELLOW, Light.RED]
    assert sorted(seen, key=order.index) == seen
    assert (seen[0], seen[2], seen[3]) == (Light.GREEN, Light.YELLOW, Light.RED)


def slowly(clock: Clock) -> float:
    """Return the due time, minute by minute: another way to the same."""
    spans = {"office": [(510, 720), (840, 1080)], "hall": [(540, 1020)]}[clock.hours]
    day = sum(end - begin for begin, end in spans)
    left = clock.amount * (day if clock.measure == "workdays" else 60)
    at = clock.begun_at
    first = worktime.day_of(at)
    while left > 0:
        today = worktime.day_of(at)
        minute = (at - midnight(today)) / 60
        works = worktime.is_workday(CITY, today) and any(a <= minute < b for a, b in spans)
        rests = any(pause.at <= at < (pause.until or 0) for pause in clock.pauses)
        skipped = clock.measure == "workdays" and today == first
        left -= works and not rests and not skipped
        at += 60
    return at


@given(clock=clocks(), hours=st.sampled_from(("office", "hall")), amount=st.sampled_from((1, 2, 4)))
@example(
    clock=Clock(name=C.CLOSE, begun_at=read("2025-09-30 17:59"), amount=1, measure="workhours"),
    hours="office",
    amount=2,
)
@settings(max_examples=60, deadline=None)
def test_counting_minute_by_minute_finds_the_same(clock: Clock, hours: str, amount: int) -> None:
    measure = clock.measure if clock.measure.startswith("work") else "workdays"
    plain = replace(clock, hours=hours, amount=amount, extra=0, fixed_due=None, measure=measure)
    assert moment(plain, CITY) == slowly(plain)


class AnyLife(RuleBasedStateMachine):
    """Any moves at any times, as far as the table lets them through."""

    def __init__(self) -> None:
        super().__init__()
        self.life: Life | None = None

    @precondition(lambda self: self.life is None)
    @rule(case=drafts, back=st.integers(0, 400))
    def opened(self, case: Case, back: int) -> None:
        self.life = Life(case)
        self.life.at += back * DAY

    @precondition(lambda self: self.life is not None)
    @rule(data=st.data(), wait=st.integers(0, 200))
    def moved(self, data: st.DataObject, wait: int) -> None:
        life = self.life
        assert life is not None
        row = TRANSITIONS[life.case.state] or by_kind(life.at)
        kind = data.draw(st.sampled_from([*row]))
        move = data.draw(by_kind(life.at)[kind])
        closed, clocks = life.case.state.closed, life.clocks
        at = life.at
        try:
            life.do(move, after=wait * HOUR)
        except ImpossibleMove:
            life.at = at
            assert life.clocks == clocks
        else:
            assert not closed
            self.history_is_kept(clocks)

    def history_is_kept(self, before: tuple[Clock, ...]) -> None:
        assert self.life is not None
        for old, new in zip(before, self.life.clocks, strict=False):
            assert (old.name, old.begun_at, old.unit) == (new.name, new.begun_at, new.unit)
            assert old.pauses == new.pauses[: len(old.pauses)] or old.paused
        assert len(self.life.clocks) >= len(before)

    @precondition(lambda self: self.life is not None and not self.life.case.state.closed)
    @rule(urgency=st.sampled_from(Urgency))
    def edited(self, urgency: Urgency) -> None:
        assert self.life is not None
        self.life.edit(urgency=urgency)

    @invariant()
    def an_open_ticket_has_an_owner_and_a_due_time(self) -> None:
        if self.life is None:
            return
        running = [clock for clock in self.life.clocks if clock.running]
        first = pressing(self.life.clocks)
        if self.life.case.state.closed:
            assert owner_of(self.life.case) == ""
            assert (running, first) == ([], None)
            return
        assert owner_of(self.life.case)
        assert first is not None
        assert first.due_at is not None
        assert len({clock.name for clock in running}) == len(running)
        assert all((clock.due_at is None) == clock.paused for clock in running)

    @invariant()
    def a_clock_that_ended_says_when(self) -> None:
        for clock in self.life.clocks if self.life else ():
            assert clock.running == (clock.ended_at is None)
            assert all(pause.until is not None for pause in clock.pauses[:-1])
            if not clock.running:
                assert clock.due_at is not None
                assert not clock.pauses or clock.pauses[-1].until is not None
            if clock.met is not None:
                assert clock.ended_at is not None


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestAnyLife.pytestmark = [pytest.mark.unit]
