"""Call control by ear: what caller, agent, third party and supervisor heard of each other."""

import asyncio
import itertools
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from bench.stack import Stack
from hotline.carrier import Behaviour, Carrier, CitizensCall
from tests.real import raw_sip, whole
from tests.real.hearing import AGENT, BOSS, CITIZEN, THIRD, Ear, Heard, Moment, moment
from tests.real.whole import has

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("control"),
]

KEY = "ww0"
CUT = "w#"
"""What a third party presses who does not want to hear what it is about."""
AT_ONCE = 6
"""Scenarios that run side by side: more and two cores cannot keep the sound whole."""
OTHERS = ("2001", "2002", "2003", "2004")
"""Agents without a citizen of their own: who is asked, who picks up, who supervises."""
_callers = itertools.count(13_700_000_000)


Answers = tuple["asyncio.Future[Any]", "asyncio.Future[Any]"]
"""That a phone answers, and that it speaks."""


def answers_of(city: Carrier, phone: str) -> Answers:
    """Return what can be awaited of the next call to *phone*."""
    return city.expect("PhoneAnswered", Phone=phone), city.expect("PhoneSpeaks", Phone=phone)


@dataclass
class Talk:
    """One citizen with one agent, and what everybody hears."""

    service: Stack
    city: Carrier
    agent: str
    caller: str
    call: CitizensCall
    citizen: Ear
    ears: dict[str, Ear] = field(default_factory=dict)
    phones: dict[str, str] = field(default_factory=dict)
    """Channels of the city, to hang up."""
    id: str = ""
    free: "deque[str]" = field(default_factory=deque)

    async def ask(self, do: str, target: str | None = None, *, by: str | None = None) -> Any:
        """Ask by REST, as the agent does; return the answer's status and body."""
        body = {"do": do} | ({"target": target} if target else {})
        token = self.service.desk_tokens[by or self.agent]
        async with self.service.http.post(
            f"{self.service.web}/api/v1/calls/{self.id}/control",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
        ) as answer:
            return answer.status, await answer.json()

    async def do(self, do: str, target: str | None = None, *, by: str | None = None) -> str:
        """Ask, and return the mode it led to."""
        status, body = await self.ask(do, target, by=by)
        assert status == 200, (body, await self.timeline())
        return str(body["mode"])

    async def refused(self, do: str, target: str | None = None, *, by: str | None = None) -> str:
        """Ask, and return the code of the error."""
        status, body = await self.ask(do, target, by=by)
        assert status >= 400, body
        assert body["message"], "a sentence"
        return str(body["error"])

    async def mode(self, wanted: str, within: float = 12) -> None:
        """Wait until the call stands as *wanted*."""

        async def now() -> str:
            url = f"{self.service.web}/api/v1/calls/{self.id}/control"
            async with self.service.http.get(url) as answer:
                said = await answer.json()
                return str(said["mode"] if answer.status == 200 else said["error"])

        try:
            await self.service.until(now, lambda mode: mode == wanted, within=within)
        except TimeoutError:
            pytest.fail(f"mode {await now()}, not {wanted}: {await self.timeline()}")

    async def listen(self, phone: str, answered: Answers, name: str = "") -> None:
        """Take the recording of a phone that answers; return when it speaks."""
        async with asyncio.timeout(15):
            said, _ = await asyncio.gather(*answered)
        ear = Ear(self.city.heard / said["File"], float(said["Timestamp"]))
        self.ears[name or phone] = ear
        self.phones[name or phone] = said["Channel"]

    async def hears(self, phone: str, *tones: float, within: float = 10) -> None:
        """Wait until a phone hears exactly these tones, by a recorder that begins only now.

        For a phone whose stream was replaced in mid-call. The one that it has recorded with since
        its answer may be deaf by then, see `a_blind_transfer_is_answered`.
        """
        channel, city = self.phones[phone], self.city
        numbers = itertools.count(1)

        async def listened() -> Heard:
            file = city.heard / f"{phone}-{self.caller}-{next(numbers)}.wav"
            inside = city.instance.installation.inside(file)
            await asyncio.sleep(0.2)  # the decoder of the one before goes with the next packets
            ear = Ear(file, time.time())
            await city.link.act("MixMonitor", Channel=channel, Options=f"r({inside})")
            at = await moment()
            await city.link.act("StopMixMonitor", Channel=channel)
            await ear.load()
            heard.append(ear.only(at, *tones))
            return heard[-1]

        heard: list[Heard] = []
        await city.link.act("StopMixMonitor", Channel=channel)
        try:
            await self.service.until(listened, bool, within=within)
        except TimeoutError:
            pytest.fail(f"{phone} within {within:g} s: {heard}")

    async def hang_up(self, phone: str) -> None:
        """Let a phone hang up."""
        gone = self.city.expect("PhoneGone", Phone=phone.split()[0])
        await self.city.link.act("Hangup", Channel=self.phones[phone])
        async with asyncio.timeout(10):
            await gone

    async def over(self) -> whole.Row:
        """Let the citizen hang up, load what was heard, return the closed call."""
        await self.city.hang_up(self.call)
        async with asyncio.timeout(10):
            await self.call.ended.wait()
        row = await whole.closed(self.service, self.caller)
        await self.load()
        self.free.append(self.agent)
        return row

    async def load(self) -> None:
        """Read what was heard, once all have hung up."""
        for ear in (self.citizen, *self.ears.values()):
            await ear.load()

    async def timeline(self) -> list[str]:
        """Return what happened, for people."""
        found = await self.service.get(f"/api/v1/calls/{self.id}")
        return [f"{e['kind']} {e['detail']}" for e in found["timeline"]]

    @property
    def own(self) -> Ear:
        """What the agent heard."""
        return self.ears[self.agent]


