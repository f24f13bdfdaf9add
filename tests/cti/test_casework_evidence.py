"""Evidence: hostile files and names, on the service and over HTTP."""

import hashlib
import io
import tracemalloc
import wave
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from cti.knowledge import files, store
from cti.tickets import evidence, http
from cti.tickets.evidence import TooLarge
from schemas.errors import Conflict, Forbidden, Invalid, NotFound
from schemas.http import WHO
from schemas.http_errors import errors_as_json
from schemas.identity import Role, Who
from schemas.knowledge import ArticleIn
from schemas.tickets import TicketOut
from tests.cti.case_desk import ADMIN, AGENT, MONITOR, UNITS, Desk, desk

pytestmark = pytest.mark.unit

Sessions = async_sessionmaker[AsyncSession]
ZHUJIAN = UNITS["zhujian"]
MEGABYTE = 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF"


def zipped(**files: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), text)
    return made.getvalue()


def xlsx() -> bytes:
    made = io.BytesIO()
    Workbook().save(made)
    return made.getvalue()


def docx(**more: str) -> bytes:
    parts = {"[Content_Types]_dot_xml": "<Types/>", "word__document_dot_xml": "<w/>", **more}
    return zipped(**parts)


def wav() -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\0\0" * 80)
    return made.getvalue()


async def chunks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "evidence"


@pytest.fixture
def city(engine: AsyncEngine, folder: Path) -> Desk:
    return desk(engine, folder)


# ---- what a file is


@pytest.mark.parametrize(
    ("data", "ending"),
    [
        (PDF, "pdf"),
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 64, "jpg"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 64, "webp"),
        (docx(), "docx"),
        (xlsx(), "xlsx"),
        (b"ID3\x03" + b"\0" * 64, "mp3"),
        (wav(), "wav"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 64, "mp4"),
    ],
)
async def test_what_is_taken_says_its_content(data: bytes, ending: str, folder: Path) -> None:
    taken = await evidence.take(chunks(data), folder)
    assert (taken.ending, taken.size) == (ending, len(data))
    assert taken.sha256 == hashlib.sha256(data).hexdigest()
    kept = folder / taken.sha256
    assert kept.read_bytes() == data
    assert kept.stat().st_mode & 0o077 == 0
    assert evidence.clean("现场.html", taken.ending) == f"现场.{ending}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<!doctype html><script>alert(1)</script>",
        b"\x7fELF" + b"\0" * 200,
        b"MZ" + b"\0" * 200,
        b"#!/bin/sh\nrm -rf /\n",
        b"PK\x03\x04" + b"\0" * 30,
        zipped(a="b"),
        docx(**{"word__vbaProject_dot_bin": "macro"}),
        b"GIF89a" + b"\0" * 64,
        b"just words",
        b"Rar!\x1a\x07\x00" + b"\0" * 64,
        b"SQLite format 3\0" + b"\0" * 100,
    ],
)
async def test_what_is_not_taken_leaves_nothing_behind(data: bytes, folder: Path) -> None:
    with pytest.raises(Invalid):
        await evidence.take(chunks(data), folder)
    assert list(folder.iterdir()) == []


async def test_a_stream_without_end_is_cut_off_and_memory_stays(folder: Path) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        piece = b"%PDF-" + b"\0" * (64 * 1024 - 5)
        while True:
            read += len(piece)
            yield piece

    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            await evidence.take(endless(), folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read <= evidence.LARGEST + 64 * 1024
    assert peak < 4 * MEGABYTE
    assert list(folder.iterdir()) == []


async def test_half_an_upload_is_removed_and_a_crashs_later(folder: Path) -> None:
    async def torn() -> AsyncIterator[bytes]:
        yield PDF
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await evidence.take(torn(), folder)
    assert list(folder.iterdir()) == []
    left = folder / f"{evidence.COMING}x"
    left.write_bytes(b"half")
    assert evidence.tidy(folder, older=3600) == 0
    assert evidence.tidy(folder, older=-1) == 1
    assert not left.exists()
    assert evidence.tidy(folder / "none", older=0) == 0


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../x", "x.pdf"),
        ("..\\..\\windows\\x.pdf", "x.pdf"),
        ("/etc/passwd", "passwd.pdf"),
        ("回执.pdf", "回执.pdf"),
        ("evil.exe", "evil.pdf"),
        ("照片\u202egnp.exe", "照片gnp.pdf"),
        ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie_ x=1.pdf"),
        ("a\0b.pdf", "ab.pdf"),
        ("", "附件.pdf"),
        ("...", "附件.pdf"),
        (".htaccess", "htaccess.pdf"),
        ("<img src=x onerror=alert(1)>.png", "_img src=x onerror=alert(1)_.pdf"),
        ("长" * 500, "长" * 100 + ".pdf"),
        ("v1.2 说明书第三部分", "v1.2 说明书第三部分.pdf"),
    ],
)
def test_names_are_never_paths(name: str, shown: str) -> None:
    assert evidence.clean(name, "pdf") == shown


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_name_fits_screen_header_and_column(name: str) -> None:
    shown = evidence.clean(name, "docx")
    assert shown.isprintable()
    assert not set(shown) & set('/\\<>:"|?*%\r\n\0')
    assert 5 < len(shown) <= 120
    header = evidence.headers(shown, "application/pdf")["Content-Disposition"]
    assert header.isascii()
    assert header.count('"') == 2


