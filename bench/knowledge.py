"""Search of the knowledge base at 20 000 articles, against a plain scan with LIKE in the same run.

Both sides search the same articles on the same database, through the same driver, and return a page
of 20; the scan orders by title and use, cannot do pinyin, and has no snippets to make.

    python -m bench.knowledge [--articles 20000] [--rounds 15] [--database sqlite] [--json]
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Text, and_, cast, or_, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from bench import postgres
from cti import fulltext, words
from cti.knowledge import search, store
from hotline import db
from schemas.case_tables import ArticleRow
from schemas.identity import Role, Who
from schemas.knowledge import ArticleIn, ArticleState, SearchAsked

NOW = 1_795_400_000.0
ADMIN = Who(kind="user", id="bench", role=Role.ADMIN)
AGENT = Who(kind="user", id="agent", role=Role.AGENT)
_PLACES = """
    渭滨区 金台区 陈仓区 凤翔区 岐山县 扶风县 眉县 陇县 千阳县 麟游县 凤县 太白县 高新区
"""
_THINGS = """
    社保卡 公积金 身份证 户口本 居住证 养老保险 医疗保险 失业保险 工伤保险 生育津贴
    结婚登记 营业执照 税务登记 不动产登记 驾驶证 行驶证 公交卡 老年证 残疾证 低保 临时救助
    廉租房 公租房 暖气费 水费 电费 燃气费 物业费 停车费 垃圾清运 路灯 井盖 噪音 扬尘 油烟
    违章建筑 占道经营 流浪犬 学区划分 中考报名 高考报名 教师资格证 疫苗接种 健康证
    预约挂号 异地就医 农机补贴 粮食补贴 退耕还林 危房改造 土地确权 劳动仲裁 拖欠工资
    法律援助 消费维权 食品安全 药品安全 网络订餐 快递投诉 旅游投诉 招商引资 创业贷款
"""
_DEEDS = """
    办理条件 办理材料 办理地点 补办流程 挂失流程 申请时间 领取方式 收费标准 查询方法
    注销手续 变更手续 投诉渠道 办理时限 网上办理 代办要求 转移接续 续期规定 发放标准
    审核流程 常见问题
"""
PLACES, THINGS, DEEDS = _PLACES.split(), _THINGS.split(), _DEEDS.split()
SENTENCES = (
    "本人持有效证件到{place}政务服务中心窗口提出申请。",
    "办理{thing}须提供申请表和近期免冠照片两张。",
    "受理部门自收到材料之日起{days}个工作日内办结。",
    "材料不齐的, 窗口应当一次性告知需要补正的全部内容。",
    "也可以登录政务服务网或手机应用在线提交{thing}的{deed}事项。",
    "对处理结果有异议的, 可在{days}日内申请复核。",
    "{place}居民咨询{other}的, 请另见相关条目。",
    "特殊困难群体可以由社区工作人员上门{deed}。",
    "收费依据市物价部门核定的标准, 不得另行加收。",
    "节假日期间由值班人员受理{thing}, 急事急办。",
    "遗失原件的, 先登报声明或作出书面承诺, 再申请{other}。",
    "跨县区{deed}的, 两地信息由系统自动核对。",
)
ASKED: Mapping[str, Sequence[str]] = {
    "word": ("社保卡", "公积金", "路灯", "停车费", "居住证", "低保", "燃气费", "疫苗接种"),
    "common word": ("办理", "申请", "窗口", "材料", "工作日"),
    "words": (
        "眉县 社保卡 挂失", "岐山县公积金提取材料", "太白县路灯投诉渠道",
        "我想问一下凤县居住证怎么补办",
    ),
    "phrase": ("社保卡挂失流程", "公积金网上办理", "老年证办理地点", "一次性告知需要补正"),
    "initials": ("sbk", "gjj", "sbkgs", "ylbx", "jzz", "hzjd"),
    "pinyin": ("shebaoka", "gongjijin", "yimiaojiezhong"),
    "one character": ("卡", "灯", "保"),
    "not found": ("地铁时刻表", "火星移民", "zzqx", "量子 社保卡纠缠"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of query on one database; milliseconds."""

    database: str
    kind: str
    count: int
    p50: float
    p99: float
    peer_p50: float | None
    """Of the scan; None: it cannot answer such a query."""
    ratio: float | None
    """Scan's median through ours: above 1 we are quicker."""


def article(number: int, chance: random.Random) -> ArticleIn:
    """Return article *number*, another one for each."""
    place, thing, deed = chance.choice(PLACES), chance.choice(THINGS), chance.choice(DEEDS)
    body = "".join(
        sentence.format(
            place=chance.choice([place, place, chance.choice(PLACES)]),
            thing=thing,
            other=chance.choice(THINGS),
            deed=chance.choice([deed, chance.choice(DEEDS)]),
            days=chance.randint(1, 30),
        )
        for sentence in chance.choices(SENTENCES, k=chance.randint(4, 14))
    )
    return ArticleIn(
        title=f"{place}{thing}{deed}" + (f"（{number}号文）" if number % 5 == 0 else ""),
        unit=chance.choice(("renshe", "minzheng", "zhujian", "jiaotong")),
        body=body,
        keywords=chance.sample(THINGS, k=chance.randint(0, 3)),
        valid_until=NOW - 1 if number % 20 == 0 else None,
        state=ArticleState.PUBLISHED,
    )


