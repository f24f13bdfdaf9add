import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.evidence_pack import http, pack, verify
from cti.evidence_pack.http import Packs
from hotline import db
from schemas.case_tables import AuditRow, HistoryRow, TicketCallRow
from schemas.errors import Forbidden, Invalid, NotFound
from schemas.identity import Role, Who
from schemas.tables import CallRow, TicketRow, TimelineRow, TranscriptRow
from schemas.tickets import TicketOut
from tests.cti.case_desk import ADMIN, DISPATCHER, MONITOR, NOW, UNITS, Desk, desk
from tests.cti.hook_receiver import Client, answering, as_role

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
CALLER = "13912348000"
SECOND = Who(kind="user", id="second", role=Role.SUPERVISOR)
"""Who grants."""


@pytest.fixture
def at_desk(engine: AsyncEngine, tmp_path: Path) -> Desk:
    return desk(engine, tmp_path / "evidence")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "monitor"
    folder.mkdir()
    (folder / "n1-1.wav").write_bytes(b"RIFF" + b"sound" * 1000)
    (tmp_path / "secret").write_text("no recording")
    return folder


@pytest.fixture
def packs(engine: AsyncEngine, at_desk: Desk, tmp_path: Path, recordings: Path) -> Packs:
    return Packs(
        db.readers(engine),
        db.writers(engine),
        at_desk.casework,
        evidence=tmp_path / "evidence",
        recordings=lambda: recordings,
        clock=lambda: NOW,
    )


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def ticket_with_everything(at_desk: Desk, sessions: Sessions, **more: Any) -> TicketOut:
    ticket = await filed(at_desk, **more)
    async with sessions.begin() as session:
        for number, recording in ((1, "n1-1.wav"), (2, "gone.wav"), (3, "../secret")):
            id = f"n1-{number}"
            session.add_all(
                [
                    CallRow(
                        id=id,
                        node="n1",
                        state="ended",
                        chain=[],
                        caller=CALLER,
                        started_at=NOW,
                        recording=recording,
                        transcript=f"我的号码是{CALLER}",
                    ),
                    TimelineRow(
                        call_id=id,
                        at=NOW,
                        kind="CallArrived",
                        detail={"caller": CALLER, "channel": f"PJSIP/{CALLER}-1"},
                    ),
                    TicketCallRow(ticket_id=ticket.id, call_id=id, why="about", at=NOW + number),
                ]
            )
        session.add(TicketCallRow(ticket_id=ticket.id, call_id="n1-9", why="about", at=NOW + 9))
        session.add(
            TranscriptRow(
                call_id="n1-1",
                recording="n1-1.wav",
                engine="vosk",
                seconds=3,
                text="停水了",
                parts=[],
                made_at=NOW,
            )
        )
    return ticket


async def filed(at_desk: Desk, **more: Any) -> TicketOut:
    ticket = await at_desk.dispatched("zhujian", **more)
    await at_desk.casework.attach(UNITS["zhujian"], ticket.id, "../../现场 照片.png", chunks(PNG))
    return ticket


async def taken(
    packs: Packs, ticket: str, to: Path, who: Who = ADMIN, *, unmasked: bool = False
) -> dict[str, bytes]:
    with to.open("wb") as file:
        await packs.make(who, ticket, file, unmasked=unmasked)
    with zipfile.ZipFile(to) as read:
        return {name: read.read(name) for name in read.namelist()}


async def test_a_pack_holds_everything_and_verifies(
    at_desk: Desk, sessions: Sessions, packs: Packs, tmp_path: Path
) -> None:
    ticket = await ticket_with_everything(at_desk, sessions)
    file = tmp_path / "pack.zip"
    found = await taken(packs, ticket.id, file)
    (picture,) = [name for name in found if name.startswith("evidence/")]
    assert picture.endswith("现场 照片.png")
    assert ".." not in picture
    assert found[picture] == PNG
    assert found.keys() == {
        *("README.txt", "MANIFEST.json", "SHA256SUMS", "ticket.json", "history.json"),
        *("clocks.json", "calls.json", picture, "recordings/1-n1-1.wav", "transcripts/1-n1-1.json"),
    }
    assert "sha256sum -c SHA256SUMS" in found["README.txt"].decode()
    said = verify.check(file)
    assert (said["fine"], said["faults"], said["ticket"]) == (True, [], ticket.id)
    assert {one["what"]: one["why"] for one in said["left_out"]} == {
        "recordings/2-n1-2.wav": "文件已不在",
        "call n1-3": "录音的路径不可信",
        "call n1-9": "通话记录已不在",
    }
    assert [call["id"] for call in json.loads(found["calls.json"])] == ["n1-1", "n1-2", "n1-3"]
    assert json.loads(found["ticket.json"])["caller"] == CALLER
    async with sessions() as session:
        (note,) = await session.scalars(select(AuditRow).where(AuditRow.what == "evidence_pack"))
    assert (note.who, note.ref) == ("root", ticket.id)
    assert note.detail == {"manifest_sha256": said["manifest_sha256"], "unmasked": False}


