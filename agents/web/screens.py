"""What a page shows: tickets, forms and people, put into words for the templates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from agents.web import guard, render, words
from agents.web.forms import FORMS, Form, Given
from agents.web.listing import SHOWS, Look, counted, states_of, units_of
from agents.web.ports import Listed
from schemas.casebook import Casebook
from schemas.cases import Urgency, Waiting
from schemas.identity import Right, Role, Who, may
from schemas.tickets import Counts, FileOut, TicketOut, TicketWhole
from schemas.times import iso

ACCEPTED_FILES = ".pdf,.png,.jpg,.jpeg,.webp,.docx,.xlsx,.mp3,.wav,.mp4"
"""What the file dialogue offers; what a file really is, case work looks at."""
NEXT = (
    *("grant_return", "grant_extension", "citizen_answered", "opinion"),
    *("sign", "finish", "contact", "told", "accept", "dispatch", "check", "close"),
)
"""The move that is most likely next stands open: the first of these that may be made."""
WAITING: Mapping[Waiting, str] = {
    Waiting.EXTENSION: "延期待审",
    Waiting.CITIZEN: "等群众补充",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who looks at the page."""

    name: str
    role: str
    unit: str
    csrf: str
    exports: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A form as it stands on the page, perhaps with what somebody typed and what is wrong."""

    form: Form
    given: Given = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    say: str = ""
    """Why it was refused as a whole."""
    stale: bool = False
    """Somebody else was faster."""
    open: bool = False

    def value(self, name: str) -> str:
        """Return what was typed into a field."""
        return next(iter(self.given.get(name, ())), "")

    def values(self, name: str) -> Sequence[str]:
        """Return all that was chosen in a field."""
        return self.given.get(name, ())


class Screens:
    """Makes pages.

    Args:
        book: the casebook as it is now.
        workday: whether people work on a day.
        clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        book: Callable[[], Casebook],
        workday: words.Workday,
        clock: Callable[[], float],
    ) -> None:
        self.book = book
        self.clock = clock
        self._workday = workday

    def me(self, request: web.Request, who: Who) -> Me:
        """Return *who* as the head of the page names them."""
        return Me(
            name=who.name or who.id,
            role="负责人" if who.head else words.ROLES[who.role],
            unit=self.book().unit_name(who.unit) if who.unit else "",
            csrf=guard.token_for(request),
            exports=may(who, Right.EXPORT),
        )

    def listed(
        self, request: web.Request, who: Who, look: Look, found: Listed, counts: Counts
    ) -> web.Response:
        """Return the list, or only its changing part when the page renews itself."""
        book = self.book()
        part = render.by_htmx(request)
        return render.html(
            "_list.html.j2" if part else "list.html.j2",
            **self._common(request, who, book),
            look=look,
            shows=SHOWS,
            counts=counted(counts),
            states=[(s, counts.state.get(s, 0)) for s in states_of(who)],
            urgencies=list(Urgency),
            units=units_of(who, book),
            tickets=found.items,
            next=found.next,
            clerk=who.role is Role.UNIT and not who.head,
        )

    def case(
        self,
        request: web.Request,
        who: Who,
        ticket: TicketWhole,
        *,
        wrong: Shown | None = None,
        wrong_file: str = "",
        done: str = "",
        status: int = 200,
    ) -> web.Response:
        """Return the page of one ticket.

        Args:
            wrong: the form that was refused.
            wrong_file: why a file was refused.
            done: what was done just now.
        """
        template = "_case.html.j2" if render.by_htmx(request) else "case.html.j2"
        values = self._whole(request, who, ticket, wrong=wrong, wrong_file=wrong_file)
        return render.html(template, status=status, **values | {"done": done})

    def form(
        self, request: web.Request, who: Who, ticket: TicketWhole, wrong: Shown, *, status: int
    ) -> web.Response:
        """Return a refused form alone, to stand where it stood."""
        return render.html(
            "_form.html.j2",
            status=status,
            headers={"HX-Retarget": f"#move-{wrong.form.do}", "HX-Reswap": "outerHTML"},
            **self._common(request, who, self.book()),
            t=ticket,
            shown=wrong,
        )

    def evidence(
        self,
        request: web.Request,
        who: Who,
        ticket: TicketWhole,
        *,
        version: int,
        wrong_file: str = "",
        kept: Sequence[FileOut] = (),
        status: int = 200,
    ) -> web.Response:
        """Return the files of a ticket and its history alone; forms keep what is typed in them.

        Args:
            version: what the page's forms send back from now on.
        """
        values = self._whole(request, who, ticket, wrong_file=wrong_file)
        values |= {"version": version, "kept": kept}
        return render.html("_evidence.html.j2", status=status, **values)

    def _common(self, request: web.Request, who: Who, book: Casebook) -> dict[str, Any]:
        now = self.clock()

        def left(due: str | None, urgency: Urgency) -> str:
            return words.left(due, now=now, workday=self._workday, urgency=urgency)

        def said_place(t: TicketOut) -> str:
            return words.place(book, t.county, t.town, t.place)

        units = book.units.units
        return {
            "me": self.me(request, who),
            "unit_name": book.unit_name,
            "category_name": book.catalogue.label,
            "owner_name": lambda code: words.owner(code, book),
            "place_of": said_place,
            "left": left,
            "when": lambda text: words.day_and_time(text, now=now),
            "waiting": WAITING,
            "scopes": words.SCOPES,
            "levels": [
                (title, [(c, u.name) for c, u in units.items() if u.level == level])
                for level, title in (("city", "市级部门"), ("county", "县(区)"), ("firm", "企业"))
            ],
        }

    def _whole(
        self,
        request: web.Request,
        who: Who,
        ticket: TicketWhole,
        *,
        wrong: Shown | None = None,
        wrong_file: str = "",
    ) -> dict[str, Any]:
        shown = [Shown(form=FORMS[do]) for do in ticket.may if do in FORMS]
        if wrong is not None:
            shown = [s for s in shown if s.form.do != wrong.form.do]
            shown.insert(0, wrong)
        elif first := next((do for do in NEXT if do in ticket.may), None):
            shown = [s for s in shown if s.form.do != first]
            shown.insert(0, Shown(form=FORMS[first], open=True))
        dialled = ticket.caller or ""
        return self._common(request, who, self.book()) | {
            "t": ticket,
            "version": ticket.version,
            "forms": shown,
            "attaches": "note" in ticket.may,
            "accepted_files": ACCEPTED_FILES,
            "wrong_file": wrong_file,
            "kept": (),
            "done": "",
            # 今天 says nothing on paper
            "printed": words.whole(self.clock()),
            "tel": dialled if dialled.removeprefix("+").isdigit() else "",
            "details": self._details,
            "role_name": lambda role: words.ROLES[Role(role)] if role in set(Role) else "系统",
        }

    def _details(self, detail: Mapping[str, object]) -> list[tuple[str, str]]:
        """Return what a row of the history holds beside its text, in words."""
        book = self.book()
        found = []
        for key, label in _DETAILS.items():
            value = detail.get(key)
            if value not in (None, "", [], False):
                found.append((label, self._said(key, value, book)))
        return found

    def _said(self, key: str, value: object, book: Casebook) -> str:
        if key in ("unit", "suggest"):
            return book.unit_name(str(value))
        if key == "assisting" and isinstance(value, list):
            return "、".join(book.unit_name(str(code)) for code in value)
        if key == "until" and isinstance(value, int | float):
            return words.day_and_time(iso(value), now=self.clock())
        if key == "scope" and isinstance(value, int):
            return words.SCOPES.get(value, str(value))
        return _VALUES.get(key, {}).get(value, str(value))


_DETAILS: Mapping[str, str] = {
    "unit": "主办",
    "assisting": "协办",
    "suggest": "建议",
    "urgency": "紧急程度",
    "until": "延期至",
    "resolution": "结果",
    "policy": "依据",
    "told": "已告知诉求人",
    "scope": "类别",
    "solved": "是否解决",
    "satisfied": "满意度",
    "into": "并入",
    "name": "文件",
}
_TRUTH: Mapping[object, str] = {True: "是", False: "否"}
_VALUES: Mapping[str, Mapping[object, str]] = {
    "urgency": {u.value: u.label for u in Urgency},
    "resolution": {"solved": "已解决", "explained": "解释说明", "answered": "直接答复"},
    "told": _TRUTH,
    "solved": _TRUTH,
}
