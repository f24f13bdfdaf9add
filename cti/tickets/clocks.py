"""The clocks of a ticket; pure: times and calendar come in, due times come out.

What a limit means (Civil Code §§ 201, 203: the day of the event does not count, the last day ends
with the working hours):

- *N working days*: due when the working hours of N working days have passed that come after the day
  of begin; so at the end of the working hours of the N-th working day after it. The day of begin
  never counts, be it a working day or not, at whatever hour: what comes in on a Saturday, Sunday
  or Friday night has its first day on Monday.
- *N working hours*: due when N hours of working time (`worktime`) have passed since the begin.
- *N hours*, *N days*: of the wall clock, holidays and nights included.

A pause is time that does not count. For working limits only its working time does not; a pause on
the day of begin of an N-working-days clock changes nothing, that day counts for nothing anyway. An
extension granted until a date wins over the amount where it is later; a pause after it moves the
date by as long as it lasts. Whatever is added - a holiday, a pause, an extension - makes no due
time earlier. Nothing here needs to be remembered: `reckon` finds the due time anew from the fields
of the clock and the calendar of today.
"""

from collections.abc import Mapping
from dataclasses import replace

from cti.tickets import worktime
from cti.tickets.lifecycle import ImpossibleMove, name_of
from schemas.calendar import Calendar
from schemas.case_moves import AskExtension, CaseMove, GrantExtension
from schemas.cases import Case, Clock, ClockName, Light, Pause, TicketState, Waiting
from schemas.limits import MEASURES, Limits, limit_for, limit_named
from schemas.units import Units

C, S = ClockName, TicketState

RUNNING: Mapping[TicketState, tuple[ClockName, ...]] = {
    S.DRAFT: (C.ACCEPT,),
    S.ACCEPTED: (C.DISPATCH,),
    S.DISPATCHED: (C.SIGN, C.CLOSE, C.REPLY),
    S.SIGNED: (C.CONTACT, C.CLOSE, C.REPLY),
    S.HANDLING: (C.CLOSE, C.REPLY),
    S.RETURNED: (C.REVIEW, C.CLOSE, C.REPLY),
    S.DONE: (C.CHECK, C.REPLY),
    S.CHECKING: (C.CHECK, C.REPLY),
}
"""Which clocks run in a state; CLOSE and REPLY may pause, the others never do."""
WAITING: Mapping[Waiting, ClockName] = {
    Waiting.EXTENSION: C.EXTENSION,
    Waiting.CITIZEN: C.CITIZEN,
}
"""The clock that runs while handling waits."""
OF_UNIT = frozenset({C.SIGN, C.CONTACT, C.CLOSE, C.REPLY, C.CITIZEN})
"""Clocks of the lead unit, in its working hours; the others are the hotline's own."""
PAUSING = frozenset({C.CLOSE, C.REPLY})
FULFILS: Mapping[ClockName, frozenset[str]] = {
    C.ACCEPT: frozenset({"accept", "answer", "refuse"}),
    C.DISPATCH: frozenset({"dispatch", "answer", "refuse"}),
    C.SIGN: frozenset({"sign", "return"}),
    C.CONTACT: frozenset({"contact"}),
    C.CLOSE: frozenset({"finish"}),
    C.REVIEW: frozenset({"grant_return", "reject_return", "dispatch", "to_coordinator", "refuse"}),
    C.EXTENSION: frozenset({"grant_extension", "deny_extension"}),
    C.CITIZEN: frozenset({"citizen_answered"}),
    C.CHECK: frozenset({"close", "rework"}),
}
"""Moves that do what a clock waits for; any other end drops it. REPLY: the citizen is told."""
WALL: Mapping[str, float] = {"hours": 3600.0, "days": 86400.0}
"""Measures of the wall clock, in seconds."""
FOREVER = float("inf")
YELLOW = 0.7
"""Share of a limit that limits.toml has no more."""
RETURNED, DONE, GRANTED = "return", "done", "granted"
"""Reasons of pauses beside the values of `Waiting`: GRANTED was an asked extension."""


