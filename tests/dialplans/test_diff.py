"""What changes for whom between two dialplan folders."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dialplans import diff, store
from dialplans.city import load
from dialplans.diff import Changes, Side
from dialplans.diff_calls import Changed
from hotline import cli
from ivr import flow

pytestmark = pytest.mark.unit

BAOJI = Path(__file__).parents[2] / "dialplans" / "baoji"
TODAY = date(2026, 11, 23)
OFFICE = "workday, after-rest, makeup 08:30-12:00 14:00-18:00"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped folder, to be changed."""
    return shutil.copytree(BAOJI, tmp_path / "new")


@pytest.fixture(scope="module")
def old() -> Side:
    return Side(load(BAOJI), store.hashes(BAOJI))


def edit(folder: Path, name: str, before: str, after: str) -> None:
    file = folder / name
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, after), "utf-8")


def compare(old: Side, folder: Path) -> Changes:
    return diff.compare(old, Side(load(folder), store.hashes(folder)), flow, TODAY)


def only(calls: tuple[Changed, ...]) -> Changed:
    (call,) = calls
    return call


def empty_but(changes: Changes, *kinds: str) -> bool:
    return all(
        not getattr(changes, name) for name in changes.__dataclass_fields__ if name not in kinds
    )


def test_the_same_folder_changes_nothing_for_anybody(old: Side, folder: Path) -> None:
    changes = compare(old, folder)
    assert changes.nothing
    assert empty_but(changes)


def test_a_comment_and_the_order_of_steps_change_nothing(old: Side, folder: Path) -> None:
    edit(folder, "flows/unknown.yaml", "flow: unknown", "# a remark\nflow: unknown")
    text = (folder / "flows/unknown.yaml").read_text("utf-8").splitlines(keepends=True)
    (folder / "flows/unknown.yaml").write_text("".join([*text[:-3], *reversed(text[-3:])]), "utf-8")
    assert compare(old, folder).nothing


def test_a_step_of_another_name_is_no_other_call(old: Side, folder: Path) -> None:
    edit(folder, "flows/not_integrated.yaml", "offer", "proposal")
    changes = compare(old, folder)
    assert changes.calls == ()
    assert [found["flow"] for found in changes.flows] == ["not_integrated"]


def test_a_key_that_leads_elsewhere_is_told_for_that_key_alone(old: Side, folder: Path) -> None:
    edit(folder, "flows/main.yaml", '"3": dialect', '"4": dialect')
    changes = compare(old, folder)
    assert [(c.numbers, c.when, c.keys, c.condition) for c in changes.calls] == [
        (("12345",), "always", "3", ""),
        (("12345",), "always", "4", ""),
    ]
    assert changes.calls[0].old.heard == ("greeting", "dialect")
    assert changes.calls[1].new.heard == ("greeting", "dialect")
    assert changes.flows == (
        {"flow": "main", "change": "changed", "steps": ["greet"], "met_by": ["12345"]},
    )


def test_a_change_deep_in_a_menu_is_found(old: Side, folder: Path) -> None:
    edit(folder, "flows/scope.yaml", "prompts: [scope-3]", "prompts: [scope-1]")
    changes = compare(old, folder)
    call = only(changes.calls)
    assert (call.numbers, call.keys) == (("12345",), "953")
    assert (call.old.heard[-1], call.new.heard[-1]) == ("scope-3", "scope-1")


def test_other_opening_hours_are_told_for_the_hours_between(old: Side, folder: Path) -> None:
    edit(folder, "calendar.toml", "14:00-18:00", "14:00-17:30")
    changes = compare(old, folder)
    silent = [call for call in changes.calls if not call.keys and not call.condition]
    call = only(tuple(silent))
    assert call.when == "workday, after-rest, makeup 17:30-18:00"
    assert len(call.numbers) == 10
    assert call.old.route == "queue:seat-12315>citizens after 10 s"
    assert call.new.route == "queue:citizens"
    assert all(found.when == call.when for found in changes.calls)
    assert changes.schedules == (
        {
            "schedule": "office",
            "old": "workdays 08:30-12:00 14:00-18:00",
            "new": "workdays 08:30-12:00 14:00-17:30",
        },
    )


