"""Rows of tickets as JSON that people and machines read: who sees what is `masks`'s to say."""

from collections.abc import Sequence

from cti.tickets import clocks, masks
from cti.tickets.case_rows import Rules, case_of, clock_of
from schemas.case_moves import MOVE_LABELS
from schemas.case_tables import ClockRow, HistoryRow, TicketFileRow, UnmaskRow
from schemas.cases import Kind, Light, Resolution, TicketState, Urgency, Waiting
from schemas.identity import Role, Who
from schemas.tables import TicketRow
from schemas.tickets import ClockOut, FileOut, HistoryOut, TicketOut, UnmaskOut
from schemas.times import iso, iso_or_none

UNHEARD = frozenset({Role.UNIT, Role.READER})
"""Who does not read what a confidential caller said: words of one's own tell who it is."""


def light_of(row: TicketRow, at: float) -> Light:
    """Return the light of *row*: that of its most pressing clock."""
    if row.due_at is None:
        return Light.OFF
    if at > row.due_at:
        return Light.RED
    return Light.YELLOW if row.yellow_at is not None and at >= row.yellow_at else Light.GREEN


def ticket_out(
    row: TicketRow, who: Who, rules: Rules, *, at: float, above: frozenset[str] = frozenset()
) -> TicketOut:
    """Return *row* as *who* may see it.

    Args:
        at: Unix seconds now, for the light.
        above: `sight.above_of` who.
    """
    real = TicketState(row.state)
    state = masks.state(real, who)
    kind = Kind(row.kind) if row.kind else None
    hide = row.confidential
    hide_clock = masks.callback_clock(real, who)
    return TicketOut(
        id=row.id,
        call_id=row.call_id,
        state=state,
        state_label=state.label,
        kind=kind,
        kind_label=kind.label if kind else None,
        urgency=Urgency(row.urgency),
        category=row.category,
        county=row.county,
        town=row.town,
        caller=masks.number(row.caller) if hide else row.caller,
        contact_name=masks.name(row.contact_name) if hide else row.contact_name,
        confidential=row.confidential,
        number=row.number,
        hotline=row.hotline,
        attribution=row.attribution,
        unit=row.unit,
        unit_label=rules.book.unit_name(row.unit) if row.unit else None,
        assisting=list(row.assisting),
        owner=row.owner,
        agent=row.agent,
        transcript=None if hide and who.role in UNHEARD else row.transcript,
        confidence=row.confidence,
        title=row.title,
        body=row.body,
        place=row.place,
        occurred=row.occurred,
        waiting=Waiting(row.waiting) if row.waiting else None,
        with_coordinator=row.with_coordinator,
        returns=row.returns,
        extensions=row.extensions,
        reworks=row.reworks,
        supervised=row.supervised,
        urged=row.urged,
        scope=row.scope,
        merged_into=row.merged_into,
        resolution=Resolution(row.resolution) if row.resolution else None,
        reply=row.reply,
        policy=row.policy,
        told_at=iso_or_none(row.told_at),
        solved=row.solved,
        satisfied=row.satisfied,
        light=Light.OFF if hide_clock else light_of(row, at),
        due_at=None if hide_clock else iso_or_none(row.due_at),
        version=row.version,
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
        closed_at=iso_or_none(row.closed_at),
        may=list(rules.allowed(case_of(row, rules.book), who, above)),
    )


def clocks_out(rows: Sequence[ClockRow], who: Who, *, at: float) -> list[ClockOut]:
    """Return the clocks that *who* may see."""
    values = [clock_of(row) for row in rows]
    return [
        ClockOut(
            name=clock.name,
            label=clock.name.label,
            unit=clock.unit,
            begun_at=iso(clock.begun_at),
            due_at=iso_or_none(clock.due_at),
            ended_at=iso_or_none(clock.ended_at),
            paused=clock.paused,
            light=clocks.light(clock, at),
            limit=clocks.spoken_limit(clock),
            basis=clock.basis,
            met=clock.met,
        )
        for clock in values
        if masks.clock_shown(clock.name, who)
    ]


def history_out(rows: Sequence[HistoryRow], who: Who) -> list[HistoryOut]:
    """Return the rows that *who* may see."""
    return [
        HistoryOut(
            seq=row.seq,
            at=iso(row.at),
            who=row.who,
            role=row.role,
            unit=row.unit,
            move=row.move,
            label=MOVE_LABELS.get(row.move, row.move),
            before=_state(row.before, who),
            after=_state(row.after, who),
            why=row.why,
            call_id=row.call_id,
            detail=row.detail,
            hash=row.hash,
        )
        for row in masks.moves_shown([(row.move, row.detail, row) for row in rows], who)
    ]


def _state(written: str, who: Who) -> str:
    return masks.state(TicketState(written), who).value if written else written


def file_out(row: TicketFileRow) -> FileOut:
    """Return *row* as JSON people and machines read."""
    return FileOut(
        id=row.id,
        name=row.name,
        media=row.media,
        size=row.size,
        sha256=row.sha256,
        who=row.who,
        at=iso(row.at),
    )


def unmask_out(row: UnmaskRow) -> UnmaskOut:
    """Return *row* as JSON people and machines read."""
    return UnmaskOut(
        id=row.id,
        ticket_id=row.ticket_id,
        asked_by=row.asked_by,
        asked_at=iso(row.asked_at),
        why=row.why,
        granted_by=row.granted_by,
        granted_at=iso_or_none(row.granted_at),
        refused=row.refused,
        expires_at=iso_or_none(row.expires_at),
    )