@dataclass
class House:
    """The service and its city."""

    service: Stack
    city: Carrier
    free: "deque[str]"
    """Agents without a citizen, the longest rested first."""
    answers: dict[str, Answers] = field(default_factory=dict)

    async def talk(self) -> Talk:
        """Return a citizen who talks to an agent; both have their tone.

        Each call of this signs one agent on and lets one citizen in: whoever meets whom.
        """
        fresh = self.free.popleft()
        await self.city.behave(**{f"phone_{fresh}": Behaviour(voice=f"tone:{AGENT:g}")})
        self.answers[fresh] = answers_of(self.city, fresh)
        await self.service.wish(fresh, "ready")
        await self.service.until(self.service.members, lambda there: fresh in there)
        caller = str(next(_callers))
        call = await self.city.call("12345", caller=caller, keys=KEY, voice=f"tone:{CITIZEN:g}")
        async with asyncio.timeout(15):
            await call.answered.wait()
        citizen = Ear(call.heard, call.since)
        found = await whole.row(self.service, caller, has(state="talking", ticket_id=...))
        agent = found["agent"]
        made = Talk(
            self.service, self.city, agent, caller, call, citizen, id=found["id"], free=self.free
        )
        await made.listen(agent, self.answers[agent])
        await self.service.wish(agent, "offline")  # the next citizen is another scenario's
        return made

    async def third(self, line: str, **more: Any) -> Answers:
        """Let a line of the city answer with its tone; return the future of its answer."""
        more = {"keys": CUT, **more}
        await self.city.behave(**{f"line_{line}": Behaviour(voice=f"tone:{THIRD:g}", **more)})
        return answers_of(self.city, line)


def asked(row: whole.Row) -> list[tuple[str, ...]]:
    """Return who asked what of the call, and how it went."""
    rows = [e["detail"] for e in row["timeline"] if e["kind"] == "Controlled"]
    return [tuple(r[k] for k in ("who", "do", "target", "result") if k in r) for r in rows]


