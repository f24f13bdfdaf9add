"""The flow machine: whatever the document says and the caller does, somebody is reached."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.flow import MOST_STEPS, FlowEnded, begin, hear
from schemas.calls import RouteKind
from schemas.flows import CLOSING, LOOKUPS, PERSON, RETURN
from schemas.moves import Done, Hear, Heard, Listen, Look
from schemas.numbers import Number
from tests.ivr.flow_walks import (
    FAILED,
    SILENCE,
    Steps,
    city,
    flow,
    key,
    number,
    situation,
    words,
)

pytestmark = pytest.mark.unit

# ---- whatever the document and the caller are

NAMES = ("a", "b", "c", "d", "e", "f", "g")
targets = st.sampled_from([*NAMES, *NAMES, PERSON, RETURN, "nowhere"])
values = st.sampled_from(["{caller}", "{entry}", "{onward}", "{agent}", "12", "2026-11-23", "x"])
spoken = st.builds(
    lambda kind, value: {kind: value},
    st.sampled_from(["number", "count", "digits", "phone", "ticket", "date", "time", "weekday",
                     "duration", "money"]),
    values,
)  # fmt: skip
prompt = st.one_of(st.sampled_from(["hello", "ask", "{notice}", "missing"]), spoken)
some = st.lists(prompt, min_size=1, max_size=3)
any_number_of = st.lists(prompt, max_size=2)
key_table = st.dictionaries(st.sampled_from("0123456789*#"), targets, max_size=4)
wait = st.sampled_from([0, 1.5])
closing = st.sampled_from(["self_service", "out_of_scope", "callback_promised"])
asking: dict[str, st.SearchStrategy[Any]] = {
    "prompts": some, "again": any_number_of, "keys": key_table, "wait": wait,
    "retries": st.integers(0, 3), "silence": st.none() | targets, "otherwise": targets,
}  # fmt: skip


def lookup_step(what: str, wanted: list[str], to: str, otherwise: str) -> dict[str, Any]:
    of = {"of": "{entry}"} if LOOKUPS[what].asks else {}
    words = [w for w in LOOKUPS[what].words if w in wanted] or [LOOKUPS[what].words[0]]
    cases = dict.fromkeys(words, to)
    return {"do": "lookup", "what": what, "cases": cases, "otherwise": otherwise, **of}


def entry_step(low: int, more: int, **rest: Any) -> dict[str, Any]:
    return {"do": "digits", "into": "entry", "min": low, "max": min(low + more, 20), **rest}


any_step = st.one_of(
    st.fixed_dictionaries({"do": st.just("say"), "prompts": some, "next": targets}),
    st.fixed_dictionaries({"do": st.just("menu"), **asking}),
    st.fixed_dictionaries({
        "do": st.just("listen"), **asking, "key_wait": wait, "spoken": any_number_of,
        "intents": st.dictionaries(
            st.sampled_from(["yes", "no", "progress", "emergency-110", "line-7"]), targets
        ),
        "lines": st.none() | targets,
    }),
    st.builds(
        entry_step, st.integers(1, 20), st.integers(0, 5), prompts=some, again=any_number_of,
        retries=st.integers(0, 3), next=targets, failed=targets,
    ),
    st.fixed_dictionaries({
        "do": st.just("queue"), "prompts": any_number_of, "seat": st.booleans(),
        "skill": st.sampled_from([None, "{unit}", "skill-night", "mars"]),
        "agent": st.sampled_from([None, "{agent}", "8001"]), "priority": st.integers(0, 10),
    }),
    st.fixed_dictionaries(
        {"do": st.just("transfer"), "prompts": any_number_of, "to": values | st.just("110")}
    ),
    st.fixed_dictionaries({
        "do": st.just("notice"), "prompts": some, "keys": key_table, "outcome": closing,
    }),
    st.builds(
        lookup_step, st.sampled_from(sorted(LOOKUPS)),
        st.lists(st.sampled_from(["free", "on", "open", "known", "away"])), targets, targets,
    ),
    st.fixed_dictionaries({
        "do": st.just("hours"), "schedule": st.sampled_from(["day", "never", "x"]),
        "open": targets, "closed": targets,
    }),
    st.fixed_dictionaries({"do": st.just("message"), "prompts": any_number_of}),
    st.fixed_dictionaries(
        {"do": st.just("hangup"), "prompts": any_number_of, "outcome": closing}
    ),
    st.fixed_dictionaries({"do": st.just("goto"), "to": targets}),
    st.fixed_dictionaries(
        {"do": st.just("goto"), "flow": st.sampled_from(["f", "g", "gone"]), "then": targets}
    ),
)  # fmt: skip
YES = (words("yes"), key("1"), words("emergency-110"), words("emergency-110", sure=False))
"""What answers a doubt, or is no answer to it."""
any_flow = st.dictionaries(st.sampled_from(NAMES), any_step, min_size=1)
any_heard = st.one_of(
    st.just(SILENCE),
    st.just(FAILED),
    st.builds(key, st.sampled_from("0123456789*#")),
    st.builds(lambda d: Heard(digits=d), st.text("0123456789*x", max_size=21)),
    st.builds(
        lambda intent, sure: words(intent, sure=sure),
        st.sampled_from(["", "yes", "no", "maybe", "progress", "emergency-110", "line-7"]),
        st.booleans(),
    ),
    st.builds(
        lambda w, a: Heard(word=w, found={"agent": a, "ticket": a}),
        st.sampled_from(["free", "busy", "on", "off", "open", "known", "odd"]),
        st.sampled_from(["8001", "", "x" * 99]),
    ),
)


@given(
    first=any_flow,
    second=any_flow,
    heard=st.lists(any_heard, min_size=1, max_size=10),
    of=st.sampled_from([
        number(), number(flow="gone"), None,
        number(seat="3260000", seat_seconds=9, onward="95598", unit="env"),
    ]),
    speech=st.booleans(),
    returning=st.booleans(),
)  # fmt: skip
def test_every_flow_ends_soon_and_somebody_is_reached_unless_the_document_hangs_up(
    first: Steps,
    second: Steps,
    heard: list[Heard],
    of: Number | None,
    speech: bool,
    returning: bool,
) -> None:
    flows = (flow(first), flow(second, "g"), flow(first, "unknown"))
    here = city(*flows, of=of or number())
    place, move = begin(here, situation(of, speech=speech, returning=returning))
    told = 0
    last = None
    while not isinstance(move, Done):
        assert told < MOST_STEPS
        if not isinstance(move, Look):
            assert all(id in here.prompts for id in move.prompts)
        if isinstance(move, Hear | Listen):
            assert move.prompts
        last = heard[told % len(heard)]
        told += 1
        doubt = place.doubt
        place, move = hear(place, last)
        if place.doubt is not None:  # nothing is done before it is clear that it was meant
            assert doubt is None
            assert not last.sure
            assert isinstance(move, Listen)
            assert move.prompts == (f"ask-{last.intent}",)
        elif doubt is not None and last not in YES:
            assert isinstance(move, Done)
            assert place.step == PERSON
    with pytest.raises(FlowEnded):
        hear(place, SILENCE)
    route, step = move.route, place.now
    if route.kind is RouteKind.HANGUP:
        assert step is not None
        assert step.do in ("notice", "hangup")
        assert route.outcome in CLOSING.values()
        if step.do == "notice":
            assert last is not None
            assert last.failed is None  # it was heard to its end
        assert not returning
    else:
        assert route.queue  # a person is what follows, whatever comes of it
        assert (route.outcome is None) == (route.kind is not RouteKind.MESSAGE)
    if route.kind is RouteKind.TRANSFER:
        assert route.target
        assert route.target.removeprefix("+").isdigit()
