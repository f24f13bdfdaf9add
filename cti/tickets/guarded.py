"""The guarded part of case work: files that come from outside, and who a confidential caller is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cti.tickets import changing, evidence, shown, unmask
from cti.tickets.access import Access
from cti.tickets.case_rows import Rules
from cti.tickets.history import by
from schemas.case_tables import TicketFileRow
from schemas.errors import Forbidden, HotlineError, NotFound
from schemas.identity import Right, Who, may
from schemas.tables import TicketRow
from schemas.tickets import CallerOut, FileOut, UnmaskOut


class Guarded(Access):
    """Evidence and unmasking; a part of `Casework`."""

    # ---- evidence

    async def attach(self, who: Who, id: str, name: str, chunks: AsyncIterator[bytes]) -> FileOut:
        """Add a file to the ticket *id*; its bytes are read as they come, and no more than allowed.

        Args:
            name: as the sender calls it; hostile.

        Raises:
            NotFound: there is no ticket that *who* sees.
            Forbidden: *who* may not add to it.
            Conflict: the ticket is closed.
            TooLarge: more bytes than one file, or more files than one ticket may have.
            Invalid: empty, or of a kind that is not taken.
        """
        rules = self._rules()
        async with self._read() as session:  # before the first byte is read
            await self._attachable(session, who, id, rules)
        taken = await evidence.take(chunks, self._files)
        at = self._clock()
        try:
            async with self._writing() as session:
                row = await self._attachable(session, who, id, rules, lock=True)
                made = TicketFileRow(
                    ticket_id=id,
                    name=evidence.clean(name, taken.ending),
                    media=taken.media,
                    size=taken.size,
                    sha256=taken.sha256,
                    who=who.id[:64],
                    unit=who.unit,
                    at=at,
                )
                session.add(made)
                await session.flush()
                await evidence.there(taken, self._files)
                detail = {"file": made.id, "sha256": made.sha256, "size": made.size}
                deed = by(who, "evidence", why=made.name, detail=detail)
                await changing.noted(session, row, deed, at=at)
        except HotlineError:  # refused after all: nothing of it is kept
            async with self._writing() as session:
                await evidence.drop(session, taken, self._files)
            raise
        return shown.file_out(made)

    async def file(self, who: Who, id: str, file_id: int) -> tuple[FileOut, Path]:
        """Return a file of the ticket *id* and where its bytes lie.

        Raises:
            NotFound: there is none that *who* sees.
        """
        async with self._read() as session:
            await self._visible(session, who, id, self._rules())
            row = await session.get(TicketFileRow, file_id)
        if row is None or row.ticket_id != id:
            raise NotFound("没有这个文件")
        path = self._files / row.sha256
        if not await asyncio.to_thread(path.is_file):
            raise NotFound("文件的内容不在了")
        return shown.file_out(row), path

    async def _attachable(
        self, session: AsyncSession, who: Who, id: str, rules: Rules, *, lock: bool = False
    ) -> TicketRow:
        row = await self._visible(session, who, id, rules, lock=lock)
        if not (may(who, Right.WRITE_TICKETS) or may(who, Right.HANDLE_CASES)):
            raise Forbidden("您的岗位不能上传佐证材料", right=Right.HANDLE_CASES)
        changing.still_open(row)
        ids = select(TicketFileRow.id).where(TicketFileRow.ticket_id == id).limit(evidence.MOST)
        if len((await session.scalars(ids)).all()) >= evidence.MOST:
            raise evidence.TooLarge(f"一张工单最多{evidence.MOST}个文件", most=evidence.MOST)
        return row

    # ---- confidential callers

    async def ask_unmask(self, who: Who, id: str, why: str) -> UnmaskOut:
        """Ask to see who called; somebody else must grant it.

        Raises:
            Forbidden: *who* may not ask, or is a machine.
            NotFound: there is no ticket that *who* sees.
            Conflict: it is not confidential.
        """
        unmask.person(who, Right.ASK_UNMASK)
        async with self._writing() as session:
            row = await self._visible(session, who, id, self._rules(), lock=True)
            return shown.unmask_out(await unmask.ask(session, who, row, why, at=self._clock()))

    async def grant_unmask(self, who: Who, request_id: int, grant: bool) -> UnmaskOut:
        """Grant or refuse what somebody else asked.

        Raises:
            Forbidden: *who* may not, is a machine, or asked it.
            NotFound: there is no such request.
            Conflict: it is judged already, or too old.
        """
        unmask.person(who, Right.GRANT_UNMASK)
        async with self._writing() as session:
            row = await unmask.grant(session, who, request_id, grant, at=self._clock())
            return shown.unmask_out(row)

    async def asked_unmask(self, who: Who) -> Sequence[UnmaskOut]:
        """Return the requests that wait for somebody to judge them.

        Raises:
            Forbidden: *who* may not judge any.
        """
        unmask.person(who, Right.GRANT_UNMASK)
        async with self._read() as session:
            rows = await unmask.waiting(session, at=self._clock())
        return [shown.unmask_out(row) for row in rows]

    async def unmasked(self, who: Who, id: str) -> CallerOut:
        """Return who called, within 15 minutes of the grant; each look leaves its trace.

        Raises:
            Forbidden: nobody granted it to *who*, or not lately.
            NotFound: there is no ticket that *who* sees.
        """
        unmask.person(who, Right.ASK_UNMASK)
        async with self._writing() as session:
            row = await self._visible(session, who, id, self._rules(), lock=True)
            return await unmask.look(session, who, row, at=self._clock())

    async def confidential_calls(self, calls: Sequence[str]) -> frozenset[str]:
        """Return those of *calls* whose caller is confidential: mask number and recording name."""
        async with self._read() as session:
            return await unmask.confidential_calls(session, calls)
