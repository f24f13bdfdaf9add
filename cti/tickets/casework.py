"""Case work as a service: who asks, what they may, and one transaction for all that follows.

What somebody may not see does not exist for them (`NotFound`), so ids cannot be felt out; what they
see and may not do is `Forbidden`, what does not fit the state `ImpossibleMove`, what was made on an
older version `Conflict`. Whatever is refused has changed nothing.
"""

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.knowledge.store import answered_with
from cti.paging import Page
from cti.tickets import (
    changing,
    evidence,
    history,
    lists,
    masks,
    merging,
    refusals,
    rights,
    shown,
    sight,
    store,
)
from cti.tickets.case_rows import Rules, case_of, clock_rows, conduct, named
from cti.tickets.guarded import Guarded
from cti.tickets.history import Deed, by
from cti.tickets.lifecycle import name_of
from cti.tickets.sweep import Sweep
from schemas.calls import Call
from schemas.case_moves import MOVE_LABELS, Answer, CaseMove, Dispatch, Merge, MoveIn
from schemas.case_tables import TicketCallRow, TicketFileRow
from schemas.cases import Case, TicketState
from schemas.errors import Forbidden, Invalid
from schemas.identity import Right, Role, Who, may
from schemas.numbers import Number, Register
from schemas.tables import CallRow, TicketRow
from schemas.tickets import (
    Counts,
    HistoryWhole,
    Swept,
    TicketFilter,
    TicketIn,
    TicketOut,
    TicketPatch,
    TicketWhole,
)

LEFT_OVER = 86400.0
"""Seconds after which half an upload is nobody's any more."""


class Casework(Guarded):
    """Tickets, for pages, REST, calls and tests alike; what it is built of says `Access`."""

    # ---- reading

    async def find(self, who: Who, asked: TicketFilter) -> Page[TicketOut]:
        """Return what *asked* describes of the tickets that *who* sees.

        Raises:
            Invalid: the cursor is not ours.
        """
        rules, at = self._rules(), self._clock()
        async with self._read() as session:
            page = await lists.find(
                session,
                asked,
                seen=self._seen(who, rules),
                at=at,
                numbers=may(who, Right.WRITE_TICKETS),
            )
        return Page([self._out(row, who, rules, at) for row in page.items], page.next)

    async def count(self, who: Who) -> Counts:
        """Return how many open tickets *who* sees, by light and by state."""
        seen = self._seen(who, self._rules())
        async with self._read() as session:
            return await lists.count(session, seen=seen, at=self._clock())

    async def get(self, who: Who, id: str) -> TicketWhole:
        """Return the ticket *id* with all that belongs to it.

        Raises:
            NotFound: there is none that *who* sees.
        """
        rules, at = self._rules(), self._clock()
        async with self._read() as session:
            row = await self._visible(session, who, id, rules)
            clocks = await clock_rows(session, id)
            told = await history.of(session, id)
            files = await session.scalars(
                select(TicketFileRow)
                .where(TicketFileRow.ticket_id == id)
                .order_by(TicketFileRow.id)
            )
            calls = await _calls(session, row)
            return TicketWhole(
                **self._out(row, who, rules, at).model_dump(),
                clocks=shown.clocks_out(clocks, who, at=at),
                history=shown.history_out(told, who),
                files=[shown.file_out(file) for file in files],
                calls=calls,
            )

    async def history(self, who: Who, id: str) -> HistoryWhole:
        """Return the history of the ticket *id*, and whether it is as it was written.

        Raises:
            NotFound: there is none that *who* sees.
        """
        async with self._read() as session:
            await self._visible(session, who, id, self._rules())
            rows = await history.of(session, id)
        broken = history.verify(rows)
        return HistoryWhole(
            rows=shown.history_out(rows, who), verified=broken is None, broken=broken
        )

    # ---- opening

    async def open_draft(
        self, session: AsyncSession, call: Call, *, agent: str, at: float
    ) -> TicketOut:
        """Open the draft of *call* in the caller's transaction, or return the one it has.

        Args:
            agent: extension of who answered.
            at: Unix seconds of the answer.
        """
        rules = self._rules()
        row = await store.open_draft(session, call, agent=agent, rules=rules, at=at)
        who = Who(kind="user", id=agent, role=Role.AGENT)
        return self._out(row, who, rules, at)

    async def create(self, who: Who, asked: TicketIn) -> TicketOut:
        """Open a ticket that no call opened.

        Raises:
            Forbidden: *who* may not write tickets.
            Invalid: a number, unit, category or county that nobody knows.
        """
        rules, at = self._rules(), self._clock()
        if not may(who, Right.WRITE_TICKETS):
            raise Forbidden("您的岗位不能登记工单", right=Right.WRITE_TICKETS)
        refusals.known_words(rules.book, asked.model_dump())
        number = _dialled(self._register(), asked.number)
        async with self._writing() as session:
            row = await store.create(session, who, asked, number=number, rules=rules, at=at)
        return self._out(row, who, rules, at)

    # ---- changing

    async def change(self, who: Who, id: str, asked: TicketPatch) -> TicketOut:
        """Edit the ticket *id*; an edit that changes nothing writes nothing.

        Raises:
            NotFound: there is none that *who* sees.
            Forbidden: *who* may not change this, or not any more.
            Conflict: it has another version by now, or is closed.
            Invalid: a unit, category or county that nobody knows.
        """
        rules, at = self._rules(), self._clock()
        given = asked.model_dump(mode="json", exclude={"version"}, exclude_none=True)
        async with self._writing() as session:
            row = await self._visible(session, who, id, rules, lock=True)
            refusals.may_edit(who, TicketState(row.state), ())
            changing.current(row, asked.version)
            changing.still_open(row)
            values = {name: new for name, new in given.items() if getattr(row, name) != new}
            if values.get("confidential") is False:
                raise Invalid("保密不能取消：已经保密的来电人一直保密")
            refusals.may_edit(who, TicketState(row.state), values)
            refusals.known_words(rules.book, values)
            if values:
                deed = by(who, "edit", detail={"changed": _changed(row, values)})
                await changing.apply(session, row, deed, rules=rules, at=at, values=values)
        return self._out(row, who, rules, at)

    async def move(self, who: Who, id: str, asked: MoveIn) -> TicketOut:
        """Make a move of the ticket *id*.

        Raises:
            NotFound: there is none that *who* sees.
            Forbidden: *who* may not make such a move with this ticket.
            Conflict: it has another version by now.
            ImpossibleMove: it does not fit how the ticket stands.
            Invalid: a unit or a call that nobody knows.
        """
        rules, at, move = self._rules(), self._clock(), asked.move
        async with self._writing() as session:
            into: TicketRow | None = None
            if isinstance(move, Merge):
                row, into = await merging.locked_both(session, id, move.into)
                self._let_see(row, who, rules)
            else:
                row = await self._visible(session, who, id, rules, lock=True)
            before = case_of(row, rules.book)
            self._entitle(who, before, move, rules)
            changing.current(row, asked.version)
            if isinstance(move, Dispatch) and conduct(row, rules.book):
                before = replace(before, complained_of=self._blamed(row, rules))
            seen = masks.state(before.state, who)
            if seen is not before.state:  # refused as what they see: a refusal names the state
                rules.step(replace(before, state=seen), move, at)
            after = rules.step(before, move, at)
            refusals.known_move(rules.book, move)
            if move.call_id is not None:
                await _call_known(session, who, row, move.call_id)
            if isinstance(move, Answer) and move.article is not None:
                await answered_with(session, move.article, at=at)
            if isinstance(move, Merge):
                target = merging.mergeable(into)
            await changing.apply(
                session,
                row,
                _deed(who, before, move),
                rules=rules,
                at=at,
                before=before,
                after=after,
                move=move,
            )
            if isinstance(move, Merge):
                await merging.receive(
                    session, who, move, merged=row, into=target, rules=rules, at=at
                )
        return self._out(row, who, rules, at)

    # ---- time

    async def sweep(self) -> Swept:
        """Do what clocks do when nobody moves; every minute, by any number of processes."""
        at = self._clock()
        await asyncio.to_thread(evidence.tidy, self._files, older=LEFT_OVER)
        sweep = Sweep(read=self._read, write=self._write, rules=self._rules(), at=at)
        return await sweep.run()

    # ---- inside

    def _blamed(self, row: TicketRow, rules: Rules) -> str | None:
        if self._complained_of is not None:
            return self._complained_of(row.title, row.body, row.category or "")
        return named(row, rules.book)

    def _entitle(self, who: Who, case: Case, move: CaseMove, rules: Rules) -> None:
        above = sight.above_of(who, rules.book.units)
        if rights.entitled(case, who, type(move), above=above):
            return
        label = MOVE_LABELS[name_of(type(move))]
        if who.role is Role.UNIT:
            raise Forbidden(f"这张工单不由贵单位{label}")
        raise Forbidden(f"您的岗位不能{label}")


