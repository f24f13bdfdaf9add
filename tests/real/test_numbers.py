"""Every number of the register reaches its line, however the carrier brings the call to us.

The register is the one the service ships with; what the ledger must say is read from its file.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio

from bench.stack import Stack
from hotline import config, exchange, releases
from schemas.numbers import MAIN_NUMBER, Integration, Number, Register
from tests.real import raw_sip, whole

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("numbers"),
]

AT_ONCE = 12
_callers = itertools.count(13_900_000_000)


@dataclass(frozen=True)
class Try:
    """One call and what the ledger must say about it."""

    dialled: str
    headers: tuple[str, ...]
    number: Number | None
    attribution: str
    wish: str = ""
    """Key that says more than that the prompt was long enough."""

    @property
    def key(self) -> str:
        """Key pressed as soon as there is something to hear."""
        apart = self.number is not None and self.number.integration is Integration.NOT_INTEGRATED
        return self.wish or ("0" if apart else "5")

    @property
    def route(self) -> str:
        """Where a caller goes who presses `key`."""
        number = self.number
        if number is None or number.number == MAIN_NUMBER or self.wish == "0":
            return "queue:citizens"
        match number.integration:
            case Integration.INTEGRATED:
                return f"queue:unit-{number.unit}"
            case Integration.DUAL_RUN:
                return f"queue:seat-{number.number}>unit-{number.unit}"
            case Integration.NOT_INTEGRATED:
                return f"transfer:{number.onward}" if self.key == "1" else "queue:citizens"

    @property
    def expected(self) -> dict[str, object]:
        number = self.number
        known = {
            "number": number and number.number,
            "line_no": number and number.line_no,
            "hotline": number and number.hotline,
            "integration": number and number.integration.value,
        }
        return {
            **known,
            "attribution": self.attribution,
            "did": self.dialled,
            "route": self.route,
            "outcome": "abandoned_in_queue",
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    # one agent is on duty and pauses: whoever is routed waits in a queue until they hang up
    folder = tmp_path_factory.mktemp("numbers")
    units = sorted(releases.working(config.Config()).register.units)
    async with whole.service(folder, agents=1, skilled=units) as made:
        await made.wish("2001", "ready")
        await whole.state(made, "2001", "ready")
        await made.pause("2001", "开会")
        await whole.state(made, "2001", "paused")
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(service: Stack) -> AsyncIterator[raw_sip.Line]:
    """The carrier; it is busy for seats and onward numbers."""
    async with raw_sip.line(service.sip, port=whole.trunk_port(service)) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def register(service: Stack) -> Register:
    return exchange.city(service.config).register


async def check(service: Stack, line: raw_sip.Line, tries: Sequence[Try]) -> None:
    """Make all the calls, a few at once, and compare every row of the ledger."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(wanted: Try) -> dict[str, object]:
        caller = str(next(_callers))
        async with gate:
            call = line.invite(wanted.dialled, caller=caller, headers=wanted.headers)
            assert await call.final() == 200
            await call.hears()  # the prompt has begun
            call.press(wanted.key)
            await whole.row(service, caller, whole.has(route=...))
            # a transfer is busy here and the caller queues: only then does hanging up mean that
            await whole.row(service, caller, whole.has(queue=...))
            call.hang_up()
            await call.gone()
        found = await whole.closed(service, caller)
        rows = await service.every(f"/api/v1/calls?caller={caller}&limit=500")
        assert [row["id"] for row in rows] == [found["id"]]
        return {key: found[key] for key in wanted.expected}

    assert tries
    async with asyncio.timeout(120):
        found = await asyncio.gather(*(one(wanted) for wanted in tries))
    wrong = [
        (wanted.dialled, wanted.headers, row, wanted.expected)
        for wanted, row in zip(tries, found, strict=True)
        if row != wanted.expected
    ]
    assert not wrong, f"{len(wrong)} of {len(tries)} rows are wrong: {wrong[:5]}"


async def test_each_number_called_directly_is_the_line_of_the_annex(
    service: Stack, line: raw_sip.Line, register: Register
) -> None:
    assert len(register.numbers) == 52
    await check(service, line, [Try(n, (), e, "did") for n, e in register.numbers.items()])


async def test_key_0_is_a_person_of_ours_on_every_number(
    service: Stack, line: raw_sip.Line, register: Register
) -> None:
    tries = [Try(n, (), entry, "did", wish="0") for n, entry in register.numbers.items()]
    await check(service, line, tries)


def _merged(register: Register) -> list[Number]:
    found = [n for n in register.numbers.values() if n.number != MAIN_NUMBER]
    assert len(found) == 51
    return found


async def test_each_number_forwarded_to_12345_is_named_by_its_diversion_header(
    service: Stack, line: raw_sip.Line, register: Register
) -> None:
    await check(
        service,
        line,
        [
            Try(
                MAIN_NUMBER,
                (f"Diversion: <sip:{n.number}@carrier.example>;reason=unconditional;counter=1",),
                n,
                "redirecting",
            )
            for n in _merged(register)
        ],
    )


