"""Nothing that an admin writes wrong reaches a caller; every fault is told where it stands."""

import csv
import itertools
import re
import shutil
import string
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplans import custom
from dialplans.city import load
from dialplans.lint import examine, lint, warnings
from ivr.flow import MOST_STEPS, begin, hear
from ivr.say import spoken
from schemas.calls import Outcome, RouteKind
from schemas.moves import Collect, Done, Heard, Listen, Look, Situation
from schemas.times import SHANGHAI
from tests.dialplans.folders import BAOJI, copy

pytestmark = pytest.mark.unit

TABLE = Path(__file__).parents[1] / "golden" / "dialplans" / "broken.tsv"
SUMMER = date(2026, 6, 1)
ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\t": "\t", "\\a": "\x07", "\\x01": "\x01"}

Edit = dict[str, str]


@cache
def broken() -> dict[str, list[Edit]]:
    """Return the table: by name, small edits of the city's folder, the last with what is told."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {name: list(edits) for name, edits in itertools.groupby(rows, lambda row: row["name"])}


def written(cell: str) -> str:
    return re.sub(r"\\(?:x01|.)", lambda found: ESCAPES[found[0]], cell)


def make(folder: Path, edit: Edit) -> None:
    path, old, new = folder / edit["file"], written(edit["old"]), written(edit["new"])
    match edit["do"]:
        case "replace":
            text = path.read_text("utf-8")
            assert old in text, f"the city's own {path.name} does not hold this any more"
            path.write_text(text.replace(old, new, 1), "utf-8")
        case "append":
            path.write_text(path.read_text("utf-8") + new, "utf-8")
        case "write":
            path.write_text(new, "utf-8")
        case "gbk":
            path.write_bytes(new.encode("gbk"))
        case "delete":
            path.unlink()


def told(folder: Path, edit: Edit) -> str:
    """Return what must be told: `at` is the text that stands, for the last time, at the place."""
    path = folder / (edit["told_in"] or edit["file"])
    if edit["at"] == "-":
        return f"{path}: {written(edit['says'])}"
    before, found, _ = path.read_text("utf-8", "replace").rpartition(written(edit["at"]) or "\0")
    assert found or not edit["at"], edit["at"]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"{path}:{line}:{column}: {written(edit['says'])}"


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return copy(tmp_path / "city")


def test_the_citys_own_folder_has_no_fault_and_nothing_to_see_to() -> None:
    found = examine(BAOJI, today=SUMMER, spoken=spoken)
    assert (found.faults, found.warnings) == ((), ())


def test_enough_is_broken() -> None:
    assert len(broken()) >= 140


@pytest.mark.parametrize("name", broken())
def test_each_fault_is_told_alone_where_it_stands(name: str, city: Path) -> None:
    for edit in broken()[name]:
        make(city, edit)
    assert list(map(str, lint(city, spoken=spoken))) == [told(city, edit)]


def test_all_faults_of_all_files_are_told_at_once(city: Path) -> None:
    (city / "flows" / "unknown.yaml").write_text("flow: other\n", "utf-8")
    (city / "phrases.tsv").write_text("intent\tphrase\nA\t我\n", "utf-8")
    (city / "custom" / "own.conf").write_text("[from-trunk]\n", "utf-8")
    files = {Path(fault.file).name for fault in lint(city)}
    assert files >= {"unknown.yaml", "phrases.tsv", "own.conf"}


def test_what_a_broken_file_may_have_held_is_not_missed(city: Path) -> None:
    """A register with one fault must not make every flow an unused one."""
    for name in ("hotlines.csv", "prompts.tsv", "phrases.tsv", "skills.toml", "calendar.toml"):
        shutil.copytree(city, other := city.parent / name, symlinks=True)
        (other / name).write_text("\x00", "utf-8")
        assert {Path(fault.file).name for fault in lint(other, spoken=spoken)} == {name}


def test_an_empty_folder_lacks_everything(tmp_path: Path) -> None:
    files = {Path(fault.file).name for fault in lint(tmp_path)}
    assert files == {"prompts.tsv", "hotlines.csv", "calendar.toml"}


# ---- the admin's own dialplan

GOOD = """\
; lines of the town hall, reached from the agents' phones
[hotline-custom]
include => town-hall,08:00-18:00,mon-fri,*,*
exten => *50,1,Goto(town-hall,800,1)