def _dialled(register: Register, dialled: str | None) -> Number | None:
    if dialled is None:
        return None
    number = register.find(dialled)
    if number is None:
        fault = {"in": "body", "key": "number", "reason": "is not in the register of hotlines"}
        raise Invalid("1 fault in the body", faults=[fault])
    return number


def _changed(row: TicketRow, values: dict[str, Any]) -> dict[str, list[Any]]:
    """Return old and new of *values* as history keeps them for good.

    Of names only that they changed, of texts their hash alone: what an edit took out is gone.
    """
    kept = {"contact_name": masks.name} | dict.fromkeys(changing.TEXTS, _sealed)
    return {
        name: [kept[name](said) if name in kept else said for said in (getattr(row, name), new)]
        for name, new in values.items()
    }


def _sealed(text: str | None) -> str | None:
    """Return the SHA-256 of *text*, hexadecimal; of no text, itself."""
    return hashlib.sha256(text.encode()).hexdigest() if text else text


def _deed(who: Who, before: Case, move: CaseMove) -> Deed:
    said = move.model_dump(mode="json", exclude={"do", "call_id"}, exclude_none=True)
    why = " ".join(str(said.pop(name)) for name in ("text", "reason") if name in said)
    if "unit" in said and before.unit:
        said["from_unit"] = before.unit
    return by(who, name_of(type(move)), why=why, call_id=move.call_id, detail=said)


async def _calls(session: AsyncSession, row: TicketRow) -> list[str]:
    linked = await session.scalars(
        select(TicketCallRow.call_id)
        .where(TicketCallRow.ticket_id == row.id)
        .order_by(TicketCallRow.at, TicketCallRow.call_id)
    )
    opened = [row.call_id] if row.call_id else []
    return list(dict.fromkeys([*opened, *linked]))


async def _call_known(session: AsyncSession, who: Who, row: TicketRow, call: str) -> None:
    """Let pass a call of the ledger; to a unit, one that belongs to the ticket already.

    Else a unit could draw a stranger's call, and its recording, to a ticket of its own.

    Raises:
        Invalid: there is no such call.
    """
    known = call in await _calls(session, row)
    if not known and who.role is not Role.UNIT:
        known = await session.scalar(select(CallRow.id).where(CallRow.id == call)) is not None
    if not known:
        fault = {"in": "body", "key": "move.call_id", "reason": "没有这通电话"}
        raise Invalid("没有这通电话", faults=[fault])
