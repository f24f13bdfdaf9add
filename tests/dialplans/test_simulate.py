"""Calls walked through without a telephone, and the days that stand for all others."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from dialplans import simulate, walks, windows
from dialplans.city import load
from dialplans.simulate import Case, Press
from hotline import cli, tell, trying
from hotline.lookups import DIALABLE
from schemas.calendar import Calendar, Override, Schedule, is_open
from schemas.city import City, Spoken
from schemas.errors import Invalid
from schemas.times import SHANGHAI
from tests.dialplans.trial import MORNING, walk

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "simulate" / "all.tsv"
SPEECH = GOLDEN.with_name("speech.tsv")
BAOJI = ROOT / "dialplans" / "baoji"
FIRST_DAY = date(2026, 1, 1)
"""The table is of the days from this one on: all of that year's holidays are known."""
NIGHT = datetime(2026, 10, 2, 3, tzinfo=SHANGHAI)


@pytest.fixture(scope="module")
def city() -> City:
    return load(BAOJI)


# ---- the table of everything


def test_every_number_in_every_window_goes_where_the_reviewed_table_says(city: City) -> None:
    like = Case(number="", at=MORNING)
    found = trying.everything(city, like, number=None, today=FIRST_DAY)
    assert len(found.pairs) == 52 * len(found.windows)
    text = trying.tsv(found.rows())
    if os.environ.get("HOTLINE_GOLDEN") == "write":
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


def test_with_speech_who_says_nothing_goes_the_same_way(city: City) -> None:
    """As the second table says: other greetings, other waits, and a person in time."""
    like = Case(number="", at=MORNING, speech=True)
    found = trying.everything(city, like, number=None, today=FIRST_DAY)
    text = trying.tsv(found.rows())
    if os.environ.get("HOTLINE_GOLDEN") == "write":
        SPEECH.write_text(text, "utf-8")
    assert text == SPEECH.read_text("utf-8")
    assert all(one.person_after is not None for _, one in found.pairs)
    assert max(one.person_after or 0.0 for _, one in found.pairs) <= 15
    without = trying.everything(city, replace(like, speech=False), number=None, today=FIRST_DAY)
    ways = [[(one.route, one.end) for _, one in some.pairs] for some in (found, without)]
    assert ways[0] == ways[1]


def test_the_table_holds_every_walk(city: City) -> None:
    found = trying.everything(city, Case(number="", at=MORNING), number=None, today=FIRST_DAY)
    rows = found.rows()
    of_number = {row.walk.case.number for row in rows}
    assert of_number == set(city.register.numbers)
    for row in rows:
        others = [r for r in rows if r.walk.case.number == row.walk.case.number]
        assert (row.when == "always") == (len(others) == 1)


def test_no_walk_of_the_city_has_a_trouble(city: City) -> None:
    found = trying.everything(city, Case(number="", at=MORNING), number=None, today=FIRST_DAY)
    assert [one.troubles for _, one in found.pairs if one.troubles] == []


# ---- one call


def test_a_call_to_12369_at_three_in_the_night_of_the_national_holiday(city: City) -> None:
    found = walk(city, "12369", at=NIGHT)
    assert found.heard == ("dual-12369",)
    assert found.end == "dual_run_office/night_seats"
    assert str(found.route) == "queue:citizens"
    assert found.route.skill == "skill-night"
    assert found.person_after == city.prompts["dual-12369"].seconds
    assert "a person is rung" in walks.ending(found, 15)
    in_office_hours = walk(city, "12369", at=MORNING)
    assert str(in_office_hours.route) == "queue:seat-12369>citizens"


@pytest.mark.parametrize("spelling", ["12369", "0917-12369", "+8691712369"])
def test_a_number_may_be_dialled_in_any_spelling(city: City, spelling: str) -> None:
    found = walk(city, spelling)
    assert found.number is not None
    assert found.number.number == "12369"


def test_a_number_outside_the_register_runs_the_flow_of_unknown_numbers(city: City) -> None:
    found = walk(city, "12399")
    assert found.number is None
    assert found.heard == ("unknown-number",)
    assert trying.opening(city, found)[0].startswith("12399 is not in the register")