async def fill(write: async_sessionmaker[AsyncSession], count: int) -> float:
    """Write *count* articles and return milliseconds an article."""
    chance = random.Random(5)
    began = time.perf_counter()
    for start in range(0, count, 1000):
        async with write.begin() as session:
            for number in range(start, min(start + 1000, count)):
                await store.create(session, ADMIN, article(number, chance), at=NOW - 9)
    return (time.perf_counter() - began) * 1000 / count


async def scan(session: AsyncSession, query: str) -> int:
    """Answer *query* with LIKE: every word in title, keywords or body."""
    typed = words.words(query)
    wanted = [
        or_(
            ArticleRow.title.contains(word, autoescape=True),
            cast(ArticleRow.keywords, Text).contains(word, autoescape=True),
            ArticleRow.body.contains(word, autoescape=True),
        )
        for word in typed
    ]
    in_title = ArticleRow.title.contains(typed[0], autoescape=True)
    rows = await session.scalars(
        select(ArticleRow)
        .where(store.valid_at(NOW), and_(*wanted))
        .order_by(in_title.desc(), ArticleRow.used.desc())
        .limit(20)
    )
    return len(rows.all())


async def ours(session: AsyncSession, query: str) -> int:
    """Answer *query* as the service does."""
    return len(await search.search(session, AGENT, SearchAsked(q=query), now=NOW))


async def timed(
    read: async_sessionmaker[AsyncSession],
    ask: Callable[[AsyncSession, str], Awaitable[int]],
    queries: Sequence[str],
    rounds: int,
) -> list[float]:
    """Return milliseconds of each question, sorted."""
    taken = []
    for number in range(rounds + 1):
        for query in queries:
            began = time.perf_counter()
            async with read() as session:
                await ask(session, query)
            if number:  # the first round warms caches and prepared statements
                taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)


def at(values: Sequence[float], share: float) -> float:
    """Return the value below which *share* of the sorted *values* lie."""
    return values[min(len(values) - 1, int(len(values) * share))]


@asynccontextmanager
async def database(kind: str, folder: Path) -> AsyncIterator[AsyncEngine]:
    """Yield an engine on a fresh, migrated database."""
    if kind == "sqlite":
        url = f"sqlite+aiosqlite:///{folder / 'bench.db'}"
        await db.upgrade(url)
        made = db.engine(url)
        yield made
        await made.dispose()
        return
    async with postgres.server() as url:
        await db.upgrade(url)
        made = db.engine(url)
        yield made
        await made.dispose()


async def measure(kind: str, articles: int, rounds: int, folder: Path) -> list[Figure]:
    """Return the figures of one database."""
    figures = []
    async with database(kind, folder) as engine:
        each = await fill(db.writers(engine), articles)
        async with db.writers(engine).begin() as session:
            await session.execute(text("ANALYZE"))
            if kind == "postgresql":  # what autovacuum does some time after so many writes
                await session.execute(text("SELECT gin_clean_pending_list('ix_texts_article')"))
        print(f"{kind:>10}: {articles} articles written, {each:.2f} ms each", file=sys.stderr)
        read = db.readers(engine)
        for name, queries in ASKED.items():
            mine = await timed(read, ours, queries, rounds)
            sounds = name in ("initials", "pinyin")
            peer = [] if sounds else await timed(read, scan, queries, max(1, rounds // 5))
            found = Figure(
                database=kind,
                kind=name,
                count=len(mine),
                p50=at(mine, 0.5),
                p99=at(mine, 0.99),
                peer_p50=at(peer, 0.5) if peer else None,
                ratio=at(peer, 0.5) / at(mine, 0.5) if peer else None,
            )
            figures.append(found)
            _say(found)
    return figures


def _say(found: Figure) -> None:
    peer = f"LIKE {found.peer_p50:6.1f}  ratio {found.ratio:5.1f}" if found.ratio else "LIKE cannot"
    print(
        f"{found.database:>10} {found.kind:<14} p50 {found.p50:6.1f} ms  p99 {found.p99:6.1f} ms"
        f"  {peer}",
        file=sys.stderr,
    )


async def _all(kinds: Sequence[str], articles: int, rounds: int) -> list[Figure]:
    await fulltext.ready()
    figures = []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            figures += await measure(kind, articles, rounds, Path(folder))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--database", default="sqlite,postgresql")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    figures = asyncio.run(_all(asked.database.split(","), asked.articles, asked.rounds))
    worst = {
        kind: max(f.p99 for f in figures if f.database == kind)
        for kind in asked.database.split(",")
    }
    summary: dict[str, object] = {"articles": asked.articles, "worst_p99_ms": worst}
    if asked.json:
        summary["figures"] = [asdict(figure) for figure in figures]
    print(json.dumps(summary, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
