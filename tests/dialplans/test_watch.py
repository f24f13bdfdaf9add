"""When a published change counts as harmful."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplans.watch import Limits, Sample, judge

pytestmark = pytest.mark.unit

LIMITS = Limits()
HOUR = Sample(calls=600, failed=0, offered=500, abandoned=25, in_time=480)


@pytest.mark.parametrize(
    ("after", "bad"),
    [
        (Sample(), False),
        (Sample(calls=2, failed=2), False),
        (Sample(calls=3, failed=3), True),
        (Sample(calls=50, failed=3), True),
        (Sample(calls=60, failed=3), False),  # 5 points exactly
        (Sample(calls=1000, failed=40), False),
    ],
)
def test_three_failed_flows_decide_when_they_are_more_than_a_few_percent(
    after: Sample, bad: bool
) -> None:
    assert judge(HOUR, after, LIMITS).bad is bad


def test_failures_that_were_there_before_are_not_the_change_s() -> None:
    before = Sample(calls=100, failed=20)
    assert not judge(before, Sample(calls=20, failed=4), LIMITS).bad
    assert judge(before, Sample(calls=20, failed=6), LIMITS).bad


def test_without_an_hour_before_only_failures_can_decide() -> None:
    assert judge(Sample(), Sample(calls=3, failed=3), LIMITS).bad
    after = Sample(calls=100, offered=100, abandoned=90, in_time=0)
    assert not judge(Sample(), after, LIMITS).bad


@pytest.mark.parametrize(
    ("after", "bad", "says"),
    [
        (Sample(calls=29, offered=29, abandoned=29), False, ""),
        (Sample(calls=40, offered=40, abandoned=4, in_time=38), False, ""),
        (Sample(calls=40, offered=40, abandoned=12, in_time=38), True, "were abandoned"),
        (Sample(calls=40, offered=40, abandoned=2, in_time=20), True, "answered in time"),
        (Sample(calls=40, offered=40, abandoned=0, in_time=40), False, ""),  # better
    ],
)
def test_abandonment_and_service_level_need_many_calls_and_a_clear_difference(
    after: Sample, bad: bool, says: str
) -> None:
    verdict = judge(HOUR, after, LIMITS)
    assert verdict.bad is bad
    assert says in verdict.why


def test_what_chance_explains_does_not_decide() -> None:
    # 12 points more of 31 calls: one time in fifty that is luck
    before = Sample(calls=31, offered=31, abandoned=2, in_time=31)
    after = Sample(calls=31, offered=31, abandoned=6, in_time=31)
    assert not judge(before, after, LIMITS).bad
    assert judge(before, after, Limits(sigmas=1.0)).bad


def test_the_verdict_says_both_figures() -> None:
    verdict = judge(Sample(calls=50, failed=1), Sample(calls=10, failed=4), LIMITS)
    assert verdict.why == "the flow failed in 4 of 10 calls (40 %; in the hour before 2 %)"


counts = st.integers(0, 400)


@given(counts, counts, counts)
def test_a_change_that_changes_nothing_is_never_bad(
    calls: int, abandoned: int, timely: int
) -> None:
    same = Sample(
        calls=calls, failed=min(abandoned, calls), offered=calls,
        abandoned=min(abandoned, calls), in_time=min(timely, calls),
    )  # fmt: skip
    assert not judge(same, same, LIMITS).bad


@given(counts, counts)
def test_more_failures_never_turn_a_bad_change_good(failed: int, more: int) -> None:
    few, many = (Sample(calls=500, failed=n) for n in (failed, failed + more))
    if judge(HOUR, few, LIMITS).bad:
        assert judge(HOUR, many, LIMITS).bad
