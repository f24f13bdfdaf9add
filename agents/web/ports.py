"""What the pages need of case work; filled in by the application."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from schemas.case_moves import MoveIn
from schemas.identity import Who
from schemas.tickets import Counts, FileOut, TicketFilter, TicketOut, TicketWhole


class Listed(Protocol):
    """One page of a list of tickets."""

    @property
    def items(self) -> Sequence[TicketOut]: ...  # noqa: D102
    @property
    def next(self) -> str | None: ...  # noqa: D102


class Cases(Protocol):
    """Case work. Whoever asks sees and moves only what is theirs; it raises HotlineError."""

    async def find(self, who: Who, asked: TicketFilter, /) -> Listed:
        """Return tickets that *who* may see."""
        ...

    async def count(self, who: Who, /) -> Counts:
        """Return how many open ones there are, by light and by state."""
        ...

    async def get(self, who: Who, id: str, /) -> TicketWhole:
        """Return one ticket; NotFound also for one that is not theirs."""
        ...

    async def move(self, who: Who, id: str, asked: MoveIn, /) -> TicketOut:
        """Make a move. Conflict with code `conflict`: somebody was faster."""
        ...

    async def attach(
        self, who: Who, id: str, name: str, chunks: AsyncIterator[bytes], /
    ) -> FileOut:
        """Keep a file as evidence; refuses what is too large or of a kind nobody needs."""
        ...

    async def file(self, who: Who, id: str, file_id: int, /) -> tuple[FileOut, Path]:
        """Return a file and where its bytes lie."""
        ...


class Audit(Protocol):
    """Keeps who took a list out."""

    async def note_export(self, who: Who, asked: Mapping[str, object], /, *, rows: int) -> None:
        """Note it, before the list leaves the house."""
        ...
