"""What the pages say and ask: words, filters, forms and the Excel file, all without a server."""

import io
import re
from datetime import date, datetime
from typing import Any, get_args

import pytest
from hypothesis import given, settings, strategies
from openpyxl import load_workbook

from agents.web import excel, guard, listing, render, words
from agents.web.forms import FORMS, Field, fill
from schemas.case_moves import AnyMove, CaseMove
from schemas.casebook import Casebook
from schemas.cases import Light, TicketState, Urgency
from schemas.gazetteer import County, Gazetteer
from schemas.identity import Role, Who
from schemas.tickets import Counts, TicketOut
from schemas.times import SHANGHAI, iso
from tests.agents.pages_house import BOOK, NOW, ticket

pytestmark = pytest.mark.unit
HOUR, DAY = 3600, 86400
GENTLE, URGENT = Urgency.NORMAL, Urgency.URGENT


def monday_to_friday(day: date) -> bool:
    return day.weekday() < 5


# ---- words


@pytest.mark.parametrize(
    ("ahead", "urgency", "said"),
    [
        (30, GENTLE, "还剩1分钟"),
        (59 * 60, GENTLE, "还剩59分钟"),
        (3 * HOUR + 1800, GENTLE, "还剩3小时"),
        (DAY - 1, GENTLE, "还剩23小时"),
        (DAY, GENTLE, "还剩1个工作日"),
        (2 * DAY, GENTLE, "还剩2个工作日"),
        (2 * DAY, URGENT, "还剩2天"),
        (4 * DAY + 13 * HOUR, GENTLE, "还剩4个工作日"),  # Friday evening
        (7 * DAY, GENTLE, "还剩5个工作日"),
        (91 * DAY, GENTLE, "还剩91天"),
        (-1, GENTLE, "已超期1分钟"),
        (-3 * HOUR, GENTLE, "已超期3小时"),
        (-50 * HOUR, GENTLE, "已超期2天"),
    ],
)
def test_time_left_is_said_as_people_count_it(ahead: float, urgency: Urgency, said: str) -> None:
    due = iso(NOW + ahead)
    assert words.left(due, now=NOW, workday=monday_to_friday, urgency=urgency) == said


def test_days_off_count_as_days_when_nothing_else_is_left() -> None:
    saturday = NOW + 5 * DAY
    told = words.left(
        iso(saturday + 25 * HOUR), now=saturday, workday=monday_to_friday, urgency=GENTLE
    )
    assert told == "还剩1天"
    assert words.left(None, now=NOW, workday=monday_to_friday, urgency=GENTLE) == ""


@pytest.mark.parametrize(
    ("ahead", "said"),
    [(0, "今天 10:13"), (DAY, "明天 10:13"), (-DAY, "昨天 10:13"), (2 * DAY, "11月25日 10:13"),
     (60 * DAY, "2027年1月22日 10:13")],
)  # fmt: skip
def test_a_moment_is_said_as_near_as_it_is(ahead: float, said: str) -> None:
    assert words.day_and_time(iso(NOW + ahead), now=NOW) == said


def test_small_words() -> None:
    assert [words.size(n) for n in (9, 2048, 3_500_000)] == ["9 B", "2 KB", "3.3 MB"]
    assert (words.minutes(1), words.minutes(61), words.minutes(0)) == (1, 2, 1)
    assert words.whole(NOW) == "2026年11月23日 10:13"
    assert words.owner("unit:gongshui", BOOK) == "自来水公司"
    assert (words.owner("monitors", BOOK), words.owner("x", BOOK)) == ("督办员", "x")
    assert words.readable("不能退单") == "不能退单"
    assert words.readable("no", "没有提交") == "没有提交"
    assert set(words.ROLES) == set(Role)


def test_a_place_says_nothing_twice() -> None:
    county = County(name="金台区", unit="jintai")
    book = Casebook(gazetteer=Gazetteer(counties={"jintai": county}))
    assert words.place(book, "jintai", "东风路街道", "经二路") == "金台区 东风路街道 经二路"
    assert words.place(book, "jintai", None, "金台区经二路") == "金台区经二路"
    assert words.place(book, "unknown", None, "") == "unknown"
    assert words.place(book, None, "经二路", "经二路") == "经二路"