def test_each_step_has_its_cost_and_the_sum_runs_along(city: City) -> None:
    found = walk(city, "12345", "9-0")
    greeting, menu = (city.prompts[prompt].seconds for prompt in ("greeting", "services"))
    costs = [(stage.played, stage.waited) for stage in found.stages[:3]]
    assert costs == [(round(greeting, 3), 0.0), (round(menu, 3), 4.0), (round(menu, 3), 0.0)]
    totals = greeting, greeting + menu + 4, greeting + 2 * menu + 4
    assert [stage.total for stage in found.stages[:3]] == [
        pytest.approx(total, abs=0.003) for total in totals
    ]
    assert found.seconds == found.stages[-1].total
    assert str(found.route) == "queue:citizens"
    found = walk(city, "95598", "-")
    assert str(found.route) == "transfer:95598"
    assert "95598 is rung" in walks.ending(found, 15)


def test_a_key_at_once_costs_nothing_and_cuts_all_that_would_follow(city: City) -> None:
    storm = {"surge": True, "caller": "13900000000"}
    whole = walk(city, "12345", "-1", **storm)
    cut = walk(city, "12345", "-1<0", **storm)
    assert whole.end == "promise_callback/confirm"
    assert len(whole.heard) > 5  # the number is read out
    assert cut.heard[-1] == "callback-confirm"
    assert cut.stages[-1].seconds == 0
    assert str(cut.route) == "queue:citizens"


def test_a_key_that_cuts_a_say_answers_the_question_that_follows_at_once(city: City) -> None:
    flows = dict(city.flows)
    main = flows["main"].model_dump(by_alias=True)
    main["start"] = "hello"
    main["steps"]["hello"] = {"do": "say", "prompts": ["scope-7"], "next": "greet"}
    flows["main"] = type(flows["main"]).model_validate(main)
    found = walk(replace(city, flows=flows), "12345", "<3")
    assert found.heard == ("scope-7", "dialect")
    assert found.route.skill == "skill-dialect"


@pytest.mark.parametrize(
    ("keys", "entry", "end"),
    [
        ("<2<202611230001#", "202611230001#", "progress/tell"),
        ("<2<202611230001", "202611230001", "progress/tell"),  # silence ends it too
        ("<2<202611230002#", "202611230002#", "main/agents"),
        ("<2<0#", "0#", "progress/person"),
        ("<2-", "", "progress/ask"),
    ],
)
def test_an_entry_of_digits_ends_with_a_hash_or_with_silence(
    city: City, keys: str, entry: str, end: str
) -> None:
    found = walk(city, "12345", keys, ticket="BJ20261123-0001")
    asked = [stage for stage in found.stages if stage.step == "progress/ask"]
    assert asked[0].answer == entry
    assert (asked[0].waited > 0) == (not entry.endswith("#"))
    assert end in (found.end, asked[0].step)


def test_an_entry_ends_by_itself_when_it_is_as_long_as_it_may_be(city: City) -> None:
    found = walk(city, "12345", "<2<" + "1" * 25)
    asked = next(stage for stage in found.stages if stage.step == "progress/ask")
    assert asked.answer == "1" * 20
    assert asked.waited == 0


@pytest.mark.parametrize(
    ("conditions", "keys", "heard", "route"),
    [
        ({"duty": "away"}, "-1", ("greeting", "away", "leave-message"), "message"),
        ({"duty": "away", "caller": "anonymous"}, "-1", ("greeting", "away"), "queue:citizens"),
        ({"duty": "busy"}, "", ("greeting",), "queue:citizens"),
        ({"surge": True}, "", ("greeting", "storm"), "queue:citizens"),
        ({"last_agent": "2001"}, "", ("greeting", "same-agent"), "queue:agent-2001>citizens"),
        ({"last_agent": "2001", "last_agent_free": False}, "", ("greeting",), "queue:citizens"),
        ({"staffed": frozenset({"skill-dialect"})}, "<3", ("greeting", "dialect"),
         "queue:skill-dialect"),
        ({"staffed": frozenset({"guotu"})}, "", ("greeting",), "queue:citizens"),
    ],
)  # fmt: skip
def test_how_things_are_at_the_service_decides(
    city: City, conditions: dict[str, Any], keys: str, heard: tuple[str, ...], route: str
) -> None:
    found = walk(city, "12345", keys, **conditions)
    assert (found.heard, str(found.route)) == (heard, route)


def test_a_prompt_without_a_sound_fails_as_on_the_telephone(city: City) -> None:
    mute = {**city.prompts, "greeting": Spoken("您好", 0.0)}
    found = walk(replace(city, prompts=mute), "12345")
    assert found.troubles == (("main/greet", "there is no sound for 'greeting'"),)
    assert found.heard == ()
    assert str(found.route) == "queue:citizens"


def test_who_can_be_called_back_is_who_the_service_calls_back() -> None:
    assert simulate.KNOWN_CALLER.pattern == DIALABLE.pattern


# ---- sentences


