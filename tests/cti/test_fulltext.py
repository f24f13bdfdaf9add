import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti import fulltext, words
from schemas.case_tables import TextRow

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
Sessions = async_sessionmaker[AsyncSession]


async def found(sessions: Sessions, query: str, kind: fulltext.Kind = "ticket") -> set[str]:
    async with sessions() as session:
        asked = fulltext.matching(session.get_bind().dialect.name, kind, query)
        return set(await session.scalars(asked))


async def keep(sessions: Sessions, kind: fulltext.Kind = "ticket", **texts: str) -> None:
    async with sessions.begin() as session:
        for ref, written in texts.items():
            await fulltext.put(session, kind, ref, written, at=T0)


TEXTS = {
    "water": "经二路东段停水两天 金台区经二路东段人民银行家属院从昨天起停水，物业说是主管爆裂",
    "lamp": "金陵路路灯不亮 高新大道与金陵路十字路灯坏了三盏",
    "bus": "10路公交不停站 K3路公交车司机在3号站台甩客，车牌陕C12345",
    "heat": "暖气不热 陈仓区虢镇东关小区5号楼暖气温度只有14度 Wi-Fi也断",
    "dust": "工地扬尘 渭滨区姜谭路工地夜间施工，噪音很大",
}


FOUND: list[tuple[str, set[str]]] = [
    ("停水", {"water"}),
    ("经二路停水", {"water"}),
    ("停水经二路", {"water"}),
    ("陈仓区虢镇", {"heat"}),
    ("二路东段", {"water"}),
    ("经二路", {"water"}),
    ("大道", {"lamp"}),
    ("新大道", {"lamp"}),
    ("高新大", {"lamp"}),
    ("路灯", {"lamp"}),
    ("修路灯", {"lamp"}),
    ("路灯坏了怎么办", {"lamp"}),
    ("灯", {"lamp"}),
    ("盏", {"lamp"}),
    ("10路", {"bus"}),
    ("0路", set()),
    ("１０路公交", {"bus"}),
    ("k3路", {"bus"}),
    ("K3", {"bus"}),
    ("3号站台", {"bus"}),
    ("5号楼", {"heat"}),
    ("虢镇", {"heat"}),
    ("陈仓区虢镇暖气", {"heat"}),
    ("wi", {"heat"}),
    ("fi", {"heat"}),
    ("姜谭路 噪音", {"dust"}),
    ("噪音 停水", set()),
    ("路", {"water", "lamp", "bus", "dust"}),
    ("物业 人民银行", {"water"}),
    ("地铁", set()),
    ("", set()),
    ("！？。", set()),
]


async def test_tickets_are_found_by_words_and_by_parts_of_names(sessions: Sessions) -> None:
    await keep(sessions, **TEXTS)
    assert {query: await found(sessions, query) for query, _ in FOUND} == dict(FOUND)


async def test_a_text_is_replaced_and_dropped_in_the_index_too(sessions: Sessions) -> None:
    await keep(sessions, a="停水")
    await keep(sessions, a="停电")
    assert (await found(sessions, "停水"), await found(sessions, "停电")) == (set(), {"a"})
    async with sessions.begin() as session:
        await fulltext.drop(session, "ticket", "a")
    assert await found(sessions, "停电") == set()
    async with sessions() as session:
        assert (await session.scalars(select(TextRow))).all() == []


async def test_the_two_kinds_do_not_see_each_other(sessions: Sessions) -> None:
    await keep(sessions, "ticket", a="停水通知")
    await keep(sessions, "article", a="停电通知", b="停水通知")
    assert await found(sessions, "通知", "ticket") == {"a"}
    assert await found(sessions, "停水", "article") == {"b"}
    assert await found(sessions, "停电", "ticket") == set()


async def test_a_rolled_back_text_is_not_found(sessions: Sessions) -> None:
    async with sessions() as session:
        await fulltext.put(session, "ticket", "a", "停水", at=T0)
        await session.rollback()
    assert await found(sessions, "停水") == set()


NUMBERS = [
    "13900001234",
    "139 0000 1234",
    "139-0000-1234",
    "+8613900001234",
    "0917-3260000",
    "１３９００００１２３４",
    "61030219800101123X",
    "6222 0212 3456 7890 123",
    "一三九零零零零一二三四",
    "幺三九，零零零零，一二三四",
]


async def test_numbers_of_people_are_not_in_the_index_of_tickets(sessions: Sessions) -> None:
    for number in NUMBERS:
        await keep(sessions, a=f"停水，请打{number}找王先生")
        async with sessions() as session:
            kept = (await session.scalars(select(TextRow.words))).one().split()
        assert kept == words.tokens("停水，请打 找王先生"), number
        assert await found(sessions, number) == set()
        assert await found(sessions, "停水") == {"a"}