# ---- scenarios; each has an agent of its own and runs beside the others


async def a_consultation_becomes_a_transfer(house: House) -> None:
    answers = await house.third("3260001")
    this = await house.talk()
    before = await moment()
    assert await this.do("consult", "3260001") == "dialling"
    await this.listen("3260001", answers)
    await this.mode("consulting")
    apart = await moment()
    assert await this.do("complete") == "outside"
    after = await moment()
    await whole.state(house.service, this.agent, "offline")
    row = await this.over()
    citizen, other = this.citizen, this.ears["3260001"]
    assert citizen.only(before, AGENT)
    assert this.own.only(before, CITIZEN)
    assert citizen.only(apart)
    assert citizen.loud(apart), "music"
    assert this.own.only(apart, THIRD)
    assert other.only(apart, AGENT)
    assert citizen.only(after, THIRD)
    assert other.only(after, CITIZEN)
    assert (row["outcome"], row["agent"]) == ("transferred", this.agent)
    kinds = [e["kind"] for e in row["timeline"]]
    assert kinds.count("AgentFinished") == 1
    assert asked(row) == [
        (this.agent, "consult", "3260001", "ok"),
        (this.agent, "complete", "ok"),
    ]


async def a_blind_transfer_is_answered(house: House) -> None:
    # Two legs of one carrier are bridged packet by packet: what the third party gets goes on with
    # another source and the sequence numbers of the citizen's packets, which RTP allows. Debian's
    # Asterisk, which the city is, takes a packet for late whose number is up to 32767 below that of
    # the last, and does not decode it: every other time, who began before is deaf for minutes.
    answers = await house.third("3260002")
    this = await house.talk()
    assert await this.do("transfer", "3260002") in ("none", "outside")
    await this.listen("3260002", answers)
    await this.mode("outside")
    await this.hears("3260002", CITIZEN)
    await whole.state(house.service, this.agent, "offline")
    row = await this.over()
    assert row["outcome"] == "transferred"


async def who_is_handed_over_blindly_hears_the_other_side(house: House) -> None:
    # The other direction of `a_blind_transfer_is_answered`. On a citizen's side the city decodes in
    # its own bridge, which lasts as long as the call: this citizen listens to the wire.
    answers = await house.third("3260022")
    caller = str(next(_callers))
    agent = house.free.popleft()
    await house.city.behave(**{f"phone_{agent}": Behaviour(voice=f"tone:{AGENT:g}")})
    house.answers[agent] = answers_of(house.city, agent)
    async with raw_sip.line(house.service.sip) as line:
        await house.service.wish(agent, "ready")
        await house.service.until(house.service.members, lambda there: agent in there)
        call = line.invite(caller=caller)
        await call.hears()
        call.press("0")
        found = await whole.row(house.service, caller, has(state="talking"))
        await house.service.wish(found["agent"], "offline")

        async def tones() -> tuple[float, float]:
            sound = whole.of_ulaw(call.heard[-12000:])
            return tuple(whole.seconds_of_tone(sound, hz) for hz in (AGENT, THIRD))  # type: ignore

        await house.service.until(tones, lambda heard: heard[0] > 1 and heard[1] == 0)
        async with house.service.http.post(
            f"{house.service.web}/api/v1/calls/{found['id']}/control",
            json={"do": "transfer", "target": "3260022"},
        ) as answer:
            assert answer.status == 200, await answer.text()
        async with asyncio.timeout(10):
            await answers[1]
        await house.service.until(tones, lambda heard: heard[1] > 1 and heard[0] == 0)
        call.hang_up()
        await call.gone()
    assert (await whole.closed(house.service, caller))["outcome"] == "transferred"
    house.free.append(found["agent"])