async def test_a_confidential_pack_shows_neither_number_nor_name_nor_voice(
    at_desk: Desk, sessions: Sessions, packs: Packs, tmp_path: Path
) -> None:
    ticket = await ticket_with_everything(at_desk, sessions, confidential=True)
    async with sessions.begin() as session:
        await session.execute(update(TicketRow).values(transcript=f"请打{CALLER}"))
    file = tmp_path / "pack.zip"
    found = await taken(packs, ticket.id, file)
    everything = b"".join(found.values()).decode(errors="replace")
    assert CALLER not in everything
    assert "赵钱孙" not in everything
    assert not [name for name in found if name.startswith(("recordings/", "transcripts/"))]
    assert verify.check(file)["fine"]
    assert len(verify.check(file)["left_out"]) == 4
    with pytest.raises(Forbidden):
        await taken(packs, ticket.id, file, unmasked=True)


async def test_a_second_person_may_grant_the_whole(
    at_desk: Desk, sessions: Sessions, packs: Packs, tmp_path: Path
) -> None:
    ticket = await ticket_with_everything(at_desk, sessions, confidential=True)
    asked = await at_desk.casework.ask_unmask(MONITOR, ticket.id, "纪委调查")
    with pytest.raises(Forbidden):
        await taken(packs, ticket.id, tmp_path / "pack.zip", MONITOR, unmasked=True)
    await at_desk.casework.grant_unmask(SECOND, asked.id, True)
    found = await taken(packs, ticket.id, tmp_path / "pack.zip", MONITOR, unmasked=True)
    said = json.loads(found["ticket.json"])
    assert (said["caller"], said["contact_name"]) == (CALLER, "赵钱孙")
    assert "recordings/1-n1-1.wav" in found
    assert '"look"' in found["history.json"].decode()  # that it was looked at is in it, too
    with pytest.raises(Forbidden):
        await taken(packs, ticket.id, tmp_path / "other.zip", ADMIN, unmasked=True)


async def test_an_altered_history_is_told_in_the_pack_and_by_who_checks_it(
    at_desk: Desk, sessions: Sessions, packs: Packs, tmp_path: Path
) -> None:
    ticket = await at_desk.done()
    async with sessions.begin() as session:
        await session.execute(update(HistoryRow).where(HistoryRow.seq == 4).values(why="从未签收"))
    found = await taken(packs, ticket.id, tmp_path / "pack.zip")
    assert json.loads(found["MANIFEST.json"])["history"]["verified"] is False
    assert verify.check(tmp_path / "pack.zip")["faults"] == ["history.json：第 4 条与哈希链不符"]


async def test_evidence_that_is_not_what_came_in_is_told(
    at_desk: Desk, packs: Packs, tmp_path: Path
) -> None:
    ticket = await filed(at_desk)
    (kept,) = (tmp_path / "evidence").iterdir()
    kept.write_bytes(PNG + b"other")
    await taken(packs, ticket.id, tmp_path / "pack.zip")
    (fault,) = verify.check(tmp_path / "pack.zip")["faults"]
    assert "打包时已与上传时不同" in fault


