"""One move at a time on a caller's telephone, Asterisk's side played over a real socket."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from ivr.agi import CallerGone, Session
from ivr.play import LOOK_WITHIN, Player
from schemas.calls import CallId
from schemas.city import City, Spoken
from schemas.events import Event, PromptPlayed, Waited
from schemas.moves import Collect, Hear, Heard, Listen, Look, Playing, Say
from schemas.numbers import Register

pytestmark = pytest.mark.unit

ID = CallId("n1-1795398938.1")
CITY = City(
    folder=Path("nowhere"),
    register=Register(MappingProxyType({})),
    prompts={"a": Spoken("a", 4.0), "b": Spoken("b", 2.5), "unmeasured": Spoken("c", 0.0)},
)
HUNG_UP = "HANGUP\n200 result=-1\n"
Moves = list[Playing | Look]


@dataclass
class Telephone:
    """Performs moves one after the other and remembers what came of them."""

    serving: Any
    asterisk_side: Any
    block: Callable[..., bytes]
    clock: Any
    heard: list[Heard] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    left: bool = False

    async def lookup(self, what: str, of: str, caller: str, /) -> tuple[str, dict[str, str]]:
        self.clock.now += 0.25
        return f"{what}-{of}", {"caller": caller}

    async def perform(
        self, moves: Moves, answers: Mapping[str, Any] | None = None, lookup: Any = None
    ) -> list[list[str]]:
        """Return the commands Asterisk got, TIMEOUT(absolute) as `["alive", seconds]`."""

        async def script(session: Session) -> None:
            player = Player(
                session=session, city=CITY, call=ID, caller="139", report=self.events.append,
                lookups=lookup or self.lookup, clock=self.clock,
            )  # fmt: skip
            try:
                for move in moves:
                    self.heard.append(await player.perform(move))
            except CallerGone:
                self.left = True
                raise

        async with self.serving(script) as server:
            side = self.asterisk_side(server.port, answers or {})
            await side.call(self.block("12345"))
        return [
            ["alive", words[3]] if words[:2] == ["SET", "VARIABLE"] else words
            for words in side.commands
        ]


@pytest.fixture
def telephone(serving: Any, asterisk_side: Any, block: Any, clock: Any) -> Telephone:
    return Telephone(serving, asterisk_side, block, clock)


def say(*prompts: str) -> Say:
    return Say(step="f/s", prompts=prompts)


def hear(*prompts: str, wait: float = 3.0) -> Hear:
    return Hear(step="f/h", prompts=prompts, wait=wait)


def collect(*prompts: str, most: int = 4) -> Collect:
    return Collect(step="f/c", prompts=prompts, most=most, wait=4.0)


def played(prompt: str, at: float, seconds: float, key: str | None = None, **more: Any) -> Event:
    more.setdefault("step", "f/s")
    return PromptPlayed(call=ID, at=at, prompt=prompt, seconds=seconds, key=key, **more)


def waited(step: str, at: float, seconds: float, key: str | None = None, **more: Any) -> Event:
    return Waited(call=ID, at=at, step=step, seconds=seconds, key=key, **more)


async def test_prompts_are_played_one_after_the_other_and_each_is_told(
    telephone: Telephone, clock: Any
) -> None:
    answers = {
        "STREAM FILE hotline/a": clock.after(4.0, "200 result=0 endpos=32000\n"),
        "STREAM FILE hotline/b": clock.after(1.0, "200 result=53 endpos=16000\n"),
    }
    commands = await telephone.perform([say("a", "b", "a")], answers)
    assert [words[:3] for words in commands] == [
        ["alive", "15"],  # 4 + 2.5 + 4 s, rounded to even, and 5 to spare
        ["STREAM", "FILE", "hotline/a"],
        ["STREAM", "FILE", "hotline/b"],
    ]
    assert telephone.heard == [Heard(key="5")]
    assert telephone.events == [played("a", 1004.0, 4.0), played("b", 1005.0, 1.0, "5")]


@pytest.mark.parametrize(
    ("prompt", "passed", "seconds"),
    [
        ("a", 3.9996, 4.0),
        ("a", 4.2, 4.0),  # a busy controller heard late of the end
        ("a", -1.0, 0.0),  # somebody set the clock
        ("unmeasured", 4.2, 4.2),
        ("missing", 61.0, 60.0),
    ],
)
async def test_how_long_a_prompt_was_heard_is_measured_and_never_longer_than_it_lasts(
    telephone: Telephone, clock: Any, prompt: str, passed: float, seconds: float
) -> None:
    # endpos is of no use: it counts the samples of whichever file Asterisk chose, 8 or 16 kHz
    answers = {"STREAM": clock.after(passed, "200 result=0 endpos=64000\n")}
    await telephone.perform([say(prompt)], answers)
    assert [event.seconds for event in telephone.events if isinstance(event, PromptPlayed)] == [
        seconds
    ]


@pytest.mark.parametrize(
    ("moves", "alive"),
    [
        ([say("a")], ["9"]),
        ([say()], ["5"]),
        ([say("missing")], ["5"]),
        ([hear("a", wait=3.5)], ["13"]),
        ([hear("a"), say("b")], ["12", "7"]),
        ([collect("a", "b")], ["15"]),
        ([Listen(step="f/l", prompts=("a",), wait=9.0, key_wait=2.0, intents=("x",))], ["11"]),
    ],
)
async def test_the_time_limit_covers_each_step_with_five_seconds_to_spare(
    telephone: Telephone, moves: Moves, alive: list[str]
) -> None:
    commands = await telephone.perform(moves)
    assert [words[1] for words in commands if words[0] == "alive"] == alive


@pytest.mark.parametrize(
    ("move", "answers", "heard", "told"),
    [
        (hear("a"), {}, Heard(), [("a", None), ("f/h", None)]),
        (hear("a"), {"WAIT FOR DIGIT 3000": "200 result=50\n"}, Heard(key="2"),
         [("a", None), ("f/h", "2")]),
        (hear("a"), {"STREAM": "200 result=49\n"}, Heard(key="1"), [("a", "1")]),
        (hear("a", wait=0), {}, Heard(), [("a", None)]),
        (hear(), {"WAIT": "200 result=35\n"}, Heard(key="#"), [("f/h", "#")]),
        (say("a"), {}, Heard(), [("a", None)]),
        (say(), {}, Heard(), []),
        (Listen(step="f/l", prompts=("a",), wait=9.0, key_wait=2.0, intents=("x",)),
         {"WAIT FOR DIGIT 2000": "200 result=49\n"}, Heard(key="1"), [("a", None), ("f/l", "1")]),
    ],
)  # fmt: skip
async def test_a_question_takes_a_key_during_or_after_its_prompts(
    telephone: Telephone,
    move: Playing,
    answers: Mapping[str, str],
    heard: Heard,
    told: list[tuple[str, str | None]],
) -> None:
    await telephone.perform([move], answers)
    assert telephone.heard == [heard]
    assert [
        (event.prompt if isinstance(event, PromptPlayed) else event.step, event.key)
        for event in telephone.events
        if isinstance(event, PromptPlayed | Waited)
    ] == told


def keys(*pressed: str) -> Callable[[list[str]], str]:
    """Answer each wait with the next of *pressed*, "" for none."""
    left = list(pressed)
    return lambda _: f"200 result={ord(left.pop(0) or chr(0))}\n"


@pytest.mark.parametrize(
    ("first", "after", "entry"),
    [
        ("0", ["1", "2", "#"], "12"),
        ("0", ["1", "2", "*"], "12"),
        ("0", ["1", "2", ""], "12"),
        ("0", [""], ""),
        ("0", ["1", "2", "3", "4"], "1234"),
        ("55", ["6", "7", "8"], "7678"),
        ("35", [], ""),
    ],
)
async def test_an_entry_ends_with_its_last_digit_a_hash_or_silence(
    telephone: Telephone, clock: Any, first: str, after: list[str], entry: str
) -> None:
    answers = {"STREAM": f"200 result={first}\n", "WAIT FOR DIGIT 4000": keys(*after)}
    commands = await telephone.perform([collect("a")], answers)
    assert telephone.heard == [Heard(digits=entry)]
    limits = [words[1] for words in commands if words[0] == "alive"]
    assert limits == ["13", *["9"] * (len(limits) - 1)]  # anew with each digit but the last
    assert len(limits) == 1 + min(len(entry), 3)
    # which keys were pressed nobody is told
    assert telephone.events[-1] == waited("f/c", clock.now, 0.0)


async def test_an_entry_that_has_begun_is_taken_without_a_prompt(telephone: Telephone) -> None:
    commands = await telephone.perform([collect(most=1)], {"WAIT": "200 result=56\n"})
    assert commands == [["alive", "9"], ["WAIT", "FOR", "DIGIT", "4000"]]
    assert telephone.heard == [Heard(digits="8")]


# ---- who hangs up


@pytest.mark.parametrize(
    ("move", "answers", "told"),
    [
        (say("a"), {"STREAM": HUNG_UP}, played("a", 1000.5, 0.5, left=True)),
        (hear("a"), {"WAIT": HUNG_UP}, waited("f/h", 1000.5, 0.5, left=True)),
        (collect("a"), {"WAIT": HUNG_UP}, waited("f/c", 1000.5, 0.5, left=True)),
        (say("a"), {"STREAM": None}, played("a", 1000.5, 0.5, left=True)),
        (hear("a"), {"WAIT": None}, waited("f/h", 1000.5, 0.5, left=True)),
    ],
)
async def test_who_hangs_up_is_told_as_having_left_in_this_very_step(
    telephone: Telephone, clock: Any, move: Playing, answers: Mapping[str, str | None], told: Event
) -> None:
    late = {verb: clock.after(0.5, reply) for verb, reply in answers.items()}
    await telephone.perform([move, say("b")], late)
    assert telephone.left
    assert not telephone.heard
    assert telephone.events[-1] == told
    assert sum(getattr(event, "left", False) for event in telephone.events) == 1


# ---- what does not work


async def test_a_sound_that_is_not_there_fails_the_step_and_those_before_it_count(
    telephone: Telephone, caplog: pytest.LogCaptureFixture
) -> None:
    answers = {"STREAM FILE hotline/b": "200 result=-1 endpos=0\n"}
    await telephone.perform([hear("a", "b", "a"), say("a")], answers)
    failed, after = telephone.heard
    assert failed.failed is not None
    assert failed.key is None
    assert after == Heard()
    assert [e.prompt for e in telephone.events if isinstance(e, PromptPlayed)] == ["a", "a"]
    assert "f/h" in caplog.text


LOOK = Look(step="f/l", what="ticket", of="12")


async def test_a_lookup_answers_with_a_word_and_variables(telephone: Telephone) -> None:
    await telephone.perform([LOOK])
    assert telephone.heard == [Heard(word="ticket-12", found={"caller": "139"})]
    assert telephone.events == []


async def test_many_lookups_in_a_row_keep_the_caller(telephone: Telephone, clock: Any) -> None:
    commands = await telephone.perform([say("a"), *[LOOK] * 45])
    # the 9 s of the prompt's step last for 28 lookups, every 5 s more for 12
    assert [words[0] for words in commands] == ["alive", "STREAM", "alive", "alive"]


async def test_a_lookup_that_hangs_is_given_up(
    telephone: Telephone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LOOK_WITHIN == 1.0
    monkeypatch.setattr("ivr.play.LOOK_WITHIN", 0.01)
    ended = asyncio.Event()

    async def hang(*_: str) -> tuple[str, dict[str, str]]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    await telephone.perform([LOOK, say("a")], lookup=hang)
    assert telephone.heard == [Heard(failed="ticket was not answered: TimeoutError"), Heard()]
    assert ended.is_set()


async def test_a_lookup_that_fails_costs_no_call_and_tells_no_secret(
    telephone: Telephone, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(what: str, of: str, caller: str, /) -> tuple[str, dict[str, str]]:
        raise RuntimeError(f"{caller} {of}")

    await telephone.perform([LOOK, say("a")], lookup=fail)
    assert telephone.heard == [Heard(failed="ticket was not answered: RuntimeError"), Heard()]
    assert "139" not in caplog.text
