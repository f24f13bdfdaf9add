"""What the desks need of other rooms; filled in by the application."""

from collections.abc import Sequence
from typing import Protocol

from schemas.desktop import History


class Queues(Protocol):
    """app_queue, as far as presence steers it. Raises HotlineError when it could not be told."""

    async def join(self, agent: str, interface: str, skills: Sequence[str], /) -> None:
        """Make the agent an unpaused member."""
        ...

    async def leave(self, agent: str, interface: str, /) -> None:
        """Take the agent out."""
        ...

    async def pause(self, agent: str, interface: str, reason: str, /) -> None:
        """Let nothing ring at the agent."""
        ...

    async def unpause(self, agent: str, interface: str, /) -> None:
        """Let calls ring again."""
        ...


class Histories(Protocol):
    """What is known of callers."""

    def known(self, caller: str) -> History | None:
        """Return the history if it is at hand this instant."""
        ...

    async def fetch(self, caller: str) -> History:
        """Return the history from the ledger."""
        ...


class Member(Protocol):
    """An agent as app_queue holds them over all queues."""

    @property
    def agent(self) -> str: ...  # noqa: D102
    @property
    def paused(self) -> bool: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def in_call(self) -> bool: ...  # noqa: D102