async def _fails(house: House, manner: str) -> None:
    line = f"32600{len(manner)}0"
    await house.third(line, manner=manner)
    this = await house.talk()
    agent = this.agent
    again = answers_of(house.city, agent)
    assert await this.do("transfer", line) == "none"
    await this.listen(agent, again, "again")
    await this.mode("talking")
    after = await moment()
    row = await this.over()
    assert this.citizen.only(after, AGENT)
    assert this.ears["again"].only(after, CITIZEN)
    assert (row["outcome"], row["agent"], row["queue"]) == ("answered", agent, f"agent-{agent}")


async def a_busy_number_gives_the_caller_back_to_the_same_agent(house: House) -> None:
    await _fails(house, "busy")


async def a_number_that_does_not_answer_gives_the_caller_back(house: House) -> None:
    await _fails(house, "ringout")


async def a_number_that_rejects_gives_the_caller_back(house: House) -> None:
    await _fails(house, "reject")


async def who_is_held_hears_music_and_nobody(house: House) -> None:
    this = await house.talk()
    assert await this.do("hold") == "held"
    held = await moment(1.6)
    assert await this.refused("hold") == "conflict"
    assert await this.do("retrieve") == "talking"
    after = await moment()
    row = await this.over()
    assert this.citizen.only(held)
    assert this.citizen.loud(held)
    assert this.own.only(held)
    assert this.citizen.only(after, AGENT)
    assert this.own.only(after, CITIZEN)
    assert row["outcome"] == "answered"
    assert asked(row) == [
        (this.agent, "hold", "ok"),
        (this.agent, "hold", "conflict"),
        (this.agent, "retrieve", "ok"),
    ]


async def a_consultation_that_fails_brings_the_caller_back(house: House) -> None:
    this = await house.talk()
    for manner in ("busy", "reject", "ringout"):
        line = f"326000{len(manner)}7"
        await house.third(line, manner=manner)
        await this.do("consult", line)
        await this.mode("talking")
        after = await moment()
    row = await this.over()
    assert this.citizen.only(after, AGENT)
    assert this.own.only(after, CITIZEN)
    assert row["outcome"] == "answered"
    ends = [e["detail"]["status"] for e in row["timeline"] if e["kind"] == "ThirdLeft"]
    assert (ends[0], ends[2]) == ("BUSY", "NOANSWER")


async def three_hear_each_other_and_two_when_the_agent_has_left(house: House) -> None:
    answers = await house.third("812369", ring=1)
    this = await house.talk()
    assert await this.do("three_way", "12369") == "calling"  # the owner's seat of a dual-run number
    await this.listen("812369", answers)
    await this.mode("three_way")
    three = await moment()
    assert await this.do("hold") == "consulting"
    apart = await moment()
    assert await this.do("merge") == "three_way"
    assert await this.do("complete") == "outside"
    two = await moment()
    row = await this.over()
    other = this.ears["812369"]
    assert this.citizen.only(three, AGENT, THIRD)
    assert this.own.only(three, CITIZEN, THIRD)
    assert other.only(three, CITIZEN, AGENT)
    assert this.citizen.only(apart)
    assert this.own.only(apart, THIRD)
    assert this.citizen.only(two, THIRD)
    assert other.only(two, CITIZEN)
    assert row["outcome"] == "transferred"


async def the_agent_stays_until_the_police_have_answered(house: House) -> None:
    answers = await house.third("110", ring=2, keys="")
    this = await house.talk()
    assert await this.refused("transfer", "110") == "conflict"
    assert await this.do("three_way", "110") == "calling"
    assert await this.refused("hang_up") == "conflict"
    assert await this.refused("complete") == "conflict"
    await this.listen("110", answers)
    await this.mode("three_way")
    three = await moment()
    await house.city.hang_up(this.call)
    row = await whole.closed(house.service, this.caller)
    two = await moment()  # the citizen has fled; agent and police go on
    assert (await house.service.get(f"/api/v1/agents/{this.agent}"))["state"] == "talking"
    await this.hang_up("110")
    await whole.state(house.service, this.agent, "offline")
    await this.load()
    house.free.append(this.agent)
    police = this.ears["110"]
    assert this.citizen.only(three, AGENT, THIRD)
    assert this.own.only(three, CITIZEN, THIRD)
    assert police.only(three, CITIZEN, AGENT)
    assert this.own.only(two, THIRD)
    assert police.only(two, AGENT)
    assert row["outcome"] == "emergency"


