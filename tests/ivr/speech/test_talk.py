"""What is due to a RECOGNIZE, and when."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ivr.speech.talk import Talk
from ivr.speech.wire import Kind, Listening, Result

pytestmark = pytest.mark.unit

BARGE = Listening(barge=True)
PLAIN = Listening()


def test_a_sentence_cuts_the_prompt_and_ends_under_the_next_recognize() -> None:
    talk = Talk(1.0)
    first = talk.listen(BARGE)
    assert talk.due(0.0) is None
    talk.begun(first.sentence)
    assert talk.due(0.1) == Result(Kind.BEGAN)
    assert talk.due(0.2) is None  # one result for one RECOGNIZE
    assert talk.takes_sound
    second = talk.listen(PLAIN)
    assert second.sentence == first.sentence
    assert talk.due(0.3) is None
    talk.ended(second.sentence, 1.0)
    assert not talk.takes_sound
    talk.words(second.sentence, "停水", 90)
    assert talk.due(1.2) == Result(Kind.FINAL, "停水", 90)
    assert talk.last == Result(Kind.FINAL, "停水", 90)
    assert talk.due(5.0) is None


def test_words_that_came_between_two_recognizes_wait_for_the_next_ones_sound() -> None:
    talk = Talk(1.0)
    turn = talk.listen(BARGE)
    talk.begun(turn.sentence)
    talk.due(0.0)
    talk.ended(turn.sentence, 0.1)
    talk.words(turn.sentence, "是", 70)
    assert talk.due(0.2) is None
    talk.listen(PLAIN)
    assert talk.due(0.3) == Result(Kind.FINAL, "是", 70)


def test_words_that_are_there_at_once_need_no_began() -> None:
    talk = Talk(1.0)
    turn = talk.listen(BARGE)
    talk.begun(turn.sentence)
    talk.words(turn.sentence, "是", 70)
    assert talk.due(0.0) == Result(Kind.FINAL, "是", 70)


def test_after_a_final_a_new_sentence_begins_and_the_old_one_is_nothing() -> None:
    talk = Talk(1.0)
    old = talk.listen(PLAIN)
    talk.begun(old.sentence)
    talk.ended(old.sentence, 0.0)
    assert talk.due(0.9) is None
    assert talk.due(1.0) == Result(Kind.LATE)
    assert not talk.takes_sound
    new = talk.listen(PLAIN)
    assert new.sentence != old.sentence
    assert talk.takes_sound
    talk.words(old.sentence, "too late", 50)
    talk.ended(old.sentence, 0.0)
    talk.begun(old.sentence)
    assert talk.due(9.0) is None
    talk.words(new.sentence, "new", 50)
    talk.words(new.sentence, "twice", 50)
    assert talk.due(9.0) == Result(Kind.FINAL, "new", 50)


def test_silence_ends_the_recognize_and_not_the_listening() -> None:
    talk = Talk(1.0)
    first = talk.listen(BARGE)
    talk.silent(first.listen)
    assert talk.due(0.0) == Result(Kind.SILENCE)
    assert talk.takes_sound
    second = talk.listen(BARGE)
    assert second.sentence == first.sentence
    talk.silent(first.listen)  # of the RECOGNIZE before
    assert talk.due(0.1) is None


def test_who_began_is_not_silent() -> None:
    talk = Talk(1.0)
    turn = talk.listen(PLAIN)
    talk.begun(turn.sentence)
    talk.silent(turn.listen)
    assert talk.due(0.0) is None


def test_a_dead_worker_fails_every_recognize_but_words_that_are_there() -> None:
    talk = Talk(1.0)
    turn = talk.listen(PLAIN)
    talk.words(turn.sentence, "停水", 90)
    talk.failed()
    assert talk.due(0.0) == Result(Kind.FINAL, "停水", 90)
    talk.listen(PLAIN)
    assert not talk.takes_sound
    assert talk.due(0.1) == Result(Kind.FAILED)
    talk.listen(PLAIN)
    assert talk.due(0.2) == Result(Kind.FAILED)


def test_who_sets_nothing_gets_sentence_after_sentence() -> None:
    talk = Talk(1.0)
    assert talk.unasked
    first = talk.listen(None)
    assert not talk.unasked
    talk.words(first.sentence, "一", 1)
    assert talk.due(0.0) == Result(Kind.FINAL, "一", 1)
    assert talk.unasked
    assert talk.listen(None).sentence != first.sentence


class AnyOrder(RuleBasedStateMachine):
    """Whatever order things come in: one result a RECOGNIZE, one ending a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk(1.0)
        self.now = 0.0
        self.turn = self.talk.listen(PLAIN)
        self.sent = 0
        self.endings = {self.turn.sentence: 0}

    @rule(barge=st.booleans())
    def listen(self, barge: bool) -> None:
        self.turn = self.talk.listen(Listening(barge=barge))
        self.endings.setdefault(self.turn.sentence, 0)
        self.sent = 0

    @rule(back=st.integers(0, 2))
    def begun(self, back: int) -> None:
        self.talk.begun(self.turn.sentence - back)

    @rule(back=st.integers(0, 2))
    def ended(self, back: int) -> None:
        self.talk.ended(self.turn.sentence - back, self.now)

    @rule(back=st.integers(0, 2), text=st.sampled_from(["", "停水"]))
    def words(self, back: int, text: str) -> None:
        self.talk.words(self.turn.sentence - back, text, 50)

    @rule(back=st.integers(0, 2))
    def silent(self, back: int) -> None:
        self.talk.silent(self.turn.listen - back)

    @rule(later=st.floats(0, 2))
    def frame(self, later: float) -> None:
        self.now += later
        result = self.talk.due(self.now)
        if result is not None:
            self.sent += 1
            ends = result.kind in {Kind.FINAL, Kind.LATE, Kind.FAILED}
            self.endings[self.turn.sentence] += ends
            assert self.talk.last == result
            assert result.kind is not Kind.BEGAN or self.turn.listening.barge

    @precondition(lambda self: self.now > 20)
    @rule()
    def failed(self) -> None:
        self.talk.failed()

    @invariant()
    def one_at_most(self) -> None:
        assert self.sent <= 1
        assert max(self.endings.values()) <= 1


AnyOrder.TestCase.settings = settings(deadline=None)
TestAnyOrder = AnyOrder.TestCase
