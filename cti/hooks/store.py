"""Web hooks in the database, as admins see them. The caller owns the transaction."""

import secrets
from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cti import audit
from cti.hooks.deliveries import PENDING
from schemas.case_tables import DeliveryRow, HookRow, OutboxRow
from schemas.errors import Conflict, NotFound
from schemas.hooks import DeliveryOut, DeliveryState, HookIn, HookMade, HookOut, HookPatch
from schemas.identity import Who
from schemas.times import iso, iso_or_none

MOST = 50
"""Hooks; each has connections of its own."""
PING = "hook.ping"
"""Topic of what tries out a hook."""


async def create(session: AsyncSession, who: Who, asked: HookIn, *, at: float) -> HookMade:
    """Make a hook with a new secret; it hears of what happens from now on.

    Args:
        at: Unix seconds.

    Raises:
        Conflict: there are too many.
    """
    if (await session.scalar(select(func.count()).select_from(HookRow)) or 0) >= MOST:
        raise Conflict(f"最多 {MOST} 个推送地址", most=MOST)
    row = HookRow(
        url=asked.url,
        topics=list(asked.topics),
        secret=secrets.token_urlsafe(32),
        label=asked.label,
        active=asked.active,
        created_at=at,
        created_by=who.id[:64],
    )
    session.add(row)
    await session.flush()
    await _note(session, who, "hook.create", row.id, at, url=row.url)
    return HookMade(secret=row.secret, **_out(row).model_dump())


async def find(session: AsyncSession) -> Sequence[HookOut]:
    """Return all hooks, the oldest first."""
    rows = (await session.scalars(select(HookRow).order_by(HookRow.id))).all()
    waiting = await _counts(session, *PENDING)
    lost = await _counts(session, DeliveryRow.given_up)
    return [_out(row, waiting.get(row.id, 0), lost.get(row.id, 0)) for row in rows]


async def get(session: AsyncSession, id: int) -> HookOut:
    """Return the hook *id*.

    Raises:
        NotFound: there is none.
    """
    row = await _row(session, id)
    mine = DeliveryRow.hook_id == id
    waiting = await _counts(session, *PENDING, mine)
    lost = await _counts(session, DeliveryRow.given_up, mine)
    return _out(row, waiting.get(id, 0), lost.get(id, 0))


async def change(
    session: AsyncSession, who: Who, id: int, asked: HookPatch, *, at: float
) -> HookOut:
    """Apply *asked* to the hook *id*; what is due to it goes to the new address.

    Raises:
        NotFound: there is none.
    """
    row = await _row(session, id)
    values = asked.model_dump(exclude_none=True)
    for name, value in values.items():
        setattr(row, name, value)
    await session.flush()
    await _note(session, who, "hook.change", id, at, **values)
    return await get(session, id)


async def new_secret(session: AsyncSession, who: Who, id: int, *, at: float) -> HookMade:
    """Give the hook *id* another secret; the old one signs nothing from then on.

    Raises:
        NotFound: there is none.
    """
    row = await _row(session, id)
    row.secret = secrets.token_urlsafe(32)
    await session.flush()
    await _note(session, who, "hook.secret", id, at)
    return HookMade(secret=row.secret, **(await get(session, id)).model_dump())


async def remove(session: AsyncSession, who: Who, id: int, *, at: float) -> None:
    """Delete the hook *id* and all that was due to it.

    Raises:
        NotFound: there is none.
    """
    row = await _row(session, id)
    await _note(session, who, "hook.delete", id, at, url=row.url)
    await session.execute(delete(HookRow).where(HookRow.id == id))


async def ping(session: AsyncSession, who: Who, id: int, *, at: float) -> DeliveryOut:
    """Send the hook *id* a piece of news that says nothing, whatever topics it wants.

    Raises:
        NotFound: there is no such hook.
        Conflict: it is not active.
    """
    await _active(session, id)
    ref = f"hook-{id}"
    last = await session.scalar(select(func.max(OutboxRow.seq)).where(OutboxRow.ref == ref))
    news = OutboxRow(
        topic=PING, ref=ref, seq=(last or 0) + 1, body={"by": who.id}, at=at, spread=True
    )
    session.add(news)
    await session.flush()
    row = DeliveryRow(outbox_id=news.id, hook_id=id, tries=0, next_at=at, given_up=False)
    session.add(row)
    await session.flush()
    return delivery_out(row, news)


