"""The call machine: the table, the closing word, and what must hold whatever arrives."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.calls import sla
from cti.calls.machine import (
    LONGEST_TRANSCRIPT,
    TRANSITIONS,
    ImpossibleEvent,
    route_of,
    step,
)
from schemas.calls import AgentId, Call, CallId, Outcome, Route, RouteKind, State
from schemas.commands import Command, OpenTicket, PromiseCallback
from schemas.events import (
    AgentAnswered,
    AgentFinished,
    AgentMissed,
    AgentRinging,
    Attributed,
    CallArrived,
    Event,
    FellBack,
    FlowStarted,
    HungUp,
    PromptPlayed,
    QueueJoined,
    QueueLeft,
    RecordingStarted,
    RouteChosen,
    Said,
    TicketOpened,
    TransferAnswered,
    TransferDialled,
    TransferEnded,
    Vanished,
)
from schemas.numbers import Attribution, Integration, Number

pytestmark = pytest.mark.unit

ID = CallId("n1-1700000000.1")
ANN, BOB = AgentId("8001"), AgentId("8002")
LINE = Number(
    number="12336",
    line_no=3,
    hotline="国土资源违法举报热线",
    owner_unit="市国土局",
    unit="guotu",
    integration=Integration.INTEGRATED,
    notice="notice-12336",
    flow="integrated",
)
GENERAL = Route(kind=RouteKind.QUEUE, queue="general")


def new() -> Call:
    return Call(id=ID, state=State.NEW, started_at=0.0, since=0.0)


def flow(at: float = 1.0) -> FlowStarted:
    return FlowStarted(
        call=ID,
        at=at,
        channel="PJSIP/trunk-1",
        did="12345",
        caller="13900000001",
        number=LINE,
        attribution=Attribution.REDIRECTING,
        dialled="12336",
    )


def arrived(at: float = 0.0) -> CallArrived:
    return CallArrived(call=ID, at=at, channel="PJSIP/trunk-1", did="12345", caller="13900000001")


def joined(at: float, queue: str = "general") -> QueueJoined:
    return QueueJoined(call=ID, at=at, queue=queue, position=1)


def rings(at: float, agent: AgentId = ANN, queue: str = "general") -> AgentRinging:
    return AgentRinging(call=ID, at=at, agent=agent, queue=queue)


def missed(at: float, agent: AgentId = ANN) -> AgentMissed:
    return AgentMissed(call=ID, at=at, agent=agent, queue="general", rang=15.0)


def answered(at: float, agent: AgentId = ANN, queue: str = "general") -> AgentAnswered:
    return AgentAnswered(call=ID, at=at, agent=agent, queue=queue, waited=1.0)


def finished(at: float) -> AgentFinished:
    return AgentFinished(call=ID, at=at, agent=ANN, queue="general", talked=9.0, reason="caller")


def hung_up(at: float) -> HungUp:
    return HungUp(call=ID, at=at, cause=16)


def transfer(target: str = "95598") -> RouteChosen:
    return RouteChosen(
        call=ID, at=2.0, route=Route(kind=RouteKind.TRANSFER, target=target, queue="general")
    )


def played(*events: Event) -> tuple[Call, list[Command]]:
    call, commands = new(), []
    for event in events:
        call, more = step(call, event)
        commands += more
    return call, commands


BEGIN = (arrived(0.0), flow(0.1), RouteChosen(call=ID, at=4.0, route=GENERAL))


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ((arrived(), hung_up(1.0)), Outcome.ABANDONED_IN_FLOW),
        ((arrived(), flow(), hung_up(2.0)), Outcome.ABANDONED_IN_FLOW),
        ((arrived(), HungUp(call=ID, at=0.1, cause=42)), Outcome.FAILED),
        ((arrived(), flow(), HungUp(call=ID, at=0.1, cause=42)), Outcome.ABANDONED_IN_FLOW),
        ((*BEGIN, joined(4.0), hung_up(9.0)), Outcome.ABANDONED_IN_QUEUE),
        ((*BEGIN, joined(4.0), rings(5.0), hung_up(9.0)), Outcome.ABANDONED_IN_QUEUE),
        ((*BEGIN, joined(4.0), rings(5.0), answered(6.0), hung_up(9.0)), Outcome.ANSWERED),
        (
            (*BEGIN, joined(4.0), rings(5.0), answered(6.0), finished(8.0), hung_up(9.0)),
            Outcome.ANSWERED,
        ),
        (
            (
                arrived(),
                FellBack(call=ID, at=1.8, reason="failure"),
                joined(1.9, "fallback"),
                rings(2.0, queue="fallback"),
                answered(3.0, queue="fallback"),
                hung_up(9.0),
            ),
            Outcome.FALLBACK,
        ),
        (
            (
                arrived(),
                FellBack(call=ID, at=1.8, reason="failure"),
                joined(2, "fallback"),
                hung_up(3),
            ),
            Outcome.ABANDONED_IN_QUEUE,
        ),
        (
            (
                arrived(),
                flow(),
                transfer(),
                TransferDialled(call=ID, at=3.0, target="95598"),
                TransferAnswered(call=ID, at=6.0, target="95598"),
                hung_up(9.0),
            ),
            Outcome.TRANSFERRED,
        ),
        (
            (
                arrived(),
                flow(),
                transfer(),
                TransferDialled(call=ID, at=3.0, target="95598"),
                TransferAnswered(call=ID, at=6.0, target="95598"),
                TransferEnded(call=ID, at=8.0, target="95598", status="ANSWER", answered=True),
                hung_up(9.0),
            ),
            Outcome.TRANSFERRED,
        ),
        (
            (
                arrived(),
                flow(),
                transfer(),
                TransferDialled(call=ID, at=3.0, target="95598"),
                TransferEnded(call=ID, at=8.0, target="95598", status="BUSY", answered=False),
                joined(8.1),
                answered(9.0),
                hung_up(20.0),
            ),
            Outcome.ANSWERED,
        ),
        (
            (
                arrived(),
                flow(),
                transfer(),
                TransferDialled(call=ID, at=3.0, target="95598"),
                hung_up(5.0),
            ),
            Outcome.ABANDONED_IN_QUEUE,
        ),
        (
            (
                arrived(),
                flow(),
                RouteChosen(
                    call=ID,
                    at=2.0,
                    route=Route(kind=RouteKind.HANGUP, outcome=Outcome.OUT_OF_SCOPE),
                ),
                hung_up(3.0),
            ),
            Outcome.OUT_OF_SCOPE,
        ),
    ],
)
def test_a_call_closes_with_the_word_that_tells_its_story(
    events: tuple[Event, ...], outcome: Outcome
) -> None:
    call, _ = played(*events)
    assert (call.state, call.outcome) == (State.ENDED, outcome)


def test_the_sla_clock_runs_from_the_invite_to_the_first_human() -> None:
    call, _ = played(*BEGIN, joined(4.0), rings(5.0), answered(6.5))
    assert sla.seconds_to_answer(call) == 6.5
    assert sla.in_time(call, limit=15.0)
    assert not sla.in_time(call, limit=6.0)
    waiting, _ = played(*BEGIN, joined(4.0))
    assert sla.seconds_to_answer(waiting) is None
    assert not sla.in_time(waiting, limit=15.0)
    assert sla.waited(waiting, now=7.0) == 7.0
    assert sla.waited(call, now=99.0) == 6.5


def test_the_invite_sets_the_clock_even_when_its_news_comes_after_the_flow() -> None:
    first = Call(id=ID, state=State.NEW, started_at=1.0, since=1.0)
    call, _ = step(step(first, flow(1.0))[0], arrived(0.4))
    assert call.started_at == 0.4
    assert call.number is LINE


def test_an_answer_opens_a_ticket_and_a_second_agent_does_not_move_the_clock() -> None:
    call, commands = played(*BEGIN, joined(4.0), answered(6.0), answered(9.0, BOB))
    assert call.answered_at == 6.0
    assert call.agent == BOB
    assert [type(c) for c in commands] == [OpenTicket, OpenTicket]


def test_who_gave_up_waiting_is_owed_a_call_and_who_left_during_the_greeting_is_not() -> None:
    _, owed = played(*BEGIN, joined(4.0), hung_up(9.0))
    assert [c.reason for c in owed if isinstance(c, PromiseCallback)] == ["abandoned"]
    _, nothing = played(arrived(), flow(), hung_up(1.0))
    assert nothing == []


def test_a_caller_without_a_number_cannot_be_promised_a_call() -> None:
    hidden = CallArrived(call=ID, at=0.0, channel="c", did="12345", caller="")
    _, commands = played(hidden, joined(1.0), hung_up(9.0))
    assert commands == []


def test_a_test_call_is_owed_nothing() -> None:
    probe = CallArrived(call=ID, at=0.0, channel="c", did="12345", caller="00012345678")
    _, commands = played(probe, joined(1.0), hung_up(9.0))
    assert commands == []


def test_a_caller_cut_off_by_a_crash_is_owed_a_call_even_in_mid_talk() -> None:
    call, commands = played(
        *BEGIN, joined(4.0), answered(6.0), Vanished(call=ID, at=9.0, lost=True)
    )
    assert call.outcome is Outcome.ANSWERED
    assert [c.reason for c in commands if isinstance(c, PromiseCallback)] == ["lost"]
    call, commands = played(*BEGIN, joined(4.0), Vanished(call=ID, at=9.0, lost=True))
    assert call.outcome is Outcome.FAILED
    assert [c.reason for c in commands if isinstance(c, PromiseCallback)] == ["lost"]


def test_what_asterisk_proves_about_a_vanished_call_is_believed() -> None:
    call, _ = played(*BEGIN, joined(4.0), Vanished(call=ID, at=9.0, agent=BOB, answered_at=6.0))
    assert (call.outcome, call.agent, call.answered_at) == (Outcome.ANSWERED, BOB, 6.0)
    call, commands = played(*BEGIN, joined(4.0), Vanished(call=ID, at=9.0))
    assert call.outcome is Outcome.ABANDONED_IN_QUEUE
    assert len(commands) == 1
    call, _ = played(arrived(), Vanished(call=ID, at=9.0, outcome=Outcome.SELF_SERVICE))
    assert call.outcome is Outcome.SELF_SERVICE


def test_phones_ring_and_fall_silent_one_by_one() -> None:
    call, _ = played(*BEGIN, joined(4.0), rings(5.0), rings(5.0, BOB), rings(5.1))
    assert call.ringing == (BOB, ANN)
    call, _ = step(call, missed(20.0))
    assert (call.state, call.ringing) == (State.RINGING, (BOB,))
    call, _ = step(call, missed(20.0, BOB))
    assert (call.state, call.ringing) == (State.QUEUED, ())


def test_app_queue_says_leave_before_it_says_why() -> None:
    left = QueueLeft(call=ID, at=6.0, queue="general")
    call, _ = played(*BEGIN, joined(4.0), rings(5.0), left)
    assert call.ringing == (ANN,)  # the screen-pop stays until the answer comes
    assert step(call, answered(6.0))[0].state is State.TALKING
    gave_up, _ = played(*BEGIN, joined(4.0), left, hung_up(6.0))
    assert gave_up.outcome is Outcome.ABANDONED_IN_QUEUE
    talking, _ = played(*BEGIN, joined(4.0), answered(6.0), left)
    assert talking.state is State.TALKING


def test_late_news_finds_an_ended_call_and_changes_only_what_it_may() -> None:
    ended, _ = played(*BEGIN, joined(4.0), answered(6.0), hung_up(9.0))
    call, _ = step(ended, TicketOpened(call=ID, at=9.1, ticket="BJ1"))
    assert (call.ticket_id, call.outcome) == ("BJ1", Outcome.ANSWERED)
    assert step(ended, finished(9.2)) == (ended, ())
    call, _ = step(ended, RecordingStarted(call=ID, at=9.2, file="a.wav"))
    assert call.recording == "a.wav"
    with pytest.raises(ImpossibleEvent, match="HungUp in state ended"):
        step(ended, hung_up(10.0))


def test_attribution_learnt_without_the_flow_never_overrides_the_flow() -> None:
    other = Attributed(call=ID, at=1.0, number=None, attribution=Attribution.UNKNOWN, dialled="999")
    call, _ = played(arrived(), flow(), other)
    assert call.number is LINE
    call, _ = played(arrived(), other)
    assert (call.attribution, call.dialled) == (Attribution.UNKNOWN, "999")


def test_the_route_is_one_word_in_the_ledger() -> None:
    assert route_of(new()) is None
    assert route_of(played(arrived(), FellBack(call=ID, at=1, reason="x"))[0]) == "queue:fallback"
    assert route_of(played(arrived(), flow(), transfer())[0]) == "transfer:95598"
    dual = Route(kind=RouteKind.QUEUE, queue="general", seat_queue="seat-12369", seat_seconds=10)
    assert str(dual) == "queue:seat-12369>general"
    assert str(Route(kind=RouteKind.HANGUP)) == "hangup"
    assert route_of(played(*BEGIN)[0]) == "queue:general"


def test_a_second_failure_of_the_flow_keeps_the_first_reason() -> None:
    call, _ = played(
        arrived(), FellBack(call=ID, at=1, reason="timeout"), FellBack(call=ID, at=2, reason="x")
    )
    assert call.fell_back == "timeout"
    call, _ = played(arrived(), joined(1.0, "fallback"))
    assert call.fell_back == "queue"


def test_a_prompt_is_a_note() -> None:
    call, _ = played(arrived(), flow())
    note = PromptPlayed(call=ID, at=3.0, prompt="greeting", seconds=2.0, key=None)
    assert step(call, note) == (call, ())


def test_every_state_but_the_end_can_reach_a_queue() -> None:
    stuck = {s for s, moves in TRANSITIONS.items() if QueueJoined not in moves}
    assert stuck == {State.ENDED}


AGENTS = st.sampled_from([ANN, BOB])
TIMES = st.floats(min_value=0, max_value=1000)
QUEUES = st.sampled_from(["general", "unit-guotu", "fallback"])
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(arrived, TIMES),
    st.builds(flow, TIMES),
    st.builds(joined, TIMES, QUEUES),
    st.builds(rings, TIMES, AGENTS),
    st.builds(missed, TIMES, AGENTS),
    st.builds(answered, TIMES, AGENTS, QUEUES),
    st.builds(finished, TIMES),
    st.builds(hung_up, TIMES),
    st.builds(lambda at: FellBack(call=ID, at=at, reason="failure"), TIMES),
    st.builds(lambda at: RouteChosen(call=ID, at=at, route=GENERAL), TIMES),
    st.builds(lambda at: TransferDialled(call=ID, at=at, target="95598"), TIMES),
    st.builds(lambda at: TransferAnswered(call=ID, at=at, target="95598"), TIMES),
    st.builds(
        lambda at: TransferEnded(call=ID, at=at, target="95598", status="BUSY", answered=False),
        TIMES,
    ),
    st.builds(lambda at, lost: Vanished(call=ID, at=at, lost=lost), TIMES, st.booleans()),
    st.builds(lambda at: QueueLeft(call=ID, at=at, queue="general"), TIMES),
    st.builds(lambda at: TicketOpened(call=ID, at=at, ticket="BJ1"), TIMES),
)


@given(st.lists(EVENTS, max_size=40))
def test_whatever_arrives_a_call_ends_once_with_one_outcome_and_one_promise_at_most(
    events: list[Event],
) -> None:
    call, ends, promises = new(), 0, 0
    for event in events:
        before = call
        with suppress(ImpossibleEvent):
            call, commands = step(call, event)
            ends += call.state is State.ENDED and before.state is not State.ENDED
            promises += sum(isinstance(c, PromiseCallback) for c in commands)
        assert (call.outcome is None) == (call.state is not State.ENDED)
        if before.outcome is not None:
            assert call.outcome is before.outcome
        if before.answered_at is not None:
            assert call.answered_at == before.answered_at
        if call.ended_at is not None:
            assert call.ended_at >= call.started_at
    assert promises <= ends <= 1


@given(st.lists(EVENTS, max_size=30))
def test_the_table_alone_decides_what_is_impossible(events: list[Event]) -> None:
    notes = (CallArrived, HungUp, Vanished, TicketOpened)
    late = (AgentFinished, AgentMissed, TicketOpened)
    call = new()
    for event in events:
        if call.state is State.ENDED:
            possible = isinstance(event, late)
        else:
            possible = isinstance(event, notes) or type(event) in TRANSITIONS[call.state]
        if possible:
            call, _ = step(call, event)
        else:
            with pytest.raises(ImpossibleEvent):
                step(call, event)


# ---- what the caller said to the flow


MAIN = replace(LINE, number="12345", line_no=1, hotline="市长公开电话", flow="main")


def said(text: str, intent: str, confidence: float = 0.9) -> Said:
    return Said(
        call=ID, at=2.0, step="main/greet", text=text, score=80, intent=intent,
        confidence=confidence, engine="whisper-base", seconds=3.0,
    )  # fmt: skip


def about(number: Number = LINE) -> Attributed:
    how = Attribution.SAID
    return Attributed(call=ID, at=2.0, number=number, attribution=how, dialled=number.number)


def called(number: Number | None, how: Attribution) -> FlowStarted:
    return replace(flow(), number=number, attribution=how, dialled="12345")


def test_what_was_said_is_kept_with_what_it_meant() -> None:
    call, commands = played(flow(), said("有人占地", "line-3", 0.7))
    assert (call.transcript, call.intent, call.confidence) == ("有人占地", "line-3", 0.7)
    assert (call.state, commands) == (State.FLOW, [])


def test_yes_to_our_question_leaves_what_it_is_about() -> None:
    call, _ = played(flow(), said("有人占地", "line-3", 0.5), said("对", "yes"), said("", ""))
    assert (call.transcript, call.intent, call.confidence) == ("有人占地；对", "line-3", 0.5)


def test_what_the_caller_denied_is_not_kept_as_meant() -> None:
    call, _ = played(flow(), said("有人占地", "line-3", 0.2), said("不是", "no"))
    assert (call.transcript, call.intent, call.confidence) == ("有人占地；不是", None, None)
    main, _ = played(called(MAIN, Attribution.DID), said("有人占地", "line-3"), about())
    onward = step(main, said("不要", "no"))[0]
    assert (onward.intent, onward.confidence) == ("line-3", 0.9), "no to the transfer, not to this"


def test_a_caller_who_talks_and_talks_fills_no_more_than_its_place() -> None:
    call, _ = played(flow(), *(said("说" * 190, "line-3") for _ in range(9)))
    assert len(call.transcript or "") == LONGEST_TRANSCRIPT


def test_words_that_come_after_the_hang_up_are_kept() -> None:
    call, _ = played(flow(), hung_up(2.0), said("有人占地", "line-3"))
    assert (call.state, call.transcript) == (State.ENDED, "有人占地")


def test_words_tell_what_a_call_to_12345_is_about() -> None:
    call, _ = played(called(MAIN, Attribution.DID), about())
    assert (call.number, call.attribution, call.dialled) == (LINE, Attribution.SAID, "12345")
    other = replace(LINE, number="12320", line_no=4)
    assert step(call, about(other))[0].number == other, "what was said last"
    unknown, _ = played(called(None, Attribution.UNKNOWN), about())
    assert (unknown.number, unknown.attribution) == (LINE, Attribution.SAID)


def test_a_number_that_was_dialled_holds_whatever_is_said() -> None:
    dialled = replace(LINE, number="12320", line_no=4)
    call, _ = played(called(dialled, Attribution.DID), about())
    assert (call.number, call.attribution) == (dialled, Attribution.DID)
