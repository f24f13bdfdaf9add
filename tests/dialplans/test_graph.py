"""Flows as pictures: what is drawn, how it is laid out, and that hostile text stays text."""

import itertools
import os
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplans import layout
from dialplans.city import load
from dialplans.drawing import NEVER_FIRST, svg
from dialplans.graph import Box, Graph, Kind, Line, graph, mermaid
from dialplans.layout import LANE, Layout
from hotline import cli, pictures
from schemas.city import City, Spoken
from schemas.flows import LOOKUPS, Flow

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
DRAWN = ROOT / "docs" / "flows"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def city() -> City:
    return load(ROOT / "dialplans" / "baoji")


def flow(**steps: dict[str, Any]) -> Flow:
    first = next(iter(steps))
    return Flow.model_validate({"flow": "trial", "title": "试", "start": first, "steps": steps})


def of(city: City, trial: Flow, **others: Flow) -> Graph:
    return graph(replace(city, flows={"trial": trial, **others}), "trial")


def lines(found: Graph) -> set[tuple[str, str, str, bool]]:
    return {(line.start, line.end, line.label, line.silent) for line in found.lines}


def box(found: Graph, id: str) -> Box:
    return next(one for one in found.boxes if one.id == id)


def texts(picture: str) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(picture).iter(f"{SVG}text")]


# ---- what is drawn


def test_the_pictures_in_the_documentation_are_those_of_the_flows(city: City) -> None:
    drawn = pictures.draw(city, None)
    if os.environ.get("HOTLINE_GOLDEN") == "write":
        pictures.write(drawn, DRAWN)
    assert {path.name for path in DRAWN.glob("*.svg")} == set(drawn)
    assert [n for n, text in drawn.items() if (DRAWN / n).read_text("utf-8") != text] == []


def test_12345_is_drawn_with_its_greeting_its_keys_and_its_bold_way(city: City) -> None:
    found = graph(city, "main")
    assert box(found, "(start)").text == "12345"
    assert "您好，宝鸡一二三四五热线" in box(found, "greet").text
    ways = lines(found)
    assert ("greet", "services", "按 9", False) in ways
    assert ("greet", "before", "播完 / 说“人工”“投诉”…", True) in ways
    bold = [(line.start, line.end) for line in found.lines if line.silent]
    assert bold == [
        ("(start)", "greet"), ("greet", "before"), ("before", "night"), ("night", "night_seats"),
        ("night", "agents"),
    ]  # fmt: skip
    assert {b.kind for b in found.boxes if b.id in ("agents", "night_seats")} == {Kind.PERSON}


