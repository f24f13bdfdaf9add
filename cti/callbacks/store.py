"""Promises to call back, in the database. The caller owns the transaction."""

from collections.abc import Sequence

from pydantic import Field
from sqlalchemy import case, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from cti.paging import Limit
from cti.rows import fit, insert_into
from schemas.callbacks import Callback, CallbackOut, CallbackState
from schemas.errors import Conflict, Invalid, NotFound
from schemas.http import Asks
from schemas.tables import LIVE_PROMISE, CallbackRow
from schemas.times import iso


class CallbackFilter(Asks):
    """Which promises."""

    state: CallbackState | None = None
    caller: str | None = Field(default=None, max_length=64)
    limit: Limit = 50
    before: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="Only ids below this: the next page"
    )


async def promise(
    session: AsyncSession,
    *,
    caller: str,
    reason: str,
    call_id: str | None,
    arrived_at: float,
    at: float,
    number: str | None = None,
    due: float | None = None,
) -> Callback:
    """Promise *caller* a call, or return the live promise they have: never two at once.

    A citizen who tries again keeps the place of the first try: the earlier `arrived_at` stays.

    Args:
        caller: number to call; text from a call is made to fit.
        arrived_at: Unix seconds at which the citizen came.
        at: Unix seconds now.
        due: Unix seconds before which nobody dials; None: at once.

    Raises:
        Invalid: nothing of *caller* can be called.
    """
    fitting = fit(caller, 64)
    if fitting is None:
        raise Invalid("there is no number to call back")
    statement = insert_into(session, CallbackRow).values(
        caller=fitting,
        reason=reason[:40],
        call_id=call_id,
        number=fit(number, 32),
        state=CallbackState.WAITING.value,
        due=at if due is None else due,
        arrived_at=arrived_at,
        tries=0,
        created_at=at,
    )
    earlier = case(
        (statement.excluded.arrived_at < CallbackRow.arrived_at, statement.excluded.arrived_at),
        else_=CallbackRow.arrived_at,
    )
    row = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["caller"],
            index_where=text(LIVE_PROMISE),
            set_={"arrived_at": earlier},
        )
        .returning(CallbackRow)
        .execution_options(populate_existing=True)
    )
    return _value(row)


async def claim_due(session: AsyncSession, *, now: float, limit: int) -> Sequence[Callback]:
    """Take up to *limit* callbacks due at *now* (Unix seconds) and mark them as being dialled.

    Who came first is taken first. One statement, and no two workers ever take the same row.
    """
    due = (
        select(CallbackRow.id)
        .where(CallbackRow.state == CallbackState.WAITING, CallbackRow.due <= now)
        .order_by(CallbackRow.arrived_at, CallbackRow.id)
        .limit(limit)
        # On PostgreSQL two statements may choose the same rows before either has locked them;
        # SQLite has one writer and no such clause.
        .with_for_update(skip_locked=True)
        # as a plain subquery PostgreSQL may run it once for each row, and then takes them all
        .cte("due")
    )
    taken = await session.scalars(
        update(CallbackRow)
        .where(CallbackRow.id.in_(select(due.c.id)), CallbackRow.state == "waiting")
        .values(state=CallbackState.DIALLING.value, tries=CallbackRow.tries + 1)
        .returning(CallbackRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return sorted((_value(row) for row in taken), key=lambda c: (c.arrived_at, c.id))


async def settle(
    session: AsyncSession, id: int, *, to: CallbackState, due: float | None = None
) -> Callback:
    """Say what became of a promise.

    Args:
        to: `waiting` puts a dialled one back, for another try at *due*.
        due: Unix seconds of the next try; only with `waiting`.

    Raises:
        NotFound: there is no such promise.
        Conflict: it is settled already, or is not being dialled.
    """
    live = (
        (CallbackState.WAITING, CallbackState.DIALLING)
        if to is CallbackState.CANCELLED
        else (CallbackState.DIALLING,)
    )
    values: dict[str, object] = {"state": to.value}
    if to is CallbackState.WAITING and due is not None:
        values["due"] = due
    row = await session.scalar(
        update(CallbackRow)
        .where(CallbackRow.id == id, CallbackRow.state.in_(live))
        .values(**values)
        .returning(CallbackRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if row is not None:
        return _value(row)
    there = await session.get(CallbackRow, id)
    if there is None:
        raise NotFound("there is no such callback")
    raise Conflict(f"the callback is {there.state}, it cannot become {to}", state=there.state)


async def find(session: AsyncSession, asked: CallbackFilter) -> Sequence[Callback]:
    """Return the promises that *asked* describes, newest first."""
    query = select(CallbackRow).order_by(CallbackRow.id.desc()).limit(asked.limit)
    if asked.state is not None:
        query = query.where(CallbackRow.state == asked.state.value)
    if asked.caller is not None:
        query = query.where(CallbackRow.caller == asked.caller)
    if asked.before is not None:
        query = query.where(CallbackRow.id < asked.before)
    return [_value(row) for row in await session.scalars(query)]


def callback_out(callback: Callback) -> CallbackOut:
    """Return *callback* as JSON people and machines read."""
    return CallbackOut(
        id=callback.id,
        call_id=callback.call_id,
        caller=callback.caller,
        number=callback.number,
        reason=callback.reason,
        state=callback.state,
        due=iso(callback.due),
        arrived_at=iso(callback.arrived_at),
        tries=callback.tries,
        created_at=iso(callback.created_at),
    )


def _value(row: CallbackRow) -> Callback:
    return Callback(
        id=row.id,
        call_id=row.call_id,
        caller=row.caller,
        number=row.number,
        reason=row.reason,
        state=CallbackState(row.state),
        due=row.due,
        arrived_at=row.arrived_at,
        tries=row.tries,
        created_at=row.created_at,
    )