def test_a_day_of_another_kind_is_told_with_the_calls_on_it(old: Side, folder: Path) -> None:
    text = '\n[[overrides]]\ndate = 2026-12-24\nkind = "holiday"\nwhy = "冬季演练"\n'
    with (folder / "calendar.toml").open("a", encoding="utf-8") as file:
        file.write(text)
    changes = compare(old, folder)
    assert changes.days == (
        {"day": "2026-12-24", "old": "workday", "new": "holiday", "why": "冬季演练"},
    )
    assert {call.when for call in changes.calls} == {"2026-12-24 08:30-12:00 14:00-18:00"}
    assert empty_but(changes, "days", "calls")


def test_what_happens_in_surge_mode_alone_is_told_so(old: Side, folder: Path) -> None:
    edit(folder, "flows/before_queue.yaml", "prompts: [storm]", "prompts: [same-agent]")
    changes = compare(old, folder)
    assert {call.condition for call in changes.calls} == {"surge mode"}
    silent = [call for call in changes.calls if not call.keys]
    assert {call.numbers[0]: (len(call.numbers), call.when) for call in silent} == {
        "12345": (24, "always"),
        "12315": (10, "workday, after-rest, makeup 00:00-08:30 12:00-14:00 18:00-24:00; "
                  "saturday, sunday, holiday 00:00-24:00"),
    }  # fmt: skip


def test_what_happens_with_nobody_on_duty_alone_is_told_so(old: Side, folder: Path) -> None:
    edit(folder, "flows/before_queue.yaml", "cases: {away: away}", "cases: {busy: away}")
    changes = compare(old, folder)
    assert {call.condition for call in changes.calls} == {"nobody on duty"}


def test_a_changed_greeting_does_not_hide_a_change_behind_it(old: Side, folder: Path) -> None:
    edit(folder, "flows/main.yaml", "prompts: [greeting]", "prompts: [unknown-number]")
    edit(folder, "flows/services.yaml", '"3": dialect', '"6": dialect')
    changes = compare(old, folder)
    assert [(call.keys, call.condition) for call in changes.calls] == [
        ("", ""),
        ("93", ""),
        ("96", ""),
    ]


def test_a_sound_of_another_length_is_told_once_with_its_cost(old: Side, folder: Path) -> None:
    shutil.copy(folder / "audio/greeting.wav", folder / "audio/notice-12336.wav")
    changes = compare(old, folder)
    call = only(changes.calls)
    assert (call.numbers, call.keys) == (("12336",), "")
    assert call.new.seconds < call.old.seconds
    (prompt,) = changes.prompts
    assert prompt["prompt"] == "notice-12336"
    assert prompt["text"] is None
    assert prompt["sound"]
    assert prompt["heard_by"] == ["12336"]


def test_another_text_is_told_with_who_hears_it(old: Side, folder: Path) -> None:
    edit(folder, "prompts.tsv", "人工座席全忙，", "座席全忙，")
    (prompt,) = compare(old, folder).prompts
    assert prompt["prompt"] == "callback-promised"
    assert prompt["text"] == [
        "人工座席全忙，我们会尽快给您回电话。",
        "座席全忙，我们会尽快给您回电话。",
    ]
    assert set(prompt["heard_by"]) >= {"12345", "12336", "12369"}
    assert "95598" not in prompt["heard_by"]


def test_a_prompt_that_is_new_or_gone_is_told(old: Side, folder: Path) -> None:
    text = (folder / "prompts.tsv").read_text("utf-8")
    text = re.sub(r"(?m)^handover\t.*\n", "", text) + "hello\t您好。\t试用\n"
    (folder / "prompts.tsv").write_text(text, "utf-8")
    gone, fresh = compare(old, folder).prompts
    assert (gone["prompt"], gone["seconds"][1], gone["text"][1]) == ("handover", None, None)
    assert (fresh["prompt"], fresh["seconds"], fresh["text"]) == (
        "hello", [None, 0.0], [None, "您好。"],
    )  # fmt: skip
    assert fresh["heard_by"] == []


