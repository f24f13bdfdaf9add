"""The pages' routes: sign-in, list, one ticket, its moves, evidence, Excel."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from agents.auth import Auth
from agents.door import PAGE, Page
from agents.web import excel, guard, listing, reading, render
from agents.web.forms import FORMS, Form, Given, fill
from agents.web.ports import Audit, Cases
from agents.web.screens import Screens, Shown
from agents.web.signing import Signing
from agents.web.words import Workday, readable
from schemas.casebook import Casebook
from schemas.errors import Conflict, Forbidden, HotlineError, NotFound, Unavailable
from schemas.http import identified, require
from schemas.identity import Right, Who
from schemas.tickets import FileOut, TicketId, TicketOut, TicketWhole
from schemas.times import SHANGHAI

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ID: TypeAdapter[str] = TypeAdapter(TicketId)
YEAR = 365 * 86400
_NO_FILE = "这个文件不能上传。"


@dataclass(slots=True)
class Sent:
    """What came of a form with files."""

    version: int
    """The version that the page showed."""
    fresh: bool = False
    """Whether it was the newest before the first file."""
    kept: list[FileOut] = field(default_factory=list)
    wrong: str = ""
    """Why a file was refused; those before it are kept."""
    status: int = 200


class Pages:
    """The handlers of everything behind the sign-in."""

    def __init__(self, cases: Cases, screens: Screens, audit: Audit) -> None:
        self._cases = cases
        self._screens = screens
        self._audit = audit
        self._one_export = asyncio.Semaphore(1)

    async def home(self, request: web.Request) -> web.StreamResponse:
        """Lead everybody to their work."""
        _reader(request)
        return render.elsewhere(request, "/cases")

    async def listed(self, request: web.Request) -> web.StreamResponse:
        """Show the list."""
        who, look = _reader(request), listing.look(request.query)
        if look.ticket is not None and not render.by_htmx(request):
            try:
                ticket = await self._cases.get(who, look.ticket)
                return render.elsewhere(request, f"/cases/{ticket.id}")
            except NotFound:
                pass  # the list says in its own words that there is nothing
        found = await self._cases.find(who, look.filter())
        return self._screens.listed(request, who, look, found, await self._cases.count(who))

    async def case(self, request: web.Request) -> web.StreamResponse:
        """Show one ticket."""
        who = _reader(request)
        ticket = await self._cases.get(who, _ticket(request))
        done = FORMS.get(request.query.get("done", ""))
        say = "" if done is None else f"已完成：{done.label}"
        return self._screens.case(request, who, ticket, done=say)

    async def move(self, request: web.Request) -> web.StreamResponse:
        """Make a move."""
        who, id = _reader(request), _ticket(request)
        given = await reading.fields_of(request)
        guard.refuse_forgery(request, _first(given, guard.FIELD))
        form = FORMS.get(request.match_info["do"])
        if form is None:
            raise NotFound("no such move")
        ticket = await self._cases.get(who, id)
        filled = fill(form, given, version=_version(given))
        if filled.move is None:
            if form.do not in ticket.may:
                raise Forbidden("not theirs to make")
            wrong = Shown(
                form=form,
                given=given,
                faults=filled.faults,
                say=filled.faults.get("", ""),
                open=True,
            )
            return self._refuse(request, who, ticket, wrong, 422)
        try:
            await self._cases.move(who, id, filled.move)
        except NotFound:
            raise
        except HotlineError as error:
            if isinstance(error, Forbidden) or error.status >= 500:
                raise
            return self._refuse(request, who, ticket, _refusal(form, given, error), error.status)
        return await self._moved(request, who, id, form)

    def _refuse(
        self, request: web.Request, who: Who, ticket: TicketWhole, wrong: Shown, status: int
    ) -> web.Response:
        if render.by_htmx(request):
            return self._screens.form(request, who, ticket, wrong, status=status)
        return self._screens.case(request, who, ticket, wrong=wrong, status=status)

    async def _moved(
        self, request: web.Request, who: Who, id: str, form: Form
    ) -> web.StreamResponse:
        """Show what has become of the ticket; it may be theirs no longer."""
        try:
            ticket = await self._cases.get(who, id)
        except NotFound:
            return render.elsewhere(request, "/cases")
        if not render.by_htmx(request):
            return render.elsewhere(request, f"/cases/{id}?done={form.do}")
        return self._screens.case(request, who, ticket, done=f"已完成：{form.label}")

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Keep files as evidence; token and version stand before them in the form."""
        who, id = _reader(request), _ticket(request)
        sent = await self._keep(request, who, id)
        ticket = await self._cases.get(who, id)
        if render.by_htmx(request):
            version = ticket.version if sent.fresh else sent.version
            return self._screens.evidence(
                request, who, ticket, version=version, wrong_file=sent.wrong, kept=sent.kept,
                status=sent.status,
            )  # fmt: skip
        if sent.wrong:
            return self._screens.case(
                request, who, ticket, wrong_file=sent.wrong, status=sent.status
            )
        return render.elsewhere(request, f"/cases/{id}")

    async def _keep(self, request: web.Request, who: Who, id: str) -> Sent:
        """Keep the files of a form, one after another, until one is refused."""
        given: dict[str, list[str]] = {}
        sent: Sent | None = None
        async for part in reading.parts_of(request):
            if part.filename is None:
                given[part.name or ""] = [await reading.short(part)]
                continue
            if sent is None:
                guard.refuse_forgery(request, _first(given, guard.FIELD))
                ticket = await self._cases.get(who, id)
                sent = Sent(_version(given), fresh=ticket.version == _version(given))
            if not part.filename:
                continue  # the form was sent without choosing a file
            try:
                kept = await self._cases.attach(who, id, part.filename, reading.pieces(part))
            except (NotFound, Forbidden):
                raise
            except HotlineError as error:
                if error.status >= 500:
                    raise
                sent.wrong, sent.status = readable(error.message, _NO_FILE), error.status
                return sent
            sent.kept.append(kept)
        if sent is None:
            guard.refuse_forgery(request, _first(given, guard.FIELD))
            sent = Sent(_version(given))
        if not sent.kept:
            sent.wrong, sent.status = "请先选择文件。", 422
        return sent

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Give a file out, to be saved and never shown in place."""
        who, number = _reader(request), request.match_info["file"]
        kept, path = await self._cases.file(who, _ticket(request), int(number))
        headers = {
            **render.HEADERS,
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Content-Disposition": disposition(kept.name),
            "Content-Type": kept.media,
        }
        return web.FileResponse(path, headers=headers)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Give the list out as Excel."""
        who = _reader(request)
        require(who, Right.EXPORT)
        if self._one_export.locked():
            raise Unavailable("another export is being made", retry_after=10)
        async with self._one_export:
            look = listing.look(request.query)
            tickets, more = await self._all(who, look)
            asked = look.filter().model_dump(mode="json", exclude_defaults=True, exclude={"cursor"})
            await self._audit.note_export(who, asked, rows=len(tickets))
            now = datetime.fromtimestamp(self._screens.clock(), SHANGHAI)
            book = self._screens.book()
            about = {
                "导出人": who.name or who.id,
                "导出时间": f"{now:%Y-%m-%d %H:%M}",
                "范围": _scope(look, book),
                "条数": f"{len(tickets)}{'(只含前面这些，请缩小范围)' if more else ''}",
            }
            body = await asyncio.to_thread(excel.workbook, tickets, book, about)
        headers = {
            **render.HEADERS,
            "Content-Disposition": disposition(f"工单{now:%Y%m%d-%H%M}.xlsx"),
        }
        return web.Response(body=body, content_type=excel.MEDIA, headers=headers)

    async def _all(self, who: Who, look: listing.Look) -> tuple[list[TicketOut], bool]:
        """Return all tickets of a list, and whether there are more than one file takes."""
        asked = look.filter(limit=500).model_copy(update={"cursor": None})
        tickets: list[TicketOut] = []
        while True:
            found = await self._cases.find(who, asked)
            tickets += found.items
            if found.next is None or len(tickets) >= excel.MOST:
                more = found.next is not None or len(tickets) > excel.MOST
                return tickets[: excel.MOST], more
            asked = asked.model_copy(update={"cursor": found.next})