@pytest.mark.parametrize(
    ("number", "keys", "conditions", "sentence"),
    [
        ("12336", "", {}, "whoever has the skill guotu is rung first"),
        ("12336", "", {"staffed": frozenset({"guotu"})}, "(queue unit-guotu)"),
        ("12328", "", {}, "seat 812328 is rung after"),
        ("12345", "", {"last_agent": "2001"}, "agent 2001 is rung after"),
        ("12345", "", {"duty": "away"}, "nobody is signed on: the caller waits"),
        ("12345", "-1", {"duty": "away"}, "leaves a message"),
        ("12345", "-1", {"surge": True}, "ends the call after"),
        ("12345", "91", {}, "(OVER the limit of 15 s)"),
    ],
)
def test_the_end_is_told_in_a_sentence(
    city: City, number: str, keys: str, conditions: dict[str, Any], sentence: str
) -> None:
    assert sentence in walks.ending(walk(city, number, keys, **conditions), 15)


# ---- keys, words, times as they are typed


def test_keys_are_written_as_they_are_read() -> None:
    assert simulate.presses("1 <9-#") == (Press("1"), Press("9", True), Press(), Press("#"))
    assert simulate.written(simulate.presses("1 <9-#")) == "1<9-#"


@pytest.mark.parametrize("text", ["a", "<", "1<", "<-", "１", "1,2"])
def test_what_is_no_key_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        simulate.presses(text)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-10-02 03:00", "2026-10-02T03:00:00+08:00"),
        ("2026-10-01T19:00Z", "2026-10-02T03:00:00+08:00"),
        ("2026-10-02", "2026-10-02T00:00:00+08:00"),
        ("22:15", "2026-10-09T22:15:00+08:00"),
        (None, "2026-10-09T09:00:00+08:00"),
    ],
)
def test_a_time_is_baojis_unless_it_says_otherwise(text: str | None, means: str) -> None:
    assert trying.moment(text, MORNING).isoformat() == means


@pytest.mark.parametrize("text", ["tomorrow", "25:00", "2026-13-01", "9999-99-99 00:00", ""])
def test_what_is_no_time_is_told_with_how_to_write_one(text: str) -> None:
    with pytest.raises(Invalid, match="write 2026-10-02 03:00"):
        trying.moment(text, MORNING)


# ---- days and windows


def calendar(*overrides: tuple[str, str], **schedules: dict[str, tuple[str, ...]]) -> Calendar:
    return Calendar(
        schedules={name: Schedule(**spans) for name, spans in schedules.items()},
        overrides=tuple(
            Override(date=date.fromisoformat(day), kind=kind, why="test") for day, kind in overrides
        ),
    )


def test_one_day_of_each_kind_stands_for_all_others() -> None:
    found = windows.days(calendar(), FIRST_DAY)
    assert {name: f"{day}" for name, day in found.items()} == {
        "workday": "2026-01-05",  # a Monday, but 调休 made its Sunday a working day
        "after-rest": "2026-01-12",
        "saturday": "2026-01-10",
        "sunday": "2026-01-03",
        "holiday": "2026-01-01",
        "makeup": "2026-01-04",
    }


def test_days_that_are_not_to_come_any_more_are_taken_from_before() -> None:
    found = windows.days(calendar(), date(2026, 12, 30))
    assert found["workday"] == date(2026, 12, 30)
    assert found["makeup"] == date(2026, 10, 10)
    assert found["holiday"] == date(2026, 10, 7)


def test_a_kind_of_day_that_nobody_knows_yet_is_left_out() -> None:
    assert list(windows.days(calendar(), date(2040, 1, 1))) == [
        "workday", "after-rest", "saturday", "sunday",
    ]  # fmt: skip


def test_the_admins_own_days_count() -> None:
    plan = calendar(("2027-02-27", "workday"), ("2026-12-31", "holiday"))
    found = windows.days(plan, date(2026, 12, 30))
    assert found["makeup"] == date(2027, 2, 27)
    assert found["holiday"] == date(2026, 12, 31)


@pytest.mark.parametrize("day", list(windows.KINDS))
def test_nothing_changes_inside_a_window(day: str) -> None:
    plan = calendar(
        a={"workdays": ("08:30-12:00", "22:30-06:15")}, b={"holidays": ("10:00-24:00",)}
    )
    of_day = windows.days(plan, FIRST_DAY)[day]
    for window in windows.windows([plan], {day: of_day}):
        minutes = range(0, int((window.end - window.begin).total_seconds()), 60)
        states = {
            tuple(
                is_open(plan, name, datetime.fromtimestamp(window.begin.timestamp() + s, SHANGHAI))
                for name in plan.schedules
            )
            for s in minutes
        }
        assert len(states) == 1