[town-hall] ; a comment
exten => 800,1,Answer()
 same => n(again),Set(name=${FILTER(A-Za-z ,${CALLERID(name)})})
 same => n,ExecIf($["${name}" = ""]?Set(name=nobody))
 same => n,Set(TEXT="an \\; is no comment (nor a bracket")
 same => n,AGI(agi://127.0.0.1:4573/town)
 same => n,Gosub(hotline-presence,s,1(ready))
 same => n,Goto(again)
 same => n,Hangup()
exten => 800,hint,PJSIP/800
exten => _8XX,1,Dial(PJSIP/${EXTEN}@trunk,30,b(hotline-ring^s^1))
exten => _[2-9]!,1,NoOp($[1 + 2])
exten => h,1,NoOp()
exten => 9/8001,1,NoOp()
ignorepat => 9
;----- a heading -----;
"""


def test_a_sound_dialplan_of_the_admins_own_passes(city: Path) -> None:
    (city / "custom" / "own.conf").write_text(GOOD.replace("\n", "\r\n"), "utf-8")
    assert lint(city) == ()
    assert warnings(city, today=SUMMER) == ()


def test_our_contexts_are_those_of_the_templates() -> None:
    assert {"from-trunk", "from-agent", "hotline-in", "hotline-custom"} < custom.ours()
    assert not custom.ours() & set(custom.SETTINGS)


def test_a_file_whose_name_asterisk_cannot_be_told_is_refused(city: Path) -> None:
    (city / "custom" / "own dialplan.conf").write_text(GOOD, "utf-8")
    (fault,) = lint(city)
    assert fault.reason == "must be named with a-z A-Z 0-9 _ - and end with .conf"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[a]\n; \xff\n", "is not UTF-8"),
        (b";" * 200_001, "is larger than 200000 bytes"),
    ],
)
def test_a_dialplan_that_is_no_text_is_refused(content: bytes, reason: str, city: Path) -> None:
    (city / "custom" / "own.conf").write_bytes(content)
    (fault,) = lint(city)
    assert fault.reason == reason


def test_a_dialplan_that_cannot_be_read_is_refused(city: Path) -> None:
    (city / "custom" / "own.conf").mkdir()
    (fault,) = lint(city)
    assert fault.reason == "cannot be read: Is a directory"


def test_contexts_that_nothing_leads_into_are_worth_a_look(city: Path) -> None:
    (city / "custom" / "own.conf").write_text("[lost]\nexten => 1,1,NoOp()\n", "utf-8")
    (city / "custom" / "own.ael").write_text("", "utf-8")
    (city / "custom" / "notes.txt").write_text("", "utf-8")
    assert [(Path(w.file).name, w.line, w.reason) for w in warnings(city, today=SUMMER)] == [
        ("own.ael", None, "is not read: a dialplan's file ends with .conf"),
        ("own.conf", 1, "nothing leads into it: include it in [hotline-custom]"),
    ]


# ---- what the admin will have to see to


def test_days_that_are_past_and_plans_nobody_asks_are_worth_a_look(city: Path) -> None:
    with (city / "calendar.toml").open("a", encoding="utf-8") as file:
        file.write('[schedules.attic]\nevery = ["10:00-11:00"]\n')
        file.write('[[overrides]]\ndate = 2026-05-31\nkind = "holiday"\nwhy = "city day"\n')
    lines = (city / "calendar.toml").read_text("utf-8").splitlines()
    attic, override = lines.index("[schedules.attic]") + 1, lines.index("[[overrides]]") + 2
    assert [(w.line, w.column, w.key, w.reason) for w in warnings(city, today=SUMMER)] == [
        (attic, 1, "schedules.attic", "no flow asks for it"),
        (override, 1, "overrides.0.date", "2026-05-31 is past: the line can go"),
    ]


def test_a_calendar_that_runs_out_is_told_60_days_before(city: Path) -> None:
    assert warnings(city, today=date(2026, 11, 1)) == ()
    (warning,) = warnings(city, today=date(2026, 11, 2))
    assert warning.reason.startswith("holidays and 调休 are known until 2026-12-31")
    with (city / "calendar.toml").open("a", encoding="utf-8") as file:
        file.write('[[overrides]]\ndate = 2027-01-01\nkind = "holiday"\nwhy = "元旦"\n')
    assert warnings(city, today=date(2026, 11, 2)) == ()


def test_numbers_whose_class_was_to_be_looked_at_are_told(city: Path) -> None:
    with (city / "calendar.toml").open("a", encoding="utf-8") as file:
        file.write('[[overrides]]\ndate = 2029-01-01\nkind = "holiday"\nwhy = "元旦"\n')
    found = warnings(city, today=date(2027, 7, 1))
    assert len(found) == 22
    text = (city / "hotlines.csv").read_text("utf-8").splitlines()[(found[0].line or 0) - 1]
    assert found[0].column is not None
    assert text[found[0].column - 1 :].startswith("2027-06-30")
    assert found[0].reason.endswith("was to be looked at again on 2027-06-30")


# ---- whatever stands in a file

NAMES = sorted(path.name for path in (BAOJI / "flows").glob("*.yaml"))
FOLDER_IS_SHARED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


@FOLDER_IS_SHARED
@given(data=st.data())
def test_random_bytes_in_any_file_never_break_lint(data: st.DataObject, city: Path) -> None:
    files = [f"flows/{name}" for name in NAMES] + [
        "hotlines.csv",
        "prompts.tsv",
        "phrases.tsv",
        "skills.toml",
        "calendar.toml",
        "custom/a.conf",
    ]
    name = data.draw(st.sampled_from(files))
    original = (BAOJI / name).read_bytes() if (BAOJI / name).exists() else GOOD.encode()
    content = data.draw(st.binary(max_size=200) | mutated(original))
    (city / name).write_bytes(content)
    try:
        for fault in lint(city, spoken=spoken):
            assert str(fault).isprintable()
    finally:
        (city / name).write_bytes(original)


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """Cut, doubled or overwritten anywhere."""
    at, end = sorted(draw(st.tuples(*[st.integers(0, len(original))] * 2)))
    other = draw(
        st.binary(max_size=8) | st.sampled_from([b"", b"{", b"\t", b"0", original[at:end]])
    )
    return original[:at] + other + draw(st.sampled_from([original[end:], original[at:], b""]))


STEPS = st.sampled_from(["a", "b", "c", "d", "person", "return"])
TEXTS = st.sampled_from(["greeting", "goodbye", "{notice}", "{caller}", "{agent}", "n-1"])
VALUES = st.builds(
    lambda kind, text: {kind: text},
    st.sampled_from(["phone", "ticket", "number", "money"]),
    st.sampled_from(["{caller}", "{entry}", "{ticket}", "{number}", "12", "{onward}"]),
)
PROMPTS = st.lists(TEXTS | VALUES, min_size=1, max_size=3)
KEYS = st.dictionaries(st.sampled_from([*"0123456789*#"]), STEPS, max_size=3)
ASKING = {
    "prompts": PROMPTS, "keys": KEYS, "retries": st.integers(0, 3), "wait": st.integers(0, 4),
    "silence": STEPS, "otherwise": STEPS,
}  # fmt: skip
KINDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "say": {"prompts": PROMPTS, "next": STEPS},
    "menu": ASKING,
    "listen": ASKING | {"intents": st.dictionaries(st.sampled_from(["agent", "progress"]), STEPS)},
    "digits": {"prompts": PROMPTS, "into": st.just("entry"), "next": STEPS, "failed": STEPS},
    "queue": {"skill": st.sampled_from(["{unit}", "skill-night", "skill-x"])},
    "transfer": {"to": st.sampled_from(["110", "{onward}", "12345", "{entry}"])},
    "notice": {"prompts": PROMPTS, "keys": KEYS},
    "lookup": {"what": st.just("duty"), "cases": st.fixed_dictionaries({"away": STEPS})},
    "hours": {"schedule": st.sampled_from(["office", "night"]), "open": STEPS, "closed": STEPS},
    "message": {"prompts": PROMPTS},
    "hangup": {"prompts": PROMPTS},
    "goto": {"flow": st.sampled_from(["before_queue", "second", "unknown"]), "then": STEPS},
}  # fmt: skip
STEP = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: st.fixed_dictionaries(KINDS[kind]).map(lambda step: {"do": kind, **step})
)
STEPS_OF = st.dictionaries(st.sampled_from("abcd"), STEP, min_size=1, max_size=4)


def a_flow(name: str, steps: dict[str, Any]) -> str:
    """Return a flow document; steps that nothing leads to are left out, as an admin would."""
    start = sorted(steps)[0]
    seen: set[str] = set()
    todo = [start]
    while todo:
        step = todo.pop()
        if step in steps and step not in seen:
            seen.add(step)
            todo += _targets(steps[step])
    kept = {step: steps[step] for step in sorted(seen)}
    flow = {"flow": name, "title": "试", "start": start, "steps": kept}
    return yaml.safe_dump(flow, allow_unicode=True, sort_keys=False)


def _targets(step: dict[str, Any]) -> Iterator[str]:
    for key, value in step.items():
        if key in ("next", "silence", "otherwise", "failed", "then", "open", "closed"):
            yield value
        elif key in ("keys", "intents", "cases"):
            yield from value.values()


ANSWERS = st.builds(
    Heard,
    key=st.none() | st.sampled_from([*"0123456789*#"]),
    digits=st.none() | st.text(string.digits, max_size=21),
    intent=st.none() | st.sampled_from(["", "agent", "progress"]),
    word=st.none() | st.sampled_from(["away", "free", "busy", "known", "on", "open"]),
    found=st.just({"agent": "8001", "ticket": "BJ20260101-000001"}),
    failed=st.none() | st.just("prompt"),
)


def test_a_folder_that_passes_leads_every_caller_to_a_person_or_a_notice_they_chose(
    city: Path,
) -> None:
    """Whatever is written: lint does not break, and what it lets pass does what it promises."""
    passed = 0

    @settings(deadline=None, max_examples=120)
    @given(first=STEPS_OF, second=STEPS_OF, data=st.data())
    def one(first: dict[str, Any], second: dict[str, Any], data: st.DataObject) -> None:
        nonlocal passed
        text = a_flow("unknown", first)
        (city / "flows" / "unknown.yaml").write_text(text, "utf-8")
        (city / "flows" / "second.yaml").unlink(missing_ok=True)
        if "flow: second" in text:
            (city / "flows" / "second.yaml").write_text(a_flow("second", second), "utf-8")
        if lint(city, spoken=spoken):
            return
        passed += 1
        hour = data.draw(st.integers(0, 23))
        situation = Situation(
            number=None,
            caller="13900000000",
            at=datetime(2026, 6, 1, hour, tzinfo=SHANGHAI),
            speech=data.draw(st.booleans()),
        )
        drive(load(city), situation, data.draw(st.just([]) | st.lists(ANSWERS, max_size=8)))

    one()
    assert passed > 10


def drive(city: Any, situation: Situation, answers: Sequence[Heard]) -> None:
    """Let a caller answer so, then fall silent; what they never chose must not end their call."""
    place, move = begin(city, situation)
    chose = False
    for answer in itertools.chain(answers, itertools.repeat(Heard())):
        assert not any("there is no" in why or "circles" in why for _, why in place.troubles)
        if isinstance(move, Done):
            break
        if isinstance(move, Look):
            answer = Heard(word=answer.word, found=answer.found)
        chose |= isinstance(move, Collect) and bool(answer.digits)
        chose |= not isinstance(move, Look | Collect) and answer.key is not None
        chose |= isinstance(move, Listen) and bool(answer.intent)
        place, move = hear(place, answer)
    assert isinstance(move, Done)
    assert place.taken <= MOST_STEPS
    if move.route.kind is RouteKind.HANGUP:
        assert chose
        assert move.route.outcome in {
            Outcome.SELF_SERVICE, Outcome.OUT_OF_SCOPE, Outcome.CALLBACK_PROMISED,
        }  # fmt: skip
    else:
        assert move.route.queue  # also behind a transfer or a message that fails