# ---- filters

CLERK = Who(kind="user", id="c", role=Role.UNIT, unit="gongshui")
HEAD = Who(kind="user", id="h", role=Role.UNIT, unit="zhujian", head=True)
DISPATCHER = Who(kind="user", id="d", role=Role.DISPATCHER)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, {"order": "due", "open": True, "state": list(listing.RUNNING)}),
        ({"show": "red"}, {"light": Light.RED, "open": True, "order": "due"}),
        ({"show": "done"}, {"state": list(listing.DONE), "order": "newest", "open": True}),
        ({"show": "all", "state": "done"}, {"state": [TicketState.DONE], "order": "newest"}),
        ({"show": "closed"}, {"open": False, "order": "newest", "state": []}),
        ({"show": "all"}, {"open": None, "order": "newest"}),
        ({"show": "all", "state": "signed"}, {"state": [TicketState.SIGNED], "open": True}),
        ({"state": "archived"}, {"state": [TicketState.ARCHIVED], "open": False}),
        ({"urgency": "urgent", "unit": "ranqi"}, {"urgency": URGENT, "unit": "ranqi"}),
        ({"q": " 13991700001 "}, {"caller": "13991700001", "text": None}),
        ({"q": "停水"}, {"caller": None, "text": "停水"}),
        ({"cursor": "abc"}, {"cursor": "abc"}),
    ],
)
def test_an_address_is_a_filter(query: dict[str, str], said: dict[str, Any]) -> None:
    asked = listing.look(query).filter().model_dump()
    assert {name: asked[name] for name in said} == said


def test_what_an_address_cannot_mean_is_left_out() -> None:
    odd = {
        "show": "x", "state": "x", "urgency": "x", "unit": "A' OR 1", "q": "停\0水\ud800 " * 50,
        "cursor": "y" * 201, "other": "z",
    }  # fmt: skip
    found = listing.look(odd)
    assert found == listing.Look(q=("停水 " * 50)[:100])
    assert listing.look({"cursor": "a\0"}).cursor == ""


def test_a_look_is_an_address_again() -> None:
    look = listing.look({"show": "red", "q": "停水", "cursor": "abc", "state": "signed"})
    assert look.address() == "/cases?show=red&state=signed&q=%E5%81%9C%E6%B0%B4"
    assert look.address(cursor="n") == look.address() + "&cursor=n"
    assert look.address(show="open", state="", q="") == "/cases"
    assert (look.state_label, look.urgency_label, look.narrowed) == ("已签收", "", True)
    assert listing.Look(urgency="urgent").urgency_label == "紧急"
    assert listing.look({"q": "bj20261123-000001"}).ticket == "BJ20261123-000001"
    assert listing.Look(q="停水").ticket is None


def test_units_may_be_told_apart_by_who_answers_for_several() -> None:
    assert listing.units_of(CLERK, BOOK) == []
    assert [code for code, _ in listing.units_of(HEAD, BOOK)] == ["zhujian", "gongshui", "ranqi"]
    alone = Who(kind="user", id="h", role=Role.UNIT, unit="jintai", head=True)
    nobody = Who(kind="user", id="h", role=Role.UNIT, unit=None, head=True)
    assert listing.units_of(alone, BOOK) == listing.units_of(nobody, BOOK) == []
    assert len(listing.units_of(DISPATCHER, BOOK)) == len(BOOK.units.units)


def test_tabs_carry_numbers_and_units_see_no_callbacks() -> None:
    counts = Counts(
        open=5, light={Light.RED: 2, Light.OFF: 1},
        state={TicketState.SIGNED: 3, TicketState.DONE: 1, TicketState.CHECKING: 1},
    )  # fmt: skip
    found = listing.counted(counts)
    assert found == {"open": 3, "done": 2, "red": 2, "yellow": 0, "green": 0}
    assert TicketState.CHECKING not in listing.states_of(HEAD)
    assert list(listing.states_of(DISPATCHER)) == list(TicketState)


