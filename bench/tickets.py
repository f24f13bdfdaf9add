"""Tickets by the million: lists, searches and saves, as agents and units' people feel them.

1 000 000 tickets in PostgreSQL, 100 000 in SQLite, filled in bulk and then asked through the same
service that REST and pages use. The peer in the same run is the cheapest question there is, one
row by its key: every figure stands beside it as a ratio.

    python -m bench.tickets [--postgres 1000000] [--sqlite 100000] [--questions 400] [--json]
"""

import argparse
import asyncio
import itertools
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import insert, make_url, select
from sqlalchemy.ext.asyncio import AsyncEngine

from bench import postgres
from cti.tickets.casework import Casework
from cti.words import tokens
from dialplans.city import load
from hotline import db, places
from schemas.case_moves import MoveIn, Urge
from schemas.case_tables import ClockRow, HistoryRow, TextRow
from schemas.cases import Light
from schemas.config import Site
from schemas.identity import Role, Who
from schemas.tables import Base, TicketRow
from schemas.tickets import TicketFilter, TicketIn, TicketPatch

AGENTS = 20
"""Who save at once."""
OPEN_SHARE = 0.03
YEAR = 365 * 86400.0
BATCH = 20_000
WHERE = [
    "经二路",
    "火炬路",
    "行政大道",
    "陈仓大道",
    "滨河路",
    "中山西路",
    "渭工路",
    "群众路",
    "高新大道",
    "东风路",
    "轩苑路",
    "大庆路",
    "红旗路",
    "新建路",
    "公园路",
    "曙光路",
    "宝光路",
    "姜谭路",
]
WHAT = [
    "小区停水两天没有通知",
    "楼下烧烤摊油烟扰民",
    "路灯坏了半个月没人修",
    "井盖丢失很危险",
    "供暖温度不够",
    "公交车很久不来",
    "工地半夜施工噪音大",
    "垃圾堆了好多天",
    "拖欠工资不给",
    "物业乱收费",
    "下水道堵塞污水外溢",
    "人行道上停满了车",
    "医保卡刷不出来",
    "燃气表走得太快",
    "树枝断了挡住路",
]
MORE = [
    "希望尽快派人处理",
    "之前打过电话没有结果",
    "家里有老人和孩子",
    "影响了整栋楼的住户",
    "请给一个答复",
    "已经拍了照片",
    "问过社区说不归他们管",
    "希望加强管理",
    "请核实后回电",
    "这个问题反复出现",
]


def rows(count: int, units: list[str], now: float) -> Iterator[dict[str, Any]]:
    """Yield *count* tickets of the last year, a few in a hundred of them open."""
    chance = random.Random(20261123)
    for number in range(count):
        at = now - YEAR * (1 - number / count)
        unit = chance.choice(units)
        closed = chance.random() > OPEN_SHARE
        due = at + chance.choice([3600, 86400, 5 * 86400])
        if not closed:
            due = now + chance.uniform(-3, 5) * 86400
        state = "archived" if closed else chance.choice(["dispatched", "signed", "handling"])
        where, what = chance.choice(WHERE), chance.choice(WHAT)
        yield {
            "id": f"BJ20251123-{number:07d}",
            "call_id": f"n1-{number}",
            "state": state,
            "kind": chance.choice(["help", "complaint", "report", "consult"]),
            "urgency": "normal",
            "category": None,
            "county": chance.choice(["weibin", "jintai", "chencang", "qishan", "meixian"]),
            "caller": f"1{chance.randrange(3 * 10**9, 10**10)}"[:11],
            "confidential": False,
            "unit": unit,
            "assisting": [],
            "agent": f"{8000 + number % 40}",
            "title": f"{where}{what}",
            "body": f"{where}{chance.randrange(1, 400)}号，{what}，{chance.choice(MORE)}，"
            f"{chance.choice(MORE)}。",
            "place": f"{where}{chance.randrange(1, 400)}号",
            "occurred": "",
            "waiting": None,
            "with_coordinator": False,
            "returns": 0,
            "extensions": 0,
            "reworks": 0,
            "supervised": 0,
            "urged": 0,
            "reply": "已经处理。" if closed else "",
            "policy": "",
            "owner": "" if closed else f"unit:{unit}",
            "due_at": None if closed else due,
            "yellow_at": None if closed else due - 86400,
            "version": 4,
            "created_at": at,
            "updated_at": at + 3600,
            "accepted_at": at + 60,
            "dispatched_at": at + 600,
            "closed_at": at + 4 * 86400 if closed else None,
        }