async def deliveries(
    session: AsyncSession, id: int, *, state: DeliveryState | None, limit: int, before: int | None
) -> Sequence[DeliveryOut]:
    """Return deliveries to the hook *id*, newest first.

    Args:
        before: only those with a lower id: the next page.

    Raises:
        NotFound: there is no such hook.
    """
    await _row(session, id)
    query = (
        select(DeliveryRow, OutboxRow)
        .join(OutboxRow, OutboxRow.id == DeliveryRow.outbox_id)
        .where(DeliveryRow.hook_id == id)
        .order_by(DeliveryRow.id.desc())
        .limit(limit)
    )
    match state:
        case "waiting":
            query = query.where(*PENDING)
        case "delivered":
            query = query.where(DeliveryRow.delivered_at.is_not(None))
        case "given_up":
            query = query.where(DeliveryRow.given_up)
    if before is not None:
        query = query.where(DeliveryRow.id < before)
    return [delivery_out(row, news) for row, news in (await session.execute(query))]


async def redeliver(
    session: AsyncSession, who: Who, id: int, *, hook: int, at: float
) -> DeliveryOut:
    """Make the delivery *id* of *hook* due again, whatever became of it; its news keeps its id.

    Raises:
        NotFound: there is no such delivery.
        Conflict: the hook is not active.
    """
    await _active(session, hook)
    changed = await session.scalar(
        update(DeliveryRow)
        .where(DeliveryRow.id == id, DeliveryRow.hook_id == hook)
        .values(delivered_at=None, given_up=False, tries=0, next_at=at)
        .returning(DeliveryRow.id)
        .execution_options(synchronize_session=False)
    )
    if changed is None:
        raise NotFound("there is no such delivery")
    await _note(session, who, "hook.redeliver", hook, at, delivery=id)
    row = await session.get_one(DeliveryRow, id, populate_existing=True)
    return delivery_out(row, await session.get_one(OutboxRow, row.outbox_id))


def delivery_out(row: DeliveryRow, news: OutboxRow) -> DeliveryOut:
    """Return *row* as JSON people and machines read."""
    state: DeliveryState = "waiting"
    if row.delivered_at is not None:
        state = "delivered"
    elif row.given_up:
        state = "given_up"
    return DeliveryOut(
        id=row.id,
        news=news.id,
        topic=news.topic,
        ref=news.ref,
        seq=news.seq,
        at=iso(news.at),
        state=state,
        tries=row.tries,
        next_at=iso(row.next_at) if state == "waiting" else None,
        delivered_at=iso_or_none(row.delivered_at),
        status=row.status,
        error=row.error,
    )


async def _row(session: AsyncSession, id: int) -> HookRow:
    row = await session.get(HookRow, id)
    if row is None:
        raise NotFound("there is no such hook")
    return row


async def _active(session: AsyncSession, id: int) -> None:
    if not (await _row(session, id)).active:
        raise Conflict("该推送地址已停用")


async def _counts(session: AsyncSession, *where: object) -> dict[int, int]:
    rows = await session.execute(
        select(DeliveryRow.hook_id, func.count())
        .where(*where)  # type: ignore[arg-type]
        .group_by(DeliveryRow.hook_id)
    )
    return {hook: number for hook, number in rows}  # noqa: C416


async def _note(
    session: AsyncSession, who: Who, what: str, id: int, at: float, **detail: object
) -> None:
    if isinstance(url := detail.get("url"), str):
        detail["url"] = url.partition("?")[0]  # what follows is often somebody's key
    await audit.note(session, who, what=what, ref=f"hook-{id}", detail=detail, at=at)


def _out(row: HookRow, waiting: int = 0, lost: int = 0) -> HookOut:
    return HookOut(
        id=row.id,
        url=row.url,
        topics=list(row.topics),
        label=row.label,
        active=row.active,
        created_at=iso(row.created_at),
        created_by=row.created_by,
        waiting=waiting,
        given_up=lost,
    )
