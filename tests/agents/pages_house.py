"""Pages on a real door and real sign-ins; case work in hand, as the port says it is."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.web.ports import Cases
from schemas.case_moves import MoveIn
from schemas.casebook import Casebook
from schemas.cases import ClockName, Kind, Light, TicketState
from schemas.errors import HotlineError, NotFound
from schemas.identity import Role, Who
from schemas.tickets import (
    ClockOut,
    Counts,
    FileOut,
    HistoryOut,
    TicketFilter,
    TicketOut,
    TicketWhole,
)
from schemas.times import iso
from schemas.units import Unit, Units

NOW = 1_795_400_000.0
"""2026-11-23 10:13, a Monday, in Shanghai."""


def unit(name: str, login: str, **more: Any) -> Unit:
    return Unit(
        name=name, phone="3201234", login=login, clerk="张敏", head="李强",
        head_login=f"{login}-head", **more,
    )  # fmt: skip


BOOK = Casebook(
    units=Units(
        units={
            "zhujian": unit("市住建局", "zhujian"),
            "jiaotong": unit("市交通局", "jiaotong"),
            "gongshui": unit("自来水公司", "gongshui", level="firm", parent="zhujian"),
            "ranqi": unit("燃气公司", "ranqi", level="firm", parent="zhujian"),
            "jintai": unit("金台区", "jintai", level="county"),
        }
    )
)
ID = "BJ20261123-000001"


def ticket(id: str = ID, **values: Any) -> TicketWhole:
    plain: dict[str, Any] = {
        "id": id, "call_id": "n1-1.1", "state": TicketState.SIGNED, "kind": Kind.COMPLAINT,
        "kind_label": "投诉", "caller": "13991700001", "contact_name": "王芳", "number": "12345",
        "hotline": "市民热线", "attribution": "did", "unit": "gongshui", "owner": "unit:gongshui",
        "agent": "8001", "transcript": "我家停水三天了", "confidence": 0.8,
        "title": "经二路一带连续停水三天", "body": "阳光小区从周五起停水，物业说不清楚。",
        "place": "经二路阳光小区", "light": Light.YELLOW, "due_at": iso(NOW + 50 * 3600),
        "version": 3, "created_at": iso(NOW - 86400), "updated_at": iso(NOW - 3600),
        "may": ["contact", "return", "ask_extension", "note"],
        "clocks": [
            ClockOut(name=ClockName.SIGN, label="签收", unit="gongshui", begun_at=iso(NOW - 9000),
                     due_at=iso(NOW), ended_at=iso(NOW - 4000), paused=False, light=Light.OFF,
                     limit="4个工作小时", basis="sign", met=True),
            ClockOut(name=ClockName.CLOSE, label="办结", unit="gongshui", begun_at=iso(NOW - 9000),
                     due_at=iso(NOW + 50 * 3600), ended_at=None, paused=False, light=Light.YELLOW,
                     limit="5个工作日", basis="close", met=None),
        ],
        "history": [
            HistoryOut(seq=1, at=iso(NOW - 9000), who="wang", role="dispatcher", unit=None,
                       move="dispatch", label="派单", before="accepted", after="dispatched",
                       why="属地管理优先", call_id=None, detail={"unit": "gongshui"},
                       hash="0" * 64),
        ],
    }  # fmt: skip
    return TicketWhole.model_validate(plain | values)


@dataclass
class Listed:
    items: list[TicketOut]
    next: str | None = None


@dataclass
class InHand:
    """Case work that shows what it is given and notes what it is asked."""

    tickets: dict[str, TicketWhole] = field(default_factory=lambda: {ID: ticket()})
    theirs: Mapping[str, str] = field(default_factory=dict)
    refuses: HotlineError | None = None
    asked: list[TicketFilter] = field(default_factory=list)
    moved: list[tuple[str, MoveIn]] = field(default_factory=list)
    attached: list[tuple[str, int]] = field(default_factory=list)
    folder: Path | None = None

    async def find(self, who: Who, asked: TicketFilter, /) -> Listed:
        self.asked.append(asked)
        seen = [t for t in self.tickets.values() if self._theirs(who, t)]
        begin = int(asked.cursor or 0)
        more = begin + asked.limit < len(seen)
        return Listed(list(seen[begin:][: asked.limit]), str(begin + asked.limit) if more else None)

    async def count(self, who: Who, /) -> Counts:
        seen = [t for t in self.tickets.values() if self._theirs(who, t)]
        light = {x: sum(t.light is x for t in seen) for x in Light}
        return Counts(open=len(seen), light=light, state={TicketState.SIGNED: len(seen)})

    async def get(self, who: Who, id: str, /) -> TicketWhole:
        found = self.tickets.get(id)
        if found is None or not self._theirs(who, found):
            raise NotFound("no such ticket")
        return found

    async def move(self, who: Who, id: str, asked: MoveIn, /) -> TicketOut:
        if self.refuses is not None:
            raise self.refuses
        self.moved.append((id, asked))
        return await self.get(who, id)

    async def attach(
        self, who: Who, id: str, name: str, chunks: AsyncIterator[bytes], /
    ) -> FileOut:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
        if self.refuses is not None:
            raise self.refuses
        self.attached.append((name, size))
        return FileOut(
            id=1, name=name, media="image/png", size=size, sha256="0" * 64, who=who.id, at=iso(NOW)
        )

    async def file(self, who: Who, id: str, file_id: int, /) -> tuple[FileOut, Path]:
        await self.get(who, id)
        assert self.folder is not None
        path = self.folder / "file"
        path.write_bytes(b"%PDF-1.7")
        media = "application/pdf"
        kept = FileOut(
            id=1, name='停水 报告".pdf', media=media, size=8, sha256="0" * 64, who="x", at=iso(NOW)
        )
        return kept, path

    @staticmethod
    def _theirs(who: Who, t: TicketOut) -> bool:
        return who.role is not Role.UNIT or t.unit == who.unit


def _conforms(cases: InHand) -> Cases:
    return cases
