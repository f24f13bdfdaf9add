"""What a telephony admin writes: one YAML document per flow, as models that refuse what is wrong.

`hotline dialplan schema` prints the JSON Schema made from them, by which an editor completes and
underlines. What one step means for another (does its target exist, does a path end at a person) is
`dialplans.lint`'s to say.

Text in steps may hold `{name}` for what is known of the call (`CALL_VARIABLES`), for what a
`digits` step took, and for what a `lookup` found.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from schemas.calls import GENERAL_QUEUE, Outcome
from schemas.numbers import Number, Register
from schemas.speech import ASK, EMERGENCY, line_intent

PERSON = "person"
"""Target that every flow may name without having such a step: an agent of ours."""
RETURN = "return"
"""Target that ends a sub-flow; the `goto` that called it says where its caller goes on."""
RESERVED = frozenset({PERSON, RETURN})

UNKNOWN = "unknown"
"""Flow of a number that is not in the register."""
HANDOVER = "handover"
"""Prompt that a third party hears before it is connected; the ticket's number follows."""
UNKNOWN_NOTICE = "unknown-number"
"""Its `{notice}`."""

CALL_VARIABLES: Mapping[str, str] = {
    "number": "number that was dialled, as the register writes it",
    "line_no": "line of the annex",
    "hotline": "name of the line",
    "unit": "code of the owner unit",
    "notice": "prompt of the number (greeting or migration notice)",
    "seat": "number of the owner's seat",
    "onward": "number a caller of a line that is not ours is told",
    "caller": "number of the caller",
}
"""What is known when a flow begins; empty where the register has nothing."""
OF_NUMBER = tuple(name for name in CALL_VARIABLES if name != "caller")
"""Those that the register knows, so that a flow can be checked against all its numbers."""


@dataclass(frozen=True, slots=True)
class Known:
    """One thing that a `lookup` can find out."""

    means: str
    words: tuple[str, ...]
    """The answers there are: each may have a target in `cases`."""
    sets: tuple[str, ...] = ()
    """Variables it fills."""
    asks: bool = False
    """Whether it needs `of`."""
    alone: tuple[str, ...] = ()
    """Words that say that no person of ours can be had soon, whatever the prompts cost."""


LOOKUPS: Mapping[str, Known] = {
    "duty": Known(
        "who is there to answer: somebody free, all busy, or nobody signed on",
        ("free", "busy", "away"),
        alone=("away",),
    ),
    "surge": Known("whether surge mode (应急保障) is switched on", ("on", "off"), alone=("on",)),
    "last_agent": Known(
        "who answered this caller within the last 24 hours, and whether they are free now",
        ("free", "busy", "none"),
        sets=("agent",),
    ),
    "caller": Known("whether we know the number to call back", ("known", "unknown")),
    "line": Known(
        "integration class of the number this call is about: as dialled, or as said",
        ("integrated", "dual_run", "not_integrated", "unknown"),
    ),
    "ticket": Known(
        "how far the ticket is whose number `of` says, if it is this caller's own",
        ("open", "done", "unknown"),
        sets=("ticket",),
        asks=True,
    ),
}
"""What a flow may ask the service."""

_NAME = r"^[a-z][a-z0-9_-]{0,39}$"
_TEMPLATE = r"^[A-Za-z0-9_.:+-]*(?:\{[a-z][a-z0-9_]{0,39}\}[A-Za-z0-9_.:+-]*)*$"
_VARIABLE = r"^[a-z][a-z0-9_]{0,39}$"
_KEY = r"^[0-9*#]$"
SKILL_CODE = r"^skill-[a-z0-9]{1,20}$"
"""Of a skill that is no owner unit's."""
FORMS: Mapping[str, str] = {
    _NAME: "a-z 0-9 _ -, a letter first, 40 at most",
    _TEMPLATE: "A-Z a-z 0-9 _ . : + - and {variables}",
    _VARIABLE: "a-z 0-9 _, a letter first, 40 at most",
    _KEY: "one key: 0-9 * #",
    SKILL_CODE: "skill- and 1 to 20 of a-z 0-9",
}
"""What a pattern asks for, in words."""
VARIABLE = re.compile(r"\{([a-z][a-z0-9_]{0,39})\}")