def test_numbers_that_come_go_and_change_are_told(old: Side, folder: Path) -> None:
    text = (folder / "hotlines.csv").read_text("utf-8")
    text = re.sub(r"(?m)^2,.*12343.*\n", "", text).replace("812369,10", "812369,20")
    text += "48,路灯热线,12399,市住建局,zhujian,整合,notice-12336,integrated,,,,,\n"
    (folder / "hotlines.csv").write_text(text, "utf-8")
    changes = compare(old, folder)
    assert [(n["number"], n["change"]) for n in changes.numbers] == [
        ("12343", "removed"), ("12369", "changed"), ("12399", "added"),
    ]  # fmt: skip
    assert changes.numbers[1]["fields"] == {"seat_seconds": ["10", "20"]}
    seat, *said = sorted(changes.calls, key=lambda call: call.say)
    assert (seat.numbers, seat.when, seat.say) == (("12369",), OFFICE, "")
    assert seat.new.route.endswith("after 20 s")
    assert [(call.numbers, call.say, call.old.skill, call.new.skill) for call in said] == [
        (("12345",), "line-2", "minzheng", "skill-night"),
        (("12345",), "line-48", "skill-night", "zhujian"),
    ]  # fmt: skip


def test_a_number_that_gets_another_flow_is_told(old: Side, folder: Path) -> None:
    edit(folder, "hotlines.csv", "dual-12328,dual_run,", "dual-12328,dual_run_office,")
    changes = compare(old, folder)
    silent = [call for call in changes.calls if not call.keys and not call.condition]
    assert {call.numbers for call in silent} == {("12328",)}
    assert silent[0].new.route == "queue:citizens"


def test_what_words_lead_to_is_told(old: Side, folder: Path) -> None:
    edit(folder, "flows/main.yaml", "scope-7: scope_7", "scope-7: before")
    edit(folder, "flows/said.yaml", 'agents: {do: queue, skill: "{unit}"}', "agents: {do: queue}")
    edit(folder, "flows/emergency_119.yaml", '"no": agents', '"no": sure')
    changes = compare(old, folder)
    assert {call.condition for call in changes.calls} == {"words are understood"}
    found = {call.say: call for call in changes.calls}
    assert found["scope-7"].old.heard == ("greeting-spoken", "scope-7")
    assert found["scope-7"].new.route == "queue:citizens"
    assert (found["line-1"].old.skill, found["line-1"].new.skill) == ("zhengfuban", None)
    assert found.keys() == {"scope-7", "line-1"}  # a second answer is not tried


def test_who_is_listened_to_may_be_greeted_otherwise(old: Side, folder: Path) -> None:
    edit(folder, "flows/main.yaml", "spoken: [greeting-spoken]", "spoken: [unknown-number]")
    call = only(compare(old, folder).calls)
    assert (call.condition, call.keys, call.say) == ("words are understood", "", "")
    assert (call.old.heard, call.new.heard) == (("greeting-spoken",), ("unknown-number",))


def test_numbers_outside_the_register_are_tried_too(old: Side, folder: Path) -> None:
    edit(folder, "flows/unknown.yaml", "agents: {do: queue}", "agents: {do: queue, priority: 1}")
    changes = compare(old, folder)
    assert only(changes.calls).numbers == ("numbers outside the register",)
    assert [found["met_by"] for found in changes.flows] == [["numbers outside the register"]]
    shutil.copy(folder / "audio/greeting.wav", folder / "audio/unknown-number.wav")
    (prompt,) = compare(old, folder).prompts
    assert prompt["heard_by"] == ["numbers outside the register"]


def test_numbers_that_change_alike_are_told_together(old: Side, folder: Path) -> None:
    edit(folder, "flows/integrated.yaml", 'do: queue, skill: "{unit}"', "do: queue, priority: 2")
    call = only(compare(old, folder).calls)
    assert len(call.numbers) == 22
    assert call.new.route == "queue:citizens priority 2"