# ---- forms

MOVES: dict[str, type[CaseMove]] = {
    model.model_fields["do"].default: model for model in get_args(get_args(AnyMove)[0])
}


def test_every_move_has_a_form_with_its_own_fields_and_no_others() -> None:
    assert set(FORMS) == set(MOVES)
    assert FORMS["sign"].label == "签收"
    for do, model in MOVES.items():
        wants = set(model.model_fields) - {"do", "call_id"}
        assert {part.name for part in FORMS[do].fields} == wants, do
        for part in FORMS[do].fields:
            required = model.model_fields[part.name].is_required()
            assert part.needed == required or part.kind == "tick", (do, part.name)


def example(part: Field) -> str:
    """Return something that fits a field."""
    if part.kind == "pick":
        return next(value for value, _ in part.choices if value)
    if part.holds == "number":
        return "7"
    kinds = {"when": "2026-12-01T18:00", "unit": "ranqi", "units": "gongshui", "tick": "yes"}
    return kinds.get(part.kind, "BJ20261123-000001" if part.name == "into" else "说明")


@pytest.mark.parametrize("do", sorted(MOVES))
def test_every_form_filled_in_is_its_move(do: str) -> None:
    form = FORMS[do]
    filled = fill(form, {p.name: [example(p)] for p in form.fields}, version=3)
    assert filled.faults == {}
    assert filled.move is not None
    assert filled.move.version == 3
    assert isinstance(filled.move.move, MOVES[do])


@pytest.mark.parametrize("do", sorted(MOVES))
def test_every_form_left_empty_says_in_chinese_what_is_missing(do: str) -> None:
    needed = {p.name for p in FORMS[do].fields if p.needed and p.kind != "tick"}
    filled = fill(FORMS[do], {p.name: [" \r\n"] for p in FORMS[do].fields}, version=1)
    assert set(filled.faults) == needed
    assert all(text.startswith(("请填写", "请选择")) for text in filled.faults.values())


