"""Carries one move of a flow to the telephone, and tells what came of it.

What was played, how long, and which key cut it goes to the ledger: by it the cost of every prompt
is counted, and the step in which callers give up.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ivr.agi import LONGEST_PROMPT, CallerGone, CommandFailed, Session
from schemas.calls import CallId
from schemas.city import City
from schemas.events import NOT_ANSWERED, Event, PromptPlayed, Waited
from schemas.moves import Collect, Heard, Look, Playing, Say

log = logging.getLogger(__name__)

LOOK_WITHIN = 1.0
"""Seconds an answer to a lookup may take; the caller hears silence meanwhile."""
QUICK = 1.0
"""Seconds in which the next command follows an answer."""
SPARE = 5
"""Seconds a step may take beyond its prompts and waits before Asterisk takes the caller back."""


class Report(Protocol):
    """Tells the call machine."""

    def __call__(self, event: Event, /) -> None:
        """Take *event* to the inbox, at once and without waiting."""


class Lookups(Protocol):
    """What flows may ask the service."""

    async def __call__(self, what: str, of: str, caller: str, /) -> tuple[str, dict[str, str]]:
        """Return the answer to *what*, a word of `schemas.flows.LOOKUPS`, and variables."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Player:
    """One caller's telephone."""

    session: Session
    city: City
    call: CallId
    caller: str
    report: Report
    lookups: Lookups
    clock: Callable[[], float]
    """Unix seconds."""
    until: float = 0.0
    """Unix seconds at which Asterisk takes the caller back unless we speak before."""

    async def perform(self, move: Playing | Look) -> Heard:
        """Do *move*; what cannot be done is told in `Heard.failed`.

        Raises:
            CallerGone: the caller hung up.
        """
        if isinstance(move, Look):
            return await self._look(move)
        await self._keep_alive(self._longest(move))
        try:
            key = await self._play(move.step, move.prompts)
            match move:
                case Say():
                    return Heard(key=key)
                case Collect(most=most, wait=wait):
                    return Heard(digits=await self._collect(move.step, key, most, wait))
                case _ if key is None and move.wait > 0:
                    key = await self._wait(move.step, move.wait)
            return Heard(key=key)
        except CommandFailed as error:
            log.warning("step %s: a prompt failed: %s", move.step, error, extra={"call": self.call})
            return Heard(failed=f"a prompt could not be played: {error}")

    def _longest(self, move: Playing) -> int:
        """Return the seconds after which a controller that says nothing counts as hung."""
        spoken = sum(self.city.prompts[p].seconds for p in move.prompts if p in self.city.prompts)
        return round(spoken + (0 if isinstance(move, Say) else move.wait)) + SPARE

    async def _keep_alive(self, seconds: int) -> None:
        await self.session.keep_alive(seconds)
        self.until = self.clock() + seconds

    async def _play(self, step: str, prompts: Sequence[str]) -> str | None:
        key = None
        for prompt in prompts:
            began = self.clock()
            try:
                key = await self.session.play(self.city.sound(prompt))
            except CallerGone:
                self._played(step, prompt, began, None, left=True)
                raise
            self._played(step, prompt, began, key)
            if key is not None:
                break
        return key

    def _played(
        self, step: str, prompt: str, began: float, key: str | None, *, left: bool = False
    ) -> None:
        at = self.clock()
        known = self.city.prompts.get(prompt)
        # a busy controller hears late of the end; nobody listens longer than the prompt lasts
        longest = known.seconds if known and known.seconds else LONGEST_PROMPT
        seconds = round(min(max(at - began, 0.0), longest), 3)
        self.report(
            PromptPlayed(
                call=self.call, at=at, prompt=prompt, seconds=seconds, key=key, step=step, left=left
            )
        )

    async def _wait(self, step: str, seconds: float) -> str | None:
        began = self.clock()
        try:
            key = await self.session.wait(seconds)
        except CallerGone:
            self._waited(step, began, None, left=True)
            raise
        self._waited(step, began, key)
        return key

    def _waited(self, step: str, began: float, key: str | None, *, left: bool = False) -> None:
        at = self.clock()
        seconds = round(max(at - began, 0.0), 3)
        self.report(Waited(call=self.call, at=at, step=step, seconds=seconds, key=key, left=left))

    async def _collect(self, step: str, first: str | None, most: int, wait: float) -> str:
        """Return the keys of an entry; what they are is nobody's business but the flow's."""
        began, left = self.clock(), False
        entry, key = "", first
        try:
            while True:
                if key is None:
                    key = await self.session.wait(wait)
                if key in (None, "#", "*"):
                    return entry
                entry, key = entry + str(key), None
                if len(entry) >= most:
                    return entry
                await self._keep_alive(round(wait) + SPARE)
        except CallerGone:
            left = True
            raise
        finally:
            self._waited(step, began, None, left=left)

    async def _look(self, move: Look) -> Heard:
        if self.until - self.clock() < LOOK_WITHIN + QUICK:
            await self._keep_alive(SPARE)
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                word, found = await self.lookups(move.what, move.of, self.caller)
        except Exception as error:  # whatever is wrong with the service, the caller goes on
            log.warning(
                "step %s: %s not answered (%s)",
                move.step,
                move.what,
                type(error).__name__,
                extra={"call": self.call},
            )
            return Heard(failed=f"{move.what} {NOT_ANSWERED}: {type(error).__name__}")
        return Heard(word=word, found=found)