def beside(row: Mapping[str, Any]) -> Iterator[tuple[type[Base], dict[str, Any]]]:
    """Yield what stands in other tables for a ticket: two changes, its clock, its words."""
    for seq, move in enumerate(("open", "dispatch"), 1):
        yield (
            HistoryRow,
            {
                "ticket_id": row["id"], "seq": seq, "at": row["created_at"] + seq, "who": "8001",
                "role": "agent", "unit": None, "move": move, "before": "draft",
                "after": "accepted", "why": "", "call_id": None, "detail": {},
                "previous": "0" * 64, "hash": "0" * 64,
            },
        )  # fmt: skip
    yield (
        ClockRow,
        {
            "ticket_id": row["id"], "name": "close", "unit": row["unit"],
            "begun_at": row["created_at"], "amount": 5.0, "measure": "workdays",
            "hours": "office", "extra": 0.0, "fixed_due": None, "pauses": [],
            "ended_at": row["closed_at"], "met": None if row["closed_at"] is None else True,
            "yellow_at": row["yellow_at"], "due_at": row["due_at"], "rung": 0, "basis": "",
        },
    )  # fmt: skip
    yield (
        TextRow,
        {
            "kind": "ticket", "ref": row["id"], "at": row["created_at"],
            "words": words(row["title"], row["body"]),
        },
    )  # fmt: skip


def words(*texts: str) -> str:
    """Return what the index holds of *texts*, part for part, each part reckoned once."""
    parts = itertools.chain.from_iterable(text.replace("。", "").split("，") for text in texts)
    return " ".join(_words(part) for part in parts)


_KNOWN: dict[str, str] = {}


def _words(part: str) -> str:
    if part not in _KNOWN:
        _KNOWN[part] = " ".join(tokens(part))
    return _KNOWN[part]


async def fill(url: str, count: int, units: list[str], now: float) -> None:
    """Write *count* tickets and what belongs to them, the quick way each database has."""
    where = make_url(url)
    batch: dict[type[Base], list[dict[str, Any]]] = {}
    put = _copier(url) if where.get_backend_name() == "postgresql" else _inserter(where.database)
    for number, row in enumerate(rows(count, units, now), 1):
        batch.setdefault(TicketRow, []).append(row)
        for table, other in beside(row):
            batch.setdefault(table, []).append(other)
        if number % BATCH == 0 or number == count:
            for table, many in batch.items():
                await put(table, many)
            batch.clear()


Put = Callable[[type[Base], list[dict[str, Any]]], Awaitable[None]]


def _plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _copier(url: str) -> Put:
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    async def put(table: type[Base], many: list[dict[str, Any]]) -> None:
        link = await asyncpg.connect(address)
        try:
            columns = list(many[0])
            await link.copy_records_to_table(
                table.__tablename__,
                columns=columns,
                records=[tuple(_plain(row[name]) for name in columns) for row in many],
            )
        finally:
            await link.close()

    return put


def _inserter(file: str | None) -> Put:
    async def put(table: type[Base], many: list[dict[str, Any]]) -> None:
        columns = list(many[0])
        marks = ", ".join("?" for _ in columns)
        with sqlite3.connect(str(file)) as link:
            link.executemany(
                f"INSERT INTO {table.__tablename__} ({', '.join(columns)}) VALUES ({marks})",
                [tuple(_plain(row[name]) for name in columns) for row in many],
            )

    return put


class Asking:
    """One database, asked as people ask."""

    def __init__(self, engine: AsyncEngine, count: int, units: list[str], folder: Path) -> None:
        self.engine = engine
        self.count = count
        self.units = units
        self.chance = random.Random(7)
        city = load(places.dialplan(Site()))
        self.casework = Casework(
            db.readers(engine),
            db.writers(engine),
            book=lambda: city.casebook,
            calendar=lambda: city.calendar,
            register=lambda: city.register,
            files=folder,
        )
        self.agent = Who(kind="user", id="8001", role=Role.AGENT, agent=None, name="bench")

    def clerk(self) -> Who:
        """Return the clerk of some unit."""
        return Who(kind="user", id="clerk", role=Role.UNIT, unit=self.chance.choice(self.units))

    async def by_key(self) -> None:
        """Ask the peer's question: one row by its key."""
        id = f"BJ20251123-{self.chance.randrange(self.count):07d}"
        async with db.readers(self.engine)() as session:
            assert await session.scalar(select(TicketRow.title).where(TicketRow.id == id))

    async def by_unit_and_light(self) -> None:
        """Ask what the units' page asks first."""
        light = self.chance.choice([Light.RED, Light.YELLOW, Light.GREEN])
        await self.casework.find(
            self.clerk(), TicketFilter(open=True, light=light, order="due", limit=50)
        )

    async def by_unit(self) -> None:
        """Ask for all of a unit's, newest first, closed ones too."""
        await self.casework.find(self.clerk(), TicketFilter(limit=50))

    async def by_phone(self) -> None:
        """Ask what a caller had before."""
        caller = f"1{self.chance.randrange(3 * 10**9, 10**10)}"[:11]
        await self.casework.find(self.agent, TicketFilter(caller=caller, limit=20))

    async def by_text(self) -> None:
        """Ask with two words, common ones among them."""
        text = f"{self.chance.choice(WHERE)} {self.chance.choice(WHAT)[:4]}"
        await self.casework.find(self.agent, TicketFilter(text=text, limit=20))

    async def by_common_word(self) -> None:
        """Ask with one word that stands in every fifteenth ticket."""
        await self.casework.find(
            self.agent, TicketFilter(text=self.chance.choice(["停水", "路灯", "井盖"]), limit=20)
        )

    async def counts(self) -> None:
        """Ask for the numbers on the tabs."""
        await self.casework.count(self.clerk())