def follow(
    clocks: tuple[Clock, ...],
    before: Case | None,
    after: Case,
    move: CaseMove | None,
    *,
    at: float,
    limits: Limits,
    units: Units,
    calendar: Calendar,
) -> tuple[Clock, ...]:
    """Return the clocks after a step: ended, paused, gone on, begun. All in, also ended ones.

    They stay in order, each in its place, new ones at the end.

    Args:
        before: None when the ticket was just opened.
        move: None for an edit (kind or urgency changed: running clocks get the limit that fits).

    Raises:
        ImpossibleMove: the extension asked for is none, or longer than the limits allow; only here
            is known when the work is due.
    """
    if isinstance(move, AskExtension):
        _reaches(clocks, after, move, limits, calendar)
    do = "" if move is None else name_of(type(move))
    wanted = _wanted(after)
    changed = before is not None and (before.kind, before.urgency) != (after.kind, after.urgency)
    granted = _asked(before, move)
    if do == "send_back":
        clocks = _reopened(clocks, after, at)
    found: list[Clock] = []
    for clock in clocks:
        if not clock.running:
            found.append(clock)
        elif do != "rework" and wanted.get(clock.name, "") == clock.unit:
            del wanted[clock.name]
            fits = _fitted(clock, after, limits) if changed else clock
            if granted is not None and clock.name in PAUSING:
                fits = _granted(fits, granted, at)
            found.append(_paused(fits, after, at))
        else:
            found.append(_ended(clock, before, after, do, at, calendar))
    for name, unit in wanted.items():
        known = units.units.get(unit or "")
        hours = limits.hours if known is None else known.hours
        begun = Clock(name=name, begun_at=at, amount=1, measure="workdays", hours=hours, unit=unit)
        found.append(_paused(_fitted(begun, after, limits), after, at))
    return tuple(reckon(clock, calendar, limits) for clock in found)


def _wanted(case: Case) -> dict[ClockName, str | None]:
    """Return the clocks that are to run, each with the unit whose it is."""
    names = RUNNING.get(case.state, ())
    if case.told_at is not None:
        names = tuple(name for name in names if name is not C.REPLY)
    if case.waiting is not None:
        names = (*names, WAITING[case.waiting])
    return {name: case.unit if name in OF_UNIT else None for name in names}


def _fitted(clock: Clock, case: Case, limits: Limits) -> Clock:
    name, limit = limit_for(limits, clock.name, case.kind, case.urgency)
    return replace(clock, amount=limit.amount, measure=limit.measure, basis=name)


def _asked(before: Case | None, move: CaseMove | None) -> float | None:
    """Return until when *move* grants an extension; None when it grants none."""
    if before is None or not isinstance(move, GrantExtension):
        return None
    return before.asked_until if move.until is None else move.until


def _granted(clock: Clock, until: float, at: float) -> Clock:
    if clock.fixed_due is not None:
        until = max(until, _granted_until(clock, clock.fixed_due))
    *earlier, last = clock.pauses or (Pause(at=at, until=at, why=GRANTED),)
    return replace(clock, fixed_due=until, pauses=(*earlier, replace(last, why=GRANTED)))


def _why_paused(case: Case) -> str:
    if case.state is S.RETURNED:
        return RETURNED
    return case.waiting.value if case.waiting is not None else ""


def _paused(clock: Clock, case: Case, at: float) -> Clock:
    """Return *clock* paused or going on, as *case* now wants it."""
    why = _why_paused(case) if clock.name in PAUSING else ""
    if clock.paused and clock.pauses[-1].why != why:
        clock = _resumed(clock, at)
    if why and not clock.paused:
        clock = replace(clock, pauses=(*clock.pauses, Pause(at=at, until=None, why=why)))
    return clock


def _resumed(clock: Clock, at: float) -> Clock:
    if not clock.paused:
        return clock
    *earlier, last = clock.pauses
    return replace(clock, pauses=(*earlier, replace(last, until=max(at, last.at))))


def _reopened(clocks: tuple[Clock, ...], case: Case, at: float) -> tuple[Clock, ...]:
    """Return *clocks* after a reply that was none: the old time goes on, less the time it lay done.

    A new clock would be a gift to who finishes with a few words just before it is due.
    """
    found = list(clocks)
    for name in PAUSING:
        places = [i for i, clock in enumerate(clocks) if clock.name is name]
        if not places:
            continue
        last = clocks[places[-1]]
        if last.ended_at is None or last.unit != case.unit:
            continue
        lay = Pause(at=last.ended_at, until=max(at, last.ended_at), why=DONE)
        found[places[-1]] = replace(last, ended_at=None, met=None, pauses=(*last.pauses, lay))
    return tuple(found)


def _ended(
    clock: Clock, before: Case | None, after: Case, do: str, at: float, calendar: Calendar
) -> Clock:
    ended = _resumed(clock, at)
    due = moment(ended, calendar)
    met: bool | None
    if clock.name is C.REPLY and after.told_at is None and do == "close":
        met = False  # archived, and the citizen was never told
    elif do in FULFILS.get(clock.name, ()) or (clock.name is C.REPLY and after.told_at is not None):
        met = at <= due
    elif before is not None and before.state is S.RETURNED:
        met = None  # it was never this unit's matter
    else:
        met = False if at > due else None  # what was late stays late, though nobody waits any more
    return replace(ended, ended_at=at, met=met, due_at=due)