async def busy_police_leave_the_caller_with_the_agent(house: House) -> None:
    await house.third("119", manner="busy")
    this = await house.talk()
    await this.do("three_way", "119")
    await this.mode("talking")
    after = await moment()
    row = await this.over()
    assert this.citizen.only(after, AGENT)
    assert this.own.only(after, CITIZEN)
    assert row["outcome"] == "answered"


async def an_agent_who_hangs_up_on_a_held_caller_is_rung_again(house: House) -> None:
    this = await house.talk()
    assert await this.do("hold") == "held"
    again = answers_of(house.city, this.agent)
    await this.hang_up(this.agent)
    await this.listen(this.agent, again, "again")
    await this.mode("talking")
    after = await moment()
    row = await this.over()
    assert this.citizen.only(after, AGENT)
    assert this.ears["again"].only(after, CITIZEN)
    assert row["outcome"] == "answered"


async def an_agent_who_hangs_up_in_a_consultation_completes_it(house: House) -> None:
    answers = await house.third("3260012")
    this = await house.talk()
    await this.do("consult", "3260012")
    await this.listen("3260012", answers)
    await this.mode("consulting")
    await this.hang_up(this.agent)
    await this.mode("outside")
    after = await moment()
    row = await this.over()
    assert this.citizen.only(after, THIRD)
    assert this.ears["3260012"].only(after, CITIZEN)
    assert row["outcome"] == "transferred"


async def an_agent_who_hangs_up_while_it_rings_gets_the_caller_back(house: House) -> None:
    await house.third("3260013", manner="ringout")
    this = await house.talk()
    rings = house.city.expect("LineRings", Line="3260013")
    await this.do("consult", "3260013")
    async with asyncio.timeout(10):
        await rings
    again = answers_of(house.city, this.agent)
    await this.hang_up(this.agent)
    await this.listen(this.agent, again, "again")
    await this.mode("talking")
    after = await moment()
    row = await this.over()
    assert this.citizen.only(after, AGENT)
    assert row["outcome"] == "answered"
    ends = [e["detail"]["status"] for e in row["timeline"] if e["kind"] == "ThirdLeft"]
    assert ends == ["CANCEL"]


async def who_was_asked_and_hangs_up_leaves_caller_and_agent_together(house: House) -> None:
    answers = await house.third("3260014")
    this = await house.talk()
    await this.do("consult", "3260014")
    await this.listen("3260014", answers)
    await this.mode("consulting")
    await this.hang_up("3260014")
    await this.mode("talking")
    together = await moment()
    again = await house.third("3260024")
    await this.do("three_way", "3260024")
    await this.listen("3260024", again)
    await this.mode("three_way")
    assert await this.do("cancel") == "talking"
    alone = await moment()
    row = await this.over()
    for at in (together, alone):
        assert this.citizen.only(at, AGENT)
        assert this.own.only(at, CITIZEN)
    assert row["outcome"] == "answered"


async def a_parked_caller_is_taken_by_another_agent(house: House) -> None:
    this = await house.talk()
    assert await this.refused("hold", by=OTHERS[2]) == "forbidden"
    assert await this.do("park") == "parked"
    await whole.state(house.service, this.agent, "offline")
    parked = await moment()
    assert await this.refused("retrieve") == "conflict"
    other = OTHERS[0]
    await house.city.behave(**{f"phone_{other}": Behaviour(voice=f"tone:{AGENT:g}")})
    answers = answers_of(house.city, other)
    await this.do("pick_up", by=other)
    await this.listen(other, answers)
    await this.mode("talking")
    await whole.state(house.service, other, "talking")
    await moment(0.6)  # a parked caller looks twice a second whether somebody has come
    after = await moment()
    row = await this.over()
    await whole.state(house.service, other, "offline")
    assert this.citizen.only(parked)
    assert this.citizen.loud(parked)
    assert this.citizen.only(after, AGENT)
    assert this.ears[other].only(after, CITIZEN)
    assert (row["outcome"], row["agent"]) == ("answered", other)


