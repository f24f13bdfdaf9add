"""The register of numbers: what is accepted, and how every fault is told at once."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplans.register import OF_CLASS, check, load
from schemas.errors import Fault, Faulty
from schemas.numbers import Integration

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
BAOJI = ROOT / "dialplans" / "baoji" / "hotlines.csv"
ANNEX = ROOT / "tests" / "golden" / "register" / "annex.csv"
HEADING = (
    "line_no,hotline_name,number,owner_unit,unit,integration,"
    "notice,flow,seat,seat_seconds,onward,review,note"
)
MAIN = "1,市长公开电话,12345,市政府办公室,zhengfuban,整合,greeting,main,,,,,"
DUAL = "26,环保举报热线,12369,市环保局,huanbao,双轨运行,dual-12369,dual_run,812369,10,,2027-06-30,"
APART = "41,供电服务热线,95598,宝鸡供电局,gongdian,暂不整合,onward-95598,not_integrated,,,95598,,"
PROMPTS = {"greeting", "dual-12369", "onward-95598"}
FLOWS = set(OF_CLASS)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(*lines: str, heading: str = HEADING, encoding: str = "utf-8") -> Path:
        path = tmp_path / "hotlines.csv"
        path.write_bytes(("\n".join([heading, *lines]) + "\n").encode(encoding))
        return path

    return _write


def told(faults: tuple[Fault, ...]) -> list[tuple[int | None, str]]:
    return [(f.line, f.key) for f in faults]


def only(path: Path, prompts: set[str] | None = None) -> Fault:
    faults = check(path, prompts)
    assert len(faults) == 1, "\n".join(map(str, faults))
    return faults[0]


def test_the_citys_register_agrees_with_the_annex() -> None:
    register = load(BAOJI)
    with ANNEX.open(encoding="utf-8", newline="") as file:
        annex = [tuple(row.values()) for row in csv.DictReader(file)]
    chinese = {"integrated": "整合", "dual_run": "双轨运行", "not_integrated": "暂不整合"}
    ours = [
        (str(n.line_no), n.hotline, n.number, n.owner_unit, chinese[n.integration])
        for n in register.numbers.values()
    ]
    assert ours == annex


def test_the_citys_register_has_47_lines_and_52_numbers_in_three_classes() -> None:
    numbers = load(BAOJI).numbers.values()
    assert (len(numbers), len({n.line_no for n in numbers})) == (52, 47)
    assert Counter(n.integration for n in numbers) == {
        Integration.INTEGRATED: 23,
        Integration.DUAL_RUN: 22,
        Integration.NOT_INTEGRATED: 7,
    }
    lines = {(n.line_no, n.integration) for n in numbers}
    assert Counter(integration for _, integration in lines) == {
        Integration.INTEGRATED: 21,
        Integration.DUAL_RUN: 19,
        Integration.NOT_INTEGRATED: 7,
    }


def test_a_number_carries_all_that_routing_needs(write: Write) -> None:
    register = load(write(MAIN, DUAL, APART), PROMPTS)
    dual = register.find("0917-12369")
    apart = register.find("95598")
    assert dual is not None
    assert apart is not None
    assert (dual.seat, dual.seat_seconds, dual.seat_queue) == ("812369", 10, "seat-12369")
    assert str(dual.review) == "2027-06-30"
    assert (apart.onward, apart.seat, apart.seat_seconds) == ("95598", None, 0)


def test_an_empty_seat_time_means_ten_seconds_and_english_classes_are_fine(write: Write) -> None:
    english = DUAL.replace("双轨运行", "dual_run").replace(",10,", ",,")
    dual = load(write(MAIN, english)).find("12369")
    assert dual is not None
    assert (dual.integration, dual.seat_seconds) == (Integration.DUAL_RUN, 10)


def test_blank_lines_spaces_and_excels_byte_order_mark_are_no_faults(write: Write) -> None:
    path = write("", MAIN.replace("12345", "\u300012345 "), ",,,,,", "", encoding="utf-8-sig")
    assert list(load(path).numbers) == ["12345"]


BROKEN = f"""{HEADING}
{MAIN}
,市民热线,12343,市民政局,minzheng,整合,greeting,integrated,,,,,
3,,12336,市国土局,guotu,整合,greeting,integrated,,,,,
4,卫生热线,1232o,市卫计局,weiji,整合,greeting,integrated,,,,,

