"""Hot keys of a desk phone."""

from collections.abc import Callable
from typing import Any

import pytest

from ivr.agi import AgiServer
from ivr.presence import NO, YES, HotKey, Presence
from schemas.calls import AgentId

pytestmark = pytest.mark.unit


class Desk:
    """Remembers what was pressed; refuses 8009."""

    def __init__(self) -> None:
        self.pressed: list[tuple[str, str]] = []

    async def press(self, ext: AgentId, what: HotKey, /) -> bool:
        self.pressed.append((ext, what))
        return ext != "8009"


async def press(
    asterisk_side: Any, block: Callable[..., bytes], *args: str, **answers: str
) -> tuple[Desk, Any]:
    desk = Desk()
    server = AgiServer({"presence": Presence(desk)}, host="127.0.0.1", port=0, most=5)
    async with server:
        side = asterisk_side(server.port, answers)
        await side.call(block(*args, script="presence"))
    return desk, side


@pytest.mark.parametrize("what", ["ready", "offline", "pause"])
async def test_a_hot_key_changes_presence_and_is_heard(
    what: str, asterisk_side: Any, block: Callable[..., bytes]
) -> None:
    desk, side = await press(asterisk_side, block, "8001", what)
    assert desk.pressed == [("8001", what)]
    assert side.commands[0] == ["EXEC", "PlayTones", YES]


async def test_a_refused_hot_key_sounds_different(
    asterisk_side: Any, block: Callable[..., bytes]
) -> None:
    _, side = await press(asterisk_side, block, "8009", "ready")
    assert side.commands[0] == ["EXEC", "PlayTones", NO]


@pytest.mark.parametrize(
    "args", [(), ("8001",), ("8001", "dance"), ("", "ready"), ("a/b", "ready"), ("9" * 99, "ready")]
)
async def test_other_arguments_change_nothing(
    args: tuple[str, ...], asterisk_side: Any, block: Callable[..., bytes]
) -> None:
    desk, side = await press(asterisk_side, block, *args)
    assert desk.pressed == []
    assert side.commands[0] == ["EXEC", "PlayTones", NO]


async def test_a_tone_that_fails_undoes_nothing(
    asterisk_side: Any, block: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    desk, _ = await press(asterisk_side, block, "8001", "ready", EXEC="200 result=-2\n")
    assert desk.pressed == [("8001", "ready")]
    assert [r.levelname for r in caplog.records] == ["WARNING"]