async def test_each_number_forwarded_to_12345_is_named_by_history_info(
    service: Stack, line: raw_sip.Line, register: Register
) -> None:
    # The reason embedded in the URI (RFC 7044 10.1) is none that Asterisk's own redirecting
    # understands, so here it is we who read the chain.
    await check(
        service,
        line,
        [
            Try(
                MAIN_NUMBER,
                (
                    f"History-Info: <sip:{n.number}@carrier.example>;index=1, "
                    "<sip:12345@hotline.example?Reason=SIP%3Bcause%3D302>;index=1.1",
                ),
                n,
                "diversion",
            )
            for n in _merged(register)
        ],
    )


async def test_history_info_in_lines_of_its_own_with_causes_is_understood_by_asterisk_itself(
    service: Stack, line: raw_sip.Line, register: Register
) -> None:
    tries = [
        Try(
            MAIN_NUMBER,
            (
                f"History-Info: <sip:{number}@carrier.example>;index=1",
                "History-Info: <sip:12345@hotline.example;cause=302>;index=1.1;mp=1",
            ),
            register.numbers[number],
            "redirecting",
        )
        for number in ("12336", "12369", "95598", "3206789")
    ]
    await check(service, line, tries)


async def test_of_a_chain_of_hops_the_number_dialled_first_counts(
    service: Stack, line: raw_sip.Line, register: Register
) -> None:
    land, health, power = (register.numbers[n] for n in ("12336", "12320", "95598"))

    def diverted(*users: str) -> tuple[str, ...]:  # the last diverter on top, RFC 5806 3
        return tuple(f"Diversion: <sip:{user}@carrier.example>;reason=no-answer" for user in users)

    def history(*users: str) -> str:  # the first number first
        return "History-Info: " + ", ".join(
            f"<sip:{user}@carrier.example>;index=1{'.1' * i}" for i, user in enumerate(users)
        )

    tries = [
        Try(MAIN_NUMBER, diverted("12320", "12336"), land, "diversion"),
        Try(MAIN_NUMBER, diverted("13800000001", "12336"), land, "diversion"),
        Try(MAIN_NUMBER, diverted("12336", "13800000001"), land, "redirecting"),
        Try(MAIN_NUMBER, diverted("13800000001", "12320", "12336"), land, "diversion"),
        Try(MAIN_NUMBER, diverted("12336", "12336", "95598"), power, "diversion"),
        Try(MAIN_NUMBER, (", ".join(diverted("12320", "95598")).replace(", Diversion:", ","),),
            power, "diversion"),
        Try(MAIN_NUMBER, (history("12320", "12336", "12345"),), health, "diversion"),
        Try(MAIN_NUMBER, (history("12320", "13800000001", "12345"),), health, "diversion"),
        Try(MAIN_NUMBER, (history("12336", "12345"), *diverted("12336")), land, "redirecting"),
        # the longer account is believed
        Try(MAIN_NUMBER, (history("12320", "12336", "12345"), *diverted("12336")), health,
            "diversion"),
        # a number of its own says more than any chain
        Try("12336", diverted("12320"), land, "did"),
        Try("12336", (history("12320", "12336"),), land, "did"),
        # nobody of the register in the chain: the citizen dialled 12345
        Try(MAIN_NUMBER, diverted("13800000001"), register.numbers[MAIN_NUMBER], "did"),
        Try(MAIN_NUMBER, diverted("anonymous"), register.numbers[MAIN_NUMBER], "did"),
    ]  # fmt: skip
    await check(service, line, tries)


async def test_area_and_country_codes_in_any_spelling_are_the_same_number(
    service: Stack, line: raw_sip.Line, register: Register
) -> None:
    local, short = register.numbers["3206789"], register.numbers["12336"]

    def forwarded(user: str) -> tuple[str, ...]:
        return (f"Diversion: <{user}>;reason=unconditional",)

    tries = [
        *(
            Try(prefix + entry.number, (), entry, "did")
            for entry in (local, short)
            for prefix in ("+86917", "0917", "917", "0086917", "86917")
        ),
        *(
            Try(MAIN_NUMBER, forwarded(user), entry, "redirecting")
            for user, entry in (
                ("sip:+869173206789@carrier.example;user=phone", local),
                ("sip:%2B869173206789@carrier.example", local),
                ("sip:09173206789@carrier.example", local),
                ("tel:+8691712336", short),
                ("sip:091712336;phone-context=+86@carrier.example", short),
            )
        ),
        Try("+8612345", forwarded("sip:12336@carrier.example"), short, "redirecting"),
        Try("091712345", (), register.numbers[MAIN_NUMBER], "did"),
    ]
    await check(service, line, tries)


async def test_a_number_outside_the_register_is_spoken_to_and_queued_and_has_its_row(
    service: Stack, line: raw_sip.Line
) -> None:
    unknown = ["12399", "110", "3206780", "0", "+8613800138000", "9" * 24, "123456"]
    await check(service, line, [Try(dialled, (), None, "unknown") for dialled in unknown])


async def test_who_accepts_the_offer_is_sent_on_to_the_owner_of_the_number(
    service: Stack, line: raw_sip.Line, register: Register
) -> None:
    onward = [n for n in _merged(register) if n.integration is Integration.NOT_INTEGRATED]
    assert len(onward) == 7
    line.refused.clear()
    await check(service, line, [Try(n.number, (), n, "did", wish="1") for n in onward])
    asked = Counter(invite.partition(b"@")[0].decode() for invite in line.refused)
    assert asked == {f"INVITE sip:{n.onward}": 1 for n in onward}
