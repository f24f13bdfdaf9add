"""The circuit breaker, as a table and as something that never shuts speech away for good."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.speech.breaker import (
    LONGEST_REST,
    REST,
    TRIAL,
    TROUBLES,
    WELL,
    Breaker,
    Health,
    Met,
    State,
)

pytestmark = pytest.mark.unit

Happening = Health | Met
TROUBLE = (Met.MUTE, Met.LATE, Met.FAILED)
UP = (Health.WELL,) * WELL


def after(*happenings: Happening, start: Breaker | None = None, at: float = 100.0) -> Breaker:
    """Return the breaker after all of them, all at one moment."""
    breaker = start or Breaker()
    for one in happenings:
        breaker = breaker.felt(one, at) if isinstance(one, Health) else breaker.met(one, at)
    return breaker


def tripped(at: float = 100.0) -> Breaker:
    return after(*UP, *[Met.MUTE] * TROUBLES, at=at)


@pytest.mark.parametrize(
    ("happenings", "offers"),
    [
        ([], False),
        ([Health.WELL], False),
        (UP, True),
        ([Health.WELL, Health.SICK, Health.WELL], False),
        ([*UP, Health.SICK], False),
        ([*UP, Health.SICK, Health.WELL], False),
        ([*UP, Health.SICK, *UP], True),
        ([*UP, Health.SLOW], True),  # one late answer of a busy machine
        ([*UP, Health.SLOW, Health.WELL, Health.SLOW], True),
        ([*UP, Health.SLOW, Health.SLOW], False),
        ([*UP, Health.SLOW, Health.SLOW, Health.SLOW], False),
        ([*UP, Health.SLOW, Health.SLOW, *UP], True),
        ([*UP, Health.FULL], False),
        ([*UP, Health.FULL, Health.WELL], True),
        ([Health.FULL, Health.FULL], False),
        ([Health.FULL, Health.WELL], True),
        ([*UP, Met.BEGUN, Met.GOOD], True),
        ([*UP, *[Met.LATE] * (TROUBLES - 1)], True),
        ([*UP, *[Met.LATE] * (TROUBLES - 1), Met.GOOD, Met.MUTE], True),
        ([*UP, *[Met.LATE] * TROUBLES], False),
        ([*UP, *[Met.LATE] * TROUBLES, *UP], False),  # it says that it is well; callers know better
        ([*UP, *[Met.LATE] * (TROUBLES - 1), Health.SICK, *UP, Met.LATE], True),
        ([Met.MUTE], False),
    ],
)
def test_speech_is_offered_while_it_is_well_and_answers_callers(
    happenings: Sequence[Happening], offers: bool
) -> None:
    assert after(*happenings).offers(100.0) is offers


@pytest.mark.parametrize("trouble", TROUBLE)
def test_whatever_the_trouble_enough_of_it_opens_the_circuit(trouble: Met) -> None:
    assert after(*UP, *[trouble] * (TROUBLES - 1)).state is State.CLOSED
    assert after(*UP, *[trouble] * TROUBLES).state is State.OPEN


def test_a_front_that_is_merely_full_is_offered_as_soon_as_it_has_room() -> None:
    full = after(*UP, *[Met.REFUSED] * 9)
    assert not full.offers(100.0)
    assert after(Health.WELL, start=full).offers(100.0)
    trial = after(Health.WELL, Met.BEGUN, Met.REFUSED, start=tripped(), at=200)
    assert trial.state is State.HALF_OPEN, "no longer rest for want of room"
    assert after(Health.WELL, start=trial, at=200).offers(200)


def test_a_refusal_of_what_was_not_well_is_trouble() -> None:
    assert after(*UP, *[Met.LATE] * (TROUBLES - 1), Health.SLOW, Met.REFUSED).full
    sick = after(Health.WELL, *[Met.REFUSED] * TROUBLES)
    assert sick.troubles == TROUBLES


@pytest.mark.parametrize("passing", [Met.PASSED, Met.BEGUN])
def test_a_caller_of_whom_nothing_was_learnt_forgives_no_trouble(passing: Met) -> None:
    assert after(*UP, Met.LATE, passing, Met.LATE, passing, Met.LATE).state is State.OPEN


def test_a_trial_of_which_nothing_was_learnt_is_made_again_at_once() -> None:
    trial = after(Health.WELL, Met.BEGUN, Met.PASSED, start=tripped(), at=200)
    assert trial.state is State.HALF_OPEN
    assert trial.offers(200)


def test_after_a_rest_one_call_tries_and_its_success_lets_everybody_speak() -> None:
    resting = tripped()
    assert not after(Health.WELL, start=resting, at=100 + REST - 0.1).offers(100 + REST - 0.1)
    rested = after(Health.WELL, start=resting, at=100 + REST)
    assert rested.state is State.HALF_OPEN
    assert rested.offers(100 + REST)
    trying = after(Met.BEGUN, start=rested, at=100 + REST)
    assert not trying.offers(100 + REST + 1)
    works = after(Met.GOOD, start=trying, at=100 + REST + 5)
    assert works.state is State.CLOSED
    assert works.offers(100 + REST + 5)
    assert works.rests == 0


def test_a_trial_whose_caller_hung_up_is_followed_by_another() -> None:
    trying = after(Health.WELL, Met.BEGUN, start=tripped(), at=200)
    assert not trying.offers(200 + TRIAL - 0.1)
    assert trying.offers(200 + TRIAL)


def test_each_rest_that_did_not_help_is_followed_by_a_longer_one() -> None:
    breaker, at, rests = tripped(), 100.0, []
    for _ in range(12):
        rests.append(breaker.rests_until - at)
        at = breaker.rests_until
        breaker = after(Health.WELL, Met.BEGUN, Met.LATE, start=breaker, at=at)
        assert breaker.state is State.OPEN
    assert rests[:4] == [REST, 2 * REST, 4 * REST, 8 * REST]
    assert max(rests) == rests[-1] == LONGEST_REST


def test_a_front_that_was_sick_while_it_rested_is_tried_by_one_call_too() -> None:
    sick = after(Health.SICK, start=tripped(), at=101)
    assert after(*UP, start=sick, at=102).state is State.OPEN
    assert after(*UP, start=sick, at=300).state is State.HALF_OPEN


@given(
    st.lists(
        st.tuples(st.sampled_from([*Health, *Met]), st.floats(0, 30, allow_nan=False, width=16)),
        max_size=60,
    )
)
def test_whatever_happened_a_front_that_works_is_offered_again_soon(
    happenings: list[tuple[Happening, float]],
) -> None:
    breaker, at = Breaker(), 0.0
    for one, later in happenings:
        at += later
        breaker = after(one, start=breaker, at=at)
        if one in (Health.SICK, Health.FULL):
            assert not breaker.offers(at)
    at += max(LONGEST_REST, TRIAL)
    breaker = after(*UP, start=breaker, at=at)
    assert breaker.offers(at)
    breaker = after(Met.BEGUN, Met.GOOD, start=breaker, at=at)
    assert breaker.state is State.CLOSED
    assert breaker.offers(at)