def test_the_night_after_a_working_day_reaches_into_the_next_morning() -> None:
    plan = calendar(watch={"workdays": ("22:00-06:00",)})
    found = windows.windows([plan], windows.days(plan, FIRST_DAY))
    assert [str(w) for w in found if is_open(plan, "watch", w.begin)] == [
        "workday 00:00-06:00",
        "workday 22:00-24:00",
        "after-rest 22:00-24:00",
        "saturday 00:00-06:00",
        "holiday 00:00-06:00",
        "makeup 22:00-24:00",
    ]


def test_windows_are_told_in_a_line() -> None:
    plan = calendar(office={"workdays": ("08:00-12:00", "14:00-18:00")})
    every = windows.windows([plan], windows.days(plan, FIRST_DAY))
    office = [w for w in every if is_open(plan, "office", w.begin)]
    rest = [w for w in every if w not in office]
    assert windows.told(every, every) == "always"
    assert windows.told(office, every) == "workday, after-rest, makeup 08:00-12:00 14:00-18:00"
    assert windows.told(rest, every) == (
        "workday, after-rest, makeup 00:00-08:00 12:00-14:00 18:00-24:00; "
        "saturday, sunday, holiday 00:00-24:00"
    )
    nights = [w for w in every if w.hours == "00:00-08:00"]
    assert windows.told(nights, [w for w in every if w.day == "workday"]) == (
        "every day 00:00-08:00"
    )


# ---- the command


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return what types `hotline dialplan simulate …` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def _type(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hotline", "dialplan", "simulate", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return _type


Typed = Callable[..., tuple[int, str, str]]


def test_the_command_shows_the_walk(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tell.out, "width", 160)  # its width is that of where it was made
    code, out, _ = typed("--number", "12369", "--at", "2026-10-02 03:00")
    assert code == 0
    assert "Friday 2026-10-02 03:00 in Baoji, no working day; night open, office closed" in out
    assert "您好，这里是环保举报热线" in out
    assert "a person is rung (queue citizens) after" in out


def test_the_command_gives_the_walk_as_json(typed: Typed) -> None:
    code, out, _ = typed("--number", "12345", "--keys", "<9<1<1", "--at", "03:00", "--json")
    assert code == 0
    found: Mapping[str, Any] = json.loads(out)
    assert found["route"] == "transfer:110"
    assert found["keys"] == "<9<1<1"
    assert [s["step"] for s in found["steps"]][:3] == ["main/greet", "services/menu",
                                                       "emergency/which"]  # fmt: skip
    assert found["seconds"] == found["person_after"] == found["steps"][-1]["total"]


def test_the_command_gives_every_walk_as_json(typed: Typed) -> None:
    code, out, _ = typed("--all", "--at", "2026-01-01", "--json")
    assert code == 0
    found = json.loads(out)
    assert len(found["walks"]) == 52 * len(found["windows"])
    assert {w["number"] for w in found["walks"]} >= {"12345", "12369", "95598"}
    assert {w["window"] for w in found["walks"]} == {w["window"] for w in found["windows"]}
    assert all({"hotline", "at", "steps", "seconds", "route"} <= w.keys() for w in found["walks"])


def test_the_command_shows_one_number_at_all_times(typed: Typed) -> None:
    code, out, _ = typed("--all", "--number", "12336")
    assert code == 0
    assert "always" in out
    assert "12345" not in out


def test_the_command_loads_nothing_that_only_a_running_service_needs() -> None:
    heavy = "{'aiohttp', 'alembic', 'panoramisk', 'sqlalchemy.orm'}"
    code = (
        "import sys; from hotline import cli; sys.argv = ['hotline', 'dialplan', 'simulate']\n"
        f"try: cli.main()\nfinally: sys.stderr.write(repr(sorted({heavy} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stderr == "[]"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--keys", "1x"], "'x' is no key"),
        (["--at", "soon"], "'soon' is no time"),
        (["--number", "nothing"], "is no number that anybody can dial"),
        (["--staffed", "cooking"], "there is no skill 'cooking'"),
        (["--last-agent", "me"], "last-agent is an extension"),
        (["--dir", "nowhere"], "nowhere is neither a folder nor the number"),
        (["--dir", "7"], "there is no version 7"),
    ],
)
def test_what_was_typed_wrongly_is_told_in_a_sentence(
    typed: Typed, words: list[str], reason: str
) -> None:
    code, _, err = typed(*words)
    assert code in (1, 2)
    assert reason in err
