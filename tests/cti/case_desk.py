"""Case work on a real database, with a small city and people who move tickets at random."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.tickets.casework import Casework
from hotline import db
from schemas.calendar import Calendar, Schedule
from schemas.case_moves import AnyMove, MoveIn
from schemas.casebook import Casebook
from schemas.catalogue import Branch, Catalogue, Category
from schemas.identity import Role, Who
from schemas.numbers import Register
from schemas.scores import Scores, Weight
from schemas.tickets import TicketIn, TicketOut
from schemas.units import Unit, Units

NOW = 1_793_500_000.0
"""2026-11-01 10:26 in Shanghai, a Sunday."""
MOVES: TypeAdapter[Any] = TypeAdapter(AnyMove)


def _unit(code: str, name: str, **more: Any) -> Unit:
    return Unit(
        name=name,
        phone="09173260000",
        login=code,
        clerk="张三",
        head="李四",
        head_login=f"{code}.head",
        **more,
    )


BOOK = Casebook(
    units=Units(
        units={
            "zhujian": _unit("zhujian", "市住建局"),
            "gongshui": _unit("gongshui", "自来水公司", level="firm", parent="zhujian"),
            "weibin": _unit("weibin", "渭滨区", level="county"),
        }
    ),
    catalogue=Catalogue(
        version="1",
        fields={
            "zhujian": Branch(
                name="住建",
                unit="zhujian",
                categories={"water": Category(name="停水", words=("停水",))},
            )
        },
    ),
    scores=Scores(
        version="t1",
        fewest=1,
        figures={
            "satisfied": Weight(name="满意度", weight=50, source="试验"),
            "closed_in_time": Weight(name="按时办结率", weight=50, source="试验"),
        },
    ),
)
CALENDAR = Calendar(schedules={"office": Schedule(workdays=("08:30-12:00", "14:00-18:00"))})

AGENT = Who(kind="user", id="1001", role=Role.AGENT, name="王坐席")
DISPATCHER = Who(kind="user", id="dispatch", role=Role.DISPATCHER)
MONITOR = Who(kind="user", id="monitor", role=Role.MONITOR)
ADMIN = Who(kind="user", id="root", role=Role.ADMIN)
UNITS = {code: Who(kind="user", id=code, role=Role.UNIT, unit=code) for code in BOOK.units.units}
PEOPLE = (AGENT, DISPATCHER, MONITOR, *UNITS.values())


@dataclass
class Clock:
    """Time that tests turn."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """Case work and who works with it."""

    casework: Casework
    clock: Clock
    book: Casebook = field(default_factory=lambda: BOOK)

    async def open(self, **more: Any) -> TicketOut:
        asked = {
            "title": "家里停水",
            "kind": "complaint",
            "body": "从昨天起没有水",
            "caller": "13912348000",
            "contact_name": "赵钱孙",
            **more,
        }
        return await self.casework.create(AGENT, TicketIn.model_validate(asked))

    async def do(self, who: Who, ticket: TicketOut, do: str, **said: Any) -> TicketOut:
        move = MOVES.validate_python({"do": do, **said})
        asked = MoveIn(version=ticket.version, move=move)
        return await self.casework.move(who, ticket.id, asked)

    async def dispatched(self, unit: str = "zhujian", **more: Any) -> TicketOut:
        ticket = await self.do(AGENT, await self.open(**more), "accept")
        return await self.do(DISPATCHER, ticket, "dispatch", unit=unit, reason="谁主管谁负责")

    async def done(self, unit: str = "zhujian", **more: Any) -> TicketOut:
        who = UNITS[unit]
        ticket = await self.do(who, await self.dispatched(unit, **more), "sign")
        ticket = await self.do(who, ticket, "contact", text="已联系")
        return await self.do(
            who, ticket, "finish", resolution="solved", text="已恢复供水", told=True
        )

    async def closed(
        self, unit: str = "zhujian", *, confidential: bool = False, **said: Any
    ) -> TicketOut:
        done = await self.done(unit, confidential=confidential)
        ticket = await self.do(AGENT, done, "check")
        told = {"reached": True, "solved": True, "satisfied": 5, **said}
        return await self.do(AGENT, ticket, "close", **told)


def desk(engine: AsyncEngine, files: Path, clock: Clock | None = None) -> Desk:
    """Return case work on *engine*."""
    turning = clock or Clock()
    made: list[Desk] = []
    made.append(
        Desk(
            Casework(
                db.readers(engine),
                db.writers(engine),
                book=lambda: made[0].book,
                calendar=lambda: CALENDAR,
                register=lambda: Register({}),
                files=files,
                clock=turning,
            ),
            turning,
        )
    )
    return made[0]


SAID: dict[str, dict[str, Any]] = {
    "dispatch": {"reason": "谁主管谁负责"},
    "to_coordinator": {"reason": "几家的事"},
    "contact": {"text": "已联系群众"},
    "return": {"reason": "不归我们"},
    "grant_return": {"text": "同意"},
    "reject_return": {"text": "不同意"},
    "ask_citizen": {"text": "请补充地址"},
    "citizen_answered": {"text": "已补充"},
    "deny_extension": {"text": "不同意"},
    "grant_extension": {"text": "同意"},
    "finish": {"resolution": "solved", "text": "已修好", "told": True},
    "told": {"text": "已告知"},
    "send_back": {"reason": "答非所问"},
    "close": {"reached": True, "solved": True, "satisfied": 4},
    "rework": {"solved": False, "satisfied": 1, "reason": "没有解决"},
    "supervise": {"text": "请抓紧"},
    "urge": {"text": "又来电催"},
    "note": {"text": "备注"},
    "withdraw": {"reason": "自行解决"},
    "refuse": {"scope": 3, "text": "不属受理范围"},
    "opinion": {"text": "协办意见"},
}
"""What people say with a move; moves that are not here are not made at random, or say nothing."""
RARE = {"withdraw": 0.05, "refuse": 0.05, "to_coordinator": 0.1, "note": 0.3, "urge": 0.2}


def choose(
    dice: random.Random, seen: Sequence[tuple[Who, TicketOut]]
) -> tuple[Who, str, dict[str, Any]] | None:
    """Return who makes which move that they may make, and what they say; None: nobody may any."""
    options = [
        (who, do, RARE.get(do, 1.0))
        for who, ticket in seen
        for do in ticket.may
        if do in SAID or do in ("accept", "sign", "check")
    ]
    if not options:
        return None
    who, do, _ = dice.choices(options, [weight for *_, weight in options])[0]
    said = dict(SAID.get(do, {}))
    if do == "dispatch":
        said["unit"] = dice.choice(list(BOOK.units.units))
    return who, do, said
