"""Checks an evidence pack as it lies on somebody's disk. What is in it may be made up."""

import hashlib
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from cti.evidence_pack.pack import CHUNK, MANIFEST, SUMS, safe
from cti.tickets.chain import COVERED, verify
from schemas.errors import Invalid

LONGEST = 64 * 1024 * 1024
"""Bytes of one document; more is no document of ours."""
HISTORY = "history.json"
BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, RuntimeError, EOFError, ValueError)
"""What zipfile raises for archives that somebody spoilt: RuntimeError tells of a password."""


class ListedFile(BaseModel):
    """A file as the manifest lists it."""

    name: str
    size: int
    sha256: str
    altered: str | None = None


class Chain(BaseModel):
    """What the manifest says of the history."""

    rows: int
    head: str


class Manifest(BaseModel):
    """What we read of a manifest."""

    format: Literal[1]
    ticket: str
    made_at: str
    made_by: str
    unmasked: bool
    history: Chain
    files: list[ListedFile]
    left_out: list[dict[str, str]]


def check(path: Path) -> dict[str, Any]:
    """Return what the pack at *path* says and every fault found: `fine`, `faults`, facts.

    Raises:
        Invalid: it is no evidence pack at all.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as pack:
            raw = _whole(pack, MANIFEST)
            manifest = Manifest.model_validate_json(raw)
            faults = [*_files(pack, manifest), *_history(pack, manifest)]
    except (KeyError, ValidationError):
        raise Invalid("这不是证据包：没有可读的 MANIFEST.json") from None
    except BROKEN:
        raise Invalid("这不是完整的证据包：压缩文件已损坏") from None
    return {
        "fine": not faults,
        "ticket": manifest.ticket,
        "made_at": manifest.made_at,
        "made_by": manifest.made_by,
        "unmasked": manifest.unmasked,
        "manifest_sha256": hashlib.sha256(raw).hexdigest(),
        "files": len(manifest.files),
        "left_out": manifest.left_out,
        "faults": faults,
    }


def _files(pack: zipfile.ZipFile, manifest: Manifest) -> Iterator[str]:
    listed = {one.name: one for one in manifest.files}
    there = Counter(info.filename for info in pack.infolist())
    for name in sorted(name for name, times in there.items() if times > 1):
        yield f"{name}：重复出现"
    for name in sorted(there.keys() - listed.keys() - {MANIFEST, SUMS}):
        yield f"{name}：清单里没有"
    for name, one in listed.items():
        if name not in there:
            yield f"{name}：缺少"
        elif name != safe(name):
            yield f"{name}：文件名不合规"
        elif _hash(pack, one) != one.sha256:
            yield f"{name}：内容被改动"
        if one.altered is not None:
            yield f"{name}：打包时已与上传时不同"


def _hash(pack: zipfile.ZipFile, one: ListedFile) -> str | None:
    """Return the SHA-256 of a file; None when it is longer than it should be, or broken."""
    hashed, left = hashlib.sha256(), one.size
    try:
        with pack.open(one.name) as file:
            while chunk := file.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    return None  # however much there is: no more of it is unpacked
                hashed.update(chunk)
    except BROKEN:
        return None
    return hashed.hexdigest()


def _history(pack: zipfile.ZipFile, manifest: Manifest) -> Iterator[str]:
    try:
        said = json.loads(_whole(pack, HISTORY))["rows"]
        rows = [
            SimpleNamespace(**{name: row[name] for name in (*COVERED, "previous", "hash")})
            for row in said
        ]
        broken = verify(rows)
    except (KeyError, TypeError, ValueError, RecursionError):
        yield f"{HISTORY}：读不懂"
        return
    if broken is not None:
        yield f"{HISTORY}：第 {broken} 条与哈希链不符"
    if (len(rows), rows[-1].hash if rows else "") != (manifest.history.rows, manifest.history.head):
        yield f"{HISTORY}：条数或最后一条与清单不符"
    if any(row.ticket_id != manifest.ticket for row in rows):
        yield f"{HISTORY}：有别的工单的经过"


def _whole(pack: zipfile.ZipFile, name: str) -> bytes:
    with pack.open(name) as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError("too long")
    return content