6,文化市场,12318,市文广局,Wen Guang,整合,greeting,integrated,,,,,
7,投资商,3261285,市招商局,zhaoshang,合并,greeting,integrated,,,,,
8,残疾人,12345,市残联,canlian,整合,greeting,integrated,,,,,
9,三农,12316,市农业局,nongye,整合,no-such-prompt,integrated,,,,,
9,农业,3658062,市农业局,nongye,整合,greeting,integrated,,,,,
11,农业便民,3658015,市农业局,nongju,整合,greeting,integrated,,,,,
12,知识产权,12330,市知识产权局,canlian,整合,greeting,integrated,,,,,"第一行
第二行"
13,城建监察,3656175,市住建局,zhujian,整合,greeting,dual_run,,,,,
14,出租车,3215367,市交通局,jiaotong,整合,greeting,no_such_flow,,,,,
22,交通服务,12328,市交通局,jiaotong,双轨运行,greeting,dual_run,,10,,2027-06-30,
23,公交,3249919,市交通局,jiaotong,双轨运行,greeting,dual_run,83249919,61,,2027-06-30,
24,自行车,2819999,市交通局,jiaotong,双轨运行,greeting,dual_run,3249919,10,,2027-06-30,
25,消费,12315,市工商局,gongshang,双轨运行,greeting,dual_run,812315,10,,2027-02-30,
26,环保,12369,市环保局,huanbao,双轨运行,greeting,dual_run,812369,10,,,
27,商务,12312,市商务局,shangwu,整合,greeting,integrated,812312,,,,
41,供电,95598,供电局,gongdian,暂不整合,greeting,not_integrated,,,,,
42,妇女,12338,市妇联,fulian,暂不整合,greeting,not_integrated,,,one,,
43,青年,12355,团市委,tuanwei,暂不整合,greeting,not_integrated,,,12345,,
44,=cmd|' /C calc'!A0,12388,市监察委,jiancha,暂不整合,greeting,not_integrated,,,12388,,
45,纳税\x1b[31m,12366,市税务局,shuiwu,暂不整合,greeting,not_integrated,,,12366,,
46,森林,12119,林业局,linye,暂不整合,greeting,not_integrated,,,12119,,,more
""".encode()


def test_a_broken_register_tells_every_fault_once_and_on_its_line(tmp_path: Path) -> None:
    path = tmp_path / "hotlines.csv"
    path.write_bytes(BROKEN)
    with pytest.raises(Faulty) as caught:
        load(path, {"greeting"}, FLOWS)
    assert told(caught.value.faults) == [
        (3, "line_no"),
        (4, "hotline_name"),
        (5, "number"),
        (7, "unit"),
        (8, "integration"),
        (9, "number"),
        (10, "notice"),
        (11, "hotline_name"),
        (12, "unit"),
        (13, "unit"),
        (15, "flow"),
        (16, "flow"),
        (17, "seat"),
        (18, "seat_seconds"),
        (19, "seat"),
        (20, "review"),
        (21, "review"),
        (22, "seat"),
        (23, "onward"),
        (24, "onward"),
        (25, "onward"),
        (26, "hotline_name"),
        (27, "hotline_name"),
        (28, "row"),
    ]
    assert {f.file for f in caught.value.faults} == {str(path)}


@pytest.mark.parametrize("flow", [*OF_CLASS, "emergency", "our_own-2"])
def test_a_number_runs_any_flow_there_is_that_is_not_made_for_another_class(
    write: Write, flow: str
) -> None:
    path = write(MAIN, DUAL.replace(",dual_run,", f",{flow},"))
    faults = check(path, None, {*FLOWS, "emergency", "our_own-2"})
    fits = OF_CLASS.get(flow, Integration.DUAL_RUN) is Integration.DUAL_RUN
    assert told(faults) == ([] if fits else [(3, "flow")])


@pytest.mark.parametrize("flow", ["", "Main", "no such", "x" * 41, "../main", "\uff11"])
def test_a_flow_has_a_name_of_a_file(write: Write, flow: str) -> None:
    assert only(write(MAIN, DUAL.replace(",dual_run,", f",{flow},"))).key == "flow"


def test_a_flow_that_is_not_there_is_told_with_those_that_are(write: Write) -> None:
    fault = check(write(MAIN), None, {"integrated", "unknown"})[0]
    assert (fault.line, fault.key) == (2, "flow")
    assert "there is no flow 'main'; there are integrated unknown" in fault.reason
    assert check(write(MAIN)) == ()


def test_faults_never_carry_a_control_character_to_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hotlines.csv"
    path.write_bytes(BROKEN)
    assert all(str(f).isprintable() for f in check(path))


@pytest.mark.parametrize(
    ("row", "key", "says"),
    [
        (DUAL.replace("12369,", "091712369,", 1), "number", "5 to 8 digits"),
        (DUAL.replace("12369,", "1236９,", 1), "number", "digits"),
        (DUAL.replace("12369,", "91712369,", 1), "number", "without country or area code: 12369"),
        (DUAL.replace("26,", "0,", 1), "line_no", "from 1 to 999"),
        (DUAL.replace("26,", "2_6,", 1), "line_no", "whole number"),
        (DUAL.replace(",10,", ",2,"), "seat_seconds", "from 3 to 60"),
        (DUAL.replace("2027-06-30", "2027/6/30"), "review", "2027-06-30"),
        (DUAL.replace("2027-06-30", "20270630"), "review", "2027-06-30"),
        (DUAL.replace("dual-12369", "../greeting"), "notice", "prompt's id"),
        (DUAL.replace("dual-12369", "dual-12370"), "notice", "no prompt 'dual-12370'"),
        (DUAL.replace("812369", "091712345"), "seat", "loop"),
        (DUAL.replace(",10,,", ",10,95598,"), "onward", "only not_integrated"),
        (DUAL.replace("环保举报", "环保\u200b举报"), "hotline_name", "invisible"),
        (DUAL.replace("环保举报热线", '"环保\n举报"'), "hotline_name", "control"),
        (DUAL.replace("市环保局", "市政府办公室"), "unit", "has the code zhengfuban on line 2"),
        (APART.replace(",,,95598", ",,10,95598"), "seat_seconds", "only dual"),
        (APART + ",,more", "row", "15 cells, the heading 13: 'more'"),
        (APART.replace("41,", "1,", 1), "hotline_name", "line_no 1 says '市长公开电话' on line 2"),
    ],
)
def test_one_fault_is_told_with_its_reason(write: Write, row: str, key: str, says: str) -> None:
    fault = next(f for f in check(write(MAIN, row), PROMPTS) if f.key == key)
    assert fault.line == 3
    assert says in fault.reason


def test_rows_of_one_line_agree_in_name_owner_and_class(write: Write) -> None:
    other = APART.replace("41,", "26,", 1)
    assert told(check(write(MAIN, DUAL, other))) == [
        (4, "hotline_name"),
        (4, "integration"),
        (4, "owner_unit"),
    ]


def test_a_register_without_12345_is_refused(write: Write) -> None:
    fault = only(write(DUAL))
    assert (fault.line, fault.key) == (None, "number")
    assert "12345" in fault.reason


def test_12345_is_integrated_and_has_the_main_flow(write: Write) -> None:
    assert only(write(MAIN.replace(",main,", ",integrated,"))).key == "flow"
    apart = "1,市长公开电话,12345,市政府办公室,zhengfuban,暂不整合,x,not_integrated,,,95598,,"
    assert only(write(apart)).key == "integration"


def test_missing_unknown_and_doubled_columns_are_told_and_the_rest_is_still_checked(
    write: Write,
) -> None:
    heading = HEADING.replace("owner_unit", "owner").replace("seat_seconds", "seat")
    assert told(check(write(MAIN.replace("12345", "1"), heading=heading))) == [
        (None, "number"),
        (1, "'owner'"),
        (1, "owner_unit"),
        (1, "seat"),
        (1, "seat_seconds"),
        (2, "number"),
    ]


def test_a_file_that_excel_saved_as_gbk_is_named_and_its_rows_still_checked(write: Write) -> None:
    path = write(MAIN, DUAL.replace("812369", ""), encoding="gbk")
    encoding, seat = check(path)
    assert (encoding.line, encoding.key) == (2, "encoding")
    assert "GBK" in encoding.reason
    assert (seat.line, seat.key) == (3, "seat")


def test_utf_16_is_named(write: Write) -> None:
    assert "UTF-16" in only(write(MAIN, encoding="utf-16")).reason


def test_bytes_that_are_no_text_are_told_in_their_cell(tmp_path: Path) -> None:
    path = tmp_path / "hotlines.csv"
    path.write_bytes(f"{HEADING}\n{MAIN}\n".encode().replace("公开".encode(), b"\xff\xfe"))
    fault = only(path)
    assert (fault.line, fault.key) == (2, "hotline_name")
    assert "not UTF-8" in fault.reason


def test_an_open_quote_is_told_where_it_begins(write: Write) -> None:
    fault = only(write(MAIN, '2,"社区市民热线,12343', "3,…"))
    assert (fault.line, fault.key) == (3, "row")


def test_line_ends_of_any_kind_count_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "hotlines.csv"
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(end.join([HEADING, MAIN, "", DUAL.replace(",10,", ",x,")]).encode())
        assert told(check(path)) == [(4, "seat_seconds")], repr(end)


def test_a_missing_an_empty_a_huge_and_an_only_headed_file_are_faults(tmp_path: Path) -> None:
    path = tmp_path / "hotlines.csv"
    assert "cannot be read" in only(path).reason
    assert "cannot be read" in only(tmp_path).reason
    path.write_bytes(b"")
    assert "empty" in only(path).reason
    path.write_text(HEADING)
    assert "no number" in only(path).reason
    path.write_bytes(b"," * 1_000_001)
    assert "larger" in only(path).reason


SOUND = f"{HEADING}\n{MAIN}\n{DUAL}\n{APART}\n".encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=400),
        st.text(max_size=200).map(lambda t: f"{HEADING}\n{t}\n{MAIN}".encode("utf-8", "replace")),
        st.tuples(st.integers(0, len(SOUND)), st.integers(0, 9), st.binary(max_size=9)).map(
            lambda x: SOUND[: x[0]] + x[2] + SOUND[x[0] + x[1] :]
        ),
    )
)
def test_whatever_the_bytes_load_gives_a_register_or_faults(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "hotlines.csv"
    path.write_bytes(raw)
    if faults := check(path, PROMPTS):
        assert all(str(f).isprintable() for f in faults)
        with pytest.raises(Faulty):
            load(path, PROMPTS)
    else:
        assert load(path, PROMPTS).find("12345") is not None
