"""Carries a `Listen` move to the telephone: the caller speaks or presses a key, whichever is first.

One `SPEECH CREATE` for each step, one `SPEECH RECOGNIZE` for each prompt, one for the wait after
them, one for the sentence that has begun. The recogniser answers each of them while sound arrives:

    prompt ──silence──► next prompt … ──silence──► wait ──silence──► nobody spoke
       └──began──► sentence ◄──began───────────────┘
                      └──final──► words

Its answer at the end of every prompt is what tells a recogniser that listens from one that hangs:
without it the wait is not even begun. Whatever is wrong with speech, the step goes on by keys, and
is over at most `COST` later than it would have been with keys alone. A prompt that a recogniser
died under goes on by itself, for Asterisk keeps on playing it.
"""

import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ivr.agi import LONGEST_PROMPT, CallerGone, CommandFailed, Recognition, Session
from ivr.speech.breaker import Met
from schemas.calls import CallId
from schemas.city import City
from schemas.events import Event, Said
from schemas.moves import Heard, Listen
from schemas.speech import Understand

log = logging.getLogger(__name__)

ENGINE = "hotline"
"""Name of the recogniser in aeap.conf."""
QUIET = "speech/quiet"
"""A moment of silence: it ends the prompt that was being played."""
COST = 0.9
"""Seconds that speech which does not work may cost over the keys; commands take some more."""
STALL = 1.0
"""Seconds for which Asterisk asks a recogniser that has gone for its results; prompts pause."""
SLOW = 0.5
"""Seconds for `SPEECH SET`, answered at once by whoever lives, after which it counts as hung."""
LATEST = 0.15
"""Seconds that an answer may take beyond its time: sound comes in packets and gets lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Speech as the service offers it just now; one for all calls."""

    offered: Callable[[], bool]
    """Whether a caller may be asked to speak."""
    met: Callable[[Met], None]
    """Told what calls met, so that a recogniser that does not work is offered to nobody else."""
    understand: Callable[[City], Understand]
    """What words mean in this version of the city."""
    model: Callable[[], str]
    """Name of the model that listens."""
    longest: float
    """Seconds after which a sentence ends by itself."""
    answer_within: float
    """Seconds after its end in which the words come."""


class Telephone(Protocol):
    """One caller's telephone, as `ivr.play.Player` is."""

    session: Session
    city: City
    call: CallId
    listener: Listener | None
    """None once speech has failed in this call: it costs a caller once, not with every step."""

    def clock(self) -> float:
        """Return Unix seconds."""
        ...

    def report(self, event: Event, /) -> None:
        """Tell the call machine."""
        ...

    def seconds(self, prompt: str, /) -> float:
        """Return how long *prompt* lasts; 0 when nobody knows."""
        ...

    async def keep_alive(self, seconds: float, /) -> None:
        """Let Asterisk take the caller back when we say nothing for so long and some to spare."""
        ...

    async def play(self, step: str, prompts: tuple[str, ...], /) -> str | None:
        """Play prompts and return the key that cut them."""
        ...

    async def wait(self, step: str, seconds: float, /) -> str | None:
        """Return the next key."""
        ...

    def played(
        self, step: str, prompt: str, began: float, key: str | None, *, left: bool = False
    ) -> None:
        """Tell how long a prompt was heard."""
        ...

    def waited(self, step: str, began: float, key: str | None, *, left: bool = False) -> None:
        """Tell how long the caller was waited for."""
        ...


class _Trouble(Exception):
    """Speech does not work; the step goes on by keys."""

    def __init__(self, met: Met, *, stalled: bool = False) -> None:
        super().__init__(met)
        self.met = met
        self.stalled = stalled


@dataclass(frozen=True, slots=True, kw_only=True)
class _Playing:
    """A prompt that is being played."""

    prompt: str
    since: float


async def listen(phone: Telephone, move: Listen) -> Heard:
    """Do *move*.

    Raises:
        CallerGone: the caller hung up.
        CommandFailed: a prompt cannot be played.
    """
    return await _Step(phone, move).run()


