"""One version of what admins write, and what a flow and its driver say to each other."""

from dataclasses import FrozenInstanceError
from datetime import datetime
from pathlib import Path

import pytest

from schemas.city import City, Spoken
from schemas.moves import Collect, Done, Hear, Heard, Listen, Look, Playing, Say, Situation
from schemas.numbers import Integration, Number, Register

pytestmark = pytest.mark.unit


def number(digits: str, unit: str, integration: Integration) -> Number:
    return Number(
        number=digits, line_no=1, hotline="热线", owner_unit=f"市{unit}", unit=unit,
        integration=integration, notice="greeting", flow="main",
    )  # fmt: skip


CITY = City(
    folder=Path(),
    register=Register(
        {
            "12345": number("12345", "zhengfuban", Integration.INTEGRATED),
            "95598": number("95598", "gongdian", Integration.NOT_INTEGRATED),
        }
    ),
    prompts={"greeting": Spoken("您好", 1.0)},
    skills={"skill-night": "夜间值守"},
)


def test_skills_are_those_of_the_units_that_we_answer_for_and_the_citys_own() -> None:
    assert CITY.skill_codes == {"zhengfuban": "市zhengfuban", "skill-night": "夜间值守"}


def test_a_working_folder_plays_its_sounds_by_name_a_version_by_content() -> None:
    assert CITY.sound("greeting") == "hotline/greeting"
    published = CITY.published(7, {"greeting": "hotline/greeting-0123456789"})
    assert (CITY.version, published.version) == (0, 7)
    assert published.sound("greeting") == "hotline/greeting-0123456789"
    assert published.sound("dialect") == "hotline/dialect"


def test_a_call_cannot_be_told_something_else_by_somebody_who_holds_its_city() -> None:
    with pytest.raises(FrozenInstanceError):
        CITY.version = 8  # type: ignore[misc]


def test_what_callers_notice_are_the_moves_that_play_something() -> None:
    assert all(issubclass(move, Playing) for move in (Say, Hear, Listen, Collect))
    assert not any(issubclass(move, Playing) for move in (Look, Done))


def test_nothing_heard_is_silence_and_speech_is_away_unless_said() -> None:
    assert (Heard().key, Heard().digits, Heard().intent, Heard().failed) == (None,) * 4
    assert not Situation(number=None, caller="", at=datetime(2026, 1, 1)).speech  # noqa: DTZ001
