"""What is found, and what first: a small knowledge base and what agents type."""

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.knowledge import search, store
from schemas.identity import Role, Who
from schemas.knowledge import ArticleIn, ArticlePatch, ArticleState, Matched, SearchAsked

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
DAY = 86_400.0
Sessions = async_sessionmaker[AsyncSession]
ADMIN = Who(kind="user", id="root", role=Role.ADMIN)
AGENT = Who(kind="user", id="zhang", role=Role.AGENT)
RENSHE = Who(kind="user", id="rs", role=Role.UNIT, unit="renshe")

ARTICLES = {
    "card": ("社保卡补办", "凭本人身份证到任一社保卡服务网点办理。", ["挂失", "换卡"]),
    "card_pay": ("社保卡怎么激活金融账户", "持社会保障卡到银行柜台激活。", []),
    "pension": ("养老保险转移接续", "参保人跨省就业的, 可办理转移。需要社保卡。", ["社保转移"]),
    "fund": ("住房公积金提取", "购买、建造、翻建自住住房的可以提取。", ["公积金"]),
    "fund_loan": ("公积金贷款额度", "单缴存职工与双缴存职工的额度不同。", []),
    "id": ("身份证补领", "本人到户籍派出所办理。", ["遗失"]),
    "water": ("停水通知在哪里看", "计划停水由自来水公司提前公告。", ["供水", "自来水"]),
    "water_fee": ("居民阶梯水价", "按年用水量分三档计费, 停水期间不计。", ["水费"]),
    "heat": ("供暖温度不达标怎么办", "先联系热力公司测温。", ["暖气", "不热"]),
    "school": ("义务教育入学", "按学区由县区教育局安排, 孩子上学须有户籍或居住证明。", ["上学"]),
    "noise": ("夜间施工噪音投诉", "城管执法部门受理。", ["扰民"]),
    "bus": ("10路公交线路", "由公交公司运营。", []),
    "wifi": ("政务大厅免费 Wi-Fi", "连接后输入手机号。", ["无线网"]),
    "scope": ("不予受理的七类事项", "已进入诉讼、仲裁程序的不予受理。", ["受理范围"]),
    "hours": ("承办单位办公时间", "工作日上午八点半到十二点。", ["上班时间"]),
    "holiday": ("法定节假日安排", "以国务院公布的为准。", ["放假"]),
    "invoice": ("水费发票打印", "登录自来水公司网上营业厅。", []),
    "marry": ("结婚登记", "双方到一方户籍所在地民政部门办理。", []),
    "bank": ("人民银行征信查询", "凭身份证查询。", ["征信报告"]),
    "lamp": ("路灯维修", "市政部门负责城区路灯。", ["灯不亮"]),
    "clothes": ("产品和服务质量投诉", "12315 受理。", []),
}
OLD = {
    "expired": ("社保卡补办临时网点", "已经过期。", [], {"valid_until": T0 - DAY}),
    "ended": ("社保卡补办恰好到期", "到此刻为止。", [], {"valid_until": T0}),
    "future": ("社保卡补办新规定", "明天起施行。", [], {"valid_from": T0 + DAY}),
    "draft": ("社保卡补办草稿", "还没有发布。", [], {"state": ArticleState.DRAFT}),
}


async def filled(sessions: Sessions) -> dict[int, str]:
    """Return the names of all articles by id."""
    names = {}
    every = [(name, *fields, {}) for name, fields in ARTICLES.items()]
    every += [(name, *fields) for name, fields in OLD.items()]  # type: ignore[misc]
    async with sessions.begin() as session:
        for name, title, body, keywords, more in every:
            asked = ArticleIn.model_validate(
                {
                    "title": title,
                    "body": body,
                    "keywords": keywords,
                    "unit": "renshe" if "社保" in title else "zhengfuban",
                    "state": ArticleState.PUBLISHED,
                    **more,
                }
            )
            made = await store.create(session, ADMIN, asked, at=T0 - 10 * DAY)
            names[made.id] = name
    return names


async def looked(
    sessions: Sessions, names: dict[int, str], query: str, who: Who = AGENT, **more: object
) -> list[str]:
    async with sessions() as session:
        asked = SearchAsked.model_validate({"q": query, **more})
        return [names[a.id] for a in await search.search(session, who, asked, now=T0)]


FIRST = [
    ("社保卡补办", "card"),
    ("社保卡", "card"),
    ("补办社保卡", "card"),
    ("社保卡怎么补办", "card"),
    ("社保卡 激活", "card_pay"),
    ("我想问一下社保卡怎么激活", "card_pay"),
    ("挂失", "card"),
    ("社保转移", "pension"),
    ("养老保险", "pension"),
    ("公积金", "fund"),
    ("公积金提取", "fund"),
    ("提取公积金", "fund"),
    ("公积金贷款", "fund_loan"),
    ("身份证", "id"),
    ("办身份证", "id"),
    ("停水", "water"),
    ("水费", "invoice"),
    ("水费发票", "invoice"),
    ("阶梯水价", "water_fee"),
    ("暖气不热", "heat"),
    ("供暖", "heat"),
    ("孩子上学", "school"),
    ("上学", "school"),
    ("夜间施工", "noise"),
    ("施工扰民", "noise"),
    ("10路", "bus"),
    ("１０路公交", "bus"),
    ("WIFI", "wifi"),
    ("wi-fi", "wifi"),
    ("七类", "scope"),
    ("上班时间", "hours"),
    ("放假", "holiday"),
    ("征信", "bank"),
    ("修路灯", "lamp"),
    ("和服", "clothes"),
    ("12315", "clothes"),
    ("sbk", "card"),
    ("SBK", "card"),
    ("sbkbb", "card"),
    ("gjj", "fund"),
    ("gjjtq", "fund"),
    ("zfgjj", "fund"),
    ("sfz", "id"),
    ("jhdj", "marry"),
    ("shebaoka", "card"),
    ("gongjijin", "fund"),
    ("gongjijintiqu", "fund"),
    ("jiehun", "marry"),
    ("nuanqi", "heat"),
    ("rmyh", "bank"),
    ("yinhang", "bank"),
    ("sbk jihuo", "card_pay"),
    ("gjj 贷款", "fund_loan"),
    ("社保卡补办要带户口本复印件吗", "card"),
    ("地铁", None),
    ("xyz", None),
]