class _Step:
    """One `Listen` move of one caller."""

    def __init__(self, phone: Telephone, move: Listen) -> None:
        self._phone = phone
        self._move = move
        self._began = phone.clock()
        self._lasts = sum(map(phone.seconds, move.prompts))
        self._recognized = 0
        self._to_come = list(move.prompts)
        self._playing: _Playing | None = None

    async def run(self) -> Heard:
        """Do the whole step."""
        listener = self._phone.listener
        if listener is None or not listener.offered():
            await self._phone.keep_alive(self._lasts + self._move.key_wait)
            return await self._by_keys(self._move.key_wait)
        await self._phone.keep_alive(self._lasts + self._move.wait)
        listener.met(Met.BEGUN)
        try:
            heard = await self._by_words(listener)
        except CallerGone:
            listener.met(Met.PASSED)
            raise
        except _Trouble as trouble:
            listener.met(trouble.met)
            self._phone.listener = None
            extra = {"call": self._phone.call}
            log.warning(
                "step %s: speech is %s; keys go on", self._move.step, trouble.met, extra=extra
            )
            stalled = trouble.stalled
        else:
            listener.met(Met.GOOD if heard.key is None else Met.PASSED)
            return heard
        return await self._rest_by_keys(STALL if stalled else 0.0)

    # ---- by keys

    async def _by_keys(self, wait: float) -> Heard:
        key = await self._phone.play(self._move.step, tuple(self._to_come))
        if key is None and wait > 0:
            key = await self._phone.wait(self._move.step, wait)
        return Heard(key=key)

    async def _rest_by_keys(self, stall: float) -> Heard:
        phone, now = self._phone, self._phone.clock()
        over = self._began + self._lasts + self._move.key_wait + COST
        if (playing := self._playing) is not None:
            rest = min(playing.since + phone.seconds(playing.prompt) + stall, over) - now
            if (key := await self._goes_on(playing, max(rest, 0.0))) is not None:
                return Heard(key=key)
        await phone.keep_alive(max(over - phone.clock(), 0.0))
        return await self._by_keys(min(self._move.key_wait, over - phone.clock()))

    async def _goes_on(self, playing: _Playing, rest: float) -> str | None:
        """Let a prompt end that Asterisk is still playing."""
        key, left = None, False
        try:
            await self._phone.keep_alive(rest)
            if rest > 0:
                key = await self._phone.session.wait(rest)
        except CallerGone:
            left = True
            raise
        finally:
            self._phone.played(self._move.step, playing.prompt, playing.since, key, left=left)
        return key

    # ---- by words

    async def _by_words(self, listener: Listener) -> Heard:
        session = self._phone.session
        try:
            asked = self._phone.clock()
            if not await session.speech_create(ENGINE):
                slow = self._phone.clock() - asked > SLOW
                raise _Trouble(Met.MUTE if slow else Met.REFUSED)
            found = await self._under_prompts()
            if found is None or found.grammar == "began":
                found = await self._after_prompts(found, listener)
            await session.speech_destroy()
        except CommandFailed:  # this Asterisk knows no speech, or no longer
            raise _Trouble(Met.FAILED) from None
        except _Trouble as trouble:
            if trouble.met is not Met.REFUSED:
                await self._let_go()
            raise
        return self._made_of(found, listener)

    async def _let_go(self) -> None:
        try:
            await self._phone.session.speech_destroy()
        except CallerGone:
            if playing := self._playing:
                step = self._move.step
                self._phone.played(step, playing.prompt, playing.since, None, left=True)
            raise

    async def _under_prompts(self) -> Recognition | None:
        """Play the prompts; return what cut them, None when nothing did."""
        phone, step = self._phone, self._move.step
        for prompt in self._move.prompts:
            lasts = phone.seconds(prompt)
            await self._announce(lasts or LONGEST_PROMPT, barge=True)
            self._to_come.pop(0)
            self._playing = playing = _Playing(prompt=prompt, since=phone.clock())
            timeout = _whole(playing.since + lasts, LATEST)
            try:
                found = await self._recognize(phone.city.sound(prompt), timeout, known=lasts > 0)
            except CallerGone:
                phone.played(step, prompt, playing.since, None, left=True)
                raise
            except CommandFailed:  # it was not begun
                self._to_come.insert(0, prompt)
                self._playing = None
                raise
            phone.played(step, prompt, playing.since, found.key)
            self._playing = None
            if found.grammar == "silence":
                continue
            self._to_come.clear()
            if found.grammar != "began":  # then the prompt is cut by the next RECOGNIZE
                await phone.session.play(QUIET)
            return found
        return None

    async def _after_prompts(self, found: Recognition | None, listener: Listener) -> Recognition:
        """Wait for words, unless they have begun already, and for their end."""
        since = self._phone.clock()
        key, left = None, False
        try:
            if found is None:
                found = await self._in_silence(self._move.wait)
            if found.grammar == "began":
                longest = listener.longest + listener.answer_within
                await self._phone.keep_alive(longest)
                found = await self._in_silence(longest, barge=False)
            key = found.key
        except CallerGone:
            left = True
            raise
        finally:
            self._phone.waited(self._move.step, since, key, left=left)
        return found

    async def _in_silence(self, seconds: float, *, barge: bool = True) -> Recognition:
        """Wait for words to begin, or to end, for so long."""
        await self._announce(seconds, barge=barge)
        timeout = _whole(self._phone.clock(), seconds + 2 * LATEST)
        return await self._recognize(QUIET, timeout)

    async def _announce(self, seconds: float, *, barge: bool) -> None:
        """Tell the recogniser what is wanted of the sound that comes next."""
        self._recognized += 1
        call = re.sub(r"[^A-Za-z0-9_.-]", "", self._phone.call)
        value = (
            f"call={call};step={self._recognized};"
            f"give_up={round(seconds * 1000)};barge={int(barge)}"
        )
        asked = self._phone.clock()
        await self._phone.session.speech_set("listen", value)
        if self._phone.clock() - asked > SLOW:
            raise _Trouble(Met.MUTE)

    async def _recognize(self, sound: str, timeout: int, *, known: bool = True) -> Recognition:
        """Return what was recognised: began, final, silence, or a key as silence with a key.

        Args:
            known: whether the recogniser knew when to give up; else the time-out is no fault.
        """
        found = await self._phone.session.speech_recognize(sound, timeout)
        match found.kind, found.grammar:
            case "digit", _:
                return Recognition(kind="digit", key=found.key, grammar="key")
            case "speech", "began" | "final" | "silence":
                return found
            case "speech", "late":
                raise _Trouble(Met.LATE)
            case "timeout", _ if not known:
                return Recognition(kind="timeout", grammar="silence")
            case "timeout", _:
                raise _Trouble(Met.MUTE)
            case "nothing", _:
                raise _Trouble(Met.FAILED, stalled=True)
        raise _Trouble(Met.FAILED)

    def _made_of(self, found: Recognition, listener: Listener) -> Heard:
        if found.key is not None:
            return Heard(key=found.key)
        if found.grammar != "final" or not found.text:
            return Heard()  # nobody spoke, or there was sound without words
        phone, move = self._phone, self._move
        meaning = listener.understand(phone.city)(found.text, move.intents)
        at = phone.clock()
        phone.report(
            Said(
                call=phone.call,
                at=at,
                step=move.step,
                text=found.text,
                score=found.score,
                intent=meaning.intent,
                confidence=meaning.confidence,
                engine=listener.model(),
                seconds=round(max(at - self._began, 0.0), 3),
            )
        )
        return Heard(intent=meaning.intent, sure=meaning.sure)


def _whole(since: float, seconds: float) -> int:
    """Return the time-out of a `SPEECH RECOGNIZE` that ends it in *seconds*, or up to 1 s later.

    Asterisk compares clock seconds, beginning with the one in which the sound ended.

    Args:
        since: Unix seconds of the end of the sound.

    >>> _whole(100.0, 0.2), _whole(100.9, 0.2), _whole(100.9, 2.2)
    (1, 2, 4)
    """
    return math.ceil(since % 1 + seconds)