def test_every_kind_of_step_has_its_own_shape_and_words(city: City) -> None:
    sub = flow(end={"do": "hangup"}).model_copy(update={"flow": "sub", "title": "另一个流程"})
    found = of(
        city,
        flow(
            hello={"do": "say", "prompts": ["greeting"], "next": "menu"},
            menu={"do": "menu", "prompts": ["services", "nothing"], "keys": {
                "1": "entry", "2": "ask", "3": "clock", "4": "sub", "5": "out", "6": "note",
                "7": "message", "8": "bye", "9": "queue", "*": "back", "#": "person"},
                "silence": "hello"},
            entry={"do": "digits", "prompts": ["ask-ticket"], "into": "x", "min": 4, "max": 4,
                   "next": "queue", "failed": "bye"},
            ask={"do": "lookup", "what": "ticket", "of": "{x}", "cases": {"open": "tell"}},
            tell={"do": "say", "prompts": [{"phone": "{caller}"}, "{odd}"], "next": "return"},
            clock={"do": "hours", "schedule": "nights", "open": "queue", "closed": "unit"},
            unit={"do": "queue", "skill": "guotu", "seat": True, "agent": "{agent}",
                  "priority": 1, "queue": "others"},
            sub={"do": "goto", "flow": "sub"},
            out={"do": "transfer", "prompts": ["emergency-going"], "to": "{onward}"},
            note={"do": "notice", "prompts": ["scope-1"], "keys": {"1": "out"}},
            message={"do": "message"},
            bye={"do": "hangup", "prompts": ["scope-7"]},
            queue={"do": "queue"},
            back={"do": "goto", "to": "gone"},
            nobody={"do": "hangup"},
        ),
        sub=sub,
    )  # fmt: skip
    assert sorted((b.id, b.kind) for b in found.boxes if b.kind is not Kind.HEARD) == sorted([
        ("(start)", Kind.START), ("queue", Kind.PERSON), ("ask", Kind.ASKED),
        ("clock", Kind.ASKED), ("sub", Kind.FLOW), ("out", Kind.OUTSIDE), ("note", Kind.HANGUP),
        ("message", Kind.MESSAGE), ("bye", Kind.HANGUP), ("back", Kind.ASKED),
        ("unit", Kind.PERSON), ("person", Kind.PERSON), ("return", Kind.RETURN),
    ])  # fmt: skip
    assert "nobody" not in {b.id for b in found.boxes}  # nothing leads there
    told = {b.id: b for b in found.boxes}
    assert told["(start)"].title == "进入"
    assert told["menu"].text.endswith("〔没有 nothing〕")
    assert told["menu"].title == "菜单"  # no sum of seconds where one is not known
    assert told["menu"].foot == "再问 1 次"
    assert told["entry"].foot == "输入 4 位，# 结束"
    assert told["tell"].text == "〔来电号码〕〔odd〕"
    assert told["clock"].title == "nights？"
    assert told["unit"].title == "队列 others"
    assert told["unit"].foot == "先：上次的座席 → 单位自有座席 → 市国土局　优先"
    assert (told["sub"].title, told["sub"].link) == ("另一个流程", "sub")
    assert told["out"].title == "转接 对方号码"
    assert told["note"].foot == "听完挂机：不予受理"
    ways = lines(found)
    assert ("menu", "hello", "不按键", True) in ways
    assert ("menu", "person", "按 #", False) in ways
    assert ("entry", "bye", "没输入", False) in ways  # who does nothing does not come there
    assert ("ask", "tell", "办理中", False) in ways
    assert ("ask", "person", "否则", False) in ways
    assert ("back", "person", "", False) in ways  # a step that does not exist
    assert not [way for way in ways if way[0] == "sub"]  # it never gives the caller back
    ET.fromstring(svg(found))


def test_a_sub_flow_that_returns_goes_on_and_one_that_is_missing_too(city: City) -> None:
    gone = flow(a={"do": "goto", "flow": "nowhere"})
    assert ("a", "person", "", True) in lines(of(city, gone))
    assert box(of(city, gone), "a").title == "nowhere"
    back = flow(a={"do": "say", "prompts": ["scope-7"], "next": "return"})
    calling = flow(a={"do": "goto", "flow": "sub", "then": "return"})
    assert ("a", "return", "", True) in lines(of(city, calling, sub=back))


def test_what_is_asked_again_is_no_line(city: City) -> None:
    step = {"do": "menu", "prompts": ["away"], "silence": "a", "otherwise": "b"}
    found = of(city, flow(a=step, b={"do": "queue"}))
    assert lines(found) == {("(start)", "a", "", True), ("a", "b", "其他", False)}


@pytest.mark.parametrize("what", sorted(LOOKUPS))
def test_every_answer_of_every_question_has_words(city: City, what: str) -> None:
    known = LOOKUPS[what]
    step: dict[str, Any] = {"do": "lookup", "what": what, "cases": dict.fromkeys(known.words, "b")}
    if known.asks:
        step["of"] = "{x}"
    found = of(city, flow(a=step, b={"do": "queue"}))
    (way,) = [line for line in found.lines if line.start == "a"]
    assert len(way.label.split(" / ")) == len(known.words)
    assert way.silent


def test_many_numbers_are_counted(city: City) -> None:
    assert box(graph(city, "integrated"), "(start)").text == "12343 等 22 个号码"


# ---- hostile text