async def test_numbers_of_offices_are_in_the_index_of_articles(sessions: Sessions) -> None:
    await keep(sessions, "article", a="城管热线 12319，座机 0917-3260000")
    assert await found(sessions, "3260000", "article") == {"a"}


HOSTILE = [
    '"',
    "'",
    "''",
    "' OR 1=1 --",
    '停水" OR "a',
    "停水 AND",
    "NEAR(停 水)",
    "NEAR/2",
    "停水*",
    "* * *",
    "words:停水",
    "{words}: 停水",
    "^停水",
    "(((",
    ")))停水(",
    "停水 & | ! :* <-> \\",
    "!停水",
    "'停水':*",
    "-停水 +",
    "\0",
    "停\0水",
    "\ud800",
    "停水\udfff",
    "\ud83d停水\ude00",
    "😀停水😀",
    "停" * 8000,
    "停水" * 4000,
    "a" * 8000,
    "1 " * 4000,
    "a\u0301" * 4000,
    "﷽" * 8000,
    "τ停水",
    "\u202e停水",
    "1e5 0x1f 1.5e-3 a@b.cn http://停水/x?y=1",
]


async def test_nothing_a_person_types_breaks_the_syntax(sessions: Sessions) -> None:
    kinds: tuple[fulltext.Kind, ...] = ("ticket", "article")
    for hostile in HOSTILE:
        for kind in kinds:
            await keep(sessions, kind, plain="停水", hostile=hostile)
            await found(sessions, hostile, kind)
            assert "plain" in await found(sessions, "停水", kind)


async def test_a_text_of_the_greatest_size_is_taken_and_found(sessions: Sessions) -> None:
    many = "停水" + "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(120_000))
    await keep(sessions, han=many, latin="停水 " + " ".join(f"w{n:030d}" for n in range(40_000)))
    assert await found(sessions, "停水") == {"han", "latin"}


async def test_every_token_is_one_word_to_the_database(sessions: Sessions) -> None:
    """Were one taken apart, it could not be found by what `matching` asks for."""
    alphabet = ["a", "e", "x", "z", "0", "1", "9", "停", "水", "路", "\U00020000", "㐀", "é", "ß"]

    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.lists(st.text(alphabet, min_size=1, max_size=8), min_size=1, max_size=8))
    def collect(parts: list[str]) -> None:
        seen.update(words.tokens("".join(parts)))
        seen.update(words.marked(" ".join(parts), "title"))

    seen: set[str] = set()
    collect()
    some = sorted(seen)[:1500]
    async with sessions.begin() as session:
        for token in some:
            await fulltext.put_tokens(session, "article", token, [token], at=T0)
    async with sessions() as session:
        dialect = session.get_bind().dialect.name
        for token in some:
            asked = fulltext.having(dialect, "article", [[words.Term(token)]])
            assert set(await session.scalars(asked)) == {token}


async def test_postgresql_uses_the_index_of_the_kind(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        for kind in ("ticket", "article"):
            rows = [
                {"kind": kind, "ref": str(n), "at": T0, "words": f"停电 电{n} 通知"}
                for n in range(2000)
            ]
            await session.execute(insert(TextRow), rows)
    async with sessions() as session:
        if session.get_bind().dialect.name != "postgresql":
            pytest.skip("PostgreSQL alone explains so")
        await session.execute(text("ANALYZE texts"))
        kinds: tuple[fulltext.Kind, ...] = ("ticket", "article")
        for kind in kinds:
            asked = fulltext.matching("postgresql", kind, "停水 路")
            written = asked.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
            plan = "\n".join(
                await session.scalars(text(f"EXPLAIN {written}".replace(":*", "\\:*")))
            )
            assert f"Bitmap Index Scan on ix_texts_{kind}" in plan


async def test_sqlite_uses_the_index_of_the_kind(sessions: Sessions) -> None:
    async with sessions() as session:
        if session.get_bind().dialect.name != "sqlite":
            pytest.skip("SQLite alone explains so")
        asked = fulltext.matching("sqlite", "ticket", "停水")
        written = asked.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        rows = await session.execute(text(f"EXPLAIN QUERY PLAN {written}"))
        plan = "\n".join(str(row) for row in rows)
        assert "SCAN texts_ticket VIRTUAL TABLE" in plan
        assert "SEARCH texts USING INTEGER PRIMARY KEY" in plan
