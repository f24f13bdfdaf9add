"""Call control by ear: what caller, agent, third party and supervisor heard of each other."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from bench.stack import Stack
from hotline.carrier import Behaviour, Carrier, CitizensCall
from tests.real import whole
from tests.real.hearing import AGENT, CITIZEN, THIRD, Ear, moment
from tests.real.whole import has

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("control"),
]

KEY = "ww0"
_callers = itertools.count(13_700_000_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("control")
    async with whole.service(
        folder, agents=8, CALLS__RING="5", CALLS__WRAP_UP="1", CALLS__TRANSFER_RING="5"
    ) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(service: Stack) -> AsyncIterator[Carrier]:
    async with whole.city(service) as made:
        yield made


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
    id: str = ""

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
        assert status == 200, body
        return str(body["mode"])

    async def mode(self, wanted: str, within: float = 10) -> None:
        """Wait until the call stands as *wanted*."""

        async def now() -> str:
            said = await self.service.get(f"/api/v1/calls/{self.id}/control")
            return str(said["mode"])

        try:
            await self.service.until(now, lambda mode: mode == wanted, within=within)
        except TimeoutError:
            pytest.fail(f"mode {await now()}, not {wanted}: {await self.timeline()}")

    async def listen(self, phone: str, answered: "asyncio.Future[Any]") -> None:
        """Take the recording of a phone that has just answered."""
        async with asyncio.timeout(15):
            said = await answered
        self.ears[phone] = Ear(self.city.heard / said["File"], float(said["Timestamp"]))

    async def over(self) -> whole.Row:
        """Hang up, load what was heard, return the closed call."""
        await self.city.hang_up(self.call)
        async with asyncio.timeout(10):
            await self.call.ended.wait()
        row = await whole.closed(self.service, self.caller)
        for ear in (self.citizen, *self.ears.values()):
            await ear.load()
        return row

    async def timeline(self) -> list[str]:
        found = await self.service.get(f"/api/v1/calls/{self.id}")
        return [f"{e['kind']} {e['detail']}" for e in found["timeline"]]


async def ready(service: Stack, agent: str) -> None:
    await service.wish(agent, "ready")
    await service.until(service.members, lambda there: agent in there)


async def talk(service: Stack, city: Carrier, agent: str) -> Talk:
    """Return a citizen who talks to *agent*; both have their tone."""
    caller = str(next(_callers))
    await city.behave(**{f"phone_{agent}": Behaviour(voice=f"tone:{AGENT:g}")})
    await ready(service, agent)
    answers = city.expect("PhoneAnswered", Phone=agent)
    call = await city.call("12345", caller=caller, keys=KEY, voice=f"tone:{CITIZEN:g}")
    begins = city.expect("CitizenAnswered", Call=call.id)
    async with asyncio.timeout(15):
        citizen = Ear(call.heard, float((await begins)["Timestamp"]))
    made = Talk(service, city, agent, caller, call, citizen)
    await made.listen(agent, answers)
    found = await whole.row(service, caller, has(agent=agent, state="talking", ticket_id=...))
    made.id = found["id"]
    await service.wish(agent, "offline")  # the next citizen is another test's
    return made


async def third(service: Stack, city: Carrier, line: str, **more: Any) -> "asyncio.Future[Any]":
    """Let a line of the city answer with its tone; return the future of its answer."""
    await city.behave(**{f"line_{line}": Behaviour(voice=f"tone:{THIRD:g}", **more)})
    return city.expect("PhoneAnswered", Phone=line)


async def test_a_consultation_becomes_a_transfer(service: Stack, city: Carrier) -> None:
    answers = await third(service, city, "3260001")
    this = await talk(service, city, "2001")
    before = await moment()
    assert await this.do("consult", "3260001") == "dialling"
    await this.listen("3260001", answers)
    await this.mode("consulting")
    apart = await moment()
    assert await this.do("complete") == "outside"
    after = await moment()
    row = await this.over()
    citizen, agent, other = this.citizen, this.ears["2001"], this.ears["3260001"]
    assert citizen.only(before, AGENT)
    assert agent.only(before, CITIZEN)
    assert citizen.only(apart)
    assert citizen.loud(apart), "music"
    assert agent.only(apart, THIRD)
    assert other.only(apart, AGENT)
    assert citizen.only(after, THIRD)
    assert other.only(after, CITIZEN)
    assert (row["outcome"], row["agent"]) == ("transferred", "2001")
    await whole.state(service, "2001", "offline")
    kinds = [e["kind"] for e in row["timeline"]]
    assert kinds.count("AgentFinished") == 1
    asked = [e["detail"] for e in row["timeline"] if e["kind"] == "Controlled"]
    assert asked == [
        {"who": "2001", "do": "consult", "target": "3260001", "result": "ok"},
        {"who": "2001", "do": "complete", "result": "ok"},
    ]


async def test_a_blind_transfer_is_answered(service: Stack, city: Carrier) -> None:
    answers = await third(service, city, "3260002")
    this = await talk(service, city, "2002")
    assert await this.do("transfer", "3260002") in ("none", "outside")
    await this.listen("3260002", answers)
    await this.mode("outside")
    after = await moment()
    await whole.state(service, "2002", "offline")
    row = await this.over()
    assert this.citizen.only(after, THIRD)
    assert this.ears["3260002"].only(after, CITIZEN)
    assert row["outcome"] == "transferred"


@pytest.mark.parametrize(
    ("agent", "manner"), [("2003", "busy"), ("2004", "ringout"), ("2005", "reject")]
)
async def test_a_blind_transfer_that_fails_gives_the_caller_back(
    service: Stack, city: Carrier, agent: str, manner: str
) -> None:
    line = f"32600{agent[2:]}"
    await third(service, city, line, manner=manner)
    this = await talk(service, city, agent)
    again = city.expect("PhoneAnswered", Phone=agent)
    assert await this.do("transfer", line) == "none"
    await this.listen(agent + " again", again)
    await this.mode("talking")
    after = await moment()
    row = await this.over()
    assert this.citizen.only(after, AGENT)
    assert this.ears[agent + " again"].only(after, CITIZEN)
    assert (row["outcome"], row["agent"], row["queue"]) == ("answered", agent, f"agent-{agent}")
