"""Databases for tests: the same test runs on SQLite and on PostgreSQL.

`HOTLINE_TEST_POSTGRES` names a server to use (an SQLAlchemy URL whose user may create databases);
without it a private server is started from the system's binaries.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from hotline import db

_numbers = count(1)


def _binaries() -> Path | None:
    """Return the folder of `initdb` and `postgres`, newest version first."""
    found = shutil.which("initdb")
    if found and (Path(found).resolve().parent / "postgres").exists():
        return Path(found).resolve().parent
    installed = [p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(installed, key=lambda p: int(p.parent.name.split(".")[0]), default=None)


def _other_user() -> str | None:
    """Return whom to be for PostgreSQL, which refuses root; None: stay who we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server's own database, one server a test process."""
    if given := os.environ.get("HOTLINE_TEST_POSTGRES"):
        yield given
        return
    binaries = _binaries()
    if binaries is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("no PostgreSQL: neither HOTLINE_TEST_POSTGRES nor an installed server")
    user = _other_user()
    home = Path(tempfile.mkdtemp(prefix="hotline-pg-"))  # short: socket paths end at 107 bytes
    who: dict[str, object] = {}
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(home, entry.pw_uid, entry.pw_gid)
        who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    files, log = home / "data", (home / "log").open("wb")
    server: subprocess.Popen[bytes] | None = None
    try:
        subprocess.run(
            [binaries / "initdb", "-D", files, "-U", "hotline", "--auth=trust", "--no-sync",
             "--encoding=UTF8", "--locale=C"],
            check=True, cwd=home, stdout=log, stderr=log, **who,
        )  # fmt: skip
        server = subprocess.Popen(
            [binaries / "postgres", "-D", files, "-k", home, "-c", "listen_addresses=",
             "-F", "-c", "max_connections=200", "-c", "shared_buffers=32MB"],
            cwd=home, stdout=log, stderr=log, **who,
        )  # fmt: skip
        _wait_for(binaries, home, server)
        yield f"postgresql+asyncpg://hotline@/postgres?host={home}"
    finally:
        if server is not None and server.poll() is None:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        log.close()
        shutil.rmtree(home, ignore_errors=True)


def _wait_for(binaries: Path, home: Path, server: subprocess.Popen[bytes]) -> None:
    ready = [binaries / "pg_isready", "-q", "-h", home, "-t", "1"]
    end = time.monotonic() + 30
    while subprocess.run(ready, check=False).returncode != 0:
        assert server.poll() is None, (home / "log").read_text(errors="replace")
        assert time.monotonic() < end, "PostgreSQL does not answer"
        time.sleep(0.05)  # a starting server has no event to wait for


async def _admin(server: str, *statements: str) -> None:
    url = make_url(server).set(drivername="postgresql")
    link = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        for statement in statements:
            await link.execute(statement)
    finally:
        await link.close()


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    """Migrated databases to copy, by backend; filled by the first test that needs one."""
    return {}


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Which of the two databases; parametrise it to run on one alone."""
    return str(request.param)


@pytest.fixture
async def empty_database_url(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[str]:
    """Yield the URL of a database without any table."""
    if database_kind == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"t_{uuid4().hex[:12]}"
    await _admin(server, f"CREATE DATABASE {name}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    await _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database_url(
    database_kind: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    templates: dict[str, str],
    request: pytest.FixtureRequest,
) -> AsyncIterator[str]:
    """Yield the URL of a fresh, migrated database."""
    if database_kind == "sqlite":
        if "sqlite" not in templates:
            templates["sqlite"] = str(tmp_path_factory.mktemp("template") / "template.db")
            await db.upgrade(f"sqlite+aiosqlite:///{templates['sqlite']}")
        copy = tmp_path / "hotline.db"
        shutil.copy(templates["sqlite"], copy)
        yield f"sqlite+aiosqlite:///{copy}"
        return
    server = request.getfixturevalue("postgres_server")
    if "postgresql" not in templates:
        template = f"t_template_{uuid4().hex[:8]}"
        await _admin(server, f"CREATE DATABASE {template}")
        url = make_url(server).set(database=template)
        await db.upgrade(url.render_as_string(hide_password=False))
        templates["postgresql"] = template
    name = f"{templates['postgresql']}_{next(_numbers)}"
    await _admin(server, f"CREATE DATABASE {name} TEMPLATE {templates['postgresql']}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    await _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Yield an engine on a fresh, migrated database."""
    made = db.engine(database_url)
    yield made
    await made.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return what makes sessions that may write."""
    return db.writers(engine)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse items that share a name under xdist: it would run one of them and say nothing."""
    names = [item.nodeid for item in items]
    if "PYTEST_XDIST_WORKER" in os.environ and len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise pytest.UsageError(f"run these without -n: {', '.join(twice)}")
