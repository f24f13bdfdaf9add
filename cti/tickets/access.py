"""What every part of case work begins with: what the city has laid down, and who sees what."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.tickets import changing, shown, sight
from cti.tickets.case_rows import Rules
from schemas.calendar import Calendar
from schemas.casebook import Casebook
from schemas.errors import Forbidden, NotFound
from schemas.identity import Right, Who, may
from schemas.numbers import Register
from schemas.tables import TicketRow
from schemas.tickets import TicketOut

Sessions = async_sessionmaker[AsyncSession]


class Access:
    """The base of `Casework`.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
        book: the casebook as it is now.
        calendar: the calendar as it is now.
        register: the register as it is now.
        files: folder of evidence.
        clock: Unix seconds.
        complained_of: unit whose conduct a title, a text and a category complain of; None: the
            one whose name they hold.
    """

    def __init__(
        self,
        read: Sessions,
        write: Sessions,
        *,
        book: Callable[[], Casebook],
        calendar: Callable[[], Calendar],
        register: Callable[[], Register],
        files: Path,
        clock: Callable[[], float] = time.time,
        complained_of: Callable[[str, str, str], str | None] | None = None,
    ) -> None:
        self._read = read
        self._write = write
        self._book = book
        self._calendar = calendar
        self._register = register
        self._files = files
        self._clock = clock
        self._complained_of = complained_of
        self._turn = asyncio.Lock()
        bind = write.kw.get("bind")
        self._one_by_one = bind is not None and bind.dialect.name == "sqlite"

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        """Yield a session that may write, in a transaction.

        SQLite has one writer: ours wait in line here, where the first comes first and holds no
        connection meanwhile; its own way is to sleep and to look again, ever longer.
        """
        turn = self._turn if self._one_by_one else nullcontext()
        async with turn, self._write.begin() as session:
            yield session

    def _rules(self) -> Rules:
        return Rules(self._book(), self._calendar())

    @staticmethod
    def _seen(who: Who, rules: Rules) -> frozenset[str] | None:
        if not (may(who, Right.READ_TICKETS)):
            raise Forbidden("您的岗位不能查看工单", right=Right.READ_TICKETS)
        return sight.units_of(who, rules.book.units)

    def _let_see(self, row: TicketRow, who: Who, rules: Rules) -> None:
        if not sight.sees(row, self._seen(who, rules)):
            raise NotFound(changing.GONE)

    async def _visible(
        self, session: AsyncSession, who: Who, id: str, rules: Rules, *, lock: bool = False
    ) -> TicketRow:
        row = await (changing.locked(session, id) if lock else session.get(TicketRow, id))
        if row is None:
            raise NotFound(changing.GONE)
        self._let_see(row, who, rules)
        return row

    def _out(self, row: TicketRow, who: Who, rules: Rules, at: float) -> TicketOut:
        above = sight.above_of(who, rules.book.units)
        return shown.ticket_out(row, who, rules, at=at, above=above)
