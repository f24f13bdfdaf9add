"""AMI messages become our events, or nothing; a hostile caller changes neither."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.asterisk.ami_events import EVENTS, USER_EVENTS, AmiShape, caller, text, understand
from schemas.calls import Place
from schemas.events import (
    AgentAnswered,
    AgentFinished,
    AgentMissed,
    AgentRinging,
    AgentSeated,
    CallArrived,
    CallerMoved,
    FellBack,
    HungUp,
    QueueJoined,
    QueueLeft,
    RecordingStarted,
    ThirdAnswered,
    ThirdDialled,
    ThirdJoined,
    ThirdLeft,
    TransferAnswered,
    TransferDialled,
    TransferEnded,
)

pytestmark = pytest.mark.unit

CHANNEL = {
    "Timestamp": "1700000000.500000",
    "Channel": "PJSIP/trunk-00000001",
    "CallerIDNum": "13900000001",
    "Context": "from-trunk",
    "Exten": "12345",
    "Uniqueid": "n1-1700000000.1",
    "Linkedid": "n1-1700000000.1",
}
QUEUE = {**CHANNEL, "Queue": "citizens", "MemberName": "8001", "Position": "1"}


def test_a_channel_of_the_trunk_that_is_its_own_call_is_a_citizen() -> None:
    event = understand({"Event": "Newchannel", **CHANNEL})
    assert event == CallArrived(
        call="n1-1700000000.1",
        at=1700000000.5,
        channel="PJSIP/trunk-00000001",
        did="12345",
        caller="13900000001",
    )


@pytest.mark.parametrize("other", [{"Context": "from-agent"}, {"Uniqueid": "n1-1700000000.2"}])
def test_other_channels_are_no_citizens(other: dict[str, str]) -> None:
    assert understand({"Event": "Newchannel", **CHANNEL, **other}) is None


def test_only_the_citizens_own_hang_up_ends_the_call() -> None:
    event = understand({"Event": "Hangup", "Cause": "16", **CHANNEL})
    assert isinstance(event, HungUp)
    assert event.cause == 16
    leg = {**CHANNEL, "Uniqueid": "n1-1700000000.2"}
    assert understand({"Event": "Hangup", "Cause": "16", **leg}) is None


@pytest.mark.parametrize(
    ("name", "more", "kind"),
    [
        ("QueueCallerJoin", {}, QueueJoined),
        ("QueueCallerLeave", {}, QueueLeft),
        ("AgentCalled", {}, AgentRinging),
        ("AgentRingNoAnswer", {"RingTime": "15000"}, AgentMissed),
        ("AgentConnect", {"HoldTime": "4"}, AgentAnswered),
        ("AgentComplete", {"TalkTime": "30", "Reason": "caller"}, AgentFinished),
    ],
)
def test_what_app_queue_says(name: str, more: dict[str, str], kind: type) -> None:
    assert isinstance(understand({"Event": name, **QUEUE, **more}), kind)


@pytest.mark.parametrize(
    ("name", "more", "kind"),
    [
        ("HotlineRinging", {"Agent": "8001", "Queue": "citizens"}, AgentRinging),
        ("HotlineFallback", {"Reason": "FAILURE", "Redirecting": "12336"}, FellBack),
        ("HotlineTransfer", {"Target": "95598"}, TransferDialled),
        ("HotlineTransferAnswered", {"Target": "95598"}, TransferAnswered),
        ("HotlineTransferEnd", {"Target": "95598", "Status": "BUSY"}, TransferEnded),
        ("HotlineRecording", {"File": "2026/11/23/x-1.wav"}, RecordingStarted),
    ],
)
def test_what_our_dialplan_says(name: str, more: dict[str, str], kind: type) -> None:
    event = understand({"Event": "UserEvent", "UserEvent": name, **CHANNEL, **more})
    assert isinstance(event, kind)


def test_facts_come_through_as_they_were_said() -> None:
    missed = understand({"Event": "AgentRingNoAnswer", **QUEUE, "RingTime": "15000"})
    assert isinstance(missed, AgentMissed)
    assert missed.rang == 15.0
    fell = understand(
        {"Event": "UserEvent", "UserEvent": "HotlineFallback", **CHANNEL, "Reason": ""}
    )
    assert isinstance(fell, FellBack)
    assert (fell.reason, fell.redirecting) == ("unknown", "")


def test_events_of_others_mean_nothing() -> None:
    assert understand({"Event": "RTCPSent"}) is None
    assert understand({"Event": "UserEvent", "UserEvent": "Weather", **CHANNEL}) is None
    assert understand({}) is None


@pytest.mark.parametrize("name", ["Newchannel", "Hangup", "AgentConnect", "UserEvent"])
def test_an_event_that_matters_and_lacks_a_header_is_named(name: str) -> None:
    broken = {"Event": name, "UserEvent": "HotlineFallback", "Context": "from-trunk"}
    with pytest.raises(AmiShape, match=name):
        understand(broken)
    with pytest.raises(AmiShape, match=name):
        understand({**QUEUE, **broken, "Timestamp": "soon", "Cause": "x", "HoldTime": "1"})


@pytest.mark.parametrize("junk", ["unknown", "anonymous", "<script>", "1" * 25, "${SHELL(id)}", ""])
def test_only_a_telephone_number_is_a_caller(junk: str) -> None:
    assert caller(junk) == ""
    assert caller("+8613900000001") == "+8613900000001"


@given(st.text(max_size=5000))
def test_text_of_callers_is_short_and_printable(junk: str) -> None:
    assert len(text(junk)) <= 64
    assert text(junk).isprintable()


@given(
    st.sampled_from([*EVENTS, "Other"]),
    st.sampled_from([*USER_EVENTS, "x"]),
    st.dictionaries(st.sampled_from([*QUEUE, "Cause", "HoldTime", "Reason"]), st.text()),
)
def test_no_headers_at_all_break_the_reading(name: str, user: str, headers: dict[str, str]) -> None:
    try:
        understand({"Event": name, "UserEvent": user, **headers})
    except AmiShape as error:
        assert name in str(error)  # noqa: PT017 - the refusal is one of two right answers


ROOM = {"call": "n1-1.1", "at": 1700000000.5}
"""A leg's own Linkedid is not the call's: its variable says whose it is."""


@pytest.mark.parametrize(
    ("said", "event"),
    [
        ({"Party": "caller", "Place": "room"}, CallerMoved(**ROOM, place=Place.ROOM)),
        ({"Party": "caller", "Place": "held"}, CallerMoved(**ROOM, place=Place.HELD)),
        ({"Party": "caller", "Place": "parked"}, CallerMoved(**ROOM, place=Place.PARKED)),
        ({"Party": "caller", "Place": "back"}, CallerMoved(**ROOM, place=Place.QUEUE)),
        ({"Party": "caller", "Place": "gone"}, None),
        ({"Party": "agent", "Place": "room", "Who": "8001"}, AgentSeated(**ROOM, agent="8001")),
        (
            {"Party": "agent", "Place": "gone", "Who": "8001", "Since": "01699999990"},
            AgentFinished(**ROOM, agent="8001", queue="", talked=10.5, reason="room"),
        ),
        (
            {"Party": "agent", "Place": "gone", "Who": "8001", "Since": "0"},
            AgentFinished(**ROOM, agent="8001", queue="", talked=0.0, reason="room"),
        ),
        ({"Party": "third", "Place": "room", "Who": "110"}, ThirdJoined(**ROOM, target="110")),
        (
            {"Party": "third", "Place": "gone", "Who": "110"},
            ThirdLeft(**ROOM, target="110", status="LEFT"),
        ),
    ],
)
def test_the_dialplan_tells_where_everybody_is(said: dict[str, str], event: object) -> None:
    header = {"Event": "UserEvent", "UserEvent": "HotlineParty", **CHANNEL, "Call": "n1-1.1"}
    assert understand({**header, **said}) == event


@pytest.mark.parametrize("bad", [{"Party": "nobody", "Place": "room"}, {"Party": "caller"}])
def test_a_party_that_cannot_be_is_no_event(bad: dict[str, str]) -> None:
    with pytest.raises(AmiShape):
        understand({"Event": "UserEvent", "UserEvent": "HotlineParty", **CHANNEL, **bad})


@pytest.mark.parametrize(
    ("said", "event"),
    [
        ({"Status": "DIALLED"}, ThirdDialled(**ROOM, target="110", internal=False)),
        ({"Status": "DIALLED", "Internal": "1"}, ThirdDialled(**ROOM, target="110", internal=True)),
        ({"Status": "ANSWER"}, ThirdAnswered(**ROOM, target="110")),
        ({"Status": "BUSY"}, ThirdLeft(**ROOM, target="110", status="BUSY")),
    ],
)
def test_the_dialplan_tells_of_a_third_party(said: dict[str, str], event: object) -> None:
    header = {"Event": "UserEvent", "UserEvent": "HotlineThird", **CHANNEL, "Call": "n1-1.1"}
    assert understand({**header, "Target": "110", **said}) == event


@pytest.mark.parametrize(
    ("name", "event"),
    [
        (
            "HotlineTook",
            AgentAnswered(**ROOM, agent="8001", queue="parked", waited=0.0),
        ),
        ("HotlineMissed", AgentMissed(**ROOM, agent="8001", queue="parked", rang=0.0)),
    ],
)
def test_an_agent_takes_a_parked_call_or_lets_it_ring(name: str, event: object) -> None:
    header = {"Event": "UserEvent", "UserEvent": name, **CHANNEL, "Call": "n1-1.1"}
    assert understand({**header, "Agent": "8001", "Queue": "parked"}) == event