NASTY = "]]></text><script>alert(1)</script>\"'&amp; \u202e\x1b[31m`|{}#;"


def test_hostile_text_stays_text(city: City) -> None:
    prompts = {**city.prompts, "greeting": Spoken(NASTY, 1.0)}
    phrases = {"agent": (NASTY[:20],)}
    main = city.flows["main"].model_copy(update={"title": NASTY[:60]})
    hostile = replace(city, prompts=prompts, phrases=phrases, flows={**city.flows, "main": main})
    picture = svg(graph(hostile, "main"))
    root = ET.fromstring(picture)
    assert {e.tag.removeprefix(SVG) for e in root.iter()} == {
        "svg", "title", "rect", "text", "tspan", "g", "a", "path", "polygon",
    }  # fmt: skip
    assert "\x1b" not in picture
    assert "\u202e" not in picture
    assert "<script>" in "".join(texts(picture))
    drawn = mermaid(graph(hostile, "main"))
    assert "<script" not in drawn
    inside = re.findall(r'"([^"]*)"', drawn)
    assert all(not set(text.replace("<br/>", "")) & set("<>&|{}[]`'\\") for text in inside)


def test_mermaid_has_every_box_and_line(city: City) -> None:
    found = graph(city, "not_integrated")
    assert mermaid(found) == (
        "flowchart LR\n"
        '  n0(["来电<br/>95598 等 7 个号码"])\n'
        '  n1("菜单<br/>〔本号码的提示语〕")\n'
        '  n2[/"转接 对方号码"/]\n'
        "  n0 ==> n1\n"
        '  n1 ==>|"不按键 #47; 按 1"| n2\n'
    )
    assert "class n2,n4 person" in mermaid(graph(city, "dual_run"))


# ---- layout


NAMES = st.sampled_from("abcdefghij")
GRAPHS = st.lists(st.tuples(NAMES, NAMES).filter(lambda e: e[0] != e[1]), unique=True, max_size=25)


def laid_out(ways: list[tuple[str, str]], *, label: float = 30.0) -> Layout:
    names = list(dict.fromkeys(itertools.chain.from_iterable(ways))) or ["a"]
    boxes = [layout.Box(name, 60 + 10 * i, 30 + 5 * i) for i, name in enumerate(names)]
    return layout.layout(boxes, [layout.Line(a, b, label) for a, b in ways])


@settings(deadline=None, max_examples=50)
@given(ways=GRAPHS)
def test_boxes_never_overlap_and_lie_inside_the_picture(ways: list[tuple[str, str]]) -> None:
    found = laid_out(ways)
    for x, y, width, height in found.boxes.values():
        assert x >= 0
        assert x + width <= found.width + 0.01
        assert y >= -0.01
        assert y + height <= found.height + 0.01
    for (x, y, w, h), (x2, y2, w2, h2) in itertools.combinations(found.boxes.values(), 2):
        apart = x + w <= x2 or x2 + w2 <= x or y + h <= y2 + 0.01 or y2 + h2 <= y + 0.01
        assert apart


@settings(deadline=None, max_examples=50)
@given(ways=GRAPHS)
def test_a_line_runs_from_its_box_to_its_box_and_never_back(ways: list[tuple[str, str]]) -> None:
    found = laid_out(ways)
    for (start, end), drawn in zip(ways, found.lines, strict=True):
        left, right = (end, start) if drawn.turned else (start, end)
        x, y, width, height = found.boxes[left]
        assert drawn.points[0][0] == pytest.approx(x + width)
        assert y - 0.01 <= drawn.points[0][1] <= y + height + 0.01
        x, y, _, height = found.boxes[right]
        assert drawn.points[-1][0] == pytest.approx(x)
        assert y - 0.01 <= drawn.points[-1][1] <= y + height + 0.01
        across = [point[0] for point in drawn.points]
        assert across == sorted(across)
        assert len(drawn.points) % 2 == 0
        straight = zip(drawn.points[::2], drawn.points[1::2], strict=True)
        assert all(one[1] == other[1] for one, other in straight)


