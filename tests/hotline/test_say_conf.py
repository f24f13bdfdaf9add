"""How Asterisk itself says numbers: its rules give what `ivr.say` gives."""

import re
from pathlib import Path

import pytest

from ivr import say

pytestmark = pytest.mark.unit

RENDERED = Path(__file__).parents[1] / "golden" / "asterisk" / "exchange" / "say.conf"


def rules() -> list[tuple[str, list[str]]]:
    found = re.findall(r"^(_?[a-z]+:\w+) => (.*)$", RENDERED.read_text("utf-8"), re.MULTILINE)
    return [(name, parts.split(", ")) for name, parts in found]


def said(what: str, known: list[tuple[str, list[str]]]) -> list[str]:
    """Follow the rules as app_playback.c do_say does: the first that fits, ${SAY} its number."""
    for name, parts in known:
        pattern = name[1:].replace("X", "[0-9]") if name.startswith("_") else re.escape(name)
        if re.fullmatch(pattern, what):
            number = what.partition(":")[2]
            words: list[str] = []
            for part in parts:
                part = part.replace("${SAY:1}", number[1:])
                words += said(part, known) if ":" in part else [part]
            return words
    raise AssertionError(f"no rule for {what}")


def test_every_number_of_callers_or_minutes_is_counted_as_a_person_does() -> None:
    known = rules()
    for n in range(1000):
        assert said(f"num:{n}", known) == [f"hotline/{piece}" for piece in say.count(n)], n
