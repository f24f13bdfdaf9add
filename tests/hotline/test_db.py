import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, make_url, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

import schemas.case_tables  # noqa: F401 its tables join the metadata
from hotline import db
from schemas.errors import Invalid, Unavailable
from schemas.tables import Base, MarkRow

OPTIONS = {
    "compare_server_default": True,
    # full-text search is the dialects' own: models cannot say it
    "include_name": lambda name, *_: (
        not (
            (name or "").startswith("texts_")
            or name in ("vector", "ix_texts_ticket", "ix_texts_article")
        )
    ),
}

pytestmark = pytest.mark.unit

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"])


async def test_migrations_build_exactly_what_the_models_say(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts=OPTIONS)
        return list(compare_metadata(context, Base.metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_upgrading_twice_at_once_and_again_later_is_harmless(empty_database_url: str) -> None:
    await asyncio.gather(*(db.upgrade(empty_database_url) for _ in range(4)))
    await db.upgrade(empty_database_url)
    engine = db.engine(empty_database_url)
    assert (await db.check(engine)).ok
    await engine.dispose()


async def test_two_processes_may_upgrade_at_once(empty_database_url: str) -> None:
    code = "import asyncio, sys; from hotline import db; asyncio.run(db.upgrade(sys.argv[1]))"
    root = Path(db.__file__).parents[1]
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        started = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, empty_database_url, cwd=root
            )
            for _ in range(3)
        ]
        ends = [tasks.create_task(p.wait()) for p in started]
    assert [e.result() for e in ends] == [0, 0, 0]


async def test_an_unreachable_database_is_unhealthy_and_cannot_be_upgraded() -> None:
    url = "postgresql+asyncpg://nobody:secret@127.0.0.1:1/none"
    engine = db.engine(url)
    health = await db.check(engine)
    await engine.dispose()
    assert not health.ok
    assert "secret" not in str(health)
    with pytest.raises(Unavailable) as refused:
        await db.upgrade(url)
    assert "secret" not in str(refused.value)


async def test_health_needs_the_tables_not_only_the_server(empty_database_url: str) -> None:
    engine = db.engine(empty_database_url)
    assert not (await db.check(engine)).ok
    await engine.dispose()


async def test_a_reader_sees_what_is_committed_while_another_writes(engine: AsyncEngine) -> None:
    async with db.writers(engine)() as writer:
        writer.add(MarkRow(name="first", value={}))
        await writer.commit()
        writer.add(MarkRow(name="second", value={}))
        await writer.flush()  # the write lock is held from here
        async with asyncio.timeout(2), db.readers(engine)() as reader:
            assert await reader.scalar(select(func.count()).select_from(MarkRow)) == 1


async def test_writers_that_read_first_stand_in_line(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    async with sessions.begin() as session:
        session.add(MarkRow(name="n", value={"n": 0}))

    async def add_one() -> None:
        async with sessions.begin() as session:
            row = (
                await session.execute(select(MarkRow).with_for_update())
            ).scalar_one()  # read, then write: a deferred SQLite transaction fails here
            row.value = {"n": row.value["n"] + 1}

    async with asyncio.timeout(20):
        await asyncio.gather(*(add_one() for _ in range(20)))
    async with sessions() as session:
        assert (await session.get_one(MarkRow, "n")).value == {"n": 20}


@sqlite_only
async def test_sqlite_runs_in_wal_with_foreign_keys_and_a_busy_timeout(
    engine: AsyncEngine,
) -> None:
    async with engine.connect() as connection:

        async def pragma(name: str) -> object:
            return (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()

        assert await pragma("journal_mode") == "wal"
        assert await pragma("foreign_keys") == 1
        assert await pragma("busy_timeout") == int(db.LOCK_WAIT * 1000)
        assert await pragma("synchronous") == 1


@sqlite_only
async def test_a_locked_sqlite_refuses_writers_but_not_readers(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "LOCK_WAIT", 0.05)
    path = make_url(database_url).database
    assert path is not None
    impatient = db.engine(database_url)
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    try:
        async with db.writers(impatient)() as session:
            session.add(MarkRow(name="n", value={}))
            with pytest.raises(OperationalError, match="locked"):
                await session.commit()
        assert (await db.check(impatient)).ok
    finally:
        locker.execute("ROLLBACK")
        locker.close()
        await impatient.dispose()


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"])
def test_a_ledger_in_memory_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="file"):
        db.engine(url)


COMMIT_THEN_DIE = """
import asyncio, os, signal, sys
from hotline import db
from schemas.tables import MarkRow

async def main():
    async with db.writers(db.engine(sys.argv[1])).begin() as session:
        session.add(MarkRow(name="kept", value={}))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_is_committed_outlives_kill_9(
    sessions: async_sessionmaker[AsyncSession], database_url: str
) -> None:
    root = Path(db.__file__).parents[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMIT_THEN_DIE, database_url, cwd=root
    )
    async with asyncio.timeout(30):
        assert await process.wait() == -9
    async with sessions() as session:
        assert await session.get(MarkRow, "kept") is not None
