"""The prober against an exchange whose answers are in hand: order, losses, limits."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.units import prober, store
from cti.units.prober import Prober
from hotline import db
from schemas.calendar import Calendar
from schemas.case_tables import ProbeRow
from schemas.errors import Conflict, NotFound, TooMany, Unavailable
from schemas.numbers import Integration, Number, Register
from schemas.units import ProbePlan, Unit, Units

pytestmark = [pytest.mark.unit, pytest.mark.parametrize("database_kind", ["sqlite"])]

NOW = 1_795_399_200.0


@dataclass
class Exchange:
    """Takes Originates; the test says what comes of them."""

    up: bool = True
    fault: Exception | None = None
    asked: asyncio.Queue[Mapping[str, str]] = field(default_factory=asyncio.Queue)

    async def act(self, action: str, **headers: str) -> Mapping[str, str]:
        assert action == "Originate"
        self.asked.put_nowait(headers)
        if self.fault is not None:
            raise self.fault
        return {"Response": "Success"}

    async def rung(self) -> tuple[str, str]:
        """Return token and phone of the next call."""
        async with asyncio.timeout(5):
            headers = await self.asked.get()
        assert headers["CallerID"] == '"" <12345>'
        assert headers["Async"] == "true"
        assert f"__HOTLINE_PROBE={headers['ActionID']}" in headers["Variable"].split(",")
        return headers["ActionID"], headers["Channel"].removeprefix("Local/").partition("@")[0]


@dataclass
class House:
    prober: Prober
    exchange: Exchange
    engine: AsyncEngine
    now: float = NOW
    units: Units = field(default_factory=Units)

    def tell(self, token: str, status: str, *, at: float, **more: str) -> None:
        event = {"Event": "UserEvent", "UserEvent": "HotlineProbe", "Timestamp": str(at)}
        self.prober.heard({**event, "Probe": token, "Status": status, **more})

    def failed(self, token: str) -> None:
        self.prober.heard(
            {"Event": "OriginateResponse", "ActionID": token, "Response": "Failure", "Reason": "0"}
        )

    async def rows(self) -> list[ProbeRow]:
        async with db.readers(self.engine)() as session:
            return list(await session.scalars(select(ProbeRow).order_by(ProbeRow.id)))

    async def row(self) -> ProbeRow:
        """Return the only row, once what is known of it was written."""
        await asyncio.gather(*self.prober._tasks.values())
        await self.prober.tick()
        (row,) = await self.rows()
        return row


def unit(phone: str) -> Unit:
    return Unit(name="单位", phone=phone, login="aa", clerk="张", head="李", head_login="bb")


@pytest.fixture
def house(engine: AsyncEngine) -> House:
    exchange = Exchange()
    main = Number(
        number="12336", line_no=1, hotline="热线", owner_unit="单位", unit="land",
        integration=Integration.INTEGRATED, notice="n", flow="main",
    )  # fmt: skip

    made = House(
        Prober(
            exchange,
            db.readers(engine),
            db.writers(engine),
            units=lambda: made.units,
            calendar=Calendar,
            register=lambda: Register({"12336": main}),
            seed="seed",
            clock=lambda: made.now,
        ),
        exchange,
        engine,
    )
    made.units = Units(
        probes=ProbePlan(per_week=0, ring_for=10, at_once=1),
        units={"aa": unit("80010001"), "bb": unit("80010002"), "ours": unit("12336")},
    )
    return made


async def test_a_call_is_claimed_then_rung_then_written_down(house: House) -> None:
    made = await house.prober.ask("aa", who="user:chen")
    assert made.state == "planned"
    await house.prober.tick()
    assert [row.state for row in await house.rows()] == ["calling"]
    token, phone = await house.exchange.rung()
    assert phone == "80010001"
    house.tell(token, "DIALLED", at=NOW)
    house.tell(token, "ANSWERED", at=NOW + 4.25)
    house.tell(token, "ANSWER", at=NOW + 9, Cause="016", Alive="1")
    row = await house.row()
    assert (row.state, row.result, row.rang, row.cause) == ("ended", "answered", 4.25, 16)
    await house.prober.tick()
    assert house.exchange.asked.empty()


async def test_the_end_of_the_originate_may_overtake_what_the_line_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.prober.ask("aa", who="user:chen")
    await house.prober.tick()
    token, _ = await house.exchange.rung()
    house.failed(token)
    house.tell(token, "DIALLED", at=NOW)
    house.tell(token, "CHANUNAVAIL", at=NOW + 0.1, Cause="021", Alive="0")
    house.tell(token, "CANCEL", at=NOW + 0.2)  # what comes after the end counts for nothing
    assert (await house.row()).result == "rejected"


async def test_a_call_that_never_began_has_failed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "SAID_WITHIN", 0.0)
    await house.prober.ask("aa", who="user:chen")
    await house.prober.tick()
    token, _ = await house.exchange.rung()
    house.failed(token)
    row = await house.row()
    assert (row.state, row.result, row.rang) == ("ended", "failed", None)


async def test_who_answered_counts_as_answered_though_the_end_is_never_heard(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "SAID_WITHIN", 0.0)
    await house.prober.ask("aa", who="user:chen")
    await house.prober.tick()
    token, _ = await house.exchange.rung()
    house.tell(token, "DIALLED", at=NOW)
    house.tell(token, "ANSWERED", at=NOW + 2)
    house.failed(token)
    row = await house.row()
    assert (row.result, row.rang) == ("answered", 2.0)


async def test_an_exchange_that_refuses_is_our_fault(house: House) -> None:
    house.exchange.fault = Unavailable("no")
    await house.prober.ask("aa", who="user:chen")
    await house.prober.tick()
    assert (await house.row()).result == "failed"


async def test_nothing_is_claimed_while_the_exchange_is_away(house: House) -> None:
    await house.prober.ask("aa", who="user:chen")
    house.exchange.up = False
    await house.prober.tick()
    assert [row.state for row in await house.rows()] == ["planned"]
    with pytest.raises(Unavailable):
        await house.prober.ask("bb", who="user:chen")
    house.exchange.up = True
    await house.prober.tick()
    assert [row.state for row in await house.rows()] == ["calling"]


async def test_one_at_a_time_and_the_next_when_the_first_is_over(house: House) -> None:
    running = asyncio.create_task(house.prober.run())
    for code in ("aa", "bb"):
        await house.prober.ask(code, who="user:chen")
    token, phone = await house.exchange.rung()
    assert phone == "80010001"
    await house.prober.tick()
    assert house.exchange.asked.empty()
    house.tell(token, "DIALLED", at=NOW)
    house.tell(token, "BUSY", at=NOW + 1, Cause="017", Alive="0")
    _, phone = await house.exchange.rung()  # no look of its own is waited for
    assert phone == "80010002"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    # what was cut off by our end is found later, and not rung again
    assert [row.state for row in await house.rows()] == ["ended", "calling"]
    house.now += store.LONGEST + prober.REPAIR_EVERY + 1
    await house.prober.tick()
    assert [row.result for row in await house.rows()] == ["busy", "failed"]


async def test_what_cannot_be_rung_is_refused_in_words(house: House) -> None:
    with pytest.raises(NotFound):
        await house.prober.ask("cc", who="user:chen")
    with pytest.raises(Conflict):
        await house.prober.ask("ours", who="user:chen")
    await house.prober.ask("aa", who="user:chen")
    with pytest.raises(TooMany):
        await house.prober.ask("aa", who="user:chen")


async def test_a_unit_that_left_the_file_is_not_rung(house: House) -> None:
    await house.prober.ask("aa", who="user:chen")
    house.units = house.units.model_copy(update={"units": {"bb": unit("80010002")}})
    await house.prober.tick()
    assert (await house.row()).result == "failed"
    assert house.exchange.asked.empty()


async def test_the_day_is_planned_before_anybody_is_rung(house: House) -> None:
    house.units = house.units.model_copy(update={"probes": ProbePlan(per_week=21, at_night=0.5)})
    house.now = NOW - 10 * 3600 + 1  # Monday, a second after midnight
    await house.prober.tick()
    planned = await house.rows()
    assert planned
    assert {row.state for row in planned} == {"planned"}
    assert all(house.now < row.planned_at < house.now + 86400 for row in planned)
    again = Prober(
        house.exchange, db.readers(house.engine), db.writers(house.engine),
        units=lambda: house.units, calendar=Calendar, register=lambda: Register({}),
        seed="another", clock=lambda: house.now,
    )  # fmt: skip
    await again.tick()
    assert len(await house.rows()) == len(planned)


async def test_a_database_that_is_away_does_not_end_the_prober(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "LOOK_EVERY", 0.01)
    whole, looks, often = house.prober._write, 0, asyncio.Event()

    class Away:
        def begin(self) -> object:
            nonlocal looks
            looks += 1
            if looks > 2:
                house.prober._write = whole
                often.set()
            raise OSError("away")

    house.prober._write = Away()  # type: ignore[assignment]
    running = asyncio.create_task(house.prober.run())
    async with asyncio.timeout(5):
        await often.wait()
    await house.prober.ask("aa", who="user:chen")
    await house.exchange.rung()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"Event": "UserEvent"},
        {"Event": "UserEvent", "UserEvent": "HotlineProbe"},
        {"Event": "UserEvent", "UserEvent": "HotlineProbe", "Probe": "1-x", "Status": "ANSWER"},
        {"Event": "OriginateResponse", "Response": "Failure"},
    ],
)
async def test_events_of_others_are_none_of_its_business(
    house: House, message: dict[str, str]
) -> None:
    house.prober.heard(message)