async def static(request: web.Request) -> web.StreamResponse:
    """Give out one of the files that the pages load; its address changes with it."""
    name = request.match_info["name"]
    media = render.STATIC.get(name)
    if media is None:
        raise NotFound("no such file")
    body, tag = render.static(name)
    keep = f"public, max-age={YEAR}, immutable" if request.query.get("v") == tag else "no-cache"
    headers = {**render.HEADERS, "Cache-Control": keep, "ETag": f'"{tag}"'}
    if request.headers.get("If-None-Match") == f'"{tag}"':
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=media, charset="utf-8", headers=headers)


def routes(
    auth: Auth,
    cases: Cases,
    book: Callable[[], Casebook],
    *,
    audit: Audit,
    workday: Workday,
    https: bool = False,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """Return the routes of all pages; `render.errors_as_pages` must stand around them.

    Args:
        book: the casebook as it is now.
        workday: whether people work on a day.
        https: browsers reach us over TLS although we may not see it (a proxy ends it).
        clock: Unix seconds.
    """
    signing = Signing(auth, https=https)
    pages = Pages(cases, Screens(book=book, workday=workday, clock=clock), audit)
    return [
        _page("GET", "/", pages.home),
        _page("GET", "/login", signing.form, open=True),
        _page("POST", "/login", signing.sign_in, open=True),
        _page("POST", "/logout", signing.sign_out),
        _page("GET", "/static/{name}", static, open=True),
        _page("GET", "/cases", pages.listed),
        _page("GET", "/cases.xlsx", pages.export),
        _page("GET", "/cases/{id}", pages.case),
        _page("POST", "/cases/{id}/moves/{do}", pages.move),
        _page("POST", "/cases/{id}/files", pages.attach),
        _page("GET", r"/cases/{id}/files/{file:\d{1,9}}", pages.file),
    ]


def _page(method: str, path: str, answer: Answer, *, open: bool = False) -> web.RouteDef:
    """Return the route of a page, marked for the door."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer(request)

    setattr(handle, PAGE, Page(open=open))
    return web.route(method, path, handle)


def _reader(request: web.Request) -> Who:
    who = identified(request)
    require(who, Right.READ_TICKETS)
    return who


def _ticket(request: web.Request) -> str:
    try:
        return _ID.validate_python(request.match_info["id"])
    except ValidationError:
        raise NotFound("no such ticket") from None


def _first(given: Given, name: str) -> str:
    return next(iter(given.get(name, ())), "")


def _version(given: Given) -> int:
    """Return the version that was looked at; a spoilt one is no version there ever was."""
    said = _first(given, "version")
    return max(1, int(said)) if said.isascii() and said.isdigit() and len(said) <= 9 else 1


def _refusal(form: Form, given: Given, error: HotlineError) -> Shown:
    """Return the form again, with why case work refused it."""
    stale = isinstance(error, Conflict) and error.code == Conflict.code
    say = readable(error.message, "没有提交，请检查后再试。")
    if stale:
        say = "这张工单刚刚被别人改动过，您的操作没有提交。请重新载入，看过新情况后再做。"
    return Shown(form=form, given=given, say=say, stale=stale, open=True)


def _scope(look: listing.Look, book: Casebook) -> str:
    """Return in words which tickets a list shows."""
    unit = book.unit_name(look.unit) if look.unit else ""
    said = (listing.SHOWS[look.show], look.state_label, look.urgency_label, unit, look.q)
    return "，".join(word for word in said if word)


def disposition(name: str) -> str:
    """Return the header that saves a file under *name* and never opens it."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    whole = quote(name, safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"
