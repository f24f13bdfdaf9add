"""Articles from files and to files."""

import io
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.knowledge import exchange, search, sheets
from cti.knowledge.exchange import Imported
from schemas.errors import Faulty
from schemas.identity import Role, Who
from schemas.knowledge import ArticleState, SearchAsked

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
Sessions = async_sessionmaker[AsyncSession]
ADMIN = Who(kind="user", id="root", role=Role.ADMIN)
SEED = Path(__file__).parents[2] / "dialplans" / "baoji" / "knowledge.toml"

GOOD = """\
[[articles]]
title = "社保卡补办"
unit = "renshe"
body = '''
凭身份证办理。
第二行
'''
keywords = ["挂失"]
valid_until = 2027-06-30
review_at = "2026-12-01"
state = "published"

[[articles]]
title = "=1+1"
unit = "minzheng"
body = "@SUM(A1)"
spoken = "-2"
valid_from = 2026-11-01T08:00:00+08:00
"""
BAD = """\
[[articles]]
title = "社保卡补办"
unit = "renshe"

[[articles]]
title = "x"
unit = "人社局"
colour = "red"

[[articles]]
title = "社保卡补办"
unit = "renshe"
valid_from = 2027-01-01
valid_until = 2026-01-01

[[articles]]
unit = "renshe"
valid_from = "明天"
"""


def written(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


async def put(sessions: Sessions, path: Path) -> Imported:
    async with sessions.begin() as session:
        return await exchange.put_all(session, ADMIN, sheets.load(path), at=T0)


async def out(sessions: Sessions, at: float = T0) -> bytes:
    async with sessions() as session:
        return sheets.save(await exchange.take_all(session, at=at))


async def test_a_file_is_read_in_once_and_comes_out_as_it_went_in(
    sessions: Sessions, tmp_path: Path
) -> None:
    toml = written(tmp_path, "a.toml", GOOD)
    assert await put(sessions, toml) == Imported(2, 0, 0)
    assert await put(sessions, toml) == Imported(0, 0, 2)
    excel = written(tmp_path, "a.xlsx", await out(sessions))
    before, after = sheets.load(toml), sheets.load(excel)
    plain = [a.model_copy(update={"body": a.body.strip()}) for a in before]
    assert [a.model_dump() for a in after] == [a.model_dump() for a in plain]
    changed = GOOD.replace("凭身份证办理。", "本人到场。").replace("2027-06-30", "2028-06-30")
    assert await put(sessions, written(tmp_path, "b.toml", changed)) == Imported(0, 1, 1)
    async with sessions() as session:
        [found] = await search.search(session, ADMIN, SearchAsked(q="本人到场"), now=T0)
    assert (found.title, found.version) == ("社保卡补办", 2)


async def test_no_cell_of_the_file_is_a_formula(sessions: Sessions, tmp_path: Path) -> None:
    await put(sessions, written(tmp_path, "a.toml", GOOD))
    sheet = load_workbook(io.BytesIO(await out(sessions))).worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert not [cell.value for cell in cells if str(cell.value).startswith(tuple("=+-@\t\r"))]


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(Faulty) as told:
        sheets.load(written(tmp_path, "bad.toml", BAD))
    assert {(fault.line, fault.key) for fault in told.value.faults} == {
        (5, "title"), (5, "unit"), (5, "colour"), (10, "valid_until"), (10, "title"),
        (16, "title"), (16, "valid_from"),
    }  # fmt: skip
    assert {fault.file for fault in told.value.faults} == {"bad.toml"}


def workbook(*rows: list[object]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_faults_of_an_excel_file_name_their_row(tmp_path: Path) -> None:
    bad = workbook(
        ["标题", "单位", "关键词", "状态"],
        ["社保卡补办", "renshe", "挂失、换卡, 补卡", "已发布"],
        [None, None, None, None],
        ["身份证", "公安局", None, "已发布"],
        ["户口本", "minzheng", None, "也许"],
    )
    with pytest.raises(Faulty) as told:
        sheets.load(written(tmp_path, "bad.xlsx", bad))
    assert {(fault.line, fault.key) for fault in told.value.faults} == {(4, "unit"), (5, "state")}
    good = workbook(["标题", "单位", "关键词"], ["社保卡补办", "renshe", "挂失、换卡, 补卡"])
    [article] = sheets.load(written(tmp_path, "good.xlsx", good))
    assert article.keywords == ["挂失", "换卡", "补卡"]
    assert article.state is ArticleState.DRAFT


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", b"a,b", None),
        ("a.toml", b"\xff\xfe", None),
        ("a.toml", b"a = ", None),
        ("a.toml", b"", None),
        ("a.toml", b"articles = 1", None),
        ("a.toml", b"[[articles]]\n[other]", None),
        ("a.xlsx", b"", None),
        ("a.xlsx", b"PK\x03\x04 no archive", None),
        ("a.xlsx", workbook(["颜色", "标题"]), 1),
        ("a.xlsx", workbook(["标题", "单位", "标题"]), 1),
        ("a.xlsx", workbook(["标题", "单位"]), None),
    ],
)
def test_other_files_are_named_as_what_they_are(
    tmp_path: Path, name: str, content: bytes, line: int | None
) -> None:
    with pytest.raises(Faulty) as told:
        sheets.load(written(tmp_path, name, content))
    assert {fault.line for fault in told.value.faults} == {line}


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Faulty):
        sheets.load(tmp_path / "none.toml")


SEEDED = [
    ("社保卡打什么电话", "人力资源和社会保障热线是多少"),
    ("12333", "人力资源和社会保障热线是多少"),
    ("不受理", "12345不予受理的七类事项"),
    ("停电", "供电服务热线是多少"),
    ("fyrx", None),
    ("天然气", "燃气客服电话是多少"),
    ("匿名", "投诉人信息会保密吗"),
    ("几点下班", "承办单位办公时间"),
    ("路灯不亮", "城市照明服务热线是多少"),
    ("gdfw", "供电服务热线是多少"),
]


async def test_the_citys_first_articles_are_found(sessions: Sessions) -> None:
    assert (await put(sessions, SEED)).added >= 30
    async with sessions() as session:
        for query, title in SEEDED:
            found = await search.search(session, ADMIN, SearchAsked(q=query), now=T0)
            assert (found[0].title if found else None) == title, query
