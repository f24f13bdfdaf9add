"""What belongs into the evidence pack of a ticket, read in one go before anything is packed.

Of a confidential caller number and name are masked wherever we wrote them, and what cannot be
masked - the voice, what was said on the telephone - is left out and named as left out. Only who
holds a valid grant to see the caller (保密, two people) may ask for the whole. A grant is for one
ticket: calls that are another confidential ticket's as well (并单) stay hidden.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.calls.ledger import call_out
from cti.tickets import history, masks
from cti.tickets.chain import COVERED
from cti.tickets.unmask import confidential_calls
from cti.transcripts import store as transcripts
from schemas.case_tables import ClockRow, HistoryRow, TicketCallRow, TicketFileRow
from schemas.identity import Who
from schemas.tables import CallRow, TimelineRow
from schemas.tickets import CallerOut, TicketWhole
from schemas.times import iso

WHOLE = 7
"""Digits from which a number is looked for inside of longer texts: a shorter one is any number."""


class Cases(Protocol):
    """Case work, as far as a pack needs it."""

    async def get(self, who: Who, id: str, /) -> TicketWhole:
        """Return the ticket *id*; NotFound also for what one may not see."""
        ...

    async def unmasked(self, who: Who, id: str, /) -> CallerOut:
        """Return who called, if a second person granted it; leaves its trace."""
        ...


@dataclass(frozen=True, slots=True)
class Attached:
    """A file on disk that goes into the pack."""

    name: str
    """Within the pack."""
    path: Path
    sha256: str | None = None
    """As it was when it came in; None: nobody kept it."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that goes into one pack."""

    ticket: str
    documents: Mapping[str, Any]
    """JSON by name."""
    files: Sequence[Attached]
    left_out: Sequence[Mapping[str, str]]
    """What is missing on purpose: `what`, `why`."""
    head: str
    """Hash of the last row of the history."""
    unmasked: bool
    """Whether a confidential caller can be read in it."""


async def gather(
    sessions: async_sessionmaker[AsyncSession],
    cases: Cases,
    who: Who,
    id: str,
    *,
    evidence: Path,
    recordings: Path,
    unmask: bool,
) -> Gathered:
    """Read all that belongs to the ticket *id*.

    Args:
        evidence: folder of evidence files.
        recordings: folder that names of recordings begin in.
        unmask: the whole of a confidential ticket; needs a valid grant.

    Raises:
        NotFound: there is no ticket that *who* sees.
        Forbidden: the caller was not granted to *who*.
    """
    whole = await cases.get(who, id)
    hidden = whole.confidential and not unmask
    if whole.confidential and unmask:
        contact = await cases.unmasked(who, id)
        whole = whole.model_copy(update={"caller": contact.caller, "contact_name": contact.name})
    elif hidden:
        whole = whole.model_copy(update={"transcript": None})
    async with sessions() as session:
        rows = await history.of(session, id)
        clocks = await session.scalars(
            select(ClockRow).where(ClockRow.ticket_id == id).order_by(ClockRow.id)
        )
        kept = (
            await session.scalars(
                select(TicketFileRow)
                .where(TicketFileRow.ticket_id == id)
                .order_by(TicketFileRow.id)
            )
        ).all()
        why = {
            link.call_id: link.why
            for link in await session.scalars(
                select(TicketCallRow).where(TicketCallRow.ticket_id == id)
            )
        }
        documents: dict[str, Any] = {
            "ticket.json": whole.model_dump(
                mode="json", exclude={"clocks", "history", "files", "calls", "may"}
            ),
            "history.json": _history(rows),
            "clocks.json": [_clock(clock) for clock in clocks],
        }
        files = [
            Attached(f"evidence/{row.id}-{row.name}", evidence / row.sha256, row.sha256)
            for row in kept
        ]
        left_out: list[dict[str, str]] = []
        others = await confidential_calls(session, whole.calls, but=id)
        calls = []
        for number, call in enumerate(whole.calls, 1):
            row = await session.get(CallRow, call)
            if row is None:
                left_out.append({"what": f"call {call}", "why": "通话记录已不在"})
                continue
            shut = hidden or call in others
            calls.append({"why": why.get(call, "opened"), **await _call(session, row, shut)})
            if shut:
                if row.recording or await transcripts.get(session, call):
                    of = "保密来电" if hidden else "另一件保密工单的来电"
                    left_out.append({"what": f"call {call}", "why": f"{of}：录音和转写不含在内"})
                continue
            if row.recording:
                sound = _within(recordings, row.recording)
                if sound is None:
                    left_out.append({"what": f"call {call}", "why": "录音的路径不可信"})
                else:
                    files.append(Attached(f"recordings/{number}-{call}{sound.suffix}", sound))
            if said := await transcripts.get(session, call):
                documents[f"transcripts/{number}-{call}.json"] = said.model_dump(mode="json")
        documents["calls.json"] = calls
    head = rows[-1].hash if rows else ""
    revealed = whole.confidential and unmask
    return Gathered(id, documents, files, left_out, head, revealed)


def _history(rows: Sequence[HistoryRow]) -> dict[str, Any]:
    broken = history.verify(rows)
    return {
        "covered": list(COVERED),
        "genesis": "0" * 64,
        "rows": [
            {**{name: getattr(row, name) for name in (*COVERED, "previous", "hash")}}
            for row in rows
        ],
        "verified": broken is None,
        "broken": broken,
    }


def _clock(row: ClockRow) -> dict[str, Any]:
    columns = [column.key for column in ClockRow.__table__.columns if column.key != "id"]
    return {name: getattr(row, name) for name in columns}


async def _call(session: AsyncSession, row: CallRow, hidden: bool) -> dict[str, Any]:
    happened = await session.scalars(
        select(TimelineRow)
        .where(TimelineRow.call_id == row.id)
        .order_by(TimelineRow.at, TimelineRow.id)
    )
    said = call_out(row).model_dump(mode="json")
    said["timeline"] = [
        {"at": iso(one.at), "kind": one.kind, "detail": one.detail} for one in happened
    ]
    if hidden:
        said |= {"recording": None, "transcript": None}
        said = _masked(said, row.caller)
    return said


def _masked(said: Any, caller: str | None) -> Any:
    """Return *said* with *caller* masked wherever it stands, also inside of longer texts."""
    if isinstance(said, dict):
        return {name: _masked(one, caller) for name, one in said.items()}
    if isinstance(said, list):
        return [_masked(one, caller) for one in said]
    if not isinstance(said, str) or not caller:
        return said
    if said == caller or (len(caller) >= WHOLE and caller in said):
        return said.replace(caller, masks.number(caller) or "")
    return said


def _within(folder: Path, name: str) -> Path | None:
    """Return the file *name* of *folder*; None when it leads out of it."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None