# ---- who may add what to which ticket


async def test_units_and_staff_add_evidence_and_readers_do_not(city: Desk) -> None:
    ticket = await city.dispatched()
    for who in (ZHUJIAN, AGENT, MONITOR):
        await city.casework.attach(who, ticket.id, "回执.pdf", chunks(PDF))
    for role in (Role.READER, Role.QUALITY, Role.INSPECTOR):
        who = Who(kind="user", id="r", role=role)
        with pytest.raises(Forbidden):
            await city.casework.attach(who, ticket.id, "回执.pdf", chunks(PDF))
    whole = await city.casework.get(AGENT, ticket.id)
    assert [(file.name, file.who) for file in whole.files] == [
        ("回执.pdf", who.id) for who in (ZHUJIAN, AGENT, MONITOR)
    ]
    assert whole.version == ticket.version
    assert whole.history[-1].detail["sha256"] == whole.files[-1].sha256
    found, path = await city.casework.file(ZHUJIAN, ticket.id, whole.files[0].id)
    assert (found.name, path.read_bytes()) == ("回执.pdf", PDF)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_closed_ticket_takes_no_more(city: Desk) -> None:
    closed = await city.closed()
    with pytest.raises(Conflict):
        await city.casework.attach(AGENT, closed.id, "a.pdf", chunks(PDF))


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_ticket_has_so_many_files_and_the_next_is_not_read(city: Desk) -> None:
    ticket = await city.open()
    for _ in range(evidence.MOST):
        await city.casework.attach(AGENT, ticket.id, "a.pdf", chunks(PDF))

    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError
        yield b""

    with pytest.raises(TooLarge):
        await city.casework.attach(AGENT, ticket.id, "a.pdf", unread())


