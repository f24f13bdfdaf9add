"""Nothing that an admin writes wrong reaches a caller; every fault is told where it stands."""

import csv
import itertools
import re
import shutil
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from dialplans import custom
from dialplans.lint import examine, lint, warnings
from ivr.say import spoken
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
    found = list(map(str, lint(city, spoken=spoken)))
    if "#.#" in edit["says"]:  # seconds are those of the recordings, which may be made anew
        found = [re.sub(r"\b\d+\.\d\b", "#.#", said) for said in found]
    assert found == [told(city, edit)]


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
    rendered = TABLE.parents[1] / "asterisk" / "exchange"
    texts = [file.read_text("utf-8") for file in rendered.glob("extensions*.conf")]
    found = {name for text in texts for name in re.findall(r"^\[(.*?)\]", text, re.MULTILINE)}
    assert custom.ours() == found - set(custom.SETTINGS)
    assert custom.THEIRS in found


def test_a_file_whose_name_asterisk_cannot_be_told_is_refused(city: Path) -> None:
    (city / "custom" / "own dialplan.conf").write_text(GOOD, "utf-8")
    (fault,) = lint(city)
    assert fault.reason == "must be named with a-z A-Z 0-9 _ - and end with .conf"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[a]\n; \xff\n", "is not UTF-8"),
        (b"[a]\n;" + b"-" * 2000, "is longer than 2000 characters"),
        (
            "[a]\n\u00a0exten => 1,1,NoOp()".encode(),
            "'\\xa0exten => 1,1,NoOp()' is no line of a dialplan: exten, same or include",
        ),
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
    (warning,) = warnings(city, today=date(2026, 11, 2))  # one day is no table of a year
    assert "but for 1 that overrides name" in warning.reason
    with (city / "calendar.toml").open("a", encoding="utf-8") as file:
        for day in range(10, 20):
            file.write(f'[[overrides]]\ndate = 2027-02-{day}\nkind = "holiday"\nwhy = "春节"\n')
    assert warnings(city, today=date(2026, 11, 2)) == ()


def test_numbers_whose_class_was_to_be_looked_at_are_told(city: Path) -> None:
    found = [w for w in warnings(city, today=date(2027, 7, 1)) if w.key == "review"]
    assert len(found) == 22
    text = (city / "hotlines.csv").read_text("utf-8").splitlines()[(found[0].line or 0) - 1]
    assert found[0].column is not None
    assert text[found[0].column - 1 :].startswith("2027-06-30")
    assert found[0].reason.endswith("was to be looked at again on 2027-06-30")


def test_a_text_that_was_changed_after_its_sound_was_made_is_warned_of(city: Path) -> None:
    path = city / "prompts.tsv"
    path.write_text(path.read_text("utf-8").replace("正在为您转接人工。", "请稍候。", 1), "utf-8")
    (found,) = warnings(city, today=date(2026, 6, 1))
    assert (found.line, found.key) == (2, "greeting")
    assert "callers hear the old text" in found.reason


# ---- what callers may say


def without(file: Path, *begins: str) -> None:
    """Take the lines out of *file* that begin so."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith(begins)), "utf-8")


def test_what_nobody_can_be_asked_about_is_worth_a_look(city: Path) -> None:
    without(
        city / "prompts.tsv", "ask-dialect\t", "ask-line-3\t", "ask-line-40\t", "ask-complaint\t"
    )
    text = (city / "flows" / "main.yaml").read_text("utf-8").splitlines()
    lines, dialect = text.index("    lines: said") + 1, text.index("      dialect: dialect") + 1
    found = warnings(city, today=SUMMER)
    assert [(Path(w.file).name, w.line, w.key) for w in found] == [
        ("main.yaml", lines, "steps.greet.lines"),
        ("main.yaml", dialect, "steps.greet.intents.dialect"),
    ]
    assert found[0].reason.endswith("there is no prompt ask-line-3 ask-line-40")


def test_lines_without_words_are_worth_a_look(city: Path) -> None:
    gone = [f"line-{n}" for n in (2, 3, 5, 7, 11, 13, 17, 19)]
    without(city / "phrases.tsv", *(f"{intent}\t" for intent in gone))
    (found,) = warnings(city, today=SUMMER)
    assert (Path(found.file).name, found.key) == ("phrases.tsv", "intent")
    assert found.reason.startswith("no words for line-2 line-3 line-5 line-7 line-11 line-13 and 2")


def test_without_a_flow_that_listens_for_lines_nothing_is_missed(city: Path) -> None:
    main = city / "flows" / "main.yaml"
    main.write_text(main.read_text("utf-8").replace("    lines: said\n", ""), "utf-8")
    without(city / "phrases.tsv", "line-")
    without(city / "prompts.tsv", "ask-line-")
    assert warnings(city, today=SUMMER) == ()


def test_phrases_that_lead_nowhere_are_pointed_out(city: Path) -> None:
    with (city / "phrases.tsv").open("a", encoding="utf-8") as file:
        for n, intent in enumerate(("line-99", "line-040", "lien-40", "emergency-111", "solved")):
            file.write(f"{intent}\t{'甲乙丙丁戊'[n]}说法\t\n")
    found = [w.reason for w in warnings(city, today=SUMMER) if w.key == "intent"]
    wanted = ("emergency-111", "lien-40", "line-040", "line-99")
    assert len(found) == len(wanted)
    assert all(intent in reason for intent, reason in zip(wanted, found, strict=True))
