"""Which number did the citizen dial?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.routing import LONGEST_CHAIN, LONGEST_TEXT, Facts, attribute, facts_from, find, phone
from schemas.calls import CallId
from schemas.numbers import Attribution, Register

pytestmark = pytest.mark.unit

MOBILE, FOREIGN = "13900000001", "02988880000"
DID, REDIRECTING = Attribution.DID, Attribution.REDIRECTING
DIVERSION, UNKNOWN = Attribution.DIVERSION, Attribution.UNKNOWN


def facts(did: str, **more: Any) -> Facts:
    return Facts(call=CallId("1.1"), channel="PJSIP/t-1", caller=MOBILE, did=did, **more)


@pytest.mark.parametrize(
    ("given_facts", "number", "how"),
    [
        (facts("12345"), "12345", DID),
        (facts("12336"), "12336", DID),
        (facts("12336", redirecting_orig="12320"), "12336", DID),
        (facts("12345", redirecting_orig="12336"), "12336", REDIRECTING),
        (facts("12345", redirecting_from="12336"), "12336", REDIRECTING),
        (facts("12345", redirecting_orig="12336", redirecting_from="12320"), "12336", REDIRECTING),
        (facts("12345", redirecting_orig=FOREIGN, redirecting_from="12320"), "12320", REDIRECTING),
        # one Diversion header also fills from-num
        (facts("12345", redirecting_from="12336", diversion=("12336",)), "12336", REDIRECTING),
        (facts("12345", diversion=("12336",)), "12336", DIVERSION),
        (facts("12345", history=("12336",)), "12336", DIVERSION),
        (facts("12345", history=("12336", "12345")), "12336", DIVERSION),
        # several hops: 12336 was dialled, 12320 diverted last
        (facts("12345", diversion=("12320", "12336")), "12336", DIVERSION),
        (
            facts("12345", redirecting_from="12320", diversion=("12320", "12336")),
            "12336",
            DIVERSION,
        ),
        (facts("12345", history=("12336", "12320", "12345")), "12336", DIVERSION),
        (facts("12345", redirecting_from="12345", history=("12336", "12345")), "12336", DIVERSION),
        # strangers in the chain
        (facts("12345", diversion=("12336", FOREIGN)), "12336", DIVERSION),
        (facts("12345", diversion=(FOREIGN, "12336")), "12336", DIVERSION),
        (facts("12345", diversion=("12320", FOREIGN, "12336", MOBILE)), "12336", DIVERSION),
        (
            facts("12345", redirecting_from=FOREIGN, diversion=(FOREIGN, "12336")),
            "12336",
            DIVERSION,
        ),
        (facts("12345", diversion=(FOREIGN,), redirecting_from=FOREIGN), "12345", DID),
        # 12345 in the chain
        (facts("12345", diversion=("12345", "12336")), "12336", DIVERSION),
        (facts("12345", diversion=("12336", "12345")), "12345", DID),
        (facts("12345", redirecting_from="12345"), "12345", DID),
        (facts("88001234", redirecting_from="12345"), "12345", REDIRECTING),
        # both kinds of header: the longer knows more
        (facts("12345", diversion=("12320",), history=("12336", "12320")), "12336", DIVERSION),
        (facts("12345", diversion=("12320", "12336"), history=("12320",)), "12336", DIVERSION),
        # privacy
        (facts("12345", diversion=("anonymous",)), "12345", DID),
        (facts("12345", diversion=("anonymous", "12336")), "12336", DIVERSION),
        # a trunk number that is not in the register
        (facts("88001234", redirecting_orig="12336"), "12336", REDIRECTING),
        (facts("88001234", history=("12336", "88001234")), "12336", DIVERSION),
        (facts("88001234"), None, UNKNOWN),
        (facts("88001234", diversion=(FOREIGN,)), None, UNKNOWN),
        (facts(""), None, UNKNOWN),
        (facts("${SHELL(id)}"), None, UNKNOWN),
    ],
)
def test_the_number_dialled_first_is_found(
    given_facts: Facts, number: str | None, how: Attribution, register: Register
) -> None:
    found = attribute(given_facts, register)
    assert (found.number.number if found.number else None, found.attribution) == (number, how)
    assert found.dialled == (number or ("88001234" if given_facts.did == "88001234" else ""))


def test_the_chain_is_told_from_the_first_number_dialled(register: Register) -> None:
    found = attribute(facts("12345", diversion=("+8691712320", "anonymous", "12336")), register)
    assert found.chain == ("12336", "12320")


SPELLINGS = [
    "{}",
    "917{}",
    "0917{}",
    "0917-{}",
    "+86917{}",
    "+86{}",
    "0086917{}",
    "86917{}",
    "%2B86917{}",
    "tel:+86-917-{}",
    "sip:{}@10.0.0.1",
    "sip:0917{};phone-context=x@10.0.0.1:5060;user=phone",
    "sips:{}:secret@host",
    "SIP:{}@host",
    '"某 <局>"',
    "<sip:%2b86917{}@h;user=phone>;reason=unconditional;counter=1",
    '"name" <tel:{};phone-context=+86>;privacy=off',
]


@pytest.mark.parametrize("spelling", [s for s in SPELLINGS if "{}" in s])
@pytest.mark.parametrize("number", ["12336", "3206789"])
def test_every_spelling_of_a_number_is_that_number(
    spelling: str, number: str, register: Register
) -> None:
    entry = find(spelling.format(number), register)
    assert entry is not None
    assert entry.number == number


@pytest.mark.parametrize(
    "text",
    ["anonymous", "a1b2336", "12336x", '"某 <局>"', "", "<>", "+", "8612345", "1233６", "%"],
)
def test_what_is_no_number_of_ours_is_not_taken_for_one(text: str, register: Register) -> None:
    assert find(text, register) is None


@given(st.text(max_size=80))
def test_any_text_is_a_plain_number_or_none(text: str) -> None:
    assert set(phone(text)) <= set("+0123456789 ().-")


USERS = st.sampled_from(["12345", "12336", "12320", "12328", FOREIGN, MOBILE, "anonymous", ""])


@given(did=USERS, orig=USERS, last=USERS, diversion=st.lists(USERS), history=st.lists(USERS))
def test_attribution_keeps_its_promises(
    did: str,
    orig: str,
    last: str,
    diversion: list[str],
    history: list[str],
    register: Register,
) -> None:
    call = facts(
        did,
        redirecting_orig=orig,
        redirecting_from=last,
        diversion=tuple(diversion),
        history=tuple(history),
    )
    found = attribute(call, register)
    own = find(did, register)
    assert (found.number is None) == (found.attribution is UNKNOWN)
    if own and own.number != "12345":
        assert (found.number, found.attribution) == (own, DID)
    if own:
        assert found.number is not None
    if found.number:
        assert found.dialled == found.number.number
        assert found.number.number in {did, orig, last, *diversion, *history}


@given(
    st.dictionaries(st.from_regex(r"agi_(arg_[1-6]|callerid|channel)", fullmatch=True), st.text())
)
def test_facts_are_bounded_and_printable_whatever_came(environment: dict[str, str]) -> None:
    call = facts_from(environment)
    texts = [call.call, call.caller, call.did, call.redirecting_orig, call.redirecting_from]
    for text in (*texts, *call.diversion, *call.history):
        assert len(text) <= LONGEST_TEXT
        assert text.isprintable()
    assert max(len(call.diversion), len(call.history)) <= LONGEST_CHAIN


def test_facts_are_the_arguments_of_the_dialplan() -> None:
    call = facts_from(
        {
            "agi_channel": "PJSIP/trunk-1",
            "agi_callerid": "139\x00\n00000001",
            "agi_uniqueid": "n1-5.6",
            "agi_extension": "filtered",
            "agi_arg_1": "n1-1.2",
            "agi_arg_2": "+8691712345",
            "agi_arg_3": "12336",
            "agi_arg_4": "12320",
            "agi_arg_5": "12320;;reason=x;counter=1;12336",
            "agi_arg_6": "12336;index=1;12345;index=1.1",
        }
    )
    assert call == Facts(
        call=CallId("n1-1.2"),
        channel="PJSIP/trunk-1",
        caller=MOBILE,
        did="+8691712345",
        redirecting_orig="12336",
        redirecting_from="12320",
        diversion=("12320", "12336"),
        history=("12336", "12345"),
    )


def test_without_arguments_the_channel_itself_is_asked() -> None:
    call = facts_from(
        {"agi_uniqueid": "n1-5.6", "agi_extension": "12336", "agi_callerid": "unknown"}
    )
    assert (call.call, call.did, call.caller) == ("n1-5.6", "12336", "")
