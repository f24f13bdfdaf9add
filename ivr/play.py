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
from ivr.listen import Listener, listen
from schemas.calls import CallId
from schemas.city import City
from schemas.events import NOT_ANSWERED, Event, PromptPlayed, Waited
from schemas.moves import Collect, Hear, Heard, Listen, Look, Playing, Say

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
    listener: Listener | None = None
    """None: this call goes on by keys alone."""

    async def perform(self, move: Playing | Look) -> Heard:
        """Do *move*; what cannot be done is told in `Heard.failed`.

        Raises:
            CallerGone: the caller hung up.
        """
        if isinstance(move, Look):
            return await self._look(move)
        try:
            if isinstance(move, Listen):
                return await listen(self, move)
            await self.keep_alive(self._longest(move))
            key = await self.play(move.step, move.prompts)
            match move:
                case Say():
                    return Heard(key=key)
                case Collect(most=most, wait=wait):
                    return Heard(digits=await self._collect(move.step, key, most, wait))
                case Hear(wait=wait) if key is None and wait > 0:
                    key = await self.wait(move.step, wait)
            return Heard(key=key)
        except CommandFailed as error:
            log.warning("step %s: a prompt failed: %s", move.step, error, extra={"call": self.call})
            return Heard(failed=f"a prompt could not be played: {error}")

    def seconds(self, prompt: str) -> float:
        """Return how long *prompt* lasts; 0 when nobody knows."""
        known = self.city.prompts.get(prompt)
        return known.seconds if known else 0.0

    def _longest(self, move: Say | Hear | Collect) -> float:
        """Return the seconds that the prompts and waits of *move* take."""
        wait = 0 if isinstance(move, Say) else move.wait
        return sum(map(self.seconds, move.prompts)) + wait

    async def keep_alive(self, seconds: float) -> None:
        """Let Asterisk take the caller back when we say nothing for *seconds* and some to spare.

        A controller that is silent for longer counts as hung.
        """
        limit = round(seconds) + SPARE
        await self.session.keep_alive(limit)
        self.until = self.clock() + limit

    async def play(self, step: str, prompts: Sequence[str]) -> str | None:
        """Play prompts one after the other and return the key that cut them."""
        key = None
        for prompt in prompts:
            began = self.clock()
            try:
                key = await self.session.play(self.city.sound(prompt))
            except CallerGone:
                self.played(step, prompt, began, None, left=True)
                raise
            self.played(step, prompt, began, key)
            if key is not None:
                break
        return key

    def played(
        self, step: str, prompt: str, began: float, key: str | None, *, left: bool = False
    ) -> None:
        """Tell how long *prompt*, begun at *began*, was heard; *left*: the caller hung up."""
        at = self.clock()
        # a busy controller hears late of the end; nobody listens longer than the prompt lasts
        longest = self.seconds(prompt) or LONGEST_PROMPT
        seconds = round(min(max(at - began, 0.0), longest), 3)
        self.report(
            PromptPlayed(
                call=self.call, at=at, prompt=prompt, seconds=seconds, key=key, step=step, left=left
            )
        )

    async def wait(self, step: str, seconds: float) -> str | None:
        """Return the next key, None when there is none in *seconds*."""
        began = self.clock()
        try:
            key = await self.session.wait(seconds)
        except CallerGone:
            self.waited(step, began, None, left=True)
            raise
        self.waited(step, began, key)
        return key

    def waited(self, step: str, began: float, key: str | None, *, left: bool = False) -> None:
        """Tell how long the caller was waited for since *began*."""
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
                await self.keep_alive(wait)
        except CallerGone:
            left = True
            raise
        finally:
            self.waited(step, began, None, left=left)

    async def _look(self, move: Look) -> Heard:
        if self.until - self.clock() < LOOK_WITHIN + QUICK:
            await self.keep_alive(0)
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
