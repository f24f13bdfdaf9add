"""Which number did the citizen dial, and how do we know?

Facts come from the dialplan as AGI arguments, see `facts_from`. All of them are text a stranger
may have written.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from schemas.calls import CallId
from schemas.numbers import MAIN_NUMBER, Attribution, Number, Register, normalise

LONGEST_TEXT = 64
"""Characters kept of any number or name that came with the call: what the ledger can hold."""
LONGEST_CHAIN = 16
"""Hops kept of a redirection chain; carriers stop a loop at 5-10."""

_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]*")
_SCHEME = re.compile(r"^(?:sips?|tel):", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the signalling says about one call; every text is bounded and printable."""

    call: CallId
    channel: str
    caller: str
    did: str
    """User part of the request URI."""
    redirecting_orig: str = ""
    """REDIRECTING(orig-num): the number dialled first, when the carrier tells."""
    redirecting_from: str = ""
    """REDIRECTING(from-num): the number that diverted last."""
    diversion: tuple[str, ...] = ()
    """Users of the Diversion headers in header order: the LAST diverter first (RFC 5806 3)."""
    history: tuple[str, ...] = ()
    """Users of History-Info in header order: the number dialled FIRST first (RFC 7044 10.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed:
    """The answer."""

    number: Number | None
    attribution: Attribution
    dialled: str
    """Number the attribution rests on; for an unknown number the digits that were dialled."""
    chain: tuple[str, ...] = ()
    """Numbers of the redirection chain, first dialled first."""


def facts_from(environment: Mapping[str, str]) -> Facts:
    """Read the facts out of an AGI environment: arguments 1-6 of `agi://…/inbound`.

    They are linkedid, DID, REDIRECTING(orig-num), REDIRECTING(from-num), Diversion users and
    History-Info users, the lists separated by `;`. Missing ones count as empty.
    """

    def argument(n: int) -> str:
        return environment.get(f"agi_arg_{n}", "")

    caller = _clean(environment.get("agi_callerid", ""))
    return Facts(
        call=CallId(_clean(argument(1)) or _clean(environment.get("agi_uniqueid", ""))),
        channel=_clean(environment.get("agi_channel", ""), 200),
        caller="" if caller == "unknown" else caller,
        did=_clean(argument(2)) or _clean(environment.get("agi_extension", "")),
        redirecting_orig=_clean(argument(3)),
        redirecting_from=_clean(argument(4)),
        diversion=_users(argument(5)),
        history=_users(argument(6)),
    )


def attribute(facts: Facts, register: Register) -> Attributed:
    """Say which number of *register* the citizen dialled.

    The call's own number counts first, unless it is 12345 (or nothing we know), which says little
    about a call that was forwarded. Then the number that was dialled first as far as anybody
    tells: REDIRECTING(orig-num), else the oldest hop of the chain that we know. from-num names
    the *last* diverter, so a chain that reaches further back is believed instead.
    """
    own = find(facts.did, register)
    chain = _chain(facts)
    # Numbers only: an agent's screen and the ledger have no use for "anonymous".
    hops = tuple(digits for user in chain if (digits := normalise(phone(user))))

    def found(number: Number, how: Attribution) -> Attributed:
        return Attributed(number=number, attribution=how, dialled=number.number, chain=hops)

    if own and own.number != MAIN_NUMBER:
        return found(own, Attribution.DID)
    first = next((n for user in chain if (n := find(user, register))), None)
    told = find(facts.redirecting_orig, register)
    if not told and (last := find(facts.redirecting_from, register)) and first in (None, last):
        told = last
    for number, how in ((told, Attribution.REDIRECTING), (first, Attribution.DIVERSION)):
        if number and number != own:
            return found(number, how)
        if number:
            break  # the citizen dialled 12345 itself first, and it came back to 12345
    if own:
        return found(own, Attribution.DID)
    return Attributed(
        number=None,
        attribution=Attribution.UNKNOWN,
        dialled=normalise(phone(facts.did)),
        chain=hops,
    )


def find(text: str, register: Register) -> Number | None:
    """Return the register's entry for a number in any spelling a carrier uses, or None."""
    number = phone(text)
    if (entry := register.find(number)) or not number.startswith("86") or len(number) < 9:
        return entry
    # 86 without a plus is the country code, unless the whole is short enough for a local number.
    return register.find(f"+{number}")


def phone(text: str) -> str:
    """Return the telephone number in a user part, URI or header value; "" when it holds none.

    >>> phone('"a" <sip:%2B8691712336;phone-context=x@10.0.0.1;user=phone>;reason=unconditional')
    '+8691712336'
    """
    if (start := text.find("<")) >= 0:
        text = text[start + 1 :].partition(">")[0]
    user = _SCHEME.sub("", text.strip()).partition("@")[0].partition(";")[0].partition(":")[0]
    user = unquote(user).strip()
    return user if _NUMBER.fullmatch(user) else ""


def _chain(facts: Facts) -> tuple[str, ...]:
    """Return the hops, first dialled first; of two accounts the longer knows more."""
    diversion = facts.diversion[::-1]
    history = facts.history
    if history and normalise(phone(history[-1])) == normalise(phone(facts.did)):
        history = history[:-1]  # History-Info ends with the present target, which diverted nothing
    return history if len(history) > len(diversion) else diversion


def _users(joined: str) -> tuple[str, ...]:
    """Split at `;`, leave out header parameters (`reason=…`, `index=1.1`) and empty places."""
    parts: Iterable[str] = (_clean(part) for part in joined[:4096].split(";"))
    return tuple(part for part in parts if part and "=" not in part)[:LONGEST_CHAIN]


def _clean(text: str, longest: int = LONGEST_TEXT) -> str:
    return "".join(filter(str.isprintable, text[: longest * 4])).strip()[:longest]
