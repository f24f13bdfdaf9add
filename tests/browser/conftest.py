"""Pages in a real Chromium, on a real door, real sign-ins and real case work."""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    async_playwright,
)
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from agents import roster
from agents.auth import Auth
from agents.door import authenticate
from agents.lockout import Lockout
from agents.web import pages
from agents.web.render import errors_as_pages
from cti import audit
from cti.tickets.casework import Casework
from hotline import db
from hotline.web import LARGEST_BODY, database_errors
from schemas.calendar import Calendar, Schedule, is_workday
from schemas.case_moves import MoveIn
from schemas.casebook import Casebook
from schemas.cases import Kind
from schemas.http_errors import errors_as_json
from schemas.identity import Role, Who
from schemas.numbers import Register
from schemas.tables import TicketRow
from schemas.tickets import TicketIn, TicketOut
from schemas.units import Unit, Units

NOW = 1_795_400_000.0
"""2026-11-23 10:13, a Monday, in Shanghai."""
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1366, "height": 768}
CALENDAR = Calendar(schedules={"office": Schedule(workdays=("08:00-12:00", "14:00-18:00"))})

ANSWERED = """() => {
  window.answered = new Promise((resolve) => {
    const settled = () =>
      document.querySelector(".htmx-added, .htmx-settling")
        ? requestAnimationFrame(settled)
        : resolve(true);
    document.addEventListener("htmx:afterRequest", settled, { once: true });
  });
}"""
"""Promises in the page that htmx has put its next answer in place."""


def unit(name: str, login: str, **more: Any) -> Unit:
    head = f"{login}-head"
    return Unit(
        name=name, phone="3201234", login=login, clerk="张敏", head="李强", head_login=head, **more
    )


BOOK = Casebook(
    units=Units(
        units={
            "zhujian": unit("市住建局", "zhujian"),
            "gongshui": unit("自来水公司", "gongshui", level="firm", parent="zhujian"),
            "ranqi": unit("燃气公司", "ranqi", level="firm", parent="zhujian"),
            "jintai": unit("金台区", "jintai", level="county"),
        }
    )
)
DISPATCHER = Who(kind="user", id="paidan", role=Role.DISPATCHER, name="赵静")
MONITOR = Who(kind="user", id="duban", role=Role.MONITOR, name="孙伟")


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


class Audit:
    """Writes the row that says who took what out."""

    def __init__(self, write: async_sessionmaker[AsyncSession]) -> None:
        self._write = write

    async def note_export(self, who: Who, asked: Mapping[str, object], /, *, rows: int) -> None:
        detail = {"asked": dict(asked), "rows": rows}
        async with self._write.begin() as session:
            await audit.note(session, who, what="export", ref="cases", detail=detail, at=NOW)


