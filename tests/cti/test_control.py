"""What app_queue is told, and when."""

from collections.abc import Mapping

import pytest

from cti.asterisk.ami import ActionRefused
from cti.asterisk.control import Queues, channels

pytestmark = pytest.mark.unit


class AppQueue:
    """Members by queue, as app_queue holds them; refuses what app_queue refuses."""

    def __init__(self) -> None:
        self.members: dict[str, dict[str, dict[str, str]]] = {}

    async def act(self, action: str, **h: str) -> Mapping[str, str]:
        queue = self.members.setdefault(h.get("Queue", ""), {})
        interface = h["Interface"]
        if action == "QueueAdd":
            if interface in queue:
                raise ActionRefused("QueueAdd: Unable to add interface: Already there")
            queue[interface] = {
                "Name": h["MemberName"],
                "Penalty": h["Penalty"],
                "Paused": str(int(h["Paused"] == "true")),
                "PausedReason": "",
            }
        elif action == "QueueRemove":
            if queue.pop(interface, None) is None:
                raise ActionRefused("QueueRemove: Unable to remove interface: Not there")
        elif action == "QueuePenalty":
            queue[interface]["Penalty"] = h["Penalty"]
        elif action == "QueuePause":
            queues = [queue] if "Queue" in h else list(self.members.values())
            found = [q[interface] for q in queues if interface in q]
            if not found:
                raise ActionRefused("QueuePause: Interface not found")
            for member in found:
                member["Paused"] = str(int(h["Paused"] == "true"))
                member["PausedReason"] = h.get("Reason", "")
        return {"Response": "Success"}

    async def ask(self, action: str, **h: str) -> list[Mapping[str, str]]:
        assert action == "QueueStatus"
        return [
            {
                "Event": "QueueMember",
                "Queue": queue,
                "Location": interface,
                "Membership": "dynamic",
                **member,
            }
            for queue, members in self.members.items()
            for interface, member in members.items()
            if h.get("Queue", queue) == queue and h.get("Member", interface) == interface
        ]

    def where(self, interface: str) -> dict[str, str]:
        """Return the penalties of a member by queue."""
        return {q: m[interface]["Penalty"] for q, m in self.members.items() if interface in m}


async def test_without_skills_there_is_one_queue() -> None:
    asterisk = AppQueue()
    queues = Queues(asterisk)
    await queues.join("8001", "PJSIP/8001", ())
    assert asterisk.where("PJSIP/8001") == {"citizens": "0"}
    assert not queues.staffed("guotu")


async def test_a_units_queue_opens_with_everybody_on_duty_and_the_skilled_first() -> None:
    asterisk = AppQueue()
    queues = Queues(asterisk)
    await queues.join("8001", "PJSIP/8001", ())
    await queues.join("8002", "PJSIP/8002", ("guotu",))
    await queues.pause("8002", "PJSIP/8002", "午休")
    await queues.staff({"8001": (), "8002": ("guotu",)})
    assert queues.staffed("guotu")
    assert asterisk.where("PJSIP/8001") == {"citizens": "0", "unit-guotu": "10"}
    assert asterisk.where("PJSIP/8002") == {"citizens": "0", "unit-guotu": "0"}
    assert asterisk.members["unit-guotu"]["PJSIP/8002"]["Paused"] == "1", "a pause is kept"
    await queues.join("8003", "PJSIP/8003", ())
    assert "unit-guotu" in asterisk.where("PJSIP/8003"), "who comes later is there too"
    await queues.staff({"8001": (), "8002": ()})
    assert not queues.staffed("guotu")


async def test_joining_again_changes_the_skill_and_ends_the_pause() -> None:
    asterisk = AppQueue()
    queues = Queues(asterisk)
    await queues.staff({"8001": ("guotu",)})
    await queues.join("8001", "PJSIP/8001", ())
    await queues.pause("8001", "PJSIP/8001", "x")
    await queues.join("8001", "PJSIP/8001", ("guotu",))
    assert asterisk.where("PJSIP/8001")["unit-guotu"] == "0"
    (member,) = await queues.members()
    assert not member.paused


async def test_leaving_leaves_every_queue_there_ever_was() -> None:
    asterisk = AppQueue()
    queues = Queues(asterisk)
    await queues.staff({"8001": ("guotu",)})
    await queues.join("8001", "PJSIP/8001", ("guotu",))
    await Queues(asterisk).leave("8001", "PJSIP/8001")  # after a restart, knowing no unit
    assert asterisk.where("PJSIP/8001") == {}
    await queues.leave("8001", "PJSIP/8001")  # was not there: what we wanted
    await queues.pause("8001", "PJSIP/8001", "x")
    with pytest.raises(ActionRefused):
        await queues.unpause("8001", "PJSIP/8001")


async def test_members_come_back_with_pause_and_reason() -> None:
    asterisk = AppQueue()
    queues = Queues(asterisk)
    await queues.join("8001", "PJSIP/8001", ())
    await queues.pause("8001", "PJSIP/8001", "培训")
    (member,) = await queues.members()
    assert (member.agent, member.paused, member.reason) == ("8001", True, "培训")


@pytest.mark.parametrize(("clock", "seconds"), [("01:02:03", 3723.0), ("x", 0.0), ("1:2", 0.0)])
async def test_a_channel_says_how_long_it_is_up(clock: str, seconds: float) -> None:
    class Shows:
        async def act(self, action: str, **h: str) -> Mapping[str, str]:
            raise AssertionError

        async def ask(self, action: str, **h: str) -> list[Mapping[str, str]]:
            return [
                {
                    "Event": "CoreShowChannel",
                    "Channel": "PJSIP/trunk-1",
                    "Uniqueid": "a",
                    "Linkedid": "a",
                    "Duration": clock,
                }
            ]

    (channel,) = await channels(Shows())
    assert (channel.own, channel.seconds) == (True, seconds)
