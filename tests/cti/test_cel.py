"""Asterisk's own records tell the same story as its events did."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.asterisk import cel
from cti.calls import control
from cti.calls.machine import ImpossibleEvent, step
from schemas.calls import Call, CallId, Outcome, State
from schemas.events import Event

pytestmark = pytest.mark.unit

CALL = "n1-1700000000.1"
OWN = "PJSIP/trunk-00000001"


def line(
    kind: str,
    at: float,
    *,
    uniqueid: str = CALL,
    channel: str = OWN,
    call: str = CALL,
    app: str = "",
    data: str = "",
    exten: str = "12345",
    context: str = "from-trunk",
    extra: str = "",
    rdnis: str = "",
) -> str:
    values = [
        kind, f"{at:.6f}", call, uniqueid, channel, "13900000001",
        exten, context, app, data, "", extra, rdnis,
    ]  # fmt: skip
    return ",".join('"' + v.replace('"', '""') + '"' for v in values)


START = line("CHAN_START", 0.0)
QUEUE = line("APP_START", 2.0, app="Queue", data="general,b(x)", context="hotline-route")
PHONE = line("BRIDGE_ENTER", 5.0, uniqueid="n1-1700000000.2", channel="PJSIP/8001-00000002")
OVER = line("BRIDGE_EXIT", 9.0)
HANGUP = line("HANGUP", 9.5, extra='{"hangupcause":16,"hangupsource":""}')


def story(*lines: str) -> Call:
    (found,) = cel.by_call(cel.records(lines)).values()
    call = Call(id=CallId(CALL), state=State.NEW, started_at=found[0].at, since=found[0].at)
    for event in cel.events(found):
        call = _step(call, event)
    return call


def _step(call: Call, event: Event) -> Call:
    try:
        return step(call, event)[0]
    except ImpossibleEvent:
        return call


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ((START, HANGUP), Outcome.ABANDONED_IN_FLOW),
        ((START, QUEUE, HANGUP), Outcome.ABANDONED_IN_QUEUE),
        ((START, QUEUE, PHONE, OVER, HANGUP), Outcome.ANSWERED),
        (
            (
                START,
                line("APP_START", 2.0, app="Queue", data="fallback"),
                line(
                    "BRIDGE_ENTER",
                    4.0,
                    uniqueid="n1-1.3",
                    channel="Local/8001@hotline-fallback-agent-1;2",
                ),
                PHONE,
                HANGUP,
            ),
            Outcome.FALLBACK,
        ),
        (
            (
                START,
                line("APP_START", 2.0, app="Dial", exten="95598"),
                line("BRIDGE_ENTER", 5.0, uniqueid="n1-1.2", channel="PJSIP/trunk-00000002"),
                HANGUP,
            ),
            Outcome.TRANSFERRED,
        ),
        ((START, line("APP_START", 2.0, app="Dial"), HANGUP), Outcome.ABANDONED_IN_QUEUE),
    ],
)
def test_records_alone_give_the_outcome(lines: tuple[str, ...], outcome: Outcome) -> None:
    call = story(*lines)
    assert call.outcome is outcome


def test_who_answered_when_and_for_how_long_is_in_the_records() -> None:
    call = story(START, QUEUE, PHONE, OVER, HANGUP)
    assert (call.agent, call.answered_at, call.ended_at) == ("8001", 5.0, 9.5)
    assert call.cause == 16
    assert call.did == "12345"


def test_a_seat_of_the_owner_answers_under_its_own_name() -> None:
    seat = line(
        "BRIDGE_ENTER", 5.0, uniqueid="n1-1.2", channel="Local/seat-12369@hotline-seat-00000001;1"
    )
    call = story(START, QUEUE, seat, HANGUP)
    assert call.agent == "seat-12369"


def test_plumbing_is_no_person() -> None:
    half = line("BRIDGE_ENTER", 5.0, uniqueid="n1-1.2", channel="Local/x@y-1;1")
    assert story(START, QUEUE, half, HANGUP).outcome is Outcome.ABANDONED_IN_QUEUE
    assert story(START, half, HANGUP).outcome is Outcome.ABANDONED_IN_FLOW
    assert story(START, line("HANGUP", 3.0)).cause == 0


def test_records_that_tell_nothing_new_change_nothing() -> None:
    leg = line("HANGUP", 6.0, uniqueid="n1-1700000000.2", channel="PJSIP/8001-00000002")
    end = line("CHAN_END", 9.6)
    assert story(START, QUEUE, PHONE, leg, OVER, HANGUP, end).outcome is Outcome.ANSWERED


def test_a_browser_phone_is_its_agent() -> None:
    web = line("BRIDGE_ENTER", 5.0, uniqueid="n1-1.2", channel="PJSIP/w8001-00000002")
    assert story(START, QUEUE, web, HANGUP).agent == "8001"


def test_other_channels_are_no_citizens_calls() -> None:
    agent = line("CHAN_START", 1.0, call="n1-9.9", uniqueid="n1-9.9", context="from-agent")
    leg = line("CHAN_START", 1.0, uniqueid="n1-1700000000.2")
    found = cel.by_call(cel.records([agent, START, leg, HANGUP]))
    assert list(found) == [CALL]
    assert cel.by_call(cel.records([agent])) == {}


def test_a_line_cut_by_a_crash_is_left_out() -> None:
    cut = '"APP_START","2.0'
    broken_time = line("HANGUP", 1.0).replace('"1.000000"', '"yesterday"')
    found = list(cel.records([START, "a\0b", broken_time, "", cut]))
    assert [r.type for r in found] == ["CHAN_START"]


@given(st.lists(st.text(max_size=200), max_size=10))
def test_no_text_in_the_file_breaks_the_reading(lines: list[str]) -> None:
    safe = [text.replace("\n", " ").replace("\r", " ") for text in lines]
    for found in cel.by_call(cel.records([START, *safe])).values():
        list(cel.events(found))


def room(
    kind: str, at: float, context: str, *, number: int = 0, channel: str = OWN, exten: str = "x",
    app: str = "ConfBridge",
) -> str:  # fmt: skip
    """A record of a leg in, or on its way to or from, the room of the call; 0: the caller's."""
    own = number == 0
    return line(
        kind, at, uniqueid=CALL if own else f"n1-1700000000.{number}",
        call=CALL if own or number == 2 else f"n1-1700000000.{number}",
        channel=channel, context=context, exten=exten, app=app,
        data=f"{CALL},hotline,hotline-person",
    )  # fmt: skip


