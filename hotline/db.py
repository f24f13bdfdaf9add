"""The database: engines for SQLite and PostgreSQL, migrations, and a sign of life."""

import asyncio
import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

from schemas.errors import Invalid, Unavailable

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
READING = "hotline_reading"
LOCK_WAIT = 5.0
"""Seconds one statement waits for another's write lock before it fails."""
POOL_WAIT = 5.0
"""Seconds to wait for a free connection."""
UPGRADE_LOCK = 12345
"""Key of PostgreSQL's advisory lock around migrations."""


def engine(url: str) -> AsyncEngine:
    """Return a new engine for *url*; nothing is opened before its first use.

    Raises:
        Invalid: a SQLite database in memory: it would be another one for each connection.
    """
    where = make_url(url)
    if where.get_backend_name() == "sqlite":
        if not where.database or where.database == ":memory:":
            raise Invalid("SQLite needs a file: sqlite+aiosqlite:///path/to/hotline.db")
        made = create_async_engine(
            where,
            connect_args={"timeout": LOCK_WAIT},  # sqlite3's own name for busy_timeout
            pool_size=6,  # one thread each; WAL lets readers go beside the one writer
            max_overflow=0,
            pool_timeout=POOL_WAIT,
            hide_parameters=True,  # they name citizens, and errors reach the log
        )
        event.listen(made.sync_engine, "connect", _prepare_sqlite)
        event.listen(made.sync_engine, "begin", _begin_sqlite)
        return made
    return create_async_engine(
        where,
        pool_size=8,
        max_overflow=8,
        pool_timeout=POOL_WAIT,
        hide_parameters=True,
        pool_pre_ping=True,  # a restarted server must not cost a call its row
        connect_args={
            "timeout": 5,
            "command_timeout": 30,
            "server_settings": {
                "application_name": "hotline",
                "lock_timeout": f"{LOCK_WAIT:.0f}s",
                "timezone": "UTC",
            },
        },
    )


def writers(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return what makes sessions that may write. On SQLite they take the write lock at BEGIN."""
    return async_sessionmaker(engine, expire_on_commit=False)


def readers(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return what makes sessions that only read: they never wait for a writer."""
    reading = engine.execution_options(**{READING: True, "postgresql_readonly": True})
    return async_sessionmaker(reading, expire_on_commit=False)


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # sqlite3 would begin transactions by itself, late and deferred: `_begin_sqlite` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # A commit is in the WAL file, that is with the kernel, before it returns: `kill -9` of ours
    # keeps it. Only a power cut may lose the last commits (never the file); FULL would pay one
    # fsync for each of a call's steps to close that gap.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads, then writes, fails at once ("database is locked") when
    # another writer came between, whatever busy_timeout says. IMMEDIATE waits in line instead.
    reading = connection.get_execution_options().get(READING)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


async def upgrade(url: str) -> None:
    """Bring the database at *url* to the newest schema; safe when several processes start at once.

    Raises:
        Unavailable: the database cannot be reached or migrated.
    """
    where = make_url(url)
    made = engine(url)
    try:
        with _alone(where.database if where.get_backend_name() == "sqlite" else None) as lock:
            if lock is not None:
                await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            async with made.begin() as connection:
                if connection.dialect.name == "postgresql":
                    await connection.execute(text("SET LOCAL lock_timeout = '120s'"))
                    await connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK}
                    )
                await connection.run_sync(_migrate)
    except (SQLAlchemyError, OSError) as error:
        raise Unavailable(f"database cannot be upgraded: {type(error).__name__}") from error
    finally:
        await made.dispose()


@contextmanager
def _alone(database: str | None) -> Iterator[int | None]:
    """Yield the descriptor of a lock file beside a SQLite *database*, or None.

    SQLite's own locks do not cover the switch to WAL of a new file.
    """
    if database is None:
        yield None
        return
    path = Path(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # citizens' numbers: for our account alone, and so its WAL
    with path.with_name(path.name + ".upgrade").open("wb") as file:
        yield file.fileno()


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@dataclass(frozen=True, slots=True)
class Health:
    """Answer of `check`."""

    ok: bool
    seconds: float
    """How long the question took."""
    error: str | None = None
    """What kind of error; never its text, which may hold the URL."""


async def check(engine: AsyncEngine, *, timeout: float = 2.0) -> Health:
    """Ask the database for one row, for `/status`; *timeout* in seconds. Never raises."""
    began = time.monotonic()
    error: str | None = None
    try:
        async with asyncio.timeout(timeout), readers(engine)() as session:
            await session.execute(text("SELECT count(*) FROM marks"))
    except (SQLAlchemyError, OSError, TimeoutError) as failed:
        error = type(failed).__name__
    return Health(ok=error is None, seconds=time.monotonic() - began, error=error)


def facts(url: str) -> dict[str, Any]:
    """Return what may be shown of *url*: kind and place, never a password."""
    where = make_url(url)
    return {"kind": where.get_backend_name(), "host": where.host, "database": where.database}