@settings(deadline=None, max_examples=50)
@given(ways=GRAPHS)
def test_labels_never_lie_on_a_box_or_on_each_other(ways: list[tuple[str, str]]) -> None:
    found = laid_out(ways)
    labels = [drawn.label for drawn in found.lines]
    for x, y in labels:
        for left, top, width, height in found.boxes.values():
            beside = x + 30 <= left + 0.01 or left + width <= x + 0.01
            assert beside or not (top < y < top + height)
    for (x, y), (x2, y2) in itertools.combinations(labels, 2):
        assert abs(x - x2) >= 30 or abs(y - y2) >= LANE - 0.01


@settings(deadline=None, max_examples=50)
@given(ways=GRAPHS)
def test_a_picture_does_not_change_by_itself(ways: list[tuple[str, str]]) -> None:
    assert laid_out(ways) == laid_out(list(ways))


def test_lines_that_need_not_cross_do_not() -> None:
    found = laid_out([("s", "a"), ("s", "b"), ("s", "c"), ("a", "x"), ("c", "y"), ("b", "z")])
    tops = {name: found.boxes[name][1] for name in "abcxyz"}
    order = sorted("abc", key=tops.__getitem__)
    ends = {"a": "x", "b": "z", "c": "y"}
    assert [ends[name] for name in order] == sorted("xyz", key=tops.__getitem__)


def test_a_heavy_line_is_on_top() -> None:
    boxes = [layout.Box(name, 50, 30) for name in "sabce"]
    ways = [layout.Line("s", name) for name in "abc"]
    heavy = [layout.Line("s", "e", 0, 6.0), layout.Line("c", "e")]
    found = layout.layout(boxes, [*ways, *heavy])
    ys = {line.points[1][1] for line in found.lines[:3]}
    assert found.lines[3].points[3][1] < min(found.boxes[n][1] + 15 for n in "ab")
    assert ys


def test_a_way_back_is_drawn_backwards() -> None:
    found = laid_out([("a", "b"), ("b", "c"), ("c", "a")])
    assert [line.turned for line in found.lines] == [False, False, True]
    found_graph = Graph(
        name="x", title="x",
        boxes=tuple(Box(id=n, kind=Kind.HEARD, title=n) for n in "abc"),
        lines=tuple(Line(start=a, end=b, label="", silent=False) for a, b in ("ab", "bc", "ca")),
    )  # fmt: skip
    ET.fromstring(svg(found_graph))


# ---- text in boxes


def test_no_line_of_text_begins_with_a_closing_sign_or_ends_with_an_opening_one() -> None:
    text = "我们会给您回电，号码是〔来电号码〕，（人工座席全忙），我们会尽快给您回电话。" * 2
    one = Box(id="a", kind=Kind.HEARD, title="告知", text=text)
    rows = texts(svg(Graph(name="x", title="x", boxes=(one,), lines=())))
    body = [row for row in rows if row in text]
    assert "".join(body) == text
    assert not [row for row in body if row[0] in NEVER_FIRST or row[-1] in "〔（"]
    assert max(map(len, body)) <= 14


# ---- the command


Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """Return what types `hotline dialplan graph …` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def _type(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hotline", "dialplan", "graph", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return _type


def test_the_command_prints_one_flow(typed: Typed, city: City) -> None:
    assert typed("main") == (0, svg(graph(city, "main")), "")
    assert typed("main", "--mermaid") == (0, mermaid(graph(city, "main")), "")


def test_the_command_writes_every_flow(typed: Typed, city: City, tmp_path: Path) -> None:
    code, _, _ = typed("--into", "a/b")
    assert code == 0
    assert {p.stem for p in (tmp_path / "a" / "b").iterdir()} == set(city.flows)


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["nothing"], "there is no flow 'nothing'; there are before_queue"), ([], "with --into")],
)
def test_what_cannot_be_drawn_is_told(typed: Typed, words: list[str], reason: str) -> None:
    code, out, err = typed(*words)
    assert code in (1, 2)
    assert reason in err
    assert out == ""