async def a_paused_recording_is_silent_and_goes_on_afterwards(house: House) -> None:
    this = await house.talk()
    begun = await moment()
    await this.do("pause_recording")
    assert await this.refused("pause_recording") == "conflict"
    paused = await moment()
    await this.do("resume_recording")
    after = await moment()
    row = await this.over()
    starts = [
        datetime.fromisoformat(e["at"]).timestamp()
        for e in row["timeline"]
        if e["kind"] == "RecordingStarted"
    ]
    recorded = Ear(house.service.asterisk.recordings / row["recording"], starts[0])
    await recorded.load()
    assert recorded.only(begun, CITIZEN, AGENT)
    assert not recorded.loud(paused)
    assert recorded.only(after, CITIZEN, AGENT)
    assert len(starts) == 1
    assert this.citizen.only(paused, AGENT), "the talk goes on"


async def an_agent_who_was_asked_takes_the_call_over(house: House) -> None:
    other = OTHERS[1]
    await house.city.behave(**{f"phone_{other}": Behaviour(voice=f"tone:{THIRD:g}", keys=CUT)})
    this = await house.talk()
    answers = answers_of(house.city, other)
    async with whole.desk(house.service, other) as desk:
        await this.do("consult", other)
        await this.listen(other, answers)
        pop = await desk.see("pop", caller=this.caller)
        assert pop["call"] == this.id
        await this.mode("consulting")
        await whole.state(house.service, other, "talking")
        assert await this.do("complete") == "talking"
        await whole.state(house.service, this.agent, "offline")
        two = await moment()
        assert await this.refused("hold") == "forbidden"  # it is the other's call now
        assert await this.do("hold", by=other) == "held"
        held = await moment()
        assert await this.do("retrieve", by=other) == "talking"
        row = await this.over()
        await whole.state(house.service, other, "offline")
    assert this.citizen.only(two, THIRD)
    assert this.ears[other].only(two, CITIZEN)
    assert this.citizen.only(held)
    assert (row["outcome"], row["agent"]) == ("answered", other)


async def an_agent_is_handed_a_caller_blindly(house: House) -> None:
    other = OTHERS[2]
    await house.city.behave(**{f"phone_{other}": Behaviour(voice=f"tone:{THIRD:g}", keys=CUT)})
    this = await house.talk()
    answers = answers_of(house.city, other)
    await this.do("transfer", other)
    await this.listen(other, answers)
    await whole.state(house.service, other, "talking")
    after = await moment()
    row = await this.over()
    assert this.citizen.only(after, THIRD)
    assert this.ears[other].only(after, CITIZEN)
    assert (row["outcome"], row["agent"]) == ("answered", other)


