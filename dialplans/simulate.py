"""What would happen to a call: the flow machine walked through without a telephone.

The machine comes in as a port, so the walk is the one that callers take. What a caller does is a
row of keys and a row of sentences; what the service would answer to lookups is given, and so is who
understands sentences. Time is counted as callers notice it: prompts by the length of their sounds,
silence by the waits of the flow, sentences by their characters.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar

from dialplans.windows import Window
from schemas.calls import Route, RouteKind, skill_queue
from schemas.city import City
from schemas.moves import Collect, Done, Heard, Listen, Look, Machine, Playing, Say, Situation
from schemas.numbers import Number
from schemas.speech import Meaning, Recognised, Understand

CALLER = "13900000000"
"""Who calls when nobody else is named."""
KNOWN_CALLER = re.compile(r"\+?[0-9]{5,20}")
"""Numbers that can be called back, as the service sees it."""
SPEAKING = 0.25
"""Seconds a caller takes to say one character."""

_PRESS = re.compile(r"<?[0-9*#]|-")


class Place(Protocol):
    """What the machine tells beside its moves."""

    @property
    def troubles(self) -> tuple[tuple[str, str], ...]:
        """What of the last move does not work: (`flow/step`, why)."""
        ...

    @property
    def situation(self) -> Situation:
        """What is known of the call; its number may have been said."""
        ...


P = TypeVar("P", bound=Place)


@dataclass(frozen=True, slots=True)
class Press:
    """What the caller does when something was played; `key` None lets it pass."""

    key: str | None = None
    at_once: bool = False
    """As soon as the prompt begins, instead of when it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How things are at the service."""

    duty: str = "free"
    """`free`, `busy` or `away`."""
    surge: bool = False
    last_agent: str = ""
    """Extension of the agent who knows the caller; "" when nobody does."""
    last_agent_free: bool = True
    ticket: str = ""
    """Number of the caller's own ticket."""
    staffed: frozenset[str] = frozenset()
    """Skills that some agent has: their queue is asked before the general one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call to walk through."""

    number: str
    """As it is dialled, in any spelling."""
    at: datetime
    """Local time."""
    caller: str = CALLER
    keys: tuple[Press, ...] = ()
    say: tuple[Recognised | None, ...] = ()
    """What is said where the flow listens, one sentence after another; None lets it pass."""
    speech: bool = False
    """Whether words can be recognised though none are said."""
    conditions: Conditions = Conditions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the caller notices of one step, or what the service was asked in it."""

    step: str
    """`flow/step`."""
    prompts: tuple[str, ...] = ()
    """Ids of what was played, or had begun when a key cut it."""
    text: str = ""
    answer: str = ""
    """Keys that were pressed, words that were said."""
    words: Recognised | None = None
    """What was said."""
    meaning: Meaning | None = None
    """What it means."""
    asked: str = ""
    """What was looked up, and the answer: `duty: free`."""
    played: float = 0.0
    """Seconds."""
    waited: float = 0.0
    """Seconds of silence, or of keying and speaking."""
    total: float = 0.0
    """Seconds since the call was answered, at the end of this step."""

    @property
    def seconds(self) -> float:
        """What the step costs the caller."""
        return round(self.played + self.waited, 3)

    @property
    def did(self) -> str:
        """What came of it, for people."""
        if self.asked or self.answer:
            return self.asked or self.answer
        return f"nothing for {self.waited:g} s" if self.waited else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What happened."""

    case: Case
    number: Number | None
    """As dialled; None: it is not in the register."""
    about: Number | None
    """As dialled, or as said."""
    stages: tuple[Stage, ...]
    end: str
    """`flow/step` in which the flow ended."""
    route: Route
    troubles: tuple[tuple[str, str], ...]
    """What did not work as the flow says: (`flow/step`, why)."""
    spare: tuple[Press, ...] = ()
    """Keys that nothing asked for."""
    unsaid: tuple[Recognised | None, ...] = ()
    """Sentences that nothing listened for."""

    @property
    def seconds(self) -> float:
        """How long the flow lasted."""
        return self.stages[-1].total if self.stages else 0.0

    @property
    def person_after(self) -> float | None:
        """Seconds until somebody's telephone rings; None when nobody's does."""
        rings = self.route.kind in (RouteKind.QUEUE, RouteKind.TRANSFER)
        return self.seconds if rings else None

    @property
    def heard(self) -> tuple[str, ...]:
        """Every prompt that was played."""
        return tuple(prompt for stage in self.stages for prompt in stage.prompts)

    @property
    def signature(self) -> tuple[object, ...]:
        """All that a caller could notice or that decides who answers."""
        return (
            self.route,
            self.end,
            self.seconds,
            tuple((s.prompts, s.answer, s.played, s.waited) for s in self.stages),
            self.troubles,
        )


