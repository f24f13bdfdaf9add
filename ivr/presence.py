"""The hot keys of a desk phone: *41 ready, *40 offline, *42 pause (`agi://…/presence`)."""

import logging
from dataclasses import dataclass
from typing import Literal, Protocol

from ivr.agi import CommandFailed, Session
from schemas.calls import AgentId

log = logging.getLogger(__name__)

HotKey = Literal["ready", "offline", "pause"]

YES = "!1000/120"
"""One short high tone: done."""
NO = "!400/200,!0/100,!400/200"
"""Two low tones: refused."""
HEAR_IT = "0.8"
"""Seconds the line stays open for the tones."""


class PresenceKeys(Protocol):
    """Changes an agent's presence."""

    async def press(self, ext: AgentId, what: HotKey, /) -> bool:
        """Do what the key asks; False when it is refused."""
        ...


@dataclass(frozen=True, slots=True)
class Presence:
    """The script: arguments are the extension and `ready`, `offline` or `pause`."""

    keys: PresenceKeys

    async def __call__(self, session: Session) -> None:
        """Press the key and let the agent hear whether it worked."""
        match session.arguments:
            case (ext, ("ready" | "offline" | "pause") as what) if ext.isalnum() and len(ext) <= 16:
                done = await self.keys.press(AgentId(ext), what)
            case _:
                log.warning("a hot key with arguments that mean nothing")
                done = False
        try:
            # Tones, not files: they need no sound package.
            await session.command("EXEC", "PlayTones", YES if done else NO)
            await session.command("EXEC", "Wait", HEAR_IT)
        except CommandFailed:
            log.warning("the tones of a hot key could not be played")
