"""A `listen` step on a caller's telephone, Asterisk's side played over a real socket."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from ivr.agi import CallerGone, Session
from ivr.listen import COST, Listener
from ivr.play import Player
from ivr.speech.breaker import Met
from schemas.calls import CallId
from schemas.city import City, Spoken
from schemas.events import Event, PromptPlayed, Said, Waited
from schemas.moves import Heard, Listen, Say
from schemas.numbers import Register
from schemas.speech import Meaning

pytestmark = pytest.mark.unit

ID = CallId("n1-1795398938.1")
CITY = City(
    folder=Path("nowhere"),
    register=Register(MappingProxyType({})),
    prompts={"a": Spoken("a", 4.0), "b": Spoken("b", 2.5), "unmeasured": Spoken("c", 0.0)},
)
HUNG_UP = "HANGUP\n200 result=-1\n"
A, B, QUIET = "hotline/a", "hotline/b", "speech/quiet"
BEGAN, SILENCE, LATE, FAILED = (
    f'200 result=1 (speech) endpos=0 results=1 score0=0 text0="" grammar0={kind}\n'
    for kind in ("began", "silence", "late", "failed")
)
TIMEOUT = "200 result=1 (timeout) endpos=0\n"
GONE = "200 result=1 (speech) endpos=0 results=0 \n"


def final(text: str, score: int = 80) -> str:
    return (
        f'200 result=1 (speech) endpos=0 results=1 score0={score} text0="{text}" grammar0=final\n'
    )


def key(pressed: str) -> str:
    return f"200 result=1 (digit) digit={pressed} endpos=0\n"


Reply = tuple[float, str | None]
"""Seconds that pass, and what Asterisk answers."""


@dataclass
class Telephone:
    """Performs moves one after the other, with a recogniser behind Asterisk."""

    serving: Any
    asterisk_side: Any
    block: Callable[..., bytes]
    clock: Any
    offered: bool = True
    heard: list[Heard] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    met: list[Met] = field(default_factory=list)
    among: list[tuple[str, ...]] = field(default_factory=list)
    left: bool = False

    def understand(self, text: str, among: Iterable[str], /) -> Meaning:
        self.among.append(tuple(among))
        known = {"停水": Meaning(intent="line-40", confidence=0.9, sure=True),
                 "公单": Meaning(intent="progress", confidence=0.4)}  # fmt: skip
        return known.get(text, Meaning())

    async def perform(
        self,
        *moves: Listen | Say,
        recognize: Sequence[Reply] = (),
        answers: Mapping[str, Any] | None = None,
    ) -> list[list[str]]:
        """Return the commands Asterisk got, TIMEOUT(absolute) as `["alive", seconds]`."""
        listener = Listener(
            offered=lambda: self.offered, met=self.met.append,
            understand=lambda _: self.understand, model=lambda: "m", longest=10, answer_within=1,
        )  # fmt: skip

        async def script(session: Session) -> None:
            player = Player(
                session=session, city=CITY, call=ID, caller="139", report=self.events.append,
                lookups=None, clock=self.clock, listener=listener,  # type: ignore[arg-type]
            )  # fmt: skip
            try:
                for move in moves:
                    self.heard.append(await player.perform(move))
            except CallerGone:
                self.left = True
                raise

        replies = list(recognize)

        def recognise(_: list[str]) -> str | None:
            passed, reply = replies.pop(0)
            self.clock.now += passed
            return reply

        usual = {
            "SPEECH CREATE": "200 result=1\n",
            "SPEECH SET": "200 result=1\n",
            "SPEECH RECOGNIZE": recognise,
            "SPEECH DESTROY": "200 result=1\n",
            "STREAM FILE hotline/a": self.clock.after(4.0, "200 result=0 endpos=0\n"),
            "STREAM FILE hotline/b": self.clock.after(2.5, "200 result=0 endpos=0\n"),
            "WAIT FOR DIGIT": self.waits,
        }
        async with self.serving(script) as server:
            side = self.asterisk_side(server.port, {**(answers or {}), **usual, **(answers or {})})
            await side.call(self.block("12345"))
        assert not replies, "asked for fewer words than it should"
        return [
            ["alive", words[3]] if words[:2] == ["SET", "VARIABLE"] else words
            for words in side.commands
        ]

    def waits(self, words: list[str]) -> str:
        self.clock.now += int(words[3]) / 1000
        return "200 result=0\n"

    @property
    def told(self) -> list[tuple[str, float, str | None]]:
        """What the ledger learns: prompt or step, seconds, key."""
        return [
            (e.prompt if isinstance(e, PromptPlayed) else e.step, e.seconds, e.key)
            for e in self.events
            if isinstance(e, PromptPlayed | Waited)
        ]

    @property
    def said(self) -> list[Said]:
        return [e for e in self.events if isinstance(e, Said)]


@pytest.fixture
def telephone(serving: Any, asterisk_side: Any, block: Any, clock: Any) -> Telephone:
    return Telephone(serving, asterisk_side, block, clock)


def ask(*prompts: str, wait: float = 2.5, key_wait: float = 3.0) -> Listen:
    return Listen(
        step="f/l", prompts=prompts, wait=wait, key_wait=key_wait, intents=("line-40", "agent")
    )


def speech(commands: list[list[str]]) -> list[str]:
    """Return what was asked of the recogniser: `RECOGNIZE sound timeout`, `listen …`."""
    return [
        words[3] if words[1] == "SET" else " ".join(words[1:])
        for words in commands
        if words[0] == "SPEECH"
    ]


async def test_words_under_the_prompt_cut_it_and_are_collected_to_their_end(
    telephone: Telephone,
) -> None:
    commands = await telephone.perform(ask("a"), recognize=[(1.5, BEGAN), (2.25, final("停水"))])
    assert speech(commands) == [
        "CREATE hotline",
        "call=n1-1795398938.1;step=1;give_up=4000;barge=1",
        "RECOGNIZE hotline/a 1",
        "call=n1-1795398938.1;step=2;give_up=11000;barge=0",
        "RECOGNIZE speech/quiet 12",
        "DESTROY",
    ]
    assert telephone.heard == [Heard(intent="line-40", sure=True)]
    assert telephone.told == [("a", 1.5, None), ("f/l", 2.25, None)]
    assert telephone.said == [
        Said(call=ID, at=1003.75, step="f/l", text="停水", score=80, intent="line-40",
             confidence=0.9, engine="m", seconds=3.75)
    ]  # fmt: skip
    assert telephone.among == [("line-40", "agent")]
    assert telephone.met == [Met.BEGUN, Met.GOOD]
    assert [words[1] for words in commands if words[0] == "alive"] == ["11", "16"]


async def test_words_after_the_prompts_are_waited_for_as_long_as_the_step_says(
    telephone: Telephone,
) -> None:
    commands = await telephone.perform(
        ask("a", "b"),
        recognize=[(4.0, SILENCE), (2.5, SILENCE), (1.0, BEGAN), (2.0, final("公单"))],
    )
    assert speech(commands)[1:-1:2] == [
        "call=n1-1795398938.1;step=1;give_up=4000;barge=1",
        "call=n1-1795398938.1;step=2;give_up=2500;barge=1",
        "call=n1-1795398938.1;step=3;give_up=2500;barge=1",
        "call=n1-1795398938.1;step=4;give_up=11000;barge=0",
    ]
    assert telephone.heard == [Heard(intent="progress", sure=False)]
    assert telephone.told == [("a", 4.0, None), ("b", 2.5, None), ("f/l", 3.0, None)]


@pytest.mark.parametrize(
    ("recognize", "heard", "told", "said"),
    [
        ([(4.0, SILENCE), (2.5, SILENCE)], Heard(), [("a", 4.0, None), ("f/l", 2.5, None)], ""),
        ([(4.0, SILENCE), (0.5, BEGAN), (2.0, SILENCE)], Heard(),
         [("a", 4.0, None), ("f/l", 2.5, None)], ""),
        # sound without words is no word that means nothing
        ([(1.0, BEGAN), (3.0, final(""))], Heard(), [("a", 1.0, None), ("f/l", 3.0, None)], ""),
        ([(1.0, BEGAN), (3.0, final("嗯"))], Heard(intent="", sure=False),
         [("a", 1.0, None), ("f/l", 3.0, None)], "嗯"),
        ([(1.0, final("停水"))], Heard(intent="line-40"), [("a", 1.0, None)], "停水"),
        ([(1.0, key("2"))], Heard(key="2"), [("a", 1.0, "2")], ""),
        ([(1.0, key("#"))], Heard(key="#"), [("a", 1.0, "#")], ""),
        ([(4.0, SILENCE), (1.0, key("*"))], Heard(key="*"),
         [("a", 4.0, None), ("f/l", 1.0, "*")], ""),
        ([(1.0, BEGAN), (1.0, key("0"))], Heard(key="0"),
         [("a", 1.0, None), ("f/l", 1.0, "0")], ""),
    ],
)  # fmt: skip
async def test_words_keys_and_silence_each_end_the_step_once(
    telephone: Telephone,
    recognize: Sequence[Reply],
    heard: Heard,
    told: list[tuple[str, float, str | None]],
    said: str,
) -> None:
    commands = await telephone.perform(ask("a"), recognize=recognize)
    assert telephone.heard == [heard]
    assert telephone.told == told
    assert [event.text for event in telephone.said] == [said] * bool(said)
    assert telephone.met == [Met.BEGUN, Met.GOOD if heard.key is None else Met.PASSED]
    assert speech(commands)[-1] == "DESTROY"


@pytest.mark.parametrize("reply", [key("2"), final("停水")])
async def test_what_ends_the_step_under_a_prompt_ends_the_prompt_too(
    telephone: Telephone, reply: str
) -> None:
    # Asterisk plays on after a result or key, until something else is played
    commands = await telephone.perform(ask("a", "b"), recognize=[(1.0, reply)])
    assert [words[:3] for words in commands if words[0] == "STREAM"] == [["STREAM", "FILE", QUIET]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('停水" grammar0=began', '停水" grammar0=began'),
        ('" grammar0=final score1=1 text1="停水', '" grammar0=final score1=1 text1="停水'),
        ("(timeout) endpos=0", "(timeout) endpos=0"),
        ("result=1 (digit) digit=1", "result=1 (digit) digit=1"),
        ("停\x00水\x1b[2J", "停\x00水\x1b[2J"),
        ("人" * 200, "人" * 200),
    ],
)
async def test_what_callers_say_is_never_taken_for_what_asterisk_says(
    telephone: Telephone, text: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    await telephone.perform(ask("a"), recognize=[(1.0, BEGAN), (1.0, final(text))])
    assert [event.text for event in telephone.said] == [said]
    assert telephone.heard == [Heard(intent="", sure=False)]
    assert caplog.text == ""


async def test_two_results_at_once_are_one(telephone: Telephone) -> None:
    twice = (
        '200 result=1 (speech) endpos=0 results=2 score0=7 text0="停水" grammar0=final '
        'score1=9 text1="" grammar1=began\n'
    )
    await telephone.perform(ask("a"), recognize=[(1.0, twice)])
    assert telephone.heard == [Heard(intent="line-40")]
    assert [event.score for event in telephone.said] == [7]


# ---- speech that does not work


async def test_while_speech_is_not_offered_keys_are_taken(telephone: Telephone) -> None:
    telephone.offered = False
    commands = await telephone.perform(ask("a"))
    assert commands == [
        ["alive", "12"],
        ["STREAM", "FILE", A, "0123456789*#"],
        ["WAIT", "FOR", "DIGIT", "3000"],
    ]
    assert telephone.heard == [Heard()]
    assert telephone.met == []


TROUBLES: Mapping[str, tuple[list[Reply], Met]] = {
    "it dies under the prompt": ([(2.5, GONE)], Met.FAILED),
    "it says so under the prompt": ([(1.5, FAILED)], Met.FAILED),
    "it never says anything": ([(4.9, TIMEOUT)], Met.MUTE),
    "it speaks another language": ([(1.0, BEGAN.replace("began", "menu"))], Met.FAILED),
    "it dies after the prompt": ([(4.0, SILENCE), (0.5, GONE)], Met.FAILED),
    "it falls silent after the prompt": ([(4.0, SILENCE), (3.0, TIMEOUT)], Met.MUTE),
    "it dies in a sentence": ([(1.5, BEGAN), (2.0, GONE)], Met.FAILED),
    "it is late": ([(1.5, BEGAN), (3.0, LATE)], Met.LATE),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_whatever_is_wrong_with_speech_keys_go_on_within_a_second(
    telephone: Telephone, clock: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    recognize, met = TROUBLES[name]
    began = clock.now
    spoken_for = sum(passed for passed, reply in recognize[1:])
    commands = await telephone.perform(ask("a"), recognize=recognize)
    assert telephone.met == [Met.BEGUN, met]
    assert telephone.heard == [Heard()]
    assert ["SPEECH", "DESTROY"] in commands
    assert ["STREAM", "FILE", A, "0123456789*#"] not in commands, "nobody hears a prompt twice"
    by_keys = 4.0 + 3.0
    assert clock.now - began <= max(by_keys, spoken_for) + 1.0
    assert sum(prompt == "a" for prompt, _, _ in telephone.told) == 1
    assert "f/l" in caplog.text
    assert not telephone.said


@pytest.mark.parametrize(
    "answers",
    [
        {"SPEECH": "510 Invalid or unknown command\n"},
        {"SPEECH RECOGNIZE": "510 Invalid or unknown command\n"},
        {"SPEECH RECOGNIZE": "200 result=0\n"},
        {"SPEECH RECOGNIZE": "200 result=-1\n"},
    ],
)
async def test_a_prompt_that_a_recogniser_did_not_begin_is_played(
    telephone: Telephone, clock: Any, answers: Mapping[str, str]
) -> None:
    commands = await telephone.perform(ask("a"), answers=answers)
    assert ["STREAM", "FILE", A, "0123456789*#"] in commands
    assert telephone.told == [("a", 4.0, None), ("f/l", 3.0, None)]
    assert telephone.met == [Met.BEGUN, Met.FAILED]


async def test_a_prompt_under_which_it_died_goes_on_and_is_told_as_played(
    telephone: Telephone, clock: Any
) -> None:
    commands = await telephone.perform(ask("a", "b", key_wait=0), recognize=[(2.5, GONE)])
    # it paused for the second in which Asterisk asked for results
    assert ["WAIT", "FOR", "DIGIT", "2500"] in commands
    assert telephone.told == [("a", 4.0, None), ("b", 2.5, None)]
    assert [words[2] for words in commands if words[0] == "STREAM"] == [B]
    assert clock.now == 1000 + 2.5 + 2.5 + 2.5


async def test_a_key_under_a_prompt_that_goes_on_ends_it(telephone: Telephone) -> None:
    await telephone.perform(
        ask("a", "b"), recognize=[(1.0, FAILED)], answers={"WAIT FOR DIGIT": "200 result=50\n"}
    )
    assert telephone.heard == [Heard(key="2")]
    assert telephone.told == [("a", 1.0, "2")]


@pytest.mark.parametrize(
    ("verb", "seconds", "met"),
    [
        ("SPEECH CREATE", 0.01, Met.REFUSED),
        ("SPEECH CREATE", 0.9, Met.MUTE),
        ("SPEECH SET", 1.0, Met.MUTE),
    ],
)
async def test_a_recogniser_that_hangs_costs_its_time_and_no_more(
    telephone: Telephone, clock: Any, verb: str, seconds: float, met: Met
) -> None:
    reply = "200 result=0\n" if verb == "SPEECH CREATE" else "200 result=1\n"
    answers = {verb: clock.after(seconds, reply)}
    await telephone.perform(ask("a"), answers=answers)
    assert telephone.met == [Met.BEGUN, met]
    assert telephone.told[0] == ("a", 4.0, None)
    assert clock.now <= 1000 + 4.0 + 3.0 + COST + 0.1


async def test_speech_that_failed_once_is_not_tried_again_in_this_call(
    telephone: Telephone,
) -> None:
    commands = await telephone.perform(
        ask("a"), ask("b"), answers={"SPEECH CREATE": "200 result=0\n"}
    )
    assert sum(words[:2] == ["SPEECH", "CREATE"] for words in commands) == 1
    assert telephone.heard == [Heard(), Heard()]
    assert [words[2] for words in commands if words[0] == "STREAM"] == [A, B]


async def test_a_prompt_whose_length_nobody_knows_is_played_to_its_end(
    telephone: Telephone,
) -> None:
    commands = await telephone.perform(
        ask("unmeasured"), recognize=[(7.0, TIMEOUT), (2.5, SILENCE)]
    )
    assert "give_up=60000" in speech(commands)[1]
    assert telephone.met == [Met.BEGUN, Met.GOOD]


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 0.84, 0.86, 0.99])
async def test_asterisk_gives_up_a_moment_after_the_recogniser_should_have_answered(
    telephone: Telephone, clock: Any, fraction: float
) -> None:
    clock.now += fraction
    commands = await telephone.perform(ask("a"), recognize=[(4.0, SILENCE), (2.5, SILENCE)])
    prompt, quiet = [
        int(found[1]) for words in speech(commands) if (found := re.search(r"/\w+ (\d+)$", words))
    ]
    # clock seconds from the one in which the sound ended
    for timeout, expected in ((prompt, 0.0), (quiet, 2.5)):
        late = timeout - fraction - expected
        assert 0.1 < late < 1.4


# ---- who hangs up


@pytest.mark.parametrize(
    ("recognize", "told"),
    [
        ([(1.5, HUNG_UP)], [("a", 1.5, True)]),
        ([(1.5, None)], [("a", 1.5, True)]),
        ([(1.5, "200 result=1 (hangup) endpos=0\n")], [("a", 1.5, True)]),
        ([(1.5, BEGAN), (0.5, HUNG_UP)], [("a", 1.5, False), ("f/l", 0.5, True)]),
        ([(4.0, SILENCE), (0.5, HUNG_UP)], [("a", 4.0, False), ("f/l", 0.5, True)]),
    ],
)
async def test_who_hangs_up_is_told_as_having_left_in_this_very_step(
    telephone: Telephone, recognize: Sequence[Reply], told: list[tuple[str, float, bool]]
) -> None:
    await telephone.perform(ask("a"), Say(step="f/s", prompts=("b",)), recognize=recognize)
    assert telephone.met == [Met.BEGUN, Met.PASSED]
    assert telephone.left
    assert not telephone.heard
    assert not telephone.said
    assert [
        (e.prompt if isinstance(e, PromptPlayed) else e.step, e.seconds, e.left)
        for e in telephone.events
        if isinstance(e, PromptPlayed | Waited)
    ] == told


@pytest.mark.parametrize("verb", ["SPEECH DESTROY", "WAIT FOR DIGIT"])
async def test_who_hangs_up_while_a_prompt_goes_on_left_in_it(
    telephone: Telephone, verb: str
) -> None:
    await telephone.perform(ask("a"), recognize=[(1.5, GONE)], answers={verb: HUNG_UP})
    assert telephone.left
    lefts = [e for e in telephone.events if isinstance(e, PromptPlayed | Waited)]
    assert [(type(e), e.left) for e in lefts] == [(PromptPlayed, True)]


async def test_who_hangs_up_when_a_sentence_was_lost_left_while_speaking(
    telephone: Telephone,
) -> None:
    await telephone.perform(
        ask("a"), recognize=[(1.5, BEGAN), (1.0, GONE)], answers={"SPEECH DESTROY": HUNG_UP}
    )
    assert telephone.left
    assert telephone.told == [("a", 1.5, None), ("f/l", 1.0, None)]