async def timed(ask: Callable[[], Awaitable[None]], times: int) -> list[float]:
    """Return how many milliseconds each of *times* questions took, one after another."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        found.append((time.perf_counter() - began) * 1000)
    return found


async def saves(asking: Asking, each: int) -> tuple[list[float], list[float]]:
    """Return milliseconds of saves by `AGENTS` agents at once, and of bare inserts beside them."""
    tickets = [
        await asking.casework.create(asking.agent, TicketIn(title=f"草稿{n}", caller="13900001111"))
        for n in range(AGENTS)
    ]
    took: list[float] = []

    async def agent(number: int) -> None:
        ticket = tickets[number]
        await asyncio.sleep(asking.chance.uniform(0, 1))
        for turn in range(each):
            began = time.perf_counter()
            if turn % 5 == 4:
                asked = MoveIn(version=ticket.version, move=Urge(text="又来电催办"))
                if ticket.state == "draft":
                    patch = TicketPatch(version=ticket.version, place=f"经二路{turn}号")
                    ticket = await asking.casework.change(asking.agent, ticket.id, patch)
                else:
                    ticket = await asking.casework.move(asking.agent, ticket.id, asked)
            else:
                patch = TicketPatch(version=ticket.version, body=f"第{turn}次修改，小区停水两天")
                ticket = await asking.casework.change(asking.agent, ticket.id, patch)
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(asking.chance.uniform(0.5, 1.5))  # a person types in between

    await asyncio.gather(*(agent(number) for number in range(AGENTS)))
    bare = await timed(_bare(asking), 100)
    return took, bare


def _bare(asking: Asking) -> Callable[[], Awaitable[None]]:
    async def one() -> None:
        async with db.writers(asking.engine).begin() as session:
            await session.execute(
                insert(HistoryRow).values(
                    ticket_id="bench", seq=time.perf_counter_ns() % 2**31, at=0.0, who="", role="",
                    unit=None, move="note", before="", after="", why="", call_id=None, detail={},
                    previous="", hash="",
                )
            )  # fmt: skip

    return one


def told(took: list[float], peer: float) -> dict[str, float]:
    """Return p50, p99 and the worst in milliseconds, and p99 in peers."""
    ordered = sorted(took)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(p99, 2),
        "worst_ms": round(ordered[-1], 2),
        "p99_in_peers_p50": round(p99 / peer, 1),
    }


async def measure(url: str, count: int, questions: int, folder: Path) -> dict[str, object]:
    """Fill the database at *url* and return what questions and saves cost."""
    units = list(load(places.dialplan(Site())).casebook.units.units)
    await db.upgrade(url)
    began = time.perf_counter()
    await fill(url, count, units, time.time())
    filled = time.perf_counter() - began
    engine = db.engine(url)
    try:
        async with engine.begin() as link:
            await link.exec_driver_sql("ANALYZE")
        asking = Asking(engine, count, units, folder)
        await timed(asking.by_key, 50)
        peer = statistics.median(await timed(asking.by_key, questions))
        found: dict[str, object] = {
            "tickets": count,
            "filled_in_s": round(filled),
            "one_row_by_key_p50_ms": round(peer, 2),
        }
        for ask in (
            asking.by_unit_and_light, asking.by_unit, asking.by_phone, asking.by_text,
            asking.by_common_word, asking.counts,
        ):  # fmt: skip
            await timed(ask, 5)
            found[ask.__name__] = told(await timed(ask, questions), peer)
        took, bare = await saves(asking, each=30)
        found[f"saving_by_{AGENTS}_agents"] = told(took, statistics.median(bare))
        return found
    finally:
        await engine.dispose()


async def both(asked: argparse.Namespace) -> dict[str, object]:
    """Measure both databases, one after the other."""
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.sqlite:
            url = f"sqlite+aiosqlite:///{folder / 'tickets.db'}"
            found["sqlite"] = await measure(url, asked.sqlite, asked.questions, folder)
        if asked.postgres:
            async with postgres.server() as url:
                found["postgresql"] = await measure(url, asked.postgres, asked.questions, folder)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", type=int, default=1_000_000)
    parser.add_argument("--sqlite", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    print(json.dumps(asyncio.run(both(parser.parse_args())), indent=2))


if __name__ == "__main__":
    main()
