"""Writes an evidence pack: a zip with a manifest of hashes and words on how to check it."""

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cti.evidence_pack.gather import Gathered
from schemas.times import SHANGHAI, iso

MANIFEST, SUMS, README = "MANIFEST.json", "SHA256SUMS", "README.txt"
CHUNK = 256 * 1024
"""Bytes read at a time: a recording never stands in memory as a whole."""
FORMAT = 1
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')

WORDS = """\
12345 热线工单证据包

工单号：{ticket}
生成时间：{at}
生成人：{who}

内容
  ticket.json        工单（保密工单的来电人按规定隐去）
  history.json       全部经过，逐条带哈希链
  clocks.json        各环节时限
  calls.json         有关通话及其时间线
  recordings/        通话录音
  transcripts/       录音转写（机器识别，未经核对）
  evidence/          承办单位和热线上传的佐证材料
  MANIFEST.json      每个文件的大小和 SHA-256，以及未包含的内容和原因
  SHA256SUMS         同上，可用通用工具核对

怎样核对
  1. 文件没有被改动：在解压后的文件夹里运行
         sha256sum -c SHA256SUMS
     每一行都应显示 OK（成功）。
  2. 证据包出自本热线：MANIFEST.json 的 SHA-256 在生成时已记入热线系统的审计记录，
     请热线管理人员按工单号和生成时间查对。
  3. 经过没有被改动：history.json 中每一条的 hash 是下面这段文字的 SHA-256：
         把 covered 列出的各项按键名排序写成 JSON（UTF-8，逗号和冒号后无空格，汉字不转义），
         换行，再接上一条的 hash（第一条接 64 个 0）。
     任何一条被改、被删、被调换，其后的哈希都对不上。
  以上三项可由热线系统一次完成：
         hotline tickets verify 文件名.zip
"""


def write(found: Gathered, to: IO[bytes], *, who: str, at: float) -> str:
    """Write the pack of *found* to *to* and return the SHA-256 (hex) of its manifest.

    Blocking: a pack may hold hours of recordings.

    Args:
        who: who takes it, as it stands in the pack.
        at: Unix seconds.
    """
    listed: dict[str, dict[str, Any]] = {}
    left_out = list(found.left_out)
    day = datetime.fromtimestamp(at, SHANGHAI).timetuple()[:6]
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as made:

        def text(name: str, content: str) -> str:
            return _put(made, name, content.encode(), day, listed)

        text(README, WORDS.format(ticket=found.ticket, at=iso(at), who=who))
        for name, document in found.documents.items():
            text(safe(name), _json(document))
        for one in found.files:
            name = safe(one.name)
            try:
                _copy(made, name, one.path, day, listed)
            except FileNotFoundError:
                left_out.append({"what": name, "why": "文件已不在"})
                continue
            if one.sha256 is not None and listed[name]["sha256"] != one.sha256:
                listed[name]["altered"] = f"上传时的 SHA-256 是 {one.sha256}"
        manifest = {
            "format": FORMAT,
            "ticket": found.ticket,
            "made_at": iso(at),
            "made_by": who,
            "unmasked": found.unmasked,
            "history": {
                "rows": len(found.documents["history.json"]["rows"]),
                "head": found.head,
                "verified": found.documents["history.json"]["verified"],
            },
            "files": [{"name": name, **facts} for name, facts in sorted(listed.items())],
            "left_out": left_out,
        }
        hashed = text(MANIFEST, _json(manifest))
        sums = "".join(f"{facts['sha256']}  {name}\n" for name, facts in sorted(listed.items()))
        text(SUMS, sums)
    return hashed


def safe(name: str) -> str:
    """Return *name* as it may stand in a zip on any system: no way out of the folder."""
    parts = [_UNSAFE.sub("_", part).strip(" .")[:120] for part in name.split("/")]
    return "/".join(part or "_" for part in parts)


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _info(name: str, day: tuple[Any, ...], how: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, day)
    info.compress_type = how
    info.external_attr = 0o600 << 16
    return info


def _put(
    made: zipfile.ZipFile,
    name: str,
    content: bytes,
    day: tuple[Any, ...],
    listed: dict[str, dict[str, Any]],
) -> str:
    made.writestr(_info(name, day, zipfile.ZIP_DEFLATED), content)
    hashed = hashlib.sha256(content).hexdigest()
    listed[name] = {"size": len(content), "sha256": hashed}
    return hashed


def _copy(
    made: zipfile.ZipFile,
    name: str,
    path: Path,
    day: tuple[Any, ...],
    listed: dict[str, Mapping[str, Any]] | dict[str, dict[str, Any]],
) -> None:
    hashed, size = hashlib.sha256(), 0
    # sound and pictures do not become smaller
    info = _info(name, day, zipfile.ZIP_STORED)
    with path.open("rb") as source, made.open(info, "w", force_zip64=True) as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)
            hashed.update(chunk)
            size += len(chunk)
    listed[name] = {"size": size, "sha256": hashed.hexdigest()}
