"""Evidence (佐证材料): files that units and staff add to a ticket. What comes in is hostile.

Bytes lie under the hash of what they are, so a name never becomes a path; what a file is says its
content, never its name; and it is handed out as a download in a sandbox, never shown in our pages.
"""

import asyncio
import hashlib
import os
import re
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from urllib.parse import quote

import filetype
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.case_tables import ArticleFileRow, TicketFileRow
from schemas.errors import HotlineError, Invalid, NotFound

LARGEST = 20 * 1024 * 1024
"""Bytes of one file."""
MOST = 20
"""Files of one ticket."""
MEDIA: Mapping[str, str] = {
    "application/pdf": "pdf",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "audio/mpeg": "mp3",
    "audio/x-wav": "wav",
    "audio/wav": "wav",
    "video/mp4": "mp4",
}
"""What is taken, and the ending its name gets; no SVG, no HTML, nothing that can run."""
OFFICE: Mapping[str, str] = {
    "docx": "word/document.xml",
    "xlsx": "xl/workbook.xml",
}
"""What an Office file must hold, not only begin like."""
NAME = 100
"""Characters of a name."""
COMING = ".coming-"
"""How the name of a file begins while its bytes come in."""
_FORBIDDEN = re.compile(r'[<>:"|?*%]')


class TooLarge(HotlineError):
    """More bytes or files than we take."""

    code, status = "too_large", 413


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that is safely kept."""

    sha256: str
    size: int
    media: str
    ending: str


def clean(name: str, ending: str) -> str:
    """Return *name* as it may be shown and saved: no path, no control or direction characters."""
    base = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    spaced = "".join(" " if unicodedata.category(c)[0] == "Z" else c for c in base)
    kept = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
    stem = _FORBIDDEN.sub("_", kept).strip(" .")
    wrong = stem.rpartition(".")
    if wrong[0] and len(wrong[2]) <= 5:
        stem = wrong[0].strip(" .")
    return f"{stem[:NAME] or '附件'}.{ending}"


async def take(chunks: AsyncIterator[bytes], folder: Path) -> Taken:
    """Write *chunks* to *folder* and return what they are; nothing of what is refused is kept.

    Raises:
        TooLarge: they are more than `LARGEST` bytes; the rest is not read.
        Invalid: empty, or not one of the kinds in `MEDIA`.
    """
    descriptor, coming = await asyncio.to_thread(_new, folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            hashed, size = hashlib.sha256(), 0
            async for chunk in chunks:
                size += len(chunk)
                if size > LARGEST:
                    raise TooLarge("文件太大，最多20 MB", most=LARGEST)
                hashed.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(_settle, file)
        media, ending = await asyncio.to_thread(_kind, coming, size)
        taken = Taken(hashed.hexdigest(), size, media, ending)
        # before its row: a row always has its bytes
        await asyncio.to_thread(coming.replace, folder / taken.sha256)
    except BaseException:
        coming.unlink(missing_ok=True)  # at once: a cancelled task awaits nothing more
        raise
    return taken


async def there(taken: Taken, folder: Path) -> None:
    """Let pass if the bytes of *taken* lie in *folder* still; its row is written already.

    Raises:
        NotFound: another sender of the same bytes was refused meanwhile, see `drop`.
    """
    if not await asyncio.to_thread((folder / taken.sha256).is_file):
        raise NotFound("文件的内容不在了，请重新上传")


async def drop(session: AsyncSession, taken: Taken, folder: Path) -> None:
    """Remove the bytes of *taken*, which nobody may keep, unless a row has the same.

    Args:
        session: may write: on SQLite nobody else writes a row between the look and the removal.
    """
    for row in (TicketFileRow, ArticleFileRow):
        if await session.scalar(select(row.id).where(row.sha256 == taken.sha256).limit(1)):
            return
    await asyncio.to_thread((folder / taken.sha256).unlink, missing_ok=True)


def _new(folder: Path) -> tuple[int, Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, path = tempfile.mkstemp(prefix=COMING, dir=folder)
    return descriptor, Path(path)


def _settle(file: BufferedWriter) -> None:
    file.flush()
    os.fsync(file.fileno())


def _kind(path: Path, size: int) -> tuple[str, str]:
    if not size:
        raise Invalid("文件是空的")
    found = filetype.guess(str(path))
    media = found.mime if found is not None else ""
    ending = MEDIA.get(media)
    if media == "application/zip" or ending in OFFICE:
        ending = _office(path)
        media = next((m for m, e in MEDIA.items() if e == ending), "")
    if ending is None:
        raise Invalid("不收这种文件：只收PDF、图片、Word、Excel、录音和视频", media=media or None)
    return media, ending


def _office(path: Path) -> str | None:
    """Return the ending of the Office file at *path*; None: another archive, or one with macros."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if "[Content_Types].xml" not in names or any("vbaProject" in name for name in names):
        return None
    return next((ending for ending, holds in OFFICE.items() if holds in names), None)


def headers(name: str, media: str) -> dict[str, str]:
    """Return the headers under which a file may leave: a download that nothing runs in."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return {
        "Content-Type": media,
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "no-store",
    }


def tidy(folder: Path, *, older: float) -> int:
    """Remove what a crash left half-written *older* seconds ago or longer; return how many."""
    if not folder.is_dir():
        return 0
    old = [p for p in folder.glob(f"{COMING}*") if p.stat().st_mtime < time.time() - older]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