def test_skills_phrases_and_own_contexts_are_told(old: Side, folder: Path) -> None:
    edit(folder, "skills.toml", "关中方言", "陕西方言")
    edit(folder, "phrases.tsv", "agent\t人工\t", "agent\t真人\t")
    (folder / "custom").mkdir(exist_ok=True)  # an empty folder is in no checkout
    (folder / "custom/own.conf").write_text("[own]\n")
    changes = compare(old, folder)
    assert changes.skills == ({"skill": "skill-dialect", "old": "关中方言", "new": "陕西方言"},)
    assert [found["intent"] for found in changes.phrases] == ["agent"]
    assert [(found["file"], found["old"]) for found in changes.custom] == [
        ("custom/own.conf", None)
    ]
    assert empty_but(changes, "skills", "phrases", "custom")


def test_files_of_case_work_are_told_value_by_value(old: Side, folder: Path) -> None:
    edit(folder, "limits.toml", "most_returns = 2", "most_returns = 3")
    (folder / "scores.toml").unlink()
    changes = compare(old, folder)
    cases = {row["case"]: (row["old"], row["new"]) for row in changes.cases}
    assert cases.pop("limits.toml most_returns") == ("2", "3")
    assert cases["scores.toml figures.volume.name"] == ("工单量", None)
    assert all(case.startswith("scores.toml ") for case in cases)
    assert empty_but(changes, "cases")


# ---- the command


Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """Return what types `hotline dialplan diff …` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def _type(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hotline", "dialplan", "diff", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return _type


def test_the_command_tells_everything_in_lines(typed: Typed, folder: Path) -> None:
    edit(folder, "flows/before_queue.yaml", "prompts: [away]", "prompts: [same-agent]")
    edit(folder, "prompts.tsv", "一二三四五转接，工单号", "转接，工单号")
    edit(folder, "skills.toml", "关中方言", "陕西方言")
    (folder / "custom").mkdir(exist_ok=True)  # an empty folder is in no checkout
    (folder / "custom/own.conf").write_text("[own]\n")
    code, out, _ = typed(str(BAOJI), str(folder))
    assert code == 0
    assert "caller does nothing, nobody on duty" in out
    assert "prompt handover:" in out
    assert "no flow plays it" in out
    assert "now  转接，工单号" in out
    assert "skill skill-dialect: 关中方言 → 陕西方言" in out
    assert "custom/own.conf: added" in out


def test_a_long_number_that_is_read_out_does_not_fill_the_line(typed: Typed, folder: Path) -> None:
    edit(folder, "flows/promise_callback.yaml", "callback-promised]", "scope-7]")
    code, out, _ = typed(str(BAOJI), str(folder))
    assert code == 0
    assert "callback-confirm + … + scope-7 → hangup (callback_promised)" in out


def test_the_command_can_show_the_lines_of_text(typed: Typed, folder: Path) -> None:
    edit(folder, "calendar.toml", "夜间值守", "夜班")
    code, out, _ = typed(str(BAOJI), str(folder), "--text")
    assert code == 0
    assert "nothing changes for anybody" in out
    assert '+title = "夜班"' in out


def test_the_command_gives_it_as_json(typed: Typed, folder: Path) -> None:
    edit(folder, "flows/main.yaml", '"3": dialect', '"4": dialect')
    code, out, _ = typed(str(BAOJI), str(folder), "--json", "--text")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    assert not found["same"]
    assert [call["keys"] for call in found["calls"]] == ["3", "4"]
    assert found["calls"][0]["old"]["heard"] == ["greeting", "dialect"]
    assert any("dialect" in line for line in found["text"])


def test_without_a_version_the_command_asks_for_folders(typed: Typed) -> None:
    code, _, err = typed()
    assert code == 2
    assert "nothing is published yet: name two folders" in err


def test_the_live_version_is_compared_with_the_working_folder(
    typed: Typed, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hotline import releases
    from hotline.config import load as settings

    monkeypatch.setenv("HOTLINE_SITE__DIALPLAN_DIR", str(folder))
    config = settings(tmp_path / "hotline.toml", {"HOTLINE_SITE__DIALPLAN_DIR": str(folder)})
    releases.publish(config, who="test", why="first", watch=0)
    edit(folder, "flows/main.yaml", '"3": dialect', '"4": dialect')
    code, out, _ = typed()
    assert code == 0
    assert out.startswith("version 1 → working folder\n")
    assert "calls to 12345; always; keys 3" in out
    code, out, _ = typed("1", "1")
    assert "nothing changes for anybody" in out