Name = Annotated[str, Field(pattern=_NAME)]
Target = Annotated[str, Field(pattern=_NAME, description="A step of this flow, person or return")]
Template = Annotated[str, Field(min_length=1, max_length=80, pattern=_TEMPLATE)]
Variable = Annotated[str, Field(pattern=_VARIABLE)]
Key = Annotated[str, Field(pattern=_KEY)]


class Part(BaseModel):
    """Base of all that stands in a flow: unknown keys are faults, nothing changes after loading."""

    # `to: 95598` is a number to YAML and a number to dial to everybody else
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Spoken(Part):
    """A value said as a person says it, e.g. `{phone: "{onward}"}`; exactly one key."""

    number: Template | None = None
    count: Template | None = None
    digits: Template | None = None
    phone: Template | None = None
    ticket: Template | None = None
    date: Template | None = None
    time: Template | None = None
    weekday: Template | None = None
    duration: Template | None = None
    money: Template | None = None

    @model_validator(mode="after")
    def _one(self) -> "Spoken":
        if sum(value is not None for value in self.__dict__.values()) != 1:
            raise ValueError(f"needs exactly one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def kind(self) -> str:
        """How it is said, as `ivr.say` calls it."""
        return next(kind for kind, value in self.__dict__.items() if value is not None)

    @property
    def value(self) -> str:
        """The value, with its variables unfilled."""
        return str(getattr(self, self.kind))


def _written_as(prompt: object) -> str:
    return "value" if isinstance(prompt, dict | Spoken) else "id"


Prompt = Annotated[
    Annotated[Template, Tag("id")] | Annotated[Spoken, Tag("value")], Discriminator(_written_as)
]
Prompts = Annotated[tuple[Prompt, ...], Field(max_length=12)]
Asked = Annotated[Prompts, Field(min_length=1)]
Retries = Annotated[int, Field(ge=0, le=3, description="How often it is asked again")]
Wait = Annotated[float, Field(ge=0, le=15, description="Seconds of silence allowed")]
Closing = Literal["self_service", "out_of_scope", "callback_promised"]


class Step(Part):
    """Base of the steps."""

    note: str | None = Field(default=None, max_length=200, description="Yours; nobody hears it")

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Where it may lead: (key under which it stands, target)."""
        return ()

    @property
    def heard(self) -> tuple[Prompt, ...]:
        """All that it may play."""
        return ()


class Say(Step):
    """Play prompts; any key cuts them and counts as the answer to what comes next."""

    do: Literal["say"]
    prompts: Asked
    next: Target

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Where it goes on."""
        return (("next", self.next),)

    @property
    def heard(self) -> tuple[Prompt, ...]:
        """Its prompts."""
        return self.prompts


class Asking(Step):
    """Base of the steps that wait for a key."""

    prompts: Asked
    again: Prompts = Field(default=(), description="Played when it is asked again; else prompts")
    keys: dict[Key, Target] = Field(default={}, description="0 is a person unless said otherwise")
    retries: Retries = 1
    silence: Target | None = Field(default=None, description="After the last silence; else person")
    otherwise: Target = Field(default=PERSON, description="After the last key nobody offered")

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Where keys, silence and failure lead."""
        silence = () if self.silence is None else (("silence", self.silence),)
        keys = tuple((f"keys.{key}", target) for key, target in self.keys.items())
        return (*keys, *silence, ("otherwise", self.otherwise))

    @property
    def heard(self) -> tuple[Prompt, ...]:
        """Its prompts, first and again."""
        return (*self.prompts, *self.again)


class Menu(Asking):
    """Play prompts and take one key, pressed during or after them."""

    do: Literal["menu"]
    wait: Wait = 3.0


class Listen(Asking):
    """Play prompts and take words or a key; without speech, keys alone."""

    do: Literal["listen"]
    spoken: Prompts = Field(
        default=(), description="Played instead of prompts while words can be recognised"
    )
    intents: dict[Name, Target] = Field(default={}, description="Intents of phrases.tsv")
    lines: Target | None = Field(
        default=None,
        description="Words about a line of the annex lead here; who dialled 12345, or a number "
        "that is not in the register, is from then on served as if that line's had been dialled",
    )
    wait: Wait = Field(default=3.0, description="Seconds for the first word, speech being there")
    key_wait: Wait = Field(default=0.0, description="Seconds for a key when speech is away")

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Where words lead too."""
        words = tuple((f"intents.{intent}", target) for intent, target in self.intents.items())
        lines = () if self.lines is None else (("lines", self.lines),)
        return (*super().targets, *lines, *words)

    @property
    def heard(self) -> tuple[Prompt, ...]:
        """Its prompts: without speech, with it, and again."""
        return (*super().heard, *self.spoken)

    def words(self, register: Register) -> tuple[str, ...]:
        """Return all intents that mean something here, those of the annex's lines one by one."""
        lines = () if self.lines is None else map(line_intent, lines_of(register))
        return tuple(dict.fromkeys((*self.intents, *lines)))

    def asks(self, register: Register) -> tuple[str, ...]:
        """Return the prompts, there or not, that ask whether one of these was meant."""
        doubted = (word for word in self.words(register) if not word.startswith(EMERGENCY))
        return tuple(f"{ASK}{intent}" for intent in doubted)


class Digits(Step):
    """Play prompts and take several keys into a variable."""

    do: Literal["digits"]
    prompts: Asked
    again: Prompts = ()
    into: Variable
    min: Annotated[int, Field(ge=1, le=20)] = 1
    max: Annotated[int, Field(ge=1, le=20)] = 20
    wait: Wait = Field(default=4.0, description="Seconds for each key; # ends the entry")
    retries: Retries = 1
    next: Target
    failed: Target = PERSON

    @model_validator(mode="after")
    def _order(self) -> "Digits":
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max {self.max}")
        return self

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Where an entry and its failure lead."""
        return (("next", self.next), ("failed", self.failed))

    @property
    def heard(self) -> tuple[Prompt, ...]:
        """Its prompts, first and again."""
        return (*self.prompts, *self.again)


class Ending(Step):
    """Base of the steps that end a flow; prompts before it are optional."""

    prompts: Prompts = ()

    @property
    def heard(self) -> tuple[Prompt, ...]:
        """Its prompts."""
        return self.prompts


class Queue(Ending):
    """Let the caller wait for an agent."""

    do: Literal["queue"]
    queue: Name = GENERAL_QUEUE
    skill: Template | None = Field(default=None, description="Unit code or skill-…: rung first")
    priority: Annotated[int, Field(ge=0, le=10)] = 0
    seat: bool = Field(default=False, description="The owner's seats first, for seat_seconds")
    agent: Template | None = Field(default=None, description="This agent first")


class Transfer(Ending):
    """Connect the caller to another number; who is not reached comes back to an agent."""

    do: Literal["transfer"]
    to: Template
    priority: Annotated[int, Field(ge=0, le=10, description="Of who comes back to an agent")] = 0


class Notice(Step):
    """Tell the caller something and end the call; any key leads on instead."""

    do: Literal["notice"]
    prompts: Asked
    outcome: Closing = "out_of_scope"
    wait: Wait = Field(default=2.0, description="Seconds for a key after the prompts")
    keys: dict[Key, Target] = Field(default={}, description="Any other key is a person")

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Where keys lead."""
        return tuple((f"keys.{key}", target) for key, target in self.keys.items())

    @property
    def heard(self) -> tuple[Prompt, ...]:
        """Its prompts."""
        return self.prompts


class Lookup(Step):
    """Ask the service something and go where the answer leads."""

    do: Literal["lookup"]
    what: Literal["duty", "surge", "last_agent", "caller", "line", "ticket"]
    of: Template | None = None
    cases: Annotated[dict[Name, Target], Field(min_length=1)]
    otherwise: Target = Field(default=PERSON, description="Any other answer, and none in time")

    @model_validator(mode="after")
    def _known(self) -> "Lookup":
        known = LOOKUPS[self.what]
        if strange := sorted(self.cases.keys() - set(known.words)):
            raise ValueError(f"{self.what} answers {', '.join(known.words)}, not {strange[0]}")
        if known.asks != (self.of is not None):
            raise ValueError(f"{self.what} {'needs' if known.asks else 'takes no'} `of`")
        return self

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Where the answers lead."""
        cases = tuple((f"cases.{word}", target) for word, target in self.cases.items())
        return (*cases, ("otherwise", self.otherwise))


class Hours(Step):
    """Go by the clock: is the schedule of calendar.toml open just now?"""

    do: Literal["hours"]
    schedule: Name
    open: Target
    closed: Target

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Both ways."""
        return (("open", self.open), ("closed", self.closed))


class Message(Ending):
    """Let the caller leave a message (留言); they are called back."""

    do: Literal["message"]


class Hangup(Ending):
    """End the call."""

    do: Literal["hangup"]
    outcome: Closing = "self_service"


class Goto(Step):
    """Go to another step, or run another flow and go on at `then` when it returns."""

    do: Literal["goto"]
    to: Target | None = None
    flow: Name | None = None
    then: Target = PERSON

    @model_validator(mode="after")
    def _one(self) -> "Goto":
        if (self.to is None) == (self.flow is None):
            raise ValueError("needs either `to` (a step) or `flow` (another flow)")
        return self

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """The step, or where it goes on after the sub-flow."""
        return (("then", self.then),) if self.to is None else (("to", self.to),)


AnyStep = Annotated[
    Say
    | Menu
    | Listen
    | Digits
    | Queue
    | Transfer
    | Notice
    | Lookup
    | Hours
    | Message
    | Hangup
    | Goto,
    Field(discriminator="do"),
]


class Flow(Part):
    """One flow: what a caller hears and may do until a route is found."""

    flow: Name
    title: Annotated[str, Field(min_length=1, max_length=60)]
    about: Annotated[str, Field(max_length=400)] = ""
    start: Name
    steps: Annotated[dict[Name, AnyStep], Field(min_length=1, max_length=200)]


def variables(prompt: Prompt | str) -> Iterator[str]:
    """Yield the names of the variables in *prompt*."""
    yield from VARIABLE.findall(prompt if isinstance(prompt, str) else prompt.value)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with its variables filled; one that nobody knows becomes empty."""
    return VARIABLE.sub(lambda found: values.get(found[1], ""), text)


def lines_of(register: Register) -> Mapping[int, Number]:
    """Return the lines of the annex, each with the first of its numbers."""
    found: dict[int, Number] = {}
    for number in register.numbers.values():
        found.setdefault(number.line_no, number)
    return found


def known_of(number: Number | None) -> dict[str, str]:
    """Return `CALL_VARIABLES` but the caller's, as they are at the begin of a call to *number*."""
    if number is None:
        return {name: UNKNOWN_NOTICE if name == "notice" else "" for name in OF_NUMBER}
    return {
        "number": number.number,
        "line_no": str(number.line_no),
        "hotline": number.hotline,
        "unit": number.unit,
        "notice": number.notice,
        "seat": number.seat or "",
        "onward": number.onward or "",
    }


CLOSING: Mapping[str, Outcome] = {
    "self_service": Outcome.SELF_SERVICE,
    "out_of_scope": Outcome.OUT_OF_SCOPE,
    "callback_promised": Outcome.CALLBACK_PROMISED,
}
"""Outcomes that a flow itself may give a call."""
