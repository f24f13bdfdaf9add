"""A private PostgreSQL for a bench: on a socket of its own, gone afterwards."""

import asyncio
import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path


def binaries() -> Path | None:
    """Return the folder of `initdb` and `postgres`, newest version first; None: not installed."""
    found = shutil.which("initdb")
    if found and (Path(found).resolve().parent / "postgres").exists():
        return Path(found).resolve().parent
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(installed, key=lambda path: int(path.parent.name.split(".")[0]), default=None)


@contextlib.asynccontextmanager
async def server(**settings: str) -> AsyncIterator[str]:
    """Yield the SQLAlchemy URL of an empty database on a fresh server.

    Args:
        settings: of postgresql.conf, beside those that every bench has.

    Raises:
        RuntimeError: PostgreSQL is not installed, or does not start.
    """
    where = binaries()
    if where is None:
        raise RuntimeError("PostgreSQL is not installed")
    home = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    who: dict[str, object] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses root
        names = {entry.pw_name for entry in pwd.getpwall()}
        entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
        os.chown(home, entry.pw_uid, entry.pw_gid)
        who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    chosen = {"shared_buffers": "512MB", "work_mem": "16MB", "max_wal_size": "4GB", **settings}
    options = [part for key, value in chosen.items() for part in ("-c", f"{key}={value}")]
    process = None
    try:
        with (home / "log").open("wb") as log:
            made = await asyncio.create_subprocess_exec(
                where / "initdb", "-D", home / "data", "-U", "hotline", "--auth=trust",
                "--encoding=UTF8", "--locale=C",
                cwd=home, stdout=log, stderr=log, **who,  # type: ignore[arg-type]
            )  # fmt: skip
            if await made.wait() != 0:
                raise RuntimeError("initdb failed")
            process = await asyncio.create_subprocess_exec(
                where / "postgres", "-D", home / "data", "-k", home, "-c", "listen_addresses=",
                *options,
                cwd=home, stdout=log, stderr=log, **who,  # type: ignore[arg-type]
            )  # fmt: skip
        await _ready(where, home, process)
        yield f"postgresql+asyncpg://hotline@/postgres?host={home}"
    finally:
        if process is not None and process.returncode is None:
            process.terminate()
            await process.wait()
        shutil.rmtree(home, ignore_errors=True)


async def _ready(where: Path, home: Path, process: asyncio.subprocess.Process) -> None:
    for _ in range(300):
        asking = await asyncio.create_subprocess_exec(
            where / "pg_isready", "-q", "-h", home, "-t", "1"
        )
        if await asking.wait() == 0:
            return
        if process.returncode is not None:
            break
        await asyncio.sleep(0.1)
    raise RuntimeError("PostgreSQL does not start")
