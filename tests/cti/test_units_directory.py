"""Who stands below whom, who is on duty, whose department is whose."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.units import directory
from cti.units.directory import Department
from dialplans import city as city_room
from schemas.calendar import Calendar, Schedule
from schemas.errors import NotFound
from schemas.identity import Role, Who
from schemas.times import SHANGHAI
from schemas.units import Units

pytestmark = pytest.mark.unit

BAOJI = Path(__file__).parents[2] / "dialplans" / "baoji"
CALENDAR = Calendar(
    schedules={"office": Schedule(workdays=("08:30-12:00", "14:00-18:00"))},
)


def unit(name: str, **more: object) -> dict[str, object]:
    login = f"u{abs(hash(name)) % 10**6}"
    return {
        "name": name, "phone": "80010001", "login": login, "clerk": "张三", "head": "李四",
        "head_login": f"{login}-head", **more,
    }  # fmt: skip


UNITS = Units.model_validate(
    {
        "units": {
            "zhujian": unit("市住建局", duty=[
                {"on": "2026-11-23", "span": "18:00-08:30", "who": "王五", "phone": "80010002"},
                {"on": "2026-11-24", "who": "赵六", "phone": "80010003"},
                {"on": "2026-11-26", "span": "09:00-10:00", "who": "钱七", "phone": "80010004"},
            ]),
            "gongshui": unit("市自来水公司", level="firm", parent="zhujian"),
            "pump": unit("泵站", level="firm", parent="gongshui"),
            "chencang": unit("陈仓区", level="county", departments=["zhujian"]),
            "qishan": unit("岐山县", level="county", departments=["zhujian", "gone"]),
            "ring_a": unit("环甲", parent="ring_b"),
            "ring_b": unit("环乙", parent="ring_a"),
        }
    }
)  # fmt: skip


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp()


def test_all_that_stands_under_a_unit_is_below_it_and_not_the_unit_itself() -> None:
    assert directory.below(UNITS, "zhujian") == {"gongshui", "pump"}
    assert directory.below(UNITS, "gongshui") == {"pump"}
    assert directory.below(UNITS, "pump") == frozenset()
    assert directory.below(UNITS, "nobody") == frozenset()
    assert directory.below(UNITS, "ring_a") == {"ring_b"}  # lint refuses it; it must still end


@pytest.mark.parametrize(
    ("when", "who", "phone"),
    [
        ("2026-11-23 09:00", "张三", "80010001"),  # a Monday, in hours
        ("2026-11-23 13:00", directory.OFF_HOURS, "80010001"),  # noon
        ("2026-11-23 18:00", "王五", "80010002"),
        ("2026-11-23 23:59", "王五", "80010002"),
        ("2026-11-24 00:00", "王五", "80010002"),  # into the morning, before the day's own
        ("2026-11-24 08:29", "王五", "80010002"),
        ("2026-11-24 08:30", "赵六", "80010003"),  # the whole day, in hours or not
        ("2026-11-24 23:59", "赵六", "80010003"),
        ("2026-11-25 00:00", directory.OFF_HOURS, "80010001"),
        ("2026-11-26 08:59", "张三", "80010001"),
        ("2026-11-26 09:00", "钱七", "80010004"),
        ("2026-11-26 10:00", "张三", "80010001"),
        ("2026-11-27 09:30", "张三", "80010001"),
        ("2026-11-29 09:30", directory.OFF_HOURS, "80010001"),  # a Sunday
    ],
)
def test_who_is_on_duty(when: str, who: str, phone: str) -> None:
    assert directory.on_duty(UNITS, CALENDAR, "zhujian", at(when)) == (who, phone)


def test_nobody_is_on_duty_for_a_unit_that_is_not_there() -> None:
    with pytest.raises(NotFound):
        directory.on_duty(UNITS, CALENDAR, "nobody", 0)


def test_a_countys_department_answers_to_a_city_unit() -> None:
    assert directory.counterpart(UNITS, "陈仓区住建局") == Department("chencang", "zhujian")
    assert directory.counterpart(UNITS, "陈仓区民政局") is None
    assert directory.department(UNITS, "qishan", "zhujian") == "岐山县住建局"
    assert directory.department(UNITS, "qishan", "gone") is None
    assert directory.department(UNITS, "nobody", "zhujian") is None
    assert directory.department(UNITS, "chencang", "gongshui") is None


def who(role: Role, unit: str | None = None) -> Who:
    return Who(kind="user", id="x", role=role, unit=unit)


def test_a_units_people_see_their_own_and_what_is_below() -> None:
    assert directory.visible(UNITS, who(Role.AGENT)) == tuple(UNITS.units)
    assert directory.visible(UNITS, who(Role.UNIT, "gongshui")) == ("gongshui", "pump")
    assert directory.visible(UNITS, who(Role.UNIT)) == ()
    assert directory.visible(UNITS, who(Role.UNIT, "left_the_file")) == ()


def test_a_misspelt_code_is_told_with_what_may_be_meant() -> None:
    assert directory.unit_of(UNITS, "zhujian").name == "市住建局"
    for said, meant in (("zhujan", "zhujian"), ("市住建", "zhujian"), ("QISHAN", None)):
        with pytest.raises(NotFound) as told:
            directory.unit_of(UNITS, said)
        assert told.value.details["near"] == meant
    with pytest.raises(NotFound) as told:  # nor is a unit hinted at that may not be seen
        directory.unit_of(UNITS, "zhujian", among=["pump", "left_the_file"])
    assert told.value.details["near"] is None
    assert directory.nearest(UNITS, "left_the_fil", ["left_the_file"]) == "left_the_file"


@given(st.text(max_size=40))
def test_whatever_is_typed_is_at_most_not_found(said: str) -> None:
    if said not in UNITS.units:
        with pytest.raises(NotFound):
            directory.unit_of(UNITS, said)


def test_the_citys_units_are_whole() -> None:
    city = city_room.load(BAOJI)
    units = city.casebook.units
    owners = {number.unit for number in city.register.numbers.values()}
    assert owners <= units.units.keys()
    counties = {code for code, found in units.units.items() if found.level == "county"}
    assert len(counties) == 13
    assert {c for c, found in units.units.items() if found.level == "firm"} == {
        "gongshui", "ranqi", "reli", "gongjiao",
    }  # fmt: skip
    for code, found in units.units.items():
        assert city.register.find(found.phone) is None, "it would come back to us"
        assert (found.login, found.head_login) == (code, f"{code}-head")
        assert bool(found.departments) is (code in counties)
    phones = [found.phone for found in units.units.values()]
    assert len(set(phones)) == len(phones)
    assert units.probes.per_week == 0, "placeholders are rung by nobody's plan"