async def test_what_comes_first(sessions: Sessions) -> None:
    names = await filled(sessions)
    first = {query: (await looked(sessions, names, query) or [None])[0] for query, _ in FIRST}
    assert first == dict(FIRST)


async def test_the_title_comes_before_keywords_and_these_before_the_body(
    sessions: Sessions,
) -> None:
    names = await filled(sessions)
    assert await looked(sessions, names, "停水") == ["water", "water_fee"]
    assert await looked(sessions, names, "水费") == ["invoice", "water_fee"]
    assert await looked(sessions, names, "社保卡") == ["card", "card_pay", "pension"]
    assert await looked(sessions, names, "身份证") == ["id", "card", "bank"]


@pytest.mark.parametrize("asked_all", [False, True])
async def test_what_is_not_valid_now_is_found_by_its_owner_alone(
    sessions: Sessions, asked_all: bool
) -> None:
    names = await filled(sessions)
    query = {"query": "社保卡补办", "all": asked_all}
    assert not set(await looked(sessions, names, who=AGENT, **query)) & set(OLD)
    other = Who(kind="user", id="x", role=Role.UNIT, unit="minzheng")
    assert not set(await looked(sessions, names, who=other, **query)) & set(OLD)
    seen = set(OLD) if asked_all else set()
    assert set(await looked(sessions, names, who=RENSHE, **query)) & set(OLD) == seen
    assert set(await looked(sessions, names, who=ADMIN, **query)) & set(OLD) == seen


async def test_a_changed_article_is_found_by_its_new_words_only(sessions: Sessions) -> None:
    names = await filled(sessions)
    [id] = [id for id, name in names.items() if name == "lamp"]
    async with sessions.begin() as session:
        patch = ArticlePatch(version=1, title="树木修剪", body="园林部门负责。", keywords=[])
        await store.change(session, ADMIN, id, patch, at=T0)
    assert await looked(sessions, names, "路灯") == []
    assert await looked(sessions, names, "smxj") == ["lamp"]
    async with sessions.begin() as session:
        patch = ArticlePatch(version=2, state=ArticleState.WITHDRAWN)
        await store.change(session, ADMIN, id, patch, at=T0)
    assert await looked(sessions, names, "树木修剪") == []


async def test_unit_and_category_narrow_the_search(sessions: Sessions) -> None:
    names = await filled(sessions)
    assert await looked(sessions, names, "社保卡", unit="zhengfuban") == ["pension"]
    assert await looked(sessions, names, "停水", unit="renshe") == []
    assert await looked(sessions, names, "停水", category="water") == []
    assert await looked(sessions, names, "停水", limit=1) == ["water"]


async def test_what_is_out_of_date_does_not_crowd_out_what_is_valid(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_LOOKED_AT", 3)
    names = {}
    async with sessions.begin() as session:
        for number in range(24):
            last = number == 23
            asked = ArticleIn(
                title="社保卡补办",
                unit="renshe",
                valid_until=None if last else T0 - DAY,
                state=ArticleState.PUBLISHED,
            )
            names[(await store.create(session, ADMIN, asked, at=T0)).id] = f"{number}"
    for query in ("社保卡", "sbk", "社保卡补办", "补办 地铁"):
        assert await looked(sessions, names, query) == ["23"]


async def test_marks_name_the_words_in_title_and_snippet(sessions: Sessions) -> None:
    names = await filled(sessions)
    async with sessions() as session:
        asked = SearchAsked(q="孩子上学")
        [found] = await search.search(session, AGENT, asked, now=T0)
    assert names[found.id] == "school"
    assert found.matched is Matched.BODY
    assert [found.snippet[a:b] for a, b in found.snippet_marks] == ["孩子上学"]
    assert found.title_marks == []
    async with sessions() as session:
        [found, *_] = await search.search(session, AGENT, SearchAsked(q="ＷＩ"), now=T0)
    assert [found.title[a:b] for a, b in found.title_marks] == ["Wi"]


HOSTILE = ['"', "'; DROP TABLE articles; --", "NEAR(a b)", "*", "社保卡\0", "😀", "ττ社保"]


async def test_nothing_typed_breaks_the_search(sessions: Sessions) -> None:
    names = await filled(sessions)
    for query in [*HOSTILE, "a" * 200, "社" * 200, "1 " * 100, "", "的了吗"]:
        await looked(sessions, names, query)
        await looked(sessions, names, query, who=ADMIN, all=True)
