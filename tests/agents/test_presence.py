"""The presence machine: its moves, and what must hold whatever comes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.presence import (
    MISSED,
    WRAP_UP,
    Answered,
    Command,
    Finished,
    JoinQueues,
    LeaveQueues,
    Membership,
    Offline,
    Pause,
    PauseQueues,
    Phone,
    Presence,
    PresenceEvent,
    Rang,
    Ready,
    RingEnded,
    Rules,
    StartWrapUp,
    State,
    UnpauseQueues,
    WrapUpOver,
    adopt,
    reconcile,
    step,
)
from schemas.calls import CallId

pytestmark = pytest.mark.unit

RULES = Rules(wrap_up=20.0, misses=2)
A, B = CallId("a"), CallId("b")


def after(
    *events: PresenceEvent, rules: Rules = RULES, start: Presence | None = None
) -> tuple[Presence, tuple[Command, ...]]:
    presence, commands = start or Presence(since=0), ()
    for event in events:
        presence, commands = step(presence, event, rules)
    return presence, commands


READY = Ready(at=1)
LUNCH = Pause(at=5, reason="午餐")
RING, TALK, END = Rang(at=2, call=A), Answered(at=3, call=A), Finished(at=9, call=A)


def test_an_agent_who_gets_ready_joins_the_queues() -> None:
    presence, commands = after(READY)
    assert (presence.state, presence.since, commands) == (State.READY, 1, (JoinQueues(),))


def test_asking_twice_tells_app_queue_once() -> None:
    presence, commands = after(READY, Ready(at=2))
    assert (presence.since, commands) == (1, ())


def test_a_pause_before_the_first_ready_stays_out_of_the_queues() -> None:
    presence, commands = after(LUNCH)
    assert (presence.state, presence.reason, commands) == (State.PAUSED, "午餐", ())
    assert after(READY, start=presence)[1] == (JoinQueues(),)


def test_pause_and_its_end_are_told_by_their_reason() -> None:
    paused, told = after(READY, LUNCH)
    assert told == (PauseQueues(reason="午餐"),)
    assert after(Pause(at=6, reason="会议"), start=paused)[1] == (PauseQueues(reason="会议"),)
    assert after(Ready(at=7), start=paused)[1] == (UnpauseQueues(),)
    assert after(Offline(at=7), start=paused)[1] == (LeaveQueues(),)


def test_after_a_talk_comes_wrap_up_and_then_ready_again() -> None:
    presence, commands = after(READY, RING, TALK, END)
    assert (presence.state, presence.call, presence.wrap_up_ends) == (State.WRAP_UP, A, 29)
    assert commands == (PauseQueues(reason=WRAP_UP), StartWrapUp(until=29))
    presence, commands = after(WrapUpOver(at=29, until=29), start=presence)
    assert (presence.state, presence.call, commands) == (State.READY, None, (UnpauseQueues(),))


def test_a_house_without_wrap_up_goes_on_at_once() -> None:
    presence, commands = after(READY, RING, TALK, END, rules=Rules(wrap_up=0))
    assert (presence.state, presence.call, commands) == (State.READY, None, ())


def test_ready_ends_wrap_up_early_and_its_timer_then_means_nothing() -> None:
    wrapping, _ = after(READY, RING, TALK, END)
    ready, commands = after(Ready(at=12), start=wrapping)
    assert (ready.state, commands) == (State.READY, (UnpauseQueues(),))
    assert after(WrapUpOver(at=29, until=29), start=ready) == (ready, ())


def test_a_talk_does_not_pause_the_member_so_that_a_dead_controller_loses_no_agent() -> None:
    assert after(READY, RING, TALK)[1] == ()


def test_a_pause_asked_for_during_a_talk_shows_after_it() -> None:
    talking, told = after(READY, RING, TALK, LUNCH)
    assert (talking.state, talking.reason, told) == (
        State.TALKING,
        "午餐",
        (PauseQueues(reason="午餐"),),
    )
    paused, commands = after(END, start=talking)
    assert (paused.state, paused.reason, paused.call, commands) == (State.PAUSED, "午餐", None, ())


def test_going_offline_during_a_talk_leaves_after_it() -> None:
    talking, told = after(READY, RING, TALK, Offline(at=5))
    assert (talking.state, talking.reason, told) == (State.TALKING, "offline", ())
    gone, commands = after(END, start=talking)
    assert (gone.state, gone.reason, commands) == (State.OFFLINE, None, (LeaveQueues(),))


def test_two_misses_in_a_row_pause_the_agent() -> None:
    missed = RingEnded(at=4, call=A, missed=True)
    once, told = after(READY, RING, missed)
    assert (once.state, told) == (State.READY, ())
    twice, told = after(RING, missed, start=once)
    assert (twice.state, twice.reason, told) == (
        State.PAUSED,
        MISSED,
        (PauseQueues(reason=MISSED),),
    )
    assert after(RING, TALK, END, Ready(at=10), RING, missed, start=once)[0].state is State.READY


def test_a_caller_who_hangs_up_first_is_no_miss() -> None:
    gone = RingEnded(at=4, call=A, missed=False)
    assert after(READY, RING, gone, RING, gone, RING, gone)[0].state is State.READY


def test_an_offline_agent_rung_by_the_fallback_queue_is_offline_again_after_it() -> None:
    ringing, told = after(RING)
    assert (ringing.state, told) == (State.RINGING, ())
    assert after(RingEnded(at=4, call=A, missed=True), start=ringing)[0].state is State.OFFLINE
    talked, told = after(TALK, END, start=ringing)
    assert (talked.state, told) == (State.OFFLINE, ())


def test_a_ring_into_wrap_up_does_not_shorten_it() -> None:
    ringing, told = after(READY, RING, TALK, END, Rang(at=12, call=B))
    assert (ringing.state, ringing.call, told) == (State.RINGING, B, ())
    back, told = after(RingEnded(at=14, call=B, missed=False), start=ringing)
    assert (back.state, told) == (State.WRAP_UP, ())
    over, _ = after(WrapUpOver(at=29, until=29), start=ringing)
    assert (over.state, over.call) == (State.RINGING, B)


def test_news_of_another_call_changes_nothing() -> None:
    ringing, _ = after(READY, RING)
    assert after(RingEnded(at=4, call=B, missed=True), start=ringing) == (ringing, ())
    talking, _ = after(TALK, start=ringing)
    assert after(Finished(at=4, call=B), start=talking) == (talking, ())
    assert after(Rang(at=4, call=B), start=talking) == (talking, ())
    assert after(RingEnded(at=4, call=A, missed=True), start=talking) == (talking, ())


IN, OUT = Membership(joined=True), Membership()


def test_after_our_restart_app_queue_is_believed_and_told_nothing() -> None:
    def taken(member: Membership, *, talks: bool = False) -> tuple[Presence, tuple[Command, ...]]:
        return adopt(member, at=50, talks=talks, call=None, rules=RULES)

    assert [c for _, c in map(taken, (IN, OUT))] == [(), ()]
    assert [p.state for p, _ in map(taken, (IN, OUT))] == [State.READY, State.OFFLINE]
    lunch, told = taken(Membership(joined=True, paused="午餐"))
    assert (lunch.state, lunch.reason, told) == (State.PAUSED, "午餐", ())
    wrapping, told = taken(Membership(joined=True, paused=WRAP_UP))
    assert (wrapping.state, told) == (State.WRAP_UP, (StartWrapUp(until=70),))
    talking, told = taken(IN, talks=True)
    assert (talking.state, talking.call, told) == (State.TALKING, None, ())
    assert after(Finished(at=60, call=B), start=talking)[0].state is State.WRAP_UP


def test_a_talk_that_only_app_queue_knows_of_locks_nobody_out() -> None:
    """It may be a call outside the queues, whose end nobody will report."""
    talking, _ = adopt(IN, at=50, talks=True, call=None, rules=RULES)
    assert after(Rang(at=60, call=A), start=talking)[0].state is State.RINGING
    ready, told = after(Ready(at=60), start=talking)
    assert (ready.state, told) == (State.READY, ())
    assert after(LUNCH, start=talking)[0].state is State.TALKING
    known, _ = reconcile(talking, IN, at=70, talks=True, call=A, rules=RULES)
    assert (known.state, known.call) == (State.TALKING, A)


def test_after_the_link_was_away_only_the_difference_is_told() -> None:
    def back(
        before: Presence, member: Membership, *, talks: bool = False, call: CallId | None = None
    ) -> tuple[Presence, tuple[Command, ...]]:
        return reconcile(before, member, at=50, talks=talks, call=call, rules=RULES)

    ready, _ = after(READY)
    assert back(ready, IN) == (ready, ())
    assert back(ready, OUT)[1] == (JoinQueues(),)  # Asterisk itself was restarted
    assert back(ready, Membership(joined=True, paused="old"))[1] == (UnpauseQueues(),)
    paused, _ = after(READY, LUNCH)
    assert back(paused, IN)[1] == (PauseQueues(reason="午餐"),)
    assert back(paused, OUT) == (replace(paused, told=OUT), ())
    assert back(Presence(since=0), IN)[1] == (LeaveQueues(),)
    ringing, _ = after(READY, RING)
    assert back(ringing, IN)[0].state is State.READY
    talking, _ = after(READY, RING, TALK)
    assert back(talking, IN, talks=True) == (talking, ())
    assert back(talking, IN, talks=True, call=B)[0].call == B
    assert back(talking, IN)[0].state is State.WRAP_UP
    assert back(ready, IN, talks=True, call=A)[0].state is State.TALKING


CALLS = st.sampled_from([A, B])
TIMES = st.integers(0, 100).map(float)
EVENTS = st.one_of(
    st.builds(Ready, at=TIMES),
    st.builds(Pause, at=TIMES, reason=st.sampled_from(["午餐", "会议"])),
    st.builds(Offline, at=TIMES),
    st.builds(Rang, at=TIMES, call=CALLS),
    st.builds(RingEnded, at=TIMES, call=CALLS, missed=st.booleans()),
    st.builds(Answered, at=TIMES, call=CALLS),
    st.builds(Finished, at=TIMES, call=CALLS),
    st.builds(WrapUpOver, at=TIMES, until=st.integers(20, 120).map(float)),
)


def obeyed(held: Membership, commands: tuple[Command, ...]) -> Membership:
    """Return what an app_queue that does as it is told holds after *commands*."""
    for command in commands:
        match command:
            case JoinQueues():
                assert not held.joined, "joined twice"
                held = IN
            case LeaveQueues():
                assert held.joined, "left twice"
                held = OUT
            case PauseQueues(reason=reason):
                assert held.joined
                assert held.paused != reason, "told twice"
                held = Membership(joined=True, paused=reason)
            case UnpauseQueues():
                assert held.paused is not None, "told twice"
                held = IN
            case StartWrapUp():
                pass
    return held


@given(st.lists(EVENTS, max_size=40))
def test_whatever_comes_app_queue_rings_only_who_wants_calls(events: list[PresenceEvent]) -> None:
    presence, held = Presence(since=0), OUT
    for event in events:
        presence, commands = step(presence, event, RULES)
        held = obeyed(held, commands)
        assert held == presence.told
        if presence.state is State.READY:
            assert held == IN
        if presence.state in (State.WRAP_UP, State.PAUSED, State.OFFLINE):
            assert held == OUT or held.paused is not None
        if presence.state is State.OFFLINE:
            assert held == OUT


@given(st.lists(EVENTS, max_size=40))
def test_whatever_comes_the_value_makes_sense(events: list[PresenceEvent]) -> None:
    presence, running = Presence(since=0), None
    for event in events:
        before = presence
        presence, commands = step(presence, event, RULES)
        for command in commands:
            if isinstance(command, StartWrapUp):
                running = command.until
        assert presence.wish in (State.READY, State.PAUSED, State.OFFLINE)
        assert (presence.pause is not None) == (presence.wish is State.PAUSED)
        assert presence.phone is Phone.IDLE or presence.call is not None
        assert presence.misses < RULES.misses
        if presence.state in (State.READY, State.PAUSED, State.OFFLINE):
            assert presence.call is None
        if presence.state is State.WRAP_UP:
            assert presence.wrap_up_ends == running, "wrap-up without a timer that ends it"
        if (presence.state, presence.reason) == (before.state, before.reason):
            assert presence.since == before.since


@given(st.lists(EVENTS, max_size=20), st.booleans(), st.sampled_from([IN, OUT, None]))
def test_a_resync_always_ends_in_agreement(
    events: list[PresenceEvent], talks: bool, member: Membership | None
) -> None:
    presence, _ = after(*events)
    held = presence.told if member is None else member
    again, commands = reconcile(
        presence, held, at=200, talks=talks, call=A if talks else None, rules=RULES
    )
    assert obeyed(held, commands) == again.told
    once_more = reconcile(
        again, again.told, at=300, talks=talks, call=A if talks else None, rules=RULES
    )
    assert once_more == (again, ())