async def test_what_is_refused_after_it_was_read_leaves_no_bytes(city: Desk, folder: Path) -> None:
    kept, ticket = await city.dispatched(), await city.dispatched()
    await city.casework.attach(AGENT, kept.id, "a.pdf", chunks(PDF))

    async def closing(data: bytes) -> AsyncIterator[bytes]:
        current = await city.casework.get(AGENT, ticket.id)
        if current.closed_at is None:
            await city.do(AGENT, current, "withdraw", reason="不办了")
        yield data

    (of_kept,) = folder.iterdir()
    with pytest.raises(Conflict):
        await city.casework.attach(AGENT, ticket.id, "a.png", closing(PNG))
    assert list(folder.iterdir()) == [of_kept]
    ticket = await city.dispatched()
    with pytest.raises(Conflict):  # the same bytes as another ticket's stay
        await city.casework.attach(AGENT, ticket.id, "a.pdf", closing(PDF))
    assert list(folder.iterdir()) == [of_kept]


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_no_row_is_written_of_bytes_that_are_gone(
    city: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await city.dispatched()
    take = evidence.take

    async def taken(coming: AsyncIterator[bytes], into: Path) -> evidence.Taken:
        made = await take(coming, into)
        (into / made.sha256).unlink()  # as `drop` does for another sender of the same
        return made

    monkeypatch.setattr(evidence, "take", taken)
    with pytest.raises(NotFound, match="重新上传"):
        await city.casework.attach(AGENT, ticket.id, "a.pdf", chunks(PDF))
    assert (await city.casework.get(AGENT, ticket.id)).files == []


async def test_an_attachment_refused_after_it_was_read_leaves_no_bytes(
    sessions: Sessions, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ArticleIn.model_validate({"title": "社保卡补办", "unit": "zhujian", "body": "凭身份证"})
    async with sessions.begin() as session:
        id = (await store.create(session, ADMIN, asked, at=1.0)).id

    @web.middleware
    async def door(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[WHO] = ADMIN
        return await handler(request)

    monkeypatch.setattr(evidence, "MOST", 1)
    app = web.Application(middlewares=[errors_as_json, door])
    app.add_routes(files.routes(sessions, sessions, folder=folder))
    async with TestClient(TestServer(app, host="127.0.0.1")) as made:
        for data, status in ((PDF, 201), (PNG, 413), (PDF, 413)):
            answer = await made.post(f"/api/v1/articles/{id}/files?name=a", data=data)
            assert answer.status == status
            assert [p.name for p in folder.iterdir()] == [hashlib.sha256(PDF).hexdigest()]


# ---- over HTTP

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(city: Desk) -> AsyncIterator[Client]:
    @web.middleware
    async def door(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        named = request.headers.get("Authorization", "").removeprefix("Bearer ")
        request[WHO] = UNITS.get(named, AGENT)
        return await handler(request)

    app = web.Application(middlewares=[errors_as_json, door], client_max_size=64 * 1024)
    app.add_routes(http.routes(city.casework))
    async with TestClient(TestServer(app, host="127.0.0.1")) as made:
        yield made


def path_of(ticket: TicketOut, name: str) -> str:
    return f"/api/v1/tickets/{ticket.id}/files?name={quote(name)}"


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_file_goes_in_raw_and_comes_out_as_a_download(city: Desk, client: Client) -> None:
    ticket = await city.dispatched()
    body = PDF + b"\0" * (3 * MEGABYTE)  # more than a JSON body may be
    kind = {"Content-Type": "text/html"}
    answer = await client.post(
        path_of(ticket, "../../回执.html"), data=io.BytesIO(body), headers=kind
    )
    made = await answer.json()
    assert (answer.status, made["name"], made["media"], made["size"]) == (
        201,
        "回执.pdf",
        "application/pdf",
        len(body),
    )
    got = await client.get(f"/api/v1/tickets/{ticket.id}/files/{made['id']}")
    assert (got.status, await got.read()) == (200, body)
    assert got.headers["Content-Type"] == "application/pdf"
    assert got.headers["Content-Disposition"].startswith("attachment;")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in got.headers["Content-Security-Policy"]
    for strange in ("0", "99", "99999999999", "..%2F..%2Fetc%2Fpasswd"):
        lost = await client.get(f"/api/v1/tickets/{ticket.id}/files/{strange}")
        assert lost.status in (404, 422), strange
    theirs = {"Authorization": "Bearer weibin"}
    got = await client.get(f"/api/v1/tickets/{ticket.id}/files/{made['id']}", headers=theirs)
    assert got.status == 404


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_refused_uploads_say_why(city: Desk, client: Client, folder: Path) -> None:
    ticket = await city.dispatched()
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    for body, name, status in (
        (svg, "x.png", 422),
        (b"", "x.png", 422),
        (PNG, "", 422),
        (PNG, "x" * 201, 422),
    ):
        answer = await client.post(path_of(ticket, name), data=body)
        assert (answer.status, (await answer.json())["error"]) == (status, "invalid")
    assert not list(folder.glob("*"))


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("told", [True, False])
async def test_a_hundred_megabytes_are_cut_off_at_the_limit(
    city: Desk, client: Client, folder: Path, told: bool
) -> None:
    ticket = await city.dispatched()
    sent = 0

    async def hundred() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += MEGABYTE
            yield PDF + b"\0" * (MEGABYTE - len(PDF))

    headers = {"Content-Length": str(100 * MEGABYTE)} if told else {}
    try:
        answer = await client.post(path_of(ticket, "x.pdf"), data=hundred(), headers=headers)
        assert (answer.status, (await answer.json())["error"]) == (413, "too_large")
    except ClientError:  # the line was cut while we still sent
        assert sent < 100 * MEGABYTE
    assert not list(folder.glob("*"))
    assert (await city.casework.get(AGENT, ticket.id)).files == []
