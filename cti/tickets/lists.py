"""Lists of tickets, and how many there are: every query follows an index.

A unit's list has a branch for each unit that leads and one for what they assist; each has its own
index, order and end, and the page is cut from all of them.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    UnaryExpression,
    and_,
    case,
    func,
    or_,
    select,
    union,
)
from sqlalchemy.ext.asyncio import AsyncSession

from cti import fulltext
from cti.paging import Key, Page, cursor_of, key_of
from cti.tickets import masks, sight
from schemas.case_tables import TicketCallRow
from schemas.cases import CLOSED, Light, TicketState
from schemas.tables import TicketRow
from schemas.tickets import Counts, TicketFilter

T = TicketRow
OPEN = tuple(state.value for state in TicketState if state not in CLOSED)
UNITS_OWN = tuple(state for state in OPEN if state not in masks.CALLBACK)
"""States whose light is the unit's: the callback's clocks are not for it to see."""


def lit(light: Light, at: float) -> ColumnElement[bool]:
    """Return the condition for tickets with *light* *at* Unix seconds; `shown.light_of` in SQL."""
    match light:
        case Light.RED:
            return T.due_at < at
        case Light.YELLOW:
            return and_(T.due_at >= at, T.yellow_at <= at)
        case Light.GREEN:
            return and_(T.due_at >= at, or_(T.yellow_at.is_(None), T.yellow_at > at))
        case Light.OFF:
            return T.due_at.is_(None)


def conditions(
    asked: TicketFilter, *, at: float, dialect: str, unit: bool, numbers: bool
) -> list[ColumnElement[bool]]:
    """Return what *asked* says as conditions, but for the page.

    Args:
        at: Unix seconds now, for the light.
        dialect: of the database.
        unit: whether a unit's person asks, who does not see the callback's clocks.
        numbers: whether who asks may find confidential callers by number: who takes their calls.
    """
    found: list[ColumnElement[bool]] = []
    if asked.since is not None:
        found.append(T.created_at >= asked.since)
    if asked.until is not None:
        found.append(T.created_at < asked.until)
    if asked.state:
        found.append(T.state.in_(_states(asked.state, unit=unit)))
    if asked.light is not None:
        found.append(lit(asked.light, at))
    lit_up = asked.light not in (None, Light.OFF)
    running = lit_up or asked.order == "due"
    if unit and running:  # neither by its light nor by its place is the callback's time told
        found.append(T.state.in_(UNITS_OWN))
    states_open = bool(asked.state) and not CLOSED.intersection(asked.state)
    if asked.open or running or states_open:
        found.append(T.closed_at.is_(None))  # the partial index of what is open
    if asked.open is False:
        found.append(T.closed_at.is_not(None))
    if asked.order == "due":
        found.append(T.due_at.is_not(None))
    for column, wanted in (
        (T.kind, asked.kind),
        (T.urgency, asked.urgency),
        (T.category, asked.category),
        (T.county, asked.county),
        (T.unit, asked.unit),
        (T.owner, asked.owner),
        (T.caller, asked.caller),
        (T.agent, asked.agent),
    ):
        if wanted is not None:
            found.append(column == str(wanted))
    if (unit or asked.unit is not None) and (asked.open or running) and not asked.state:
        found.append(T.state.in_(OPEN))  # for the index by unit and state
    if asked.call_id is not None:
        linked = select(TicketCallRow.ticket_id).where(TicketCallRow.call_id == asked.call_id)
        found.append(T.id.in_(union(linked, select(T.id).where(T.call_id == asked.call_id))))
    if not numbers and asked.caller is not None:
        found.append(T.confidential.is_(False))  # else a known number tells who is confidential
    if asked.text is not None:
        found.append(T.id.in_(fulltext.matching(dialect, "ticket", asked.text)))
    return found


def _states(asked: Sequence[TicketState], *, unit: bool) -> list[str]:
    states = {state.value for state in asked}
    if unit:  # to whom 回访中 is 已办结 still
        states.discard(TicketState.CHECKING.value)
        if TicketState.DONE.value in states:
            states.add(TicketState.CHECKING.value)
    return sorted(states)


def _page(asked: TicketFilter) -> tuple[list[ColumnElement[bool]], list[UnaryExpression[Any]]]:
    """Return where the page begins, and its order."""
    if asked.order == "due":
        order: list[UnaryExpression[Any]] = [T.due_at.asc(), T.id.asc()]
        if not asked.cursor:
            return [], order
        at, id = key_of(asked.cursor)
        return [T.due_at >= at, or_(T.due_at > at, T.id > id)], order
    order = [T.created_at.desc(), T.id.desc()]
    if not asked.cursor:
        return [], order
    at, id = key_of(asked.cursor)
    return [T.created_at <= at, or_(T.created_at < at, T.id < id)], order


def queries(
    asked: TicketFilter,
    *,
    seen: frozenset[str] | None,
    at: float,
    dialect: str,
    numbers: bool = True,
) -> list[Select[TicketRow]]:
    """Return the branches of *asked*, each with one row more than a page, for who sees *seen*.

    Raises:
        Invalid: the cursor is not ours.
    """
    wanted = conditions(
        asked, at=at, dialect=dialect, unit=seen is not None, numbers=numbers and seen is None
    )
    beyond, order = _page(asked)
    plain = select(T).where(*wanted, *beyond).order_by(*order).limit(asked.limit + 1)
    return [plain] if seen is None else [plain.where(own) for own in sight.branches(seen)]


async def find(
    session: AsyncSession,
    asked: TicketFilter,
    *,
    seen: frozenset[str] | None,
    at: float,
    numbers: bool = True,
) -> Page[TicketRow]:
    """Return the rows that *asked* describes; `next` is the cursor of the page after.

    Raises:
        Invalid: the cursor is not ours.
    """
    dialect = session.get_bind().dialect.name
    found: dict[str, TicketRow] = {}
    for query in queries(asked, seen=seen, at=at, dialect=dialect, numbers=numbers):
        found.update({row.id: row for row in await session.scalars(query)})
    due = asked.order == "due"
    key = _due if due else _made
    rows = sorted(found.values(), key=key, reverse=not due)
    shown = rows[: asked.limit]
    return Page(shown, cursor_of(key(shown[-1])) if len(rows) > asked.limit else None)


def _due(row: TicketRow) -> Key:
    return row.due_at or 0.0, row.id


def _made(row: TicketRow) -> Key:
    return row.created_at, row.id


async def count(session: AsyncSession, *, seen: frozenset[str] | None, at: float) -> Counts:
    """Return how many open tickets there are, counted over what is open alone."""
    lights = (Light.RED, Light.YELLOW, Light.GREEN)
    states: dict[TicketState, int] = {}
    shining = dict.fromkeys(lights, 0)
    branches: list[ColumnElement[bool]] = [T.closed_at.is_(None)]
    if seen is not None:
        openly = and_(T.closed_at.is_(None), T.state.in_(OPEN))
        branches = [and_(openly, own) for own in sight.branches(seen)]
    for branch in branches:
        sums = [func.sum(case((lit(light, at), 1), else_=0), type_=Integer) for light in lights]
        rows = await session.execute(
            select(T.state, func.count(), *sums).where(branch).group_by(T.state)
        )
        for name, number, *parts in rows:
            state = TicketState(name)
            hidden = seen is not None and state in masks.CALLBACK
            if hidden:
                state = TicketState.DONE
            states[state] = states.get(state, 0) + number
            for light, part in zip(lights, parts, strict=True):
                shining[light] += 0 if hidden else part
    return Counts(open=sum(states.values()), light=shining, state=states)


async def open_of(session: AsyncSession, caller: str, *, limit: int) -> Sequence[TicketRow]:
    """Return the newest *limit* tickets of *caller* that are not closed."""
    rows = await session.scalars(
        select(T)
        .where(T.caller == caller, T.closed_at.is_(None))
        .order_by(T.created_at.desc(), T.id.desc())
        .limit(limit)
    )
    return rows.all()