async def a_supervisor_listens_whispers_and_comes_in(house: House) -> None:
    boss = OTHERS[3]
    await house.city.behave(**{f"phone_{boss}": Behaviour(voice=f"tone:{BOSS:g}")})
    this = await house.talk()
    heard: dict[str, Moment] = {}
    for mode in ("listen", "whisper", "barge"):
        answers = answers_of(house.city, boss)
        async with house.service.http.post(
            f"{house.service.web}/api/v1/calls/{this.id}/monitor",
            json={"mode": mode, "extension": boss},
        ) as answer:
            assert answer.status == 200, await answer.text()
        await this.listen(boss, answers, f"{boss} {mode}")
        await moment(0.5)
        heard[mode] = await moment()
        await this.hang_up(f"{boss} {mode}")
    async with house.service.http.post(
        f"{house.service.web}/api/v1/calls/{this.id}/monitor",
        json={"mode": "listen", "extension": boss},
        headers={"Authorization": f"Bearer {house.service.desk_tokens[boss]}"},
    ) as answer:
        assert answer.status == 403, "an agent is no supervisor"
    alone = await moment()
    row = await this.over()
    ears = {mode: this.ears[f"{boss} {mode}"] for mode in heard}
    assert ears["listen"].only(heard["listen"], CITIZEN, AGENT)
    assert this.citizen.only(heard["listen"], AGENT)
    assert this.own.only(heard["listen"], CITIZEN)
    assert ears["whisper"].only(heard["whisper"], CITIZEN, AGENT)
    assert this.citizen.only(heard["whisper"], AGENT)
    assert this.own.only(heard["whisper"], CITIZEN, BOSS)
    assert ears["barge"].only(heard["barge"], CITIZEN, AGENT)
    assert this.citizen.only(heard["barge"], AGENT, BOSS)
    assert this.own.only(heard["barge"], CITIZEN, BOSS)
    assert this.citizen.only(alone, AGENT)
    assert [what[1] for what in asked(row)] == ["listen", "whisper", "barge"]
    assert row["outcome"] == "answered"


async def two_requests_at_once_are_one_too_many(house: House) -> None:
    this = await house.talk()
    answers = await asyncio.gather(*(this.ask("hold") for _ in range(3)))
    assert sorted(status for status, _ in answers) == [200, 409, 409]
    await this.mode("held")
    assert await this.refused("consult") == "invalid"
    assert await this.refused("consult", "12336") == "conflict"  # a number that is answered here
    assert await this.refused("consult", this.agent) == "conflict"
    assert await this.do("hang_up") == "none"
    row = await this.over()
    assert row["outcome"] == "answered"


async def who_is_asked_hears_first_what_it_is_about(house: House) -> None:
    answers = await house.third("3260025", keys="")
    this = await house.talk()
    await this.do("consult", "3260025")
    await this.listen("3260025", answers)
    briefed = await moment()
    await this.mode("consulting", within=20)
    apart = await moment()
    assert await this.do("hang_up") == "none"
    row = await this.over()
    other = this.ears["3260025"]
    assert other.only(briefed)
    assert other.loud(briefed), "the number of the ticket"
    assert this.own.only(briefed)
    assert other.only(apart, AGENT)
    assert this.own.only(apart, THIRD)
    times = {e["kind"]: datetime.fromisoformat(e["at"]).timestamp() for e in row["timeline"]}
    told = times["ThirdJoined"] - times["ThirdAnswered"]
    assert 6 < told < 12, "eight seconds: a sentence and fourteen digits"