def rewritten(file: Path, change: Callable[[str, bytes], bytes | None], **added: bytes) -> Path:
    """Return a copy of the pack *file* with each part as *change* makes it; None drops it."""
    other = file.with_name("altered.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            if (content := change(name, old.read(name))) is not None:
                new.writestr(name, content)
        for name, content in added.items():
            new.writestr(name, content)
    return other


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_whoever_alters_a_pack_is_found_out(
    at_desk: Desk, sessions: Sessions, packs: Packs, tmp_path: Path
) -> None:
    ticket = await ticket_with_everything(at_desk, sessions)
    file = tmp_path / "pack.zip"
    await taken(packs, ticket.id, file)

    def faults(change: Callable[[str, bytes], bytes | None], **added: bytes) -> list[str]:
        return list(verify.check(rewritten(file, change, **added))["faults"])

    def of(wanted: str, change: Callable[[bytes], bytes | None]) -> list[str]:
        return faults(lambda name, content: change(content) if name == wanted else content)

    assert faults(lambda _, content: content) == []
    assert of("clocks.json", lambda c: c + b" ") == ["clocks.json：内容被改动"]
    assert of("recordings/1-n1-1.wav", lambda _: None) == ["recordings/1-n1-1.wav：缺少"]
    assert faults(lambda _, c: c, extra=b"x") == ["extra：清单里没有"]

    def forged(content: bytes) -> bytes:  # the manifest fits, the chain does not
        said = json.loads(content)
        said["rows"][1]["why"] = "改过"
        return json.dumps(said).encode()

    assert "history.json：第 2 条与哈希链不符" in of("history.json", forged)
    assert "history.json：读不懂" in of("history.json", lambda _: b"[" * 99999)
    assert "history.json：读不懂" in of("history.json", lambda _: b'{"rows": [1]}')

    def shorter(content: bytes) -> bytes:
        said = json.loads(content)
        return json.dumps({**said, "rows": said["rows"][:-1]}).encode()

    assert "history.json：条数或最后一条与清单不符" in of("history.json", shorter)

    def other_ticket(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), "ticket": "BJ20260101-000001"}).encode()

    assert of("MANIFEST.json", other_ticket) == ["history.json：有别的工单的经过"]

    def strange_name(content: bytes) -> bytes:
        said = json.loads(content)
        said["files"].append({"name": "../x", "size": 1, "sha256": "0"})
        return json.dumps(said).encode()

    def with_strange(name: str, content: bytes) -> bytes:
        return strange_name(content) if name == "MANIFEST.json" else content

    assert faults(with_strange, **{"../x": b"1"}) == ["../x：文件名不合规"]


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"x" * 999, "zip", '{"format": 2}', "[]", "{"]
)
def test_what_is_no_pack_is_refused(tmp_path: Path, content: bytes | str) -> None:
    file = tmp_path / "x.zip"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        with zipfile.ZipFile(file, "w") as made:
            made.writestr("a" if content == "zip" else "MANIFEST.json", content)
    with pytest.raises(Invalid):
        verify.check(file)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("evidence/1-a.png", "evidence/1-a.png"),
        ("evidence/../../etc/passwd", "evidence/_/_/etc/passwd"),
        ("/etc/passwd", "_/etc/passwd"),
        ("a\\..\\b", "a_.._b"),
        ("c:x\n\0", "c_x__"),
        ("", "_"),
        ("x" * 999, "x" * 120),
    ],
)
def test_names_in_a_pack_lead_nowhere(name: str, kept: str) -> None:
    assert pack.safe(name) == kept


@pytest.fixture
async def client(packs: Packs) -> AsyncIterator[Client]:
    async with answering(http.routes(packs)) as made:
        yield made


async def test_a_pack_is_downloaded_by_who_may(at_desk: Desk, client: Client) -> None:
    ticket = await at_desk.done()
    where = f"/api/v1/tickets/{ticket.id}/evidence.zip"
    for role in ("agent", "supervisor", "dispatcher", "unit:zhujian", "reader", "quality"):
        assert (await client.get(where, headers=as_role(role))).status == 403
    answer = await client.get(where, headers=as_role("inspector"))
    assert (answer.status, answer.content_type) == (200, "application/zip")
    assert f'filename="{ticket.id}.zip"' in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(await answer.read())) as read:
        assert read.testzip() is None
    assert (await client.get("/api/v1/tickets/BJ20260101-000001/evidence.zip")).status == 404
    assert (await client.get("/api/v1/tickets/..%2Fx/evidence.zip")).status in (404, 422)
    hidden = await at_desk.open(confidential=True)
    where = f"/api/v1/tickets/{hidden.id}/evidence.zip?unmasked=true"
    assert (await client.get(where)).status == 403


@pytest.mark.parametrize("confidential", [False, True])
async def test_calls_of_another_confidential_ticket_stay_hidden_after_a_merge(
    at_desk: Desk, sessions: Sessions, packs: Packs, tmp_path: Path, confidential: bool
) -> None:
    merged = await ticket_with_everything(at_desk, sessions, confidential=True)
    own = "13811112222"
    into = await at_desk.dispatched("zhujian", caller=own, confidential=confidential)
    async with sessions.begin() as session:
        row = CallRow(id="n1-8", node="n1", state="ended", chain=[], caller=own, started_at=NOW)
        row.recording = "n1-1.wav"
        session.add_all([row, TicketCallRow(ticket_id=into.id, call_id="n1-8", why="about", at=1)])
    fresh = await at_desk.casework.get(DISPATCHER, merged.id)
    await at_desk.do(DISPATCHER, fresh, "merge", into=into.id, reason="同一件事")
    if confidential:
        request = await at_desk.casework.ask_unmask(MONITOR, into.id, "督查要核实")
        await at_desk.casework.grant_unmask(SECOND, request.id, True)
    file = tmp_path / "pack.zip"
    found = await taken(packs, into.id, file, MONITOR, unmasked=confidential)
    everything = b"".join(found.values()).decode(errors="replace")
    assert CALLER not in everything
    assert own in everything
    heard = [name for name in found if name.startswith(("recordings/", "transcripts/"))]
    assert [name.partition("-")[2] for name in heard] == ["n1-8.wav"]
    why = {one["what"]: one["why"] for one in verify.check(file)["left_out"]}
    assert why["call n1-1"] == "另一件保密工单的来电：录音和转写不含在内"


async def test_nobody_takes_a_ticket_that_is_not_there(packs: Packs, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await taken(packs, "BJ20260101-000001", tmp_path / "x.zip")