ANN = {"number": 2, "channel": "PJSIP/8001-00000002"}
UNIT = {"number": 5, "channel": "PJSIP/trunk-00000005", "exten": "3260001"}
CONSULTS = (
    START, QUEUE, PHONE,
    room("BRIDGE_EXIT", 6.0, "hotline-room", app="AppQueue", **ANN),
    room("BRIDGE_EXIT", 6.0, "hotline-held", app="Queue"),
    room("BRIDGE_ENTER", 6.1, "hotline-room", **ANN),
    room("BRIDGE_ENTER", 7.0, "hotline-third-in", **UNIT),
)  # fmt: skip


def test_a_consultation_that_nobody_watched_is_known_from_the_records() -> None:
    call = story(*CONSULTS)
    assert control.mode(call) is control.Mode.CONSULTING
    assert (call.agent, call.control.target) == ("8001", "3260001")


def test_a_transfer_that_nobody_watched_has_its_own_outcome() -> None:
    call = story(
        *CONSULTS,
        room("BRIDGE_ENTER", 8.0, "hotline-room"),
        room("BRIDGE_EXIT", 8.1, "hotline-room", **ANN),
        room("BRIDGE_EXIT", 9.0, "hotline-room"),
        HANGUP,
    )
    assert call.outcome is Outcome.TRANSFERRED


def test_a_third_party_who_left_is_gone() -> None:
    call = story(*CONSULTS, room("BRIDGE_EXIT", 8.0, "hotline-third-in", **UNIT))
    assert control.mode(call) is control.Mode.HELD


def test_a_parked_call_that_another_took_is_theirs() -> None:
    bob = {"number": 6, "channel": "PJSIP/8002-00000006"}
    call = story(
        START, QUEUE, PHONE,
        room("BRIDGE_EXIT", 6.0, "hotline-parked", app="Queue"),
        room("BRIDGE_ENTER", 7.0, "hotline-room", **bob),
        room("BRIDGE_ENTER", 7.0, "hotline-room", number=7, channel="CBAnn/x;2"),
        room("BRIDGE_ENTER", 7.5, "hotline-room"),
    )  # fmt: skip
    assert (call.state, call.agent) == (State.TALKING, "8002")