def presses(text: str) -> tuple[Press, ...]:
    """Return what *text* says the caller does, one thing after another.

    A digit, `*` or `#` is pressed when the prompt has ended, with `<` before it as soon as the
    prompt begins; `-` lets the prompt and the silence after it pass. Spaces mean nothing.

    Raises:
        ValueError: it says something else.
    """
    text = re.sub(r"\s", "", text)
    if rest := _PRESS.sub("", text):
        raise ValueError(f"{rest[0]!r} is no key: there are 0-9 * #, - for none, < for at once")
    return tuple(
        Press() if one == "-" else Press(one[-1], one[0] == "<") for one in _PRESS.findall(text)
    )


def written(keys: Iterable[Press]) -> str:
    """Return *keys* as `presses` reads them."""
    return "".join(("<" if p.at_once else "") + (p.key or "-") for p in keys)


def deaf(_: str, __: Iterable[str], /) -> Meaning:
    """Understand nothing."""
    return Meaning()


def walk(city: City, machine: Machine[P], case: Case, *, understand: Understand = deaf) -> Walk:
    """Let one caller go through *city*."""
    caller = _Caller(city, case, understand)
    number = city.register.find(case.number)
    speech = case.speech or bool(case.say)
    situation = Situation(number=number, caller=case.caller, at=case.at, speech=speech)
    place, move = machine.begin(city, situation)
    troubles = list(place.troubles)
    while not isinstance(move, Done):
        place, move = machine.hear(place, caller.perform(move))
        troubles += place.troubles
    return Walk(
        case=case,
        number=number,
        about=place.situation.number,
        stages=tuple(caller.stages),
        end=move.step,
        route=_queued(move.route, case.conditions.staffed),
        troubles=tuple(troubles),
        spare=tuple(caller.keys),
        unsaid=tuple(caller.words),
    )


def walk_all(
    city: City,
    machine: Machine[P],
    windows: Sequence[Window],
    like: Case,
    numbers: Iterable[str],
    *,
    understand: Understand = deaf,
) -> list[tuple[Window, Walk]]:
    """Let a caller as in *like* dial each of *numbers* in every window."""
    return [
        (window, walk(city, machine, case, understand=understand))
        for number in numbers
        for window in windows
        for case in (replace(like, number=number, at=window.begin),)
    ]


def told(found: Meaning) -> str:
    """Return what words mean, in a few words."""
    if not found.intent:
        return "not understood"
    return f"{found.intent} {found.confidence:.2f} ({'sure' if found.sure else 'not sure'})"


def _queued(route: Route, staffed: frozenset[str]) -> Route:
    """Return *route* with the skill's own queue where somebody serves it, as for real calls."""
    if route.skill is None or route.skill not in staffed:
        return route
    return replace(route, queue=skill_queue(route.skill))


