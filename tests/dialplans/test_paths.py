"""Flows as graphs."""

from collections.abc import Mapping
from typing import Any

import pytest

from dialplans import lasting, paths
from dialplans.lasting import Clock, Lasting
from dialplans.paths import By, Way
from dialplans.references import EXAMPLES
from ivr.say import KINDS, PIECES, spoken
from schemas import flows
from schemas.flows import Flow

pytestmark = pytest.mark.unit

SAY = {"do": "say", "prompts": ["x"]}
QUEUE = {"do": "queue"}


def made(**steps: Mapping[str, Any]) -> Flow:
    start = next(iter(steps))
    return Flow.model_validate({"flow": "f", "title": "t", "start": start, "steps": steps})


def asking(**ways: Any) -> dict[str, Any]:
    return {"do": "menu", "prompts": ["x"], **ways}


def second_each(step: flows.Step) -> float:
    return 0.0 if isinstance(step, flows.Goto | flows.Lookup | flows.Hours) else 1.0


def clock(found: Mapping[str, Flow], *, rare: bool = False) -> Clock:
    return Clock(found, cost=second_each, rare=rare)


def test_who_is_asked_back_may_take_longer_than_who_is_silent() -> None:
    found = {"main": made(a=asking(silence="b"), b=SAY | {"next": "c"}, c=QUEUE)}

    def asked_back(step: flows.Step) -> float:
        return 5.0 if isinstance(step, flows.Menu) else 0.0

    clock = Clock(found, cost=second_each, rare=False, doubt=asked_back)
    assert clock.longest("main", "a").end == Lasting(5.0, ((("main", "a + ask"), 5.0),))
    short = Clock(found, cost=second_each, rare=False, doubt=lambda _: 1.0)
    assert short.longest("main", "a").end == Lasting(
        3.0, ((("main", "a"), 1.0), (("main", "b"), 1.0), (("main", "c"), 1.0))
    )


def test_ways_are_chosen_failed_or_free() -> None:
    flow = made(
        a=asking(keys={"1": "b"}, silence="b", otherwise="c"),
        b={"do": "digits", "prompts": ["x"], "into": "e", "next": "c"},
        c={"do": "notice", "prompts": ["x"], "keys": {"1": "a"}},
    )
    assert paths.ways(flow.steps["a"]) == (
        Way("keys.1", "b", By.CHOICE),
        Way("silence", "b", By.FREE),
        Way("otherwise", "c", By.FAILURE),
    )
    assert [way.by for way in paths.ways(flow.steps["b"])] == [By.CHOICE, By.FAILURE]
    assert [way.by for way in paths.ways(flow.steps["c"])] == [By.CHOICE]


def test_steps_behind_any_way_are_reached_and_others_not() -> None:
    flow = made(a=asking(keys={"1": "b"}), b=QUEUE, c=QUEUE)
    assert paths.reachable(flow) == {"a", "b"}


def test_a_sub_flow_comes_back_with_what_was_chosen_in_it() -> None:
    found = {
        "main": made(a={"do": "goto", "flow": "sub", "then": "b"}, b=QUEUE),
        "sub": made(a=asking(keys={"1": "return"}, silence="return"), b=QUEUE),
    }

    def chosen(_: str, __: flows.Step, way: Way, mark: bool) -> bool:
        return mark or way.by is By.CHOICE

    nodes = paths.explore(found, "main", chosen, mark=False)
    marks = {node.mark for node in nodes if (node.flow, node.step) == ("main", "b")}
    assert marks == {False, True}
    trail = next(t for n, t in nodes.items() if (n.flow, n.step, n.mark) == ("main", "b", False))
    assert trail.refs() == [("main", "a"), ("sub", "a"), ("sub", "return"), ("main", "b")]


def test_circles_lead_through_sub_flows_only_where_these_come_back() -> None:
    caller = made(a={"do": "goto", "flow": "sub", "then": "a"}, b=QUEUE)
    back, away = made(a={**SAY, "next": "return"}), made(a=QUEUE)
    assert list(paths.circles({"main": caller, "sub": back})) == [("main", ["a"])]
    assert list(paths.circles({"main": caller, "sub": away})) == []


def test_flows_that_run_each_other_are_found_once() -> None:
    found = {
        name: made(a={"do": "goto", "flow": other})
        for name, other in [("x", "y"), ("y", "z"), ("z", "y"), ("w", "nowhere")]
    }
    assert list(paths.recursions(found)) == [[("y", "a"), ("z", "a")]]


def test_the_longest_way_of_who_says_nothing_goes_through_sub_flows() -> None:
    found = {
        "main": made(a={**SAY, "next": "b"}, b={"do": "goto", "flow": "sub", "then": "c"}, c=QUEUE),
        "sub": made(
            a={"do": "hours", "schedule": "s", "open": "b", "closed": "return"},
            b={**SAY, "next": "return"},
        ),
    }
    assert clock(found).longest("main", "a").end == Lasting(
        3.0, ((("main", "a"), 1.0), (("sub", "b"), 1.0), (("main", "c"), 1.0))
    )


def test_an_entry_that_fails_for_ever_ends_at_a_person() -> None:
    entry = {
        "do": "digits",
        "prompts": ["x"],
        "into": "e",
        "next": "b",
        "retries": 0,
        "failed": "a",
    }
    found = {"main": made(a=entry, b=QUEUE)}
    assert clock(found).longest("main", "a").end == Lasting(1.0, ((("main", "a"), 1.0),))


@pytest.mark.parametrize(
    ("cases", "otherwise", "rare", "seconds"),
    [
        ({"away": "slow"}, "fast", False, 1.0),
        ({"away": "slow"}, "fast", True, 2.0),
        ({"free": "fast", "busy": "fast"}, "slow", False, 1.0),
        ({"free": "fast"}, "slow", False, 2.0),
    ],
)
def test_words_that_leave_the_caller_alone_count_on_rare_days_only(
    cases: dict[str, str], otherwise: str, rare: bool, seconds: float
) -> None:
    look = {"do": "lookup", "what": "duty", "cases": cases, "otherwise": otherwise}
    found = {"main": made(a=look, slow={**SAY, "next": "fast"}, fast=QUEUE)}
    end = clock(found, rare=rare).longest("main", "a").end
    assert end is not None
    assert end.seconds == seconds


def test_flows_longer_than_pythons_stack_and_doubling_ones_are_measured() -> None:
    names = [f"s{i}" for i in range(200)]
    steps = {n: {**SAY, "next": m} for n, m in zip(names, [*names[1:], "return"], strict=True)}
    found = {"f0": made(**steps)}
    for i in range(1, 100):
        run = {"do": "goto", "flow": f"f{i - 1}"}
        found[f"f{i}"] = made(a={**run, "then": "b"}, b={**run, "then": "return"})
    way = clock(found).longest("f99", "a").back
    assert way is not None
    assert way.seconds == 200 * 2.0**99
    assert len(way.parts) == lasting.MOST_PARTS


def test_the_examples_of_values_can_all_be_said_and_need_every_piece() -> None:
    assert EXAMPLES.keys() <= KINDS.keys()
    assert set(EXAMPLES) == set(flows.Spoken.model_fields)
    needed = {id for kind, texts in EXAMPLES.items() for text in texts for id in spoken(kind, text)}
    assert needed <= PIECES.keys()
    # halves of hours, hundreds and thousands stand for their like
    assert {"n-yao", "n-liang", "n-pause", "n-wan", "n-yi", "n-fu", "n-weekday-7"} <= needed
    assert {f"n-month-{month}" for month in range(1, 13)} <= needed