# ---- due times


def moment(clock: Clock, calendar: Calendar, share: float = 1.0) -> float:
    """Return when *share* of the time of *clock* is used up; at 1.0 it is due. Unix seconds.

    A pause that still lasts is left out: nothing is due before it ends.
    """
    since = clock.begun_at
    if clock.measure == "workdays":
        since = worktime.after_day(calendar, clock.hours, since)
    pauses = tuple((pause.at, pause.until) for pause in clock.pauses if pause.until is not None)
    plain = _spent(clock, calendar, share, since, pauses)
    if clock.fixed_due is None:
        return plain
    granted = _granted_until(clock, clock.fixed_due)
    if share > 1:
        return max(plain, _spent(clock, calendar, share - 1, granted, ()))
    return max(plain, clock.begun_at + share * (granted - clock.begun_at))


def _spent(
    clock: Clock,
    calendar: Calendar,
    share: float,
    since: float,
    pauses: tuple[worktime.Stretch, ...],
) -> float:
    amount = (clock.amount + clock.extra) * share
    if clock.measure in WALL:
        return worktime.reached(amount * WALL[clock.measure], ((since, FOREVER),), pauses)
    daily = clock.measure == "workdays"
    one = worktime.day_length(calendar, clock.hours) if daily else 3600.0
    return worktime.reached(amount * one, worktime.working(calendar, clock.hours, since), pauses)


def _granted_until(clock: Clock, date: float) -> float:
    """Return *date* of the extension, later by the pauses that came after it."""
    later = 0.0
    for pause in clock.pauses:
        if pause.why == GRANTED:
            later = 0.0
        elif pause.until is not None:
            later += pause.until - pause.at
    return date + later


def reckon(clock: Clock, calendar: Calendar, limits: Limits | None = None) -> Clock:
    """Return *clock* with `due_at` and `yellow_at` by *calendar*; an ended one is as it was.

    Args:
        limits: where the share of yellow is looked up; None: `YELLOW`.
    """
    if not clock.running:
        return clock
    if clock.paused:
        return replace(clock, due_at=None, yellow_at=None)
    limit = limit_named(limits or Limits(), clock.basis)
    share = YELLOW if limit is None else limit.yellow
    return replace(clock, due_at=moment(clock, calendar), yellow_at=moment(clock, calendar, share))


def light(clock: Clock, at: float) -> Light:
    """Return how it stands *at*."""
    if not clock.running or clock.due_at is None:
        return Light.OFF
    if at > clock.due_at:
        return Light.RED
    return Light.YELLOW if clock.yellow_at is not None and at >= clock.yellow_at else Light.GREEN


def pressing(clocks: tuple[Clock, ...]) -> Clock | None:
    """Return the running clock that is due first; None when none runs unpaused."""
    return min(
        (clock for clock in clocks if clock.running and clock.due_at is not None),
        key=lambda clock: clock.due_at or 0.0,
        default=None,
    )


def extension_span(
    clocks: tuple[Clock, ...], limits: Limits, calendar: Calendar
) -> tuple[float, float] | None:
    """Return after when and until when an extension may be asked for; None when nothing is due.

    From when the work is due to the end of the last working day the limits allow. Unix seconds.
    """
    close = next((clock for clock in clocks if clock.name is C.CLOSE and clock.running), None)
    if close is None:
        return None
    due = moment(close, calendar)
    since = worktime.after_day(calendar, close.hours, due)
    seconds = limits.longest_extension * worktime.day_length(calendar, close.hours)
    return due, worktime.reached(seconds, worktime.working(calendar, close.hours, since), ())


def _reaches(
    clocks: tuple[Clock, ...], case: Case, move: AskExtension, limits: Limits, calendar: Calendar
) -> None:
    span = extension_span(clocks, limits, calendar)
    if span is None or span[0] < move.until <= span[1]:
        return
    first, last = map(worktime.people_time, span)
    why = f"办结时限是{first}，延期要晚于它，最多延{limits.longest_extension:g}个工作日，到{last}"
    raise ImpossibleMove(why, state=case.state.value, do=name_of(AskExtension))


def spoken_limit(clock: Clock) -> str:
    """Return its limit as people read it: `5个工作日`, `2小时`; `…，延至2026-12-01 18:00`."""
    amount, measure = clock.amount + clock.extra, MEASURES[clock.measure]
    if clock.measure == "hours" and amount < 1:
        amount, measure = amount * 60, "分钟"
    told = f"{amount:.10g}{measure}"
    if clock.fixed_due is None:
        return told
    return f"{told}，延至{worktime.people_time(clock.fixed_due)}"
