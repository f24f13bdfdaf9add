"""News on its way to hooks, in the database. The caller owns the transaction.

Order: one hook hears of one ticket (`ref`) in order. A delivery that failed holds back the later
ones of the same ref to the same hook until it is made or given up; other tickets and other hooks
go on. A claim pushes `next_at` beyond the time one try may take: who dies between the POST and the
commit leaves a row that is due again by itself, and is then sent twice under the same id.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cti.hooks.wire import News, wants
from cti.rows import insert_into
from schemas.case_tables import DeliveryRow, HookRow, OutboxRow

PENDING: tuple[ColumnElement[bool], ...] = (
    DeliveryRow.delivered_at.is_(None),
    DeliveryRow.given_up.is_(False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A hook as the sender needs it."""

    id: int
    url: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that is ours to make until its lease ends."""

    id: int
    hook: int
    tries: int
    news: News


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do just now."""

    new: bool
    """Whether the outbox holds news not yet spread."""
    targets: Sequence[Target]
    """Hooks to which something may be due."""


async def work(session: AsyncSession, *, now: float) -> Work:
    """Return what there is to do at *now* (Unix seconds); only reads."""
    new = await session.scalar(select(exists().where(OutboxRow.spread.is_(False))))
    due = exists().where(DeliveryRow.hook_id == HookRow.id, DeliveryRow.next_at <= now, *PENDING)
    rows = await session.execute(
        select(HookRow.id, HookRow.url, HookRow.secret).where(HookRow.active, due)
    )
    return Work(bool(new), [Target(id=id, url=url, secret=secret) for id, url, secret in rows])


async def spread(session: AsyncSession, *, now: float, limit: int = 200) -> int:
    """Write the deliveries of up to *limit* new rows and return how many rows there were.

    A hook that is not active, or is made later, never hears of them.
    """
    rows = (
        await session.execute(
            select(OutboxRow.id, OutboxRow.topic)
            .where(OutboxRow.spread.is_(False))
            .order_by(OutboxRow.id)
            .limit(limit)
            # another node waits for us: were it to take the next ones meanwhile, a hook could hear
            # of the second change of a ticket before there is a delivery of the first
            .with_for_update()
        )
    ).all()
    hooks = (await session.execute(select(HookRow.id, HookRow.topics).where(HookRow.active))).all()
    wanted = [
        {"outbox_id": row.id, "hook_id": hook.id, "tries": 0, "next_at": now, "given_up": False}
        for row in rows
        for hook in hooks
        if wants(hook.topics, row.topic)
    ]
    for at in range(0, len(wanted), 100):
        await session.execute(
            insert_into(session, DeliveryRow)
            .values(wanted[at : at + 100])
            .on_conflict_do_nothing(index_elements=["outbox_id", "hook_id"])
        )
    if rows:
        await session.execute(
            update(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows])).values(spread=True)
        )
    return len(rows)


async def due(session: AsyncSession, hook: int, *, now: float, limit: int) -> Sequence[int]:
    """Return up to *limit* due deliveries of *hook*, each the earliest of its ref; only reads.

    It goes through all that waits for the hook: never while writing, others would wait for it.
    """
    first = (
        select(func.min(DeliveryRow.outbox_id))
        .join(OutboxRow, OutboxRow.id == DeliveryRow.outbox_id)
        .where(DeliveryRow.hook_id == hook, *PENDING)
        .group_by(OutboxRow.ref)
    )
    found = await session.scalars(
        select(DeliveryRow.id)
        .where(
            DeliveryRow.hook_id == hook,
            DeliveryRow.outbox_id.in_(first),
            DeliveryRow.next_at <= now,
            *PENDING,
        )
        .order_by(DeliveryRow.outbox_id)
        .limit(limit)
    )
    return found.all()


async def claim(
    session: AsyncSession, hook: int, due: Sequence[int], *, now: float, lease: float
) -> Sequence[Claimed]:
    """Take those deliveries of *hook* among *due* that nobody took meanwhile.

    Args:
        due: as `due` returned them: what was the earliest of its ref stays so until it is made.
        lease: seconds for which nobody else takes them.
    """
    taken = (
        await session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id.in_(due), DeliveryRow.next_at <= now, *PENDING)
            .values(next_at=now + lease)
            .returning(DeliveryRow.id, DeliveryRow.outbox_id, DeliveryRow.tries)
            .execution_options(synchronize_session=False)
        )
    ).all()
    news = {
        row.id: row
        for row in await session.scalars(
            select(OutboxRow).where(OutboxRow.id.in_([row.outbox_id for row in taken]))
        )
    }
    return [
        Claimed(id=row.id, hook=hook, tries=row.tries, news=news_of(news[row.outbox_id]))
        for row in sorted(taken, key=lambda row: row.outbox_id)
    ]


def news_of(row: OutboxRow) -> News:
    """Return *row* as a value."""
    return News(id=row.id, topic=row.topic, ref=row.ref, seq=row.seq, body=row.body, at=row.at)


async def delivered(session: AsyncSession, id: int, *, status: int, at: float) -> None:
    """Say that the delivery *id* was made; *at* in Unix seconds."""
    await session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id == id, DeliveryRow.delivered_at.is_(None))
        .values(delivered_at=at, status=status, error=None, given_up=False)
    )


async def failed(
    session: AsyncSession, id: int, *, status: int | None, error: str, next_at: float | None
) -> None:
    """Say that a try failed; *next_at* in Unix seconds, None: it is given up."""
    values: dict[str, object] = {
        "tries": DeliveryRow.tries + 1,
        "status": status,
        "error": error[:200],
        "given_up": next_at is None,
    }
    if next_at is not None:
        values["next_at"] = next_at
    await session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id == id, DeliveryRow.delivered_at.is_(None))
        .values(**values)
    )


async def prune(session: AsyncSession, *, before: float, limit: int = 1000) -> int:
    """Delete up to *limit* rows of the outbox with their deliveries and return how many.

    Args:
        before: Unix seconds; what a hook that was turned off never got is too old too.
    """
    old = (
        select(OutboxRow.id)
        .where(OutboxRow.at < before, OutboxRow.spread)
        .order_by(OutboxRow.id)
        .limit(limit)
    )
    gone = await session.execute(
        delete(OutboxRow)
        .where(OutboxRow.id.in_(old.scalar_subquery()))
        .returning(OutboxRow.id)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())