SCENARIOS = (
    who_is_asked_hears_first_what_it_is_about,
    a_number_that_does_not_answer_gives_the_caller_back,
    a_consultation_that_fails_brings_the_caller_back,
    a_supervisor_listens_whispers_and_comes_in,
    the_agent_stays_until_the_police_have_answered,
    three_hear_each_other_and_two_when_the_agent_has_left,
    an_agent_who_was_asked_takes_the_call_over,
    a_parked_caller_is_taken_by_another_agent,
    who_was_asked_and_hangs_up_leaves_caller_and_agent_together,
    a_consultation_becomes_a_transfer,
    a_blind_transfer_is_answered,
    who_is_handed_over_blindly_hears_the_other_side,
    a_busy_number_gives_the_caller_back_to_the_same_agent,
    a_number_that_rejects_gives_the_caller_back,
    who_is_held_hears_music_and_nobody,
    busy_police_leave_the_caller_with_the_agent,
    an_agent_who_hangs_up_on_a_held_caller_is_rung_again,
    an_agent_who_hangs_up_in_a_consultation_completes_it,
    an_agent_who_hangs_up_while_it_rings_gets_the_caller_back,
    a_paused_recording_is_silent_and_goes_on_afterwards,
    an_agent_is_handed_a_caller_blindly,
    two_requests_at_once_are_one_too_many,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("control")
    settings = {"CALLS__RING": "5", "CALLS__WRAP_UP": "1", "CALLS__TRANSFER_RING": "5"}
    count = len(OTHERS) + 2 * AT_ONCE
    async with whole.service(folder, agents=count, **settings) as made, whole.city(made) as city:
        free = deque(agent for agent, _ in made.agents if agent not in OTHERS)
        yield House(made, city, free)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    request: pytest.FixtureRequest, house: House
) -> AsyncIterator[dict[str, "asyncio.Task[None]"]]:
    """Start the chosen scenarios side by side; each test waits for its own."""
    turns = asyncio.Semaphore(AT_ONCE)
    chosen = {
        item.callspec.params["scenario"]
        for item in request.session.items
        if getattr(item, "callspec", None) and "scenario" in item.callspec.params
    }

    async def run(scenario: Callable[[House], Awaitable[None]]) -> None:
        async with turns:
            await scenario(house)

    tasks = {s.__name__: asyncio.create_task(run(s)) for s in SCENARIOS if s in chosen}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
async def test_by_ear(
    running: dict[str, "asyncio.Task[None]"], scenario: Callable[[House], Awaitable[None]]
) -> None:
    await running[scenario.__name__]


async def test_without_a_controller_every_caller_reaches_a_person_and_a_new_one_knows(
    house: House, running: dict[str, "asyncio.Task[None]"]
) -> None:
    await asyncio.gather(*running.values(), return_exceptions=True)
    service, city = house.service, house.city
    asked, stays, held, rings, kept = await asyncio.gather(*(house.talk() for _ in range(5)))
    for this, line in ((asked, "3260031"), (stays, "3260032")):
        answers = await house.third(line)
        await this.do("consult", line)
        await this.listen(line, answers)
        await this.mode("consulting")
    await held.do("hold")
    await kept.do("hold")
    await kept.do("retrieve")
    await house.third("120", manner="ringout")
    ringing = city.expect("LineRings", Line="120")
    await rings.do("three_way", "120")
    async with asyncio.timeout(10):
        await ringing
    await whole.written(service, *(t.caller for t in (asked, stays, held, rings)), state="talking")

    await service.stop_controller(signal.SIGKILL)
    again = {this.agent: answers_of(city, this.agent) for this in (held, rings)}
    for this in (asked, held, rings, kept):
        await this.hang_up(this.agent)
    async with asyncio.timeout(10):
        await kept.call.ended.wait()  # agent and caller were done with each other
    for this in (held, rings):
        await this.listen(this.agent, again[this.agent], "again")
    await moment(1)
    alone = await moment()

    await service.start_controller()
    await service.ready()
    await asked.mode("outside")
    await stays.mode("consulting")
    for this in (held, rings):
        await this.mode("talking")
        await whole.state(service, this.agent, "talking")
        assert await this.do("hold") == "held"
        assert await this.do("retrieve") == "talking"
    assert await stays.do("complete") == "outside"
    after = await moment()
    rows = [await this.over() for this in (asked, stays, held, rings)]
    assert [r["outcome"] for r in rows] == ["transferred", "transferred", "answered", "answered"]
    assert (await whole.closed(service, kept.caller))["outcome"] == "answered"
    for at in (alone, after):
        assert asked.citizen.only(at, THIRD)
        assert asked.ears["3260031"].only(at, CITIZEN)
        for this in (held, rings):
            assert this.citizen.only(at, AGENT)
            assert this.ears["again"].only(at, CITIZEN)
    assert stays.own.only(alone, THIRD)
    assert stays.citizen.only(after, THIRD)