@pytest.mark.parametrize(
    ("do", "given", "field", "said"),
    [
        ("note", {"text": "x" * 2001}, "text", "备注最多2000字"),
        ("note", {"text": "a\0b"}, "text", "备注的内容不对"),
        ("ask_extension", {"until": "soon", "reason": "x"}, "until", "请填写日期和时间"),
        ("refuse", {"scope": "8", "text": "x"}, "scope", "不予受理的类别的内容不对"),
        ("refuse", {"scope": "²", "text": "x"}, "scope", "不予受理的类别的内容不对"),
        ("close", {"reached": "maybe"}, "reached", "是否联系上诉求人的内容不对"),
        ("dispatch", {"unit": "X;", "reason": "x"}, "unit", "主办单位的内容不对"),
        ("finish", {"resolution": "explained", "text": "x"}, "policy", "解释说明必须写明政策依据"),
        ("finish", {"resolution": "answered", "text": "x"}, "resolution", "办理结果的内容不对"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(
    do: str, given: dict[str, str], field: str, said: str
) -> None:
    filled = fill(FORMS[do], {name: [value] for name, value in given.items()}, version=1)
    assert (filled.move, filled.faults) == (None, {field: said})


def test_too_many_units_and_an_impossible_version_are_faults_too() -> None:
    many = {"unit": ["ranqi"], "reason": ["x"], "assisting": [f"unit{n}" for n in range(9)]}
    assert fill(FORMS["dispatch"], many, version=1).faults == {"assisting": "协办单位最多8个"}
    assert "" in fill(FORMS["sign"], {}, version=0).faults


@given(strategies.data())
@settings(max_examples=60, deadline=None)
def test_no_form_and_no_address_is_a_bug(data: strategies.DataObject) -> None:
    text = strategies.text(max_size=30) | strategies.sampled_from(["", "yes", "2026-12-01", "9"])
    form = FORMS[data.draw(strategies.sampled_from(sorted(FORMS)))]
    sent = {p.name: data.draw(strategies.lists(text, max_size=3)) for p in form.fields}
    filled = fill(form, sent, version=data.draw(strategies.integers(-1, 2**40)))
    assert (filled.move is None) == bool(filled.faults)
    names = ("show", "state", "urgency", "unit", "q", "cursor")
    look = listing.look({name: data.draw(text) for name in names})
    assert look.filter().limit == listing.PAGE
    assert look.address().isascii()


def test_lines_end_as_they_are_counted() -> None:
    filled = fill(FORMS["note"], {"text": ["一\r\n二\r\n"]}, version=1)
    assert filled.move is not None
    assert filled.move.move.model_dump()["text"] == "一\n二"


# ---- Excel


def opened(tickets: list[TicketOut]) -> Any:
    body = excel.workbook(tickets, BOOK, {"导出人": "=1+1"})
    return load_workbook(io.BytesIO(body))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1+1", "=cmd|'/C calc'!A0",
     '=HYPERLINK("http://e.example","x")', "\x00=1", "\x0b-1",
     "#N/A", "#REF!"],
)  # fmt: skip
def test_nothing_that_people_write_calculates(text: str) -> None:
    evil = ticket(title=text, body=text, place=text, contact_name=text, reply=text, policy=text)
    book = opened([evil])
    for sheet in book:
        for row in sheet.iter_rows(min_row=2):
            for cell in row:
                assert cell.data_type not in ("f", "e")
                if isinstance(cell.value, str):
                    assert not cell.value.lstrip().startswith(("=", "+", "-", "@", "＝")), (
                        cell.value
                    )


def test_what_excel_calls_damaged_does_not_go_into_it() -> None:
    book = opened([ticket(body="a\x00b\x1f\ud800\ufffe" + "长" * 40_000, title="")])
    sheet = book["工单"]
    head = [cell.value for cell in sheet[1]]
    body = sheet.cell(2, head.index("诉求内容") + 1).value
    assert (body[:4], len(body)) == ("ab长长", excel.LONGEST_CELL)


def test_a_sheet_has_dates_widths_and_a_head_that_stays() -> None:
    sheet = opened([ticket(due_at=iso(NOW))])["工单"]
    head = [cell.value for cell in sheet[1]]
    due = sheet.cell(2, head.index("到期时间") + 1)
    assert due.is_date
    assert due.value == datetime.fromtimestamp(NOW, SHANGHAI).replace(tzinfo=None)
    assert sheet.freeze_panes == "B2"
    assert sheet.column_dimensions["F"].width > 20
    assert len(set(head)) == len(excel.COLUMNS)


# ---- colours

PAIRS = (
    *(("ink", "paper"), ("ink", "ground"), ("soft", "paper"), ("soft", "ground")),
    *(("blue", "paper"), ("blue", "ground"), ("blue", "blue-pale"), ("blue-dark", "blue-pale")),
    *(("paper", "blue"), ("paper", "blue-dark"), ("red", "paper"), ("red", "red-pale")),
    *(("amber", "paper"), ("amber", "amber-pale"), ("green", "paper"), ("green", "green-pale")),
)


def brightness(colour: str) -> float:
    """Return the relative luminance of `#rgb` or `#rrggbb` (WCAG)."""
    plain = colour.removeprefix("#")
    plain = "".join(2 * c for c in plain) if len(plain) == 3 else plain
    parts = [int(plain[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_pair_of_colours_can_be_read() -> None:
    css = render.static("app.css")[0].decode()
    tokens = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", css))
    for letters, ground in PAIRS:
        high, low = sorted((brightness(tokens[letters]), brightness(tokens[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (letters, ground)


# ---- where a sign-in leads


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "https://evil.example/cases", "/\\evil.example", "/cases/../..//evil\n",
     "javascript:alert(1)", "", "/casesX", "/login", "/cases/\\evil", "/cases/\u202e"],
)  # fmt: skip
def test_a_sign_in_leads_nowhere_else(address: str) -> None:
    assert guard.inside(address) == "/"


@pytest.mark.parametrize("address", ["/cases", "/cases/BJ20261123-000001", "/cases?show=red"])
def test_a_sign_in_leads_back(address: str) -> None:
    assert guard.inside(address) == address