@dataclass(slots=True)
class _Caller:
    """Does what the moves ask, with the keys and words of the case."""

    city: City
    case: Case
    understand: Understand
    keys: deque[Press] = field(init=False)
    words: deque[Recognised | None] = field(init=False)
    stages: list[Stage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = deque(self.case.keys)
        self.words = deque(self.case.say)

    def perform(self, move: Playing | Look) -> Heard:
        """Return what comes of *move*, and note what it cost."""
        if isinstance(move, Look):
            word, found = self._look(move)
            self._note(Stage(step=move.step, asked=f"{move.what}: {word}"))
            return Heard(word=word, found=found)
        silent = next((p for p in move.prompts if not self._seconds(p)), None)
        if silent is not None:  # the telephone says so at the first sound that is not there
            before = move.prompts[: move.prompts.index(silent)]
            self._note(self._stage(move.step, before))
            return Heard(failed=f"there is no sound for {silent!r}")
        if isinstance(move, Listen) and self.words:
            return self._speak(move, self.words.popleft())
        wait = 0.0 if isinstance(move, Say) else move.wait
        press = self.keys.popleft() if self.keys and (move.prompts or wait) else Press()
        prompts = move.prompts[:1] if press.at_once else move.prompts
        stage = self._stage(move.step, prompts, cut=press.at_once)
        if isinstance(move, Collect):
            return self._enter(move, stage, press)
        waited = wait if press.key is None else 0.0
        self._note(replace(stage, waited=waited, answer=press.key or ""))
        return Heard(key=press.key)

    def _speak(self, move: Listen, words: Recognised | None) -> Heard:
        stage = self._stage(move.step, move.prompts)
        if words is None or not words.text:  # nothing, or a noise: silence to the telephone too
            answer = "" if words is None else "no words"
            self._note(replace(stage, waited=move.wait, answer=answer, words=words))
            return Heard()
        found = self.understand(words.text, move.intents)
        spoken = round(len(words.text) * SPEAKING, 2)
        answer = f"“{words.text}” = {told(found)}"
        self._note(replace(stage, waited=spoken, answer=answer, words=words, meaning=found))
        return Heard(intent=found.intent, sure=found.sure)

    def _enter(self, move: Collect, stage: Stage, press: Press) -> Heard:
        entry = ""
        while press.key is not None and press.key not in "#*":
            entry += press.key
            if len(entry) >= move.most:
                break
            press = self.keys.popleft() if self.keys else Press()
        ended = "" if press.key is None or press.key.isdigit() else press.key
        waited = move.wait if press.key is None else 0.0
        self._note(replace(stage, waited=waited, answer=entry + ended))
        return Heard(digits=entry)

    def _look(self, move: Look) -> tuple[str, Mapping[str, str]]:
        now, caller = self.case.conditions, self.case.caller
        match move.what:
            case "duty":
                return now.duty, {}
            case "surge":
                return ("on" if now.surge else "off"), {}
            case "last_agent" if now.last_agent:
                return ("free" if now.last_agent_free else "busy"), {"agent": now.last_agent}
            case "last_agent":
                return "none", {}
            case "caller":
                return ("known" if KNOWN_CALLER.fullmatch(caller) else "unknown"), {}
            case _:  # ticket: keys have no letters, so digits are compared
                own = move.of and move.of == re.sub(r"\D", "", now.ticket)
                return ("open", {"ticket": now.ticket}) if own else ("unknown", {})

    def _seconds(self, prompt: str) -> float:
        return self.city.prompts[prompt].seconds

    def _stage(self, step: str, prompts: tuple[str, ...], *, cut: bool = False) -> Stage:
        return Stage(
            step=step,
            prompts=prompts,
            text="".join(self.city.prompts[prompt].text for prompt in prompts),
            played=0.0 if cut else round(sum(map(self._seconds, prompts)), 3),
        )

    def _note(self, stage: Stage) -> None:
        before = self.stages[-1].total if self.stages else 0.0
        self.stages.append(replace(stage, total=round(before + stage.seconds, 3)))
