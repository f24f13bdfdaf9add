"""What was rendered against what Asterisk says it has."""

import pytest

from hotline.readback import differences, running, trespasses, version, written

pytestmark = pytest.mark.unit

OURS = """\
[general]
static = yes
[hotline-version]
exten => version,1,NoOp(7)
[hotline-in]
exten => s,1,Answer()
; a comment
 same => n,AGI(agi://x/inbound,a,b)
 same => n(done),Hangup(16)
exten => T,1,Goto(s,1)
[hotline-phones]
exten => 8001,hint,PJSIP/8001
exten => 8001,1,Dial(PJSIP/8001)
[template](!)
exten => 1,1,NoOp()
[hotline-custom]
"""


def event(context: str, extension: str, priority: str, said: str, data: str = "") -> dict[str, str]:
    return {
        "Event": "ListDialplan", "Context": context, "Extension": extension,
        "Priority": priority, "Application": said, "AppData": data,
    }  # fmt: skip


ASTERISK = [
    event("hotline-version", "version", "1", "NoOp", "7"),
    event("hotline-in", "s", "2", "AGI", "agi://x/inbound,a,b"),
    event("hotline-in", "s", "1", "Answer"),
    event("hotline-in", "s", "3", "Hangup", "16"),
    event("hotline-in", "T", "1", "Goto", "s,1"),
    event("hotline-phones", "8001", "hint", "PJSIP/8001"),
    event("hotline-phones", "8001", "1", "Dial", "PJSIP/8001"),
    {"Event": "ShowDialPlanComplete"},
]


def test_what_is_there_as_it_was_rendered_has_no_difference() -> None:
    assert running(ASTERISK)["hotline-in"] == {"s": ["answer", "agi", "hangup"], "T": ["goto"]}
    assert written(OURS)["hotline-in"] == running(ASTERISK)["hotline-in"]
    assert list(differences([OURS], {}, running(ASTERISK))) == []


@pytest.mark.parametrize("lost", [1, 3, 4, 6])
def test_a_step_of_ours_that_is_missing_is_found(lost: int) -> None:
    there = running(e for n, e in enumerate(ASTERISK) if n != lost)
    (said,) = differences([OURS], {}, there)
    assert said.startswith("Asterisk has other steps in [hotline-")


def test_a_step_more_or_another_in_its_place_is_found() -> None:
    for other in (event("hotline-in", "s", "4", "System"), event("hotline-in", "h", "1", "NoOp")):
        assert list(differences([OURS], {}, running([*ASTERISK, other])))


def test_of_an_admin_s_file_every_line_must_have_become_a_step() -> None:
    admins = {
        "own.conf": "[own]\nexten = 1,1,NoOp()\nsame=n,Hangup\n[hotline-custom]\nexten=>2,1,NoOp()"
    }
    own = [event("own", "1", "1", "NoOp"), event("own", "1", "2", "Hangup")]
    custom = event("hotline-custom", "2", "1", "NoOp")
    assert list(differences([OURS], admins, running([*ASTERISK, *own, custom]))) == []
    assert list(differences([OURS], admins, running([*ASTERISK, own[0], custom]))) == [
        "Asterisk took 1 of 2 steps of [own] in custom/own.conf"
    ]
    # two files may share a context
    admins["more.conf"] = "[own](+)\nexten => 3,1,NoOp()\n"
    assert list(differences([OURS], admins, running([*ASTERISK, *own, custom])))


def test_an_admin_s_file_that_writes_into_a_context_of_ours_is_found() -> None:
    admins = {
        "bad.conf": "[own]\n[hotline-in](+)\nexten => t,1,Hangup()\n",
        "good.conf": "[hotline-custom]\nexten => 1,1,NoOp()\n",
    }
    assert list(trespasses([OURS], admins)) == [("bad.conf", "hotline-in")]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (ASTERISK, 7),
        ([], None),
        ([event("hotline-version", "version", "1", "NoOp", "x")], None),
        ([*ASTERISK, event("hotline-version", "version", "2", "NoOp", "8")], None),
        ([event("own", "version", "1", "NoOp", "9")], None),
    ],
)
def test_the_version_is_what_asterisk_says_and_nothing_doubtful(
    events: list[dict[str, str]], said: int | None
) -> None:
    assert version(events) == said
