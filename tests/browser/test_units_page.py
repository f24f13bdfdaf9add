"""A unit's people at work: sign in, sign, contact, upload, finish; return, extension, head."""

from __future__ import annotations

import zlib
from struct import pack
from typing import TYPE_CHECKING

import pytest

from schemas.cases import TicketState
from schemas.identity import Role
from tests.browser.conftest import DISPATCHER, MONITOR, PHONE

if TYPE_CHECKING:
    from tests.browser.conftest import House

pytestmark = pytest.mark.browser


def png(side: int = 8) -> bytes:
    """Return a small picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + kind + body + pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress((b"\0" + b"\x30\x60\x90" * side) * side)
    head = chunk(b"IHDR", pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PICTURE = {"name": "现场照片.png", "mimeType": "image/png", "buffer": png()}
REPORT = {"name": "报告.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\n%%EOF\n"}


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
async def test_a_clerk_takes_a_ticket_from_the_list_to_done(house: House) -> None:
    ours, theirs = await house.ticket(), await house.ticket("ranqi", title="燃气收费")
    await house.clerk()
    async with house.at("gongshui") as seen:
        assert ours.id in await seen.text()
        assert theirs.id not in await seen.text()
        await seen.click("link", "经二路停水三天")
        assert await seen.page.locator(".tel").get_attribute("href") == "tel:13991700001"
        await seen.do("sign")
        assert "已完成：签收" in await seen.text()
        await seen.do("contact", text="九点联系王女士，主管道爆裂")
        await seen.upload(PICTURE, REPORT)
        assert "已上传：现场照片.png、报告.pdf" in await seen.text()
        await seen.do("finish", resolution="solved", text="已抢修完毕，恢复供水", told="yes")
        assert "已完成：办结" in await seen.text()
        async with seen.page.expect_download() as downloading:
            await seen.page.get_by_role("link", name="现场照片.png").click()
        got = await downloading.value
        assert got.suggested_filename == "现场照片.png"
        assert (await got.path()).read_bytes() == PICTURE["buffer"]
        assert await seen.page.locator(".acts #move-finish").count() == 0
    whole = await house.cases.get(DISPATCHER, ours.id)
    assert (whole.state, whole.reply) == (TicketState.DONE, "已抢修完毕，恢复供水")
    assert [h.move for h in whole.history][-5:] == [
        "sign", "contact", "evidence", "evidence", "finish",
    ]  # fmt: skip


async def test_what_is_typed_stays_while_a_file_is_added(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    async with house.at("gongshui") as seen:
        await seen.goto(f"/cases/{ticket.id}")
        await seen.do("sign")
        await seen.page.locator("#move-contact-text").fill("打了一半的字")
        await seen.upload(PICTURE)
        assert await seen.page.locator("#move-contact-text").input_value() == "打了一半的字"
        await seen.do("contact")
        assert "已完成：联系群众" in await seen.text()


async def test_a_ticket_that_is_not_theirs_goes_back_with_a_reason(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    async with house.at("gongshui") as seen:
        await seen.goto(f"/cases/{ticket.id}")
        await seen.do("return", reason="小区二次供水由物业负责", suggest="jintai")
    whole = await house.cases.get(DISPATCHER, ticket.id)
    assert whole.state is TicketState.RETURNED
    assert (whole.history[-1].why, whole.history[-1].detail["suggest"]) == (
        "小区二次供水由物业负责", "jintai",
    )  # fmt: skip


async def test_an_extension_is_asked_and_granted_in_two_browsers(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    await house.person("duban", Role.MONITOR)
    async with house.at("gongshui") as seen:
        await seen.goto(f"/cases/{ticket.id}")
        await seen.do("sign")
        await seen.do("ask_extension", until="2026-12-04T18:00", reason="需要更换管道")
        assert "延期待审" in await seen.text()
        async with house.at("duban") as other:
            await other.goto(f"/cases/{ticket.id}")
            assert "12月4日 18:00" in await other.text()
            await other.do("grant_extension", text="同意")
        await seen.page.reload()
        assert "延期待审" not in await seen.text()
    whole = await house.cases.get(MONITOR, ticket.id)
    assert (whole.extensions, whole.waiting) == (1, None)


async def test_a_head_sees_the_units_below_and_may_do_what_their_clerk_may(house: House) -> None:
    water, gas, away = (
        await house.ticket("gongshui"),
        await house.ticket("ranqi", title="燃气收费"),
        await house.ticket("jintai", title="占道经营"),
    )
    await house.person("zhujian-head", Role.UNIT, "zhujian", head=True)
    async with house.at("zhujian-head") as seen:
        text = await seen.text()
        assert (water.id in text, gas.id in text, away.id in text) == (True, True, False)
        await seen.page.get_by_label("承办单位").select_option("ranqi")
        await seen.click("button", "查询")
        text = await seen.text()
        assert (water.id in text, gas.id in text) == (False, True)
        await seen.click("link", "燃气收费")
        await seen.do("sign")
        assert "已签收" in await seen.text()


async def test_the_hotlines_own_people_judge_and_dispatch_by_the_same_forms(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    await house.clerk("jintai")
    await house.person("paidan", Role.DISPATCHER)
    async with house.at("gongshui") as seen, house.at("paidan") as desk:
        await seen.goto(f"/cases/{ticket.id}")
        await seen.do("return", reason="属地街道负责", suggest="jintai")
        await desk.goto(f"/cases/{ticket.id}")
        assert "建议：金台区" in await desk.text()
        await desk.do("grant_return", text="同意")
        many = desk.page.locator("#move-dispatch details")
        await many.locator("summary").click()
        await many.get_by_label("金台区").check()
        await desk.do("dispatch", unit="zhujian", reason="主管部门牵头")
        assert "协办：金台区" in await desk.text()
        await seen.page.goto(house.url + "/cases?show=all")
        assert ticket.id not in await seen.text()
    async with house.at("jintai") as seen:
        await seen.goto(f"/cases/{ticket.id}")
        shown = await seen.page.locator(".act > summary").all_inner_texts()
        assert shown == ["协办意见", "备注"]
        await seen.do("opinion", text="街道已到现场")
    whole = await house.cases.get(DISPATCHER, ticket.id)
    assert (whole.unit, whole.assisting, whole.returns) == ("zhujian", ["jintai"], 1)


async def test_somebody_was_faster_and_nothing_is_lost(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    async with house.at("gongshui", expected=(409,)) as seen:
        await seen.goto(f"/cases/{ticket.id}")
        await house.move(MONITOR, ticket, do="supervise", text="请当天处理")
        await seen.do("note", text="先记下来")
        form = seen.page.locator("#move-note")
        assert "刚刚被别人改动过" in await form.inner_text()
        assert await form.locator("textarea").input_value() == "先记下来"
        await seen.click("link", "重新载入")
        assert "督办" in await seen.text()
        await seen.do("note", text="先记下来")
        assert "已完成：备注" in await seen.text()


async def test_what_is_missing_is_said_at_the_field(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    async with house.at("gongshui", expected=(422, 409)) as seen:
        await seen.goto(f"/cases/{ticket.id}")
        await seen.do("sign")
        await seen.do("contact", text="联系上了")
        await seen.page.locator("#move-finish form").evaluate("f => f.noValidate = true")
        await seen.do("finish", resolution="explained", text="管线属于小区")
        policy = seen.page.locator("#move-finish-policy")
        assert await policy.get_attribute("aria-invalid") == "true"
        told = await policy.get_attribute("aria-describedby") or ""
        assert "move-finish-policy-bad" in told
        assert "政策依据" in await seen.page.locator("#move-finish-policy-bad").inner_text()
        assert await seen.page.locator("#move-finish-text").input_value() == "管线属于小区"
        await seen.do("ask_extension", until="2020-01-01T00:00", reason="来不及")
        assert "400天" in await seen.page.locator("#move-ask_extension").inner_text()


async def test_a_phone_is_wide_enough_for_everything(house: House) -> None:
    ticket = await house.ticket(
        title="很长的标题" * 20, body="https://example.org/" + "x" * 400, place="很长的地点" * 10
    )
    await house.clerk()
    async with house.at("gongshui", PHONE, expected=(404,)) as seen:
        await seen.fits()
        await seen.goto(f"/cases/{ticket.id}")
        await seen.do("sign")
        await seen.do("note", text="y" * 900)
        await seen.upload(PICTURE | {"name": "z" * 90 + ".png"})
        await seen.page.evaluate(
            "document.querySelectorAll('details').forEach(d => { d.open = true })"
        )
        await seen.fits()
        nameless = "[...document.querySelectorAll('input, select, textarea, button')].filter("
        nameless += "f => f.type != 'hidden' && f.type != 'submit' && !f.labels.length).length"
        assert await seen.page.evaluate(nameless) == 0
        assert await seen.goto("/cases/BJ20261123-999999") == 404
        await seen.fits()
        await seen.goto("/cases?q=没有的词")
        assert "没有符合条件的工单" in await seen.text()
        await seen.fits()
    async with house.window(PHONE) as seen:
        await seen.goto("/login")
        await seen.fits()


async def test_a_keyboard_is_enough_to_sign_and_finish(house: House) -> None:
    await house.ticket()
    await house.clerk()
    async with house.window() as seen:
        keys = seen.page.keyboard
        await seen.goto("/")
        await keys.type("gongshui")
        await keys.press("Tab")
        await keys.type(house.passwords["gongshui"])
        await keys.press("Enter")
        await seen.page.wait_for_url("**/cases")

        async def until(css: str) -> None:
            for _ in range(60):
                await keys.press("Tab")
                if await seen.page.evaluate("css => document.activeElement.matches(css)", css):
                    seen_at = await seen.page.evaluate(
                        "getComputedStyle(document.activeElement).outlineStyle"
                    )
                    assert seen_at != "none", css
                    return
            raise AssertionError(f"the keyboard does not reach {css}")

        async def send(move: str) -> None:
            await until(f"#move-{move} form > button")
            await seen.send(lambda: keys.press("Enter"))

        await until(".c-title a")
        await keys.press("Enter")
        await seen.page.wait_for_url("**/cases/BJ*")
        await send("sign")
        await until("#move-contact-text")
        await keys.type("联系了")
        await send("contact")
        await until("#move-finish-resolution")
        await keys.press("ArrowDown")
        await until("#move-finish-text")
        await keys.type("修好了")
        await until("#move-finish-told")
        await keys.press("Space")
        await send("finish")
        assert "已完成：办结" in await seen.text()


async def test_the_list_renews_itself_and_keeps_the_place(house: House) -> None:
    await house.ticket()
    await house.clerk()
    async with house.at("gongshui") as seen:
        await seen.page.locator("#show-red").focus()
        later = await house.ticket(title="又一张")
        renew = "htmx.ajax('GET', '/cases', {source: '#list', target: '#list', swap: 'outerHTML'})"
        await seen.send(lambda: seen.page.evaluate(renew))
        assert await seen.page.locator(f"#case-{later.id}").count() == 1
        assert await seen.page.evaluate("document.activeElement.id") == "show-red"


async def test_pages_of_a_long_list_follow_one_another(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.web.listing.PAGE", 3)
    for number in range(5):
        await house.ticket(title=f"第{number}张")
    await house.clerk()
    async with house.at("gongshui") as seen:
        rows = seen.page.locator(".cases tbody tr")
        first = await rows.locator(".c-id").all_inner_texts()
        await seen.click("link", "下一页")
        rest = await rows.locator(".c-id").all_inner_texts()
        assert (len(first), len(rest), len({*first, *rest})) == (3, 2, 5)
        await seen.click("link", "回到第一页")
        assert await rows.locator(".c-id").all_inner_texts() == first


async def test_one_ticket_on_paper_has_no_buttons(house: House) -> None:
    ticket = await house.ticket()
    await house.clerk()
    async with house.at("gongshui") as seen:
        await seen.goto(f"/cases/{ticket.id}")
        await seen.page.emulate_media(media="print")
        assert not await seen.page.get_by_role("button", name="退出").is_visible()
        assert not await seen.page.locator(".acts").is_visible()
        assert await seen.page.locator("#history").is_visible()
