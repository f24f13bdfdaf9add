"""Hostile text, pages and neighbours: what is shown is text, what is forged is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from openpyxl import load_workbook
from sqlalchemy import select

from schemas.case_tables import AuditRow
from schemas.cases import Kind, TicketState
from schemas.identity import Role, Who
from schemas.tickets import TicketIn
from tests.browser.conftest import DISPATCHER
from tests.browser.test_units_page import PICTURE

if TYPE_CHECKING:
    from tests.browser.conftest import House, Watched

pytestmark = pytest.mark.browser

XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'><svg onload=alert(3)>",
    '<div hx-get="/cases" hx-trigger="load" hx-on::load="alert(4)">',
    "</textarea><iframe src=javascript:alert(5)>",
    "{{7*7}}<a href=javascript:alert(6)>x</a>",
)
ALL = " ".join(XSS)
SHORT = XSS[1]

POST = """([path, fields, headers]) => fetch(path, {
  method: "POST", headers, redirect: "manual",
  body: headers["Content-Type"] ? new URLSearchParams(fields).toString() : (() => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields))
      name === "file" ? form.append(name, new Blob([value]), "x.pdf") : form.append(name, value);
    return form;
  })(),
}).then(async (r) => [r.status, await r.text()])"""
PLAIN = {"Content-Type": "application/x-www-form-urlencoded"}


async def post(
    seen: Watched, path: str, fields: dict[str, str], headers: dict[str, str] = PLAIN
) -> tuple[int, str]:
    """Send a form as a script of our own page could: with cookie and the right origin."""
    status, text = await seen.page.evaluate(POST, [path, fields, headers])
    return int(status), str(text)


async def token(seen: Watched) -> str:
    return str(await seen.page.locator("input[name=csrf]").first.input_value())


async def test_whatever_people_write_is_shown_as_text(house: House) -> None:
    ticket = await house.ticket(
        title=ALL[:200], body=ALL, place=ALL[:200], contact_name=SHORT, occurred=SHORT,
        town=SHORT, caller="13991700001",
    )  # fmt: skip
    await house.change_row(ticket.id, transcript=ALL, hotline=SHORT, number=SHORT)
    await house.clerk()
    await house.person("paidan", Role.DISPATCHER)
    async with house.at("gongshui") as seen:
        await seen.goto(f"/cases/{ticket.id}")
        await seen.do("sign")
        await seen.do("contact", text=ALL)
        await seen.upload(PICTURE | {"name": f"{SHORT}.png"})
        await seen.do("finish", resolution="explained", text=ALL, policy=SHORT, told="yes")
    for login in ("gongshui", "paidan"):
        async with house.at(login) as seen:
            for show in ("done", "all"):
                await seen.goto(f"/cases?show={show}")
                assert "<script>alert(1)</script>" in await seen.text()
                await harmless(seen)
            await seen.goto(f"/cases/{ticket.id}")
            await seen.page.evaluate(
                "document.querySelectorAll('details').forEach(d => { d.open = true })"
            )
            text = await seen.text()
            assert text.count("<script>alert(1)</script>") >= 5
            assert "onerror=alert(2)" in text
            assert "{{7*7}}" in text
            await harmless(seen)


async def harmless(seen: Watched) -> None:
    """Fail when hostile text became anything but text."""
    made = "main script, main img, main svg, main iframe, main [onload], main [onerror]"
    assert await seen.page.locator(made).count() == 0
    assert await seen.page.locator("main a[href^='javascript']").count() == 0
    assert await seen.page.locator("[hx-on\\:\\:load], main div[hx-trigger=load]").count() == 0


async def test_nothing_of_an_address_runs(house: House) -> None:
    await house.clerk()
    attack = ALL.replace("&", "%26").replace("/", "%2F").replace("#", "%23")
    async with house.at("gongshui", expected=(404,)) as seen:
        for path in (
            f"/cases?q={attack}",
            f"/cases?show={attack}&unit={attack}",
            f"/cases/{attack}",
        ):
            await go(seen, path)
        await seen.goto("/cases")
        await seen.click("button", "退出")
        await seen.page.wait_for_url("**/login")
        await go(seen, f"/login?next={attack}")


async def go(seen: Watched, path: str) -> None:
    """Go to *path* as it is; the page at its end must be harmless."""
    async with seen.page.expect_navigation():
        await seen.page.evaluate("path => { location.href = path }", path)
    await harmless(seen)


async def test_a_script_in_the_page_would_not_run(house: House) -> None:
    """The policy is the second wall: were something not escaped, it still would not run."""
    async with house.window() as seen:
        seen.attacked = True
        await seen.goto("/login")
        ran = await seen.page.evaluate("""() => new Promise((resolve) => {
          window.ran = [];
          window.done = resolve;
          document.addEventListener("securitypolicyviolation", (event) => {
            ran.push(event.violatedDirective);
            resolve(ran);
          });
          const evil = "<img src='data:,x' onerror='done([1])'>";
          document.body.insertAdjacentHTML("beforeend", evil);
        })""")
        assert ran == ["script-src-attr"]


async def test_a_change_without_the_forms_own_token_is_refused(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    await house.person("other", Role.UNIT, "gongshui")
    async with house.at("other") as seen:
        foreign = await token(seen)
    async with house.at("gongshui", expected=(403,)) as seen:
        for wrong in ({}, {"csrf": ""}, {"csrf": "x" * 64}, {"csrf": foreign}, {"csrf": "签"}):
            moved = {"version": str(ticket.version), **wrong}
            status, text = await post(seen, f"/cases/{ticket.id}/moves/sign", moved)
            assert (status, "页面已过期" in text) == (403, True)
            status, _ = await post(seen, f"/cases/{ticket.id}/files", {**wrong, "file": "x"}, {})
            assert status == 403
            assert (await post(seen, "/logout", wrong))[0] == 403
        assert await seen.goto("/cases") == 200
    whole = await house.cases.get(DISPATCHER, ticket.id)
    assert (whole.state, whole.files) == (TicketState.DISPATCHED, [])


async def test_another_site_can_neither_move_a_ticket_nor_sign_anybody_in(house: House) -> None:
    """A page on another port counts as the same site, so the browser does send the cookie."""
    ticket = await house.ticket()
    await house.clerk()

    async def evil(request: web.Request) -> web.Response:
        form = (
            f'<form method=post action="{house.url}{request.query["to"]}"><input name=version '
            "value=1><input name=login value=x><input name=password value=y></form>"
            "<script>document.forms[0].submit()</script>"
        )
        return web.Response(text=form, content_type="text/html")

    app = web.Application()
    app.add_routes([web.get("/", evil)])
    async with (
        TestServer(app, host="127.0.0.1") as other,
        house.at("gongshui", expected=(403, 404)) as seen,
    ):
        for path in (f"/cases/{ticket.id}/moves/sign", "/login", "/logout"):
            async with seen.page.expect_response(house.url + path) as answered:
                await seen.page.goto(f"http://127.0.0.1:{other.port}/?to={path}")
            assert (await answered.value).status == 403, path
    assert (await house.cases.get(DISPATCHER, ticket.id)).state is TicketState.DISPATCHED


async def test_what_is_another_units_is_not_there(house: House) -> None:
    theirs = await house.ticket("ranqi", title="燃气收费")
    kept = await attached(house, theirs.id, "ranqi")
    draft = await house.cases.create(DISPATCHER, TicketIn(title="未派的", kind=Kind.HELP))
    await house.clerk()
    async with house.at("gongshui", expected=(404,)) as seen:
        mine = await token(seen)
        for id in (theirs.id, draft.id, "BJ20261123-999999"):
            assert await seen.goto(f"/cases/{id}") == 404
            assert "没有找到" in await seen.text()
            assert await seen.goto(f"/cases/{id}/files/{kept}") == 404
            await seen.goto("/cases")
            for do, more in (("sign", {}), ("note", {"text": "x"}), ("finish", {})):
                sent = {"csrf": mine, "version": str(theirs.version), **more}
                status, _ = await post(seen, f"/cases/{id}/moves/{do}", sent)
                assert status == 404, (id, do)
            sent = {"csrf": mine, "version": "1", "file": "%PDF-1.7"}
            assert (await post(seen, f"/cases/{id}/files", sent, {}))[0] == 404
        await seen.goto(f"/cases?show=all&unit=ranqi&q={theirs.id}")
        assert "没有符合条件的工单" in await seen.text()
        rows = await exported(seen, "/cases.xlsx?show=all&unit=ranqi")
        assert rows[1:] == []


async def attached(house: House, id: str, unit: str) -> int:
    async def chunks() -> Any:
        yield PICTURE["buffer"]

    who = Who(kind="user", id=unit, role=Role.UNIT, unit=unit)
    return (await house.cases.attach(who, id, "x.png", chunks())).id


async def exported(seen: Watched, path: str) -> list[tuple[Any, ...]]:
    """Download the list and return the rows of its first sheet; no cell may calculate."""
    async with seen.page.expect_download() as downloading:
        await seen.page.evaluate("path => { location.href = path }", path)
    body = (await (await downloading.value).path()).read_bytes()
    book = load_workbook(io.BytesIO(body))
    for sheet in book:
        for row in sheet.iter_rows():
            assert all(cell.data_type != "f" and cell.hyperlink is None for cell in row)
    return [tuple(row) for row in book["工单"].iter_rows(values_only=True)]


async def test_the_list_goes_out_as_text_masked_and_noted(house: House) -> None:
    evil = '=HYPERLINK("http://evil.example","x")'
    await house.ticket(title=evil, body="+1+cmd|' /C calc'!A0", place="@SUM(1)", contact_name="-2")
    hidden = await house.ticket(title="保密的", confidential=True, caller="13912348000")
    await house.clerk()
    async with house.at("gongshui") as seen:
        async with seen.page.expect_download() as downloading:
            await seen.page.get_by_role("link", name="导出 Excel").click()
        assert (await downloading.value).suggested_filename.endswith(".xlsx")
        rows = await exported(seen, "/cases.xlsx")
    head, *found = rows
    by_id = {row[0]: dict(zip(head, row, strict=True)) for row in found}
    plain = next(row for id, row in by_id.items() if id != hidden.id)
    assert plain["标题"] == "'" + evil
    assert (plain["地点"], plain["联系人"]) == ("'@SUM(1)", "'-2")
    assert by_id[hidden.id]["来电号码"] == "139****8000"
    assert "王芳" not in str(by_id[hidden.id])
    assert by_id[hidden.id]["登记时间"].year == 2026
    async with house.sessions() as session:
        notes = (await session.scalars(select(AuditRow))).all()
    assert [(n.who, n.what, n.detail["rows"]) for n in notes] == [("gongshui", "export", 2)] * 2


async def test_who_only_looks_has_nothing_to_press(house: House) -> None:
    ticket = await house.ticket()
    await house.person("ducha", Role.INSPECTOR)
    async with house.at("ducha", expected=(403,)) as seen:
        mine = await token(seen)
        assert ticket.id in await seen.text()
        await seen.goto(f"/cases/{ticket.id}")
        assert await seen.page.locator("main form").count() == 0
        for do, more in (
            ("sign", {}), ("note", {"text": "x"}), ("supervise", {"text": "x"}), ("finish", {}),
            ("dispatch", {"unit": "ranqi", "reason": "x"}),
        ):  # fmt: skip
            sent = {"csrf": mine, "version": str(ticket.version), **more}
            assert (await post(seen, f"/cases/{ticket.id}/moves/{do}", sent))[0] == 403, do
        sent = {"csrf": mine, "version": "1", "file": "%PDF-1.7"}
        assert (await post(seen, f"/cases/{ticket.id}/files", sent, {}))[0] == 403
    whole = await house.cases.get(DISPATCHER, ticket.id)
    assert (whole.state, whole.version) == (TicketState.DISPATCHED, ticket.version)


async def test_too_many_wrong_passwords_lock_and_say_so(house: House) -> None:
    password = await house.clerk()
    async with house.window(expected=(401, 429)) as seen:
        await seen.goto("/login")
        for _ in range(3):
            await sign_in(seen, "wrong password")
            assert "登录名或密码不对" in await seen.text()
            assert await seen.page.get_by_label("登录名").input_value() == "gongshui"
        await sign_in(seen, password)
        assert "约15分钟后再试" in await seen.text()
        house.clock.now += 15 * 60
        await sign_in(seen, password)
        await seen.page.wait_for_url("**/cases")


async def sign_in(seen: Watched, password: str) -> None:
    await seen.page.get_by_label("登录名").fill("gongshui")
    await seen.page.get_by_label("密码").fill(password)
    async with seen.page.expect_navigation():
        await seen.page.get_by_role("button", name="登录").click()


async def test_who_signed_out_or_was_away_too_long_is_led_to_the_sign_in(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    async with house.at("gongshui") as seen:
        await seen.click("button", "退出")
        await seen.page.wait_for_url("**/login")
        await seen.goto(f"/cases/{ticket.id}")
        assert "/login?next=" in seen.page.url
        await sign_in(seen, house.passwords["gongshui"])
        assert seen.page.url.endswith(f"/cases/{ticket.id}")
        house.clock.now += 13 * 3600
        await seen.page.locator("#move-sign > summary").focus()
        await seen.page.locator("#move-sign form > button").click()
        await seen.page.wait_for_url("**/login")


async def test_files_that_could_do_harm_are_refused_in_place(house: House, tmp_path: Path) -> None:
    ticket = await house.ticket()
    await house.clerk()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    async with house.at("gongshui", expected=(413, 422)) as seen:
        await seen.goto(f"/cases/{ticket.id}")
        await seen.upload({"name": "x.png", "mimeType": "image/png", "buffer": svg})
        assert "不收这种文件" in await seen.page.locator("#file-bad").inner_text()
        large = tmp_path / "大.pdf"
        with large.open("wb") as file:
            file.write(b"%PDF-1.7")
            file.truncate(100_000_000)
        await seen.page.locator("#file").set_input_files(large)
        said = await seen.page.locator("#file").evaluate("f => f.validationMessage")
        assert "超过 20 MB" in said
        await seen.page.locator("#file").evaluate("f => { f.dataset.most = 1e9; f.value = '' }")
        await seen.page.evaluate("""() => document.addEventListener("htmx:xhr:progress", () => {
          window.progressed ??= document.getElementById("sent").value;
        })""")
        await seen.upload(large)
        assert await seen.page.evaluate("window.progressed") > 0
        assert "20 MB" in await seen.page.locator("#file-bad").inner_text()
        await seen.upload(PICTURE | {"name": "../../etc/x.png"})
        assert await seen.page.locator(".files a").all_inner_texts() == ["x.png"]
    assert [f.name for f in (await house.cases.get(DISPATCHER, ticket.id)).files] == ["x.png"]


async def test_an_answer_that_is_no_page_of_ours_is_not_put_into_it(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    async with house.at("gongshui", expected=(503,)) as seen:
        await seen.goto(f"/cases/{ticket.id}")
        await seen.page.route(
            "**/moves/*",
            lambda route: route.fulfill(
                status=503, content_type="application/json", body='{"message": "<img src=x>"}'
            ),
        )
        await seen.do("sign")
        assert "暂时不可用" in await seen.page.locator("#news").inner_text()
        assert await seen.page.locator("main img").count() == 0