@dataclass
class Watched:
    """A page of somebody who is signed in; what it complains of is kept, and fails the test."""

    page: Page
    house: "House"
    expected: set[int] = field(default_factory=set)
    """Statuses that the browser may complain of."""
    attacked: bool = False
    """Whether the browser may say that it refused a script."""
    faults: list[str] = field(default_factory=list)

    def watch(self) -> "Watched":
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("dialog", self._asked)
        return self

    async def _asked(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.attacked and "Content Security Policy" in message.text:
            return
        status = re.search(r"responded with a status of (\d+)", message.text)
        if status is None or int(status[1]) not in self.expected:
            self.faults.append(f"{message.type}: {message.text}")

    async def goto(self, path: str) -> int:
        answer = await self.page.goto(self.house.url + path)
        return answer.status if answer else 0

    async def text(self) -> str:
        return await self.page.inner_text("main")

    async def do(self, move: str, **values: str) -> None:
        """Open the form of *move*, fill it in, send it, and wait for what comes back."""
        form = self.page.locator(f"#move-{move}")
        if await form.get_attribute("open") is None:
            await form.locator("> summary").click()
        for name, value in values.items():
            field = form.locator(f"[name={name}]")
            if await field.evaluate("f => f.tagName") == "SELECT":
                await field.select_option(value)
            elif await field.get_attribute("type") == "checkbox":
                await field.check()
            else:
                await field.fill(value)
        await self.send(form.locator("form > button").click)

    async def upload(self, *files: Any) -> None:
        await self.page.locator("#file").set_input_files(list(files))
        await self.send(self.page.locator("#upload button").click)

    async def send(self, press: Callable[[], Awaitable[None]]) -> None:
        """Press something that htmx answers, and wait until its answer stands in the page."""
        await self.page.evaluate(ANSWERED)
        await press()
        try:
            await self.page.evaluate("window.answered")
        except Error:  # the answer led to another page
            await self.page.wait_for_load_state()

    async def click(self, role: Any, name: str) -> None:
        """Press what leads to another page, and wait for that."""
        async with self.page.expect_navigation():
            await self.page.get_by_role(role, name=name).click()

    async def fits(self) -> None:
        """Fail when the page is wider than the screen."""
        wide = await self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide[0] <= wide[1], (self.page.url, wide)


@dataclass
class House:
    """Everything together, and shorthand for who is in it."""

    url: str
    cases: Casework
    auth: Auth
    clock: Clock
    browser: Browser
    sessions: async_sessionmaker[AsyncSession]
    book: list[Casebook]
    passwords: dict[str, str] = field(default_factory=dict)

    async def person(
        self, login: str, role: Role, unit: str | None = None, head: bool = False
    ) -> str:
        user = roster.new_user(login=login, name="张敏", role=role, unit=unit, head=head)
        async with self.sessions.begin() as session:
            self.passwords[login] = await roster.add(session, user, now=NOW)
        return self.passwords[login]

    async def clerk(self, unit: str = "gongshui") -> str:
        return await self.person(unit, Role.UNIT, unit)

    async def ticket(self, unit: str = "gongshui", **values: Any) -> TicketOut:
        """Open a ticket and send it to *unit*."""
        plain: dict[str, Any] = {
            "title": "经二路停水三天", "kind": Kind.COMPLAINT, "body": "阳光小区从周五起停水。",
            "place": "经二路阳光小区", "caller": "13991700001", "contact_name": "王芳",
        }  # fmt: skip
        made = await self.cases.create(DISPATCHER, TicketIn.model_validate(plain | values))
        made = await self.move(DISPATCHER, made, do="accept")
        return await self.move(DISPATCHER, made, do="dispatch", unit=unit, reason="属地管理优先")

    async def move(self, who: Who, ticket: TicketOut, **move: Any) -> TicketOut:
        asked = MoveIn.model_validate({"version": ticket.version, "move": move})
        return await self.cases.move(who, ticket.id, asked)

    async def change_row(self, id: str, **values: Any) -> None:
        """Change a ticket behind everybody's back: what only a call would bring."""
        async with self.sessions.begin() as session:
            row = await session.get_one(TicketRow, id)
            for name, value in values.items():
                setattr(row, name, value)

    @asynccontextmanager
    async def window(
        self, screen: Any = DESK, *, expected: tuple[int, ...] = ()
    ) -> AsyncIterator[Watched]:
        """Yield a fresh browser window; afterwards nothing may have been complained of."""
        context: BrowserContext = await self.browser.new_context(
            viewport=screen, locale="zh-CN", timezone_id="Asia/Shanghai", accept_downloads=True
        )
        context.set_default_timeout(30_000)
        watched = Watched(await context.new_page(), self, set(expected)).watch()
        try:
            yield watched
        finally:
            await context.close()
        assert watched.faults == []

    @asynccontextmanager
    async def at(
        self, login: str, screen: Any = DESK, *, expected: tuple[int, ...] = ()
    ) -> AsyncIterator[Watched]:
        """Yield a window in which *login* has signed in by hand."""
        async with self.window(screen, expected=expected) as seen:
            await seen.goto("/")
            await seen.page.get_by_label("登录名").fill(login)
            await seen.page.get_by_label("密码").fill(self.passwords[login])
            await seen.page.get_by_role("button", name="登录").click()
            await seen.page.wait_for_url("**/cases")
            yield seen


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """SQLite unless a test says otherwise: the stores' own tests run on both."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("no Chromium: install the package `chromium`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def house(engine: AsyncEngine, chromium: Browser, tmp_path: Path) -> AsyncIterator[House]:
    read, write, clock, book = db.readers(engine), db.writers(engine), Clock(), [BOOK]
    cases = Casework(
        read, write, book=lambda: book[0], calendar=lambda: CALENDAR,
        register=lambda: Register({}), files=tmp_path / "evidence", clock=clock,
    )  # fmt: skip
    auth = Auth(write, clock=clock, lockout=Lockout(failures=3))
    app = web.Application(
        middlewares=[errors_as_json, errors_as_pages, database_errors, authenticate(auth)],
        client_max_size=LARGEST_BODY,
    )
    app.add_routes(
        pages.routes(
            auth,
            cases,
            lambda: book[0],
            audit=Audit(write),
            workday=lambda day: is_workday(CALENDAR, day),
            clock=clock,
        )
    )
    async with TestServer(app, host="127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.port}"
        yield House(url, cases, auth, clock, chromium, write, book)
    auth.close()
