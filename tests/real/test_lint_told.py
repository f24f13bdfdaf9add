"""What lint says of the admin's own dialplan is what a real Asterisk does with it."""

from pathlib import Path

import pytest

from dialplans import custom
from tests.dialplans.test_lint import GOOD
from tests.real.conftest import Exchange

pytestmark = pytest.mark.real

REFUSED = """\
[from-trunk]
exten => 12345,1,NoOp(shadow)
[city]
exten => _night,1,NoOp(name)
exten => 9N11,1,NoOp(pattern)
exten => 100,n,NoOp(nobody)
exten => 200,1,NoOp(first)
exten => 200,1,NoOp(second)
exten => 300,1,NoOp(before)
;-- hidden
exten => 400,1,NoOp(hidden)
--;
[all]
exten => _.,1,NoOp(all)
"""


async def take(exchange: Exchange, text: str) -> None:
    """Let the running Asterisk read *text* as the admin's own dialplan."""
    etc = exchange.instance.home / "etc"
    (etc / "custom").mkdir(exist_ok=True)
    (etc / "custom" / "own.conf").write_text(text, "utf-8")
    extensions = etc / "extensions.conf"
    if "custom/own.conf" not in (rendered := extensions.read_text("utf-8")):
        extensions.write_text(f"{rendered}\n#include custom/own.conf\n", "utf-8")
    await exchange.instance.console("dialplan reload")


async def shown(exchange: Exchange, what: str) -> str:
    return await exchange.instance.console(f"dialplan show {what}")


async def test_a_dialplan_that_passes_is_taken_whole(exchange: Exchange, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.conf").write_text(GOOD, "utf-8")
    assert list(custom.faults(tmp_path / "own")) == []
    await take(exchange, GOOD)
    assert "'*50' =>" in await shown(exchange, "hotline-custom")
    found = await shown(exchange, "town-hall")
    for name in ("800", "_8XX", "_[2-9]!", "h", "9"):
        assert f"'{name}'" in found
    assert "an ; is no comment (nor a bracket" in found
    assert "'_8XX' =>" in await shown(exchange, "812@town-hall")
    for context in custom.ours():
        assert f"[ Context '{context}' " in await shown(exchange, context)


async def test_what_is_refused_would_have_done_what_is_said(exchange: Exchange) -> None:
    before = await shown(exchange, "12345@from-trunk")
    assert "shadow" not in before
    await take(exchange, REFUSED)
    assert "shadow" in await shown(exchange, "12345@from-trunk")
    assert "name" in await shown(exchange, "9ight@city")  # a name that took a digit
    assert "pattern" not in await shown(exchange, "9411@city")
    assert "2. NoOp(nobody)" in await shown(exchange, "100@city")  # and no 1 before it
    twice = await shown(exchange, "200@city")
    assert "first" in twice
    assert "second" not in twice
    assert "'300'" in await shown(exchange, "300@city")
    assert "'400'" not in await shown(exchange, "400@city")
    assert "all" in await shown(exchange, "h@all")
