"""The pages' routes without a browser: doors, headers, tokens, and what is said when it fails."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer
from openpyxl import load_workbook
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from agents import keys, roster
from agents.auth import Auth
from agents.door import COOKIE, PAGE, Page, authenticate
from agents.web import guard, pages, render
from schemas.errors import Conflict, Forbidden, Invalid, Unavailable
from schemas.http import Nothing, Operation, bind
from schemas.http_errors import errors_as_json
from schemas.identity import Right, Role, Who
from tests.agents.pages_house import BOOK, ID, NOW, InHand, ticket

pytestmark = [pytest.mark.unit, pytest.mark.parametrize("database_kind", ["sqlite"])]
CASE = f"/cases/{ID}"
SIGN = f"{CASE}/moves/sign"
HTMX = {"HX-Request": "true"}
REST = Operation(
    name="x", method="GET", path="/api/v1/x", summary="x", right=Right.READ_TICKETS,
    query=Nothing, body=Nothing, response=list[str],
)  # fmt: skip


class TakenCase(Conflict):
    code = "impossible_move"


@dataclass
class Front:
    """A browser without eyes."""

    client: TestClient[web.Request, web.Application]
    cases: InHand
    auth: Auth
    sessions: async_sessionmaker[AsyncSession]
    notes: list[tuple[str, Mapping[str, object], int]] = field(default_factory=list)
    cookie: str = ""

    async def note_export(self, who: Who, asked: Mapping[str, object], /, *, rows: int) -> None:
        self.notes.append((who.id, asked, rows))

    async def signed_in(self, role: Role = Role.UNIT, unit: str | None = "gongshui") -> None:
        login = unit or role.value
        user = roster.new_user(login=login, name="张敏", role=role, unit=unit)
        async with self.sessions.begin() as session:
            password = await roster.add(session, user, now=NOW)
        form = {"login": login, "password": password}
        async with self.client.post("/login", data=form, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            self.cookie = answer.cookies[COOKIE].value

    async def get(self, path: str, **more: Any) -> tuple[int, str, Mapping[str, str]]:
        async with self.client.get(path, allow_redirects=False, **more) as answer:
            return answer.status, await answer.text(errors="replace"), answer.headers

    async def post(self, path: str, **more: Any) -> tuple[int, str, Mapping[str, str]]:
        more = {"headers": {"Origin": f"http://{self.client.host}:{self.client.port}"}} | more
        async with self.client.post(path, allow_redirects=False, **more) as answer:
            return answer.status, await answer.text(), answer.headers

    def form(self, **values: str) -> dict[str, str]:
        return {"csrf": guard.form_token(self.cookie), "version": "3", **values}

    def htmx(self) -> dict[str, str]:
        return HTMX | {"Origin": f"http://{self.client.host}:{self.client.port}"}


def application(auth: Auth, cases: InHand, audit: Front, *, https: bool) -> web.Application:
    app = web.Application(
        middlewares=[errors_as_json, render.errors_as_pages, authenticate(auth)],
        client_max_size=64 * 1024,
    )

    async def nothing(_: object) -> list[str]:
        return []

    async def broken(_: web.Request) -> web.Response:
        raise RuntimeError("secret insides")

    setattr(broken, PAGE, Page(open=True))
    app.add_routes([bind(REST, nothing), web.get("/broken", broken)])
    made = pages.routes(
        auth, cases, lambda: BOOK, audit=audit, clock=lambda: NOW,
        workday=lambda day: day.weekday() < 5, https=https,
    )  # fmt: skip
    app.add_routes(made)
    return app


@pytest.fixture
async def front(
    sessions: async_sessionmaker[AsyncSession], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Front]:
    auth, cases = Auth(sessions, clock=lambda: NOW), InHand(folder=tmp_path)
    made = Front(None, cases, auth, sessions)  # type: ignore[arg-type]  # it needs the server first
    app = application(auth, cases, made, https=getattr(request, "param", False))
    async with TestClient(TestServer(app, host="127.0.0.1")) as made.client:
        yield made
    auth.close()


# ---- who gets in


@pytest.mark.parametrize("path", ["/", "/cases", CASE, "/cases.xlsx", f"{CASE}/files/1"])
async def test_who_is_not_known_is_led_to_the_sign_in(front: Front, path: str) -> None:
    status, _, headers = await front.get(path)
    assert status == 303
    assert headers["Location"].startswith("/login")
    status, _, headers = await front.get(path, headers=HTMX)
    assert (status, headers["HX-Redirect"]) == (204, "/login")


async def test_a_change_by_nobody_is_no_redirect(front: Front) -> None:
    for path in (SIGN, f"{CASE}/files", "/logout"):
        status, text, headers = await front.post(path, data={"csrf": "x"})
        assert (status, "登录" in text, headers["Content-Type"][:9]) == (401, True, "text/html")


async def test_the_api_says_it_in_json_as_ever(front: Front) -> None:
    browser = {"Accept": "text/html,*/*"}
    status, _, headers = await front.get("/api/v1/x", headers=browser)
    assert (status, headers["Content-Type"]) == (401, "application/json")
    status, _, headers = await front.get("/api/v1/nothing", headers=browser)
    assert (status, headers["Content-Type"]) == (401, "application/json")
    status, _, headers = await front.get("/nowhere")
    assert (status, headers["Content-Type"]) == (401, "application/json")
    assert (await front.get("/nowhere", headers=browser))[0] == 303
    await front.signed_in()
    status, text, _ = await front.get("/nowhere", headers=browser)
    assert (status, "没有找到" in text) == (404, True)


async def test_only_the_sign_in_and_the_files_of_pages_are_open(front: Front) -> None:
    assert (await front.get("/login"))[0] == 200
    for name in render.STATIC:
        status, _, headers = await front.get(f"/static/{name}")
        assert (status, headers["Cache-Control"]) == (200, "no-cache")
    for name in ("nothing.js", "..%2fpages.py", "%2e%2e%2fpages.py"):
        assert (await front.get(f"/static/{name}"))[0] in (303, 404)


async def test_a_static_file_is_fetched_once(front: Front) -> None:
    _, text, _ = await front.get("/login")
    address = render.environment().globals["asset"]("app.css")
    assert address in text
    _, _, headers = await front.get(address)
    assert "immutable" in headers["Cache-Control"]
    kept = {"If-None-Match": headers["ETag"]}
    assert (await front.get("/static/app.css", headers=kept))[0] == 304


async def test_every_page_carries_the_policy_and_nothing_inline(front: Front) -> None:
    await front.signed_in()
    for path in ("/login?next=/cases", "/cases", CASE, "/cases/BJ20261123-999999", "/broken"):
        _, text, headers = await front.get(path)
        assert headers.get("Content-Security-Policy", render.POLICY) == render.POLICY
        assert "unsafe" not in render.POLICY
        for inline in ("<style", " style=", " onclick=", "hx-on", "<script>"):
            assert inline not in text, (path, inline)
        if path != "/login?next=/cases":
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("front", [True], indirect=True)
async def test_the_cookie_is_for_this_site_and_no_script(front: Front) -> None:
    async with front.sessions.begin() as session:
        made = roster.new_user(login="ducha", name="张敏", role=Role.INSPECTOR)
        password = await roster.add(session, made, now=NOW)
    form = {"login": "ducha", "password": password, "next": CASE}
    async with front.client.post("/login", data=form, allow_redirects=False) as answer:
        assert answer.headers["Location"] == CASE
        set_cookie = answer.headers["Set-Cookie"]
    for said in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/"):
        assert said in set_cookie


async def test_a_bad_sign_in_says_nothing_of_why(front: Front) -> None:
    await front.signed_in()
    for login, password in (
        ("", ""), ("x" * 33, "y"), ("a\0", "y"), ("gongshui", "wrong"), ("nobody", "wrong"),
    ):  # fmt: skip
        form = {"login": login, "password": password}
        status, text, _ = await front.post("/login", data=form)
        assert (status, "登录名或密码不对" in text) == (401, True), form


async def test_who_is_signed_in_needs_no_sign_in(front: Front) -> None:
    await front.signed_in()
    status, _, headers = await front.get("/login?next=//evil.example")
    assert (status, headers["Location"]) == (303, "/")
    assert (await front.get("/"))[2]["Location"] == "/cases"
    status, _, headers = await front.post("/logout", data=front.form())
    assert (status, headers["Location"]) == (303, "/login")
    assert (await front.get("/cases"))[0] == 303


# ---- changes


async def test_a_move_is_made_with_and_without_htmx(front: Front) -> None:
    await front.signed_in()
    status, _, headers = await front.post(SIGN, data=front.form())
    assert (status, headers["Location"]) == (303, f"{CASE}?done=sign")
    _, text, _ = await front.get(f"{CASE}?done=sign")
    assert "已完成：签收" in text
    status, text, _ = await front.post(SIGN, data=front.form(), headers=front.htmx())
    assert (status, "已完成：签收" in text, "<html" in text) == (200, True, False)
    assert [(id, asked.version, asked.move.do) for id, asked in front.cases.moved] == [
        (ID, 3, "sign")
    ] * 2  # fmt: skip


async def test_a_ticket_that_is_gone_after_the_move_leads_to_the_list(front: Front) -> None:
    await front.signed_in()
    move = front.cases.move

    async def gone(who: Who, id: str, asked: Any, /) -> Any:
        made = await move(who, id, asked)
        front.cases.tickets.clear()
        return made

    front.cases.move = gone  # type: ignore[method-assign]
    status, _, headers = await front.post(SIGN, data=front.form(), headers=front.htmx())
    assert (status, headers["HX-Redirect"]) == (204, "/cases")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (Conflict("it has version 4 by now"), 409, "刚刚被别人改动过"),
        (TakenCase("已退单2次，不能再退"), 409, "已退单2次"),
        (Invalid("1 fault in the body"), 422, "请检查后再试"),
        (Forbidden("这张工单不由贵单位签收"), 403, "这张工单不由贵单位签收"),
        (Unavailable("the database is away"), 503, "稍后再试"),
    ],
)
async def test_a_refusal_is_said_in_place_in_chinese(
    front: Front, error: Any, status: int, said: str
) -> None:
    await front.signed_in()
    front.cases.refuses = error
    for headers in ({}, front.htmx()):
        more = {"headers": headers} if headers else {}
        got, text, answered = await front.post(
            f"{CASE}/moves/note", data=front.form(text="打好的<字>"), **more
        )
        assert (got, said in text) == (status, True)
        if headers:
            place = "#move-note" if status in (409, 422) else "#news"
            assert (answered["HX-Retarget"], "<html" in text) == (place, False)
        if status in (409, 422):
            assert "打好的&lt;字&gt;" in text
        assert "by now" not in text


async def test_what_nobody_may_is_refused_before_it_is_read(front: Front) -> None:
    await front.signed_in()
    front.cases.tickets[ID] = ticket(may=[])
    assert (await front.post(f"{CASE}/moves/note", data=front.form()))[0] == 403
    assert (await front.post(f"{CASE}/moves/nothing", data=front.form()))[0] == 404
    front.cases.tickets[ID] = ticket()
    status, text, _ = await front.post(f"{CASE}/moves/note", data=front.form())
    assert (status, "请填写备注" in text) == (422, True)


@pytest.mark.parametrize("given", ["", "x", "0", "-1", "9" * 20, "²"])
async def test_a_spoilt_version_is_an_old_one(front: Front, given: str) -> None:
    await front.signed_in()
    await front.post(SIGN, data=front.form(version=given))
    assert front.cases.moved[-1][1].version == 1


@pytest.mark.parametrize(
    "body",
    [
        {"data": b"csrf=%ff", "type": "application/x-www-form-urlencoded"},
        {"data": b"csrf=\xff", "type": "application/x-www-form-urlencoded"},
        {"data": b"a=1&" * 200, "type": "application/x-www-form-urlencoded"},
        {"data": b"{}", "type": "application/json"},
        {"data": b"csrf=x", "type": "multipart/form-data"},
        {"data": b"x", "type": "multipart/form-data; boundary=y"},
    ],
)
async def test_what_is_no_form_is_refused(front: Front, body: dict[str, Any]) -> None:
    await front.signed_in()
    headers = {"Content-Type": body["type"]}
    for path in (SIGN, f"{CASE}/files", "/login"):
        status, _, _ = await front.post(path, data=body["data"], headers=headers)
        assert status in (403, 422), path


async def test_a_form_that_is_too_large_is_refused(front: Front) -> None:
    await front.signed_in()
    status, text, _ = await front.post(SIGN, data=front.form(text="x" * 70_000))
    assert (status, "太大" in text) == (413, True)


async def test_programs_use_the_api(front: Front) -> None:
    async with front.sessions.begin() as session:
        key = await keys.create_token(session, role=Role.ADMIN, now=NOW)
    bearer = {"Authorization": f"Bearer {key}"}
    assert (await front.get("/cases", headers=bearer))[0] == 200
    form = {"csrf": guard.form_token("")}
    assert (await front.post(SIGN, data=form, headers=bearer))[0] == 403


# ---- files


def files(front: Front, *names: str, token: str | None = None) -> FormData:
    form = FormData(quote_fields=False, default_to_multipart=True)
    form.add_field("csrf", guard.form_token(front.cookie) if token is None else token)
    form.add_field("version", "3")
    for name in names:
        form.add_field("file", io.BytesIO(b"x" * 100_000), filename=name)
    return form


async def test_files_are_streamed_past_the_limit_of_other_bodies(front: Front) -> None:
    await front.signed_in()
    status, _, headers = await front.post(f"{CASE}/files", data=files(front, "a.png", "停水.pdf"))
    assert (status, headers["Location"]) == (303, CASE)
    assert front.cases.attached == [("a.png", 100_000), ("停水.pdf", 100_000)]
    answer = await front.post(f"{CASE}/files", data=files(front, "b.png"), headers=front.htmx())
    assert (answer[0], "已上传：b.png" in answer[1]) == (200, True)
    assert 'data-version="3"' in answer[1]
    assert 'id="history"' in answer[1]


async def test_a_file_is_read_only_after_the_token(front: Front) -> None:
    await front.signed_in()
    form = FormData()
    form.add_field("file", io.BytesIO(b"x"), filename="a.png")
    form.add_field("csrf", guard.form_token(front.cookie))
    assert (await front.post(f"{CASE}/files", data=form))[0] == 403
    assert (await front.post(f"{CASE}/files", data=files(front, "a.png", token="")))[0] == 403
    long = files(front, "a.png", token="x" * 5000)
    assert (await front.post(f"{CASE}/files", data=long))[0] == 422
    assert front.cases.attached == []


async def test_no_file_and_a_wrong_one_are_told_apart(front: Front) -> None:
    await front.signed_in()
    for form in (files(front), files(front, "")):
        status, text, _ = await front.post(f"{CASE}/files", data=form)
        assert (status, "请先选择文件" in text) == (422, True)
    front.cases.refuses = Invalid("不收这种文件")
    status, text, _ = await front.post(f"{CASE}/files", data=files(front, "a.svg"))
    assert (status, "不收这种文件" in text) == (422, True)
    front.cases.refuses = Forbidden("您的岗位不能上传佐证材料")
    status, text, _ = await front.post(f"{CASE}/files", data=files(front, "a.png"))
    assert (status, "不能上传佐证材料" in text) == (403, True)
    front.cases.refuses = Unavailable("away")
    assert (await front.post(f"{CASE}/files", data=files(front, "a.png")))[0] == 503


async def test_an_upload_that_breaks_off_keeps_nothing(front: Front) -> None:
    await front.signed_in()
    host, port = front.client.host, front.client.port
    reader, writer = await asyncio.open_connection(host, port)
    part = (
        f"--b\r\nContent-Disposition: form-data; name=csrf\r\n\r\n{guard.form_token(front.cookie)}"
    )
    file = "--b\r\nContent-Disposition: form-data; name=file; filename=a.png\r\n\r\nxxxx"
    writer.write(
        f"POST {CASE}/files HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n"
        f"Cookie: {COOKIE}={front.cookie}\r\nContent-Length: 100000\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\n\r\n{part}\r\n{file}".encode()
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    assert (await front.get(CASE))[0] == 200
    assert front.cases.attached == []


async def test_a_file_is_saved_never_shown(front: Front) -> None:
    await front.signed_in()
    status, text, headers = await front.get(f"{CASE}/files/1")
    assert (status, text, headers["Content-Type"]) == (200, "%PDF-1.7", "application/pdf")
    assert headers["Content-Disposition"] == (
        'attachment; filename="______.pdf"; '
        "filename*=UTF-8''%E5%81%9C%E6%B0%B4%20%E6%8A%A5%E5%91%8A%22.pdf"
    )
    assert "sandbox" in headers["Content-Security-Policy"]
    assert (await front.get(f"{CASE}/files/x"))[0] == 404


# ---- list and export


async def test_a_ticket_number_leads_to_the_ticket(front: Front) -> None:
    await front.signed_in()
    assert (await front.get(f"/cases?q={ID.lower()}"))[2]["Location"] == CASE
    front.cases.tickets.clear()
    status, text, _ = await front.get(f"/cases?q={ID}")
    assert (status, "没有符合条件的工单" in text) == (200, True)


@pytest.mark.parametrize("show", ["open", "red", "green", "closed"])
async def test_an_empty_list_says_what_to_do(front: Front, show: str) -> None:
    await front.signed_in()
    front.cases.tickets.clear()
    _, text, _ = await front.get(f"/cases?show={show}")
    assert 'class="card empty"' in text


async def test_an_export_is_noted_and_its_end_is_said(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.web.excel.MOST", 700)
    await front.signed_in()
    front.cases.tickets = {
        f"BJ20261123-{n:06}": ticket(f"BJ20261123-{n:06}") for n in range(1, 1203)
    }
    async with front.client.get("/cases.xlsx?show=red") as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment")
        book = load_workbook(io.BytesIO(await answer.read()))
    assert book["工单"].max_row == 701
    about = dict(book["说明"].iter_rows(values_only=True))
    assert (about["导出人"], about["范围"]) == ("张敏", "超期")
    assert "只含前面这些" in about["条数"]
    ((who, asked, rows),) = front.notes
    assert (who, asked["light"], rows) == ("gongshui", "red", 700)
    assert [a.cursor for a in front.cases.asked] == [None, "500"]


async def test_who_may_not_export_gets_no_list(front: Front) -> None:
    await front.signed_in(Role.QUALITY, None)
    assert (await front.get("/cases.xlsx"))[0] == 200
    async with front.sessions.begin() as session:
        key = await keys.create_token(session, role=Role.READER, now=NOW)
    front.notes.clear()
    bearer = {"Authorization": f"Bearer {key}"}
    assert (await front.get("/cases.xlsx", headers=bearer))[0] == 403
    assert front.notes == []


async def test_a_bug_is_logged_and_not_shown(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    status, text, _ = await front.get("/broken")
    assert (status, "已经记录" in text, "insides" in text) == (500, True, False)
    assert "page failed: GET /broken" in caplog.text
