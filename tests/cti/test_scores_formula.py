from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.scores.formula import LABELS, Counts, figures, fingerprint, ranks, rating, score
from dialplans.documents import read_toml
from schemas.scores import Scores, Weight

pytestmark = pytest.mark.unit

BAOJI = Path(__file__).parents[2] / "dialplans" / "baoji" / "scores.toml"


def baoji() -> Scores:
    found, faults = read_toml(BAOJI).model(Scores)
    assert found is not None
    assert not list(faults)
    return found


BEST = Counts(
    dispatched=20,
    finished=20,
    rated=10,
    satisfied=10,
    signs_due=20,
    signs_met=20,
    closes_due=20,
    closes_met=20,
)


def test_the_citys_file_weighs_all_six_figures() -> None:
    scores = baoji()
    assert scores.figures.keys() == LABELS.keys()
    assert sum(weight.weight for weight in scores.figures.values()) == 100
    assert {name: weight.name for name, weight in scores.figures.items()} == LABELS


def test_a_month_reckoned_by_hand() -> None:
    counts = Counts(
        dispatched=50,
        returned=5,  # 0.10 → 0.5 of 10
        finished=40,
        reworked=4,  # 0.10 → 0.5 of 15
        rated=20,
        satisfied=16,  # 0.80 → 0.2 / 0.35 of 30
        unreached=9,
        signs_due=50,
        signs_met=45,  # 0.90 → 0.5 of 15
        closes_due=40,
        closes_met=38,  # 0.95 → 0.75 of 30
    )
    found = score(counts, baoji())
    assert {name: value.value for name, value in found.figures.items()} == {
        "volume": 50,
        "satisfied": 0.8,
        "signed_in_time": 0.9,
        "returned": 0.1,
        "reworked": 0.1,
        "closed_in_time": 0.95,
    }
    by_hand = 5 + 7.5 + 30 * 0.2 / 0.35 + 7.5 + 22.5
    assert found.score == round(by_hand, 2) == 59.64


def test_the_best_month_is_a_hundred_and_the_worst_nothing() -> None:
    assert score(BEST, baoji()).score == 100
    worst = replace(
        BEST, satisfied=0, signs_met=0, closes_met=0, returned=20, reworked=30, dispatched=20
    )
    assert score(worst, baoji()).score == 0


def test_who_was_not_reached_is_never_satisfied_and_never_dissatisfied() -> None:
    nobody = Counts(dispatched=10, unreached=10)
    assert figures(nobody)["satisfied"].value is None
    assert "satisfied" not in score(nobody, baoji()).points
    assert score(replace(BEST, unreached=99), baoji()) == score(BEST, baoji())


@pytest.mark.parametrize(
    ("solved", "satisfied", "said"),
    [
        (True, 5, True),
        (None, 3, True),
        (True, 2, False),
        (False, 5, False),
        (False, None, False),
        (True, None, None),
        (None, None, None),
    ],
)
def test_what_a_citizen_said(solved: bool | None, satisfied: int | None, said: bool | None) -> None:
    assert rating(solved, satisfied) is said


def test_too_few_tickets_have_figures_and_no_score() -> None:
    found = score(replace(BEST, dispatched=4), baoji())
    assert found.score is None
    assert found.figures["volume"].value == 4


def test_without_a_file_there_are_figures_and_no_score() -> None:
    assert score(BEST, Scores()).score is None


def test_a_weight_without_a_span_is_all_or_nothing() -> None:
    weight = Weight(name="满意度", weight=1, best=1, worst=1, source="试验")
    scores = Scores(figures={"satisfied": weight})
    assert score(BEST, scores).score == 100
    assert score(replace(BEST, satisfied=9), scores).score == 0


def test_ranks_are_shared_by_equals() -> None:
    assert ranks({"a": 90.0, "b": None, "c": 95.0, "d": 90.0, "e": 10.0}) == {
        "c": 1,
        "a": 2,
        "d": 2,
        "e": 4,
    }


def test_the_fingerprint_is_of_the_meaning() -> None:
    scores = baoji()
    assert fingerprint(scores) == fingerprint(Scores.model_validate(scores.model_dump()))
    assert fingerprint(scores) != fingerprint(scores.model_copy(update={"fewest": 6}))


numbers = st.integers(0, 10**6)
counted = st.builds(
    Counts,
    **{name: numbers for name in asdict(Counts())},  # noqa: C420
)


@given(counted)
def test_every_score_is_between_nothing_and_a_hundred_and_reproducible(counts: Counts) -> None:
    found = score(counts, baoji())
    assert found == score(counts, baoji())
    if found.score is not None:
        assert 0 <= found.score <= 100
    for name, value in found.figures.items():
        assert (value.value is None) == (value.whole == 0)
        if name != "volume" and value.value is not None:
            assert 0 <= value.value <= 1


@given(counted, st.sampled_from(["satisfied", "signs_met", "closes_met"]))
def test_doing_better_never_lowers_the_score(counts: Counts, what: str) -> None:
    better = replace(counts, **{what: getattr(counts, what) + 1})
    before, after = score(counts, baoji()).score, score(better, baoji()).score
    if before is not None:
        assert after is not None
        assert after >= before
