"""Places in what citizens say: the longest name, the one meant, or the question which one."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.tickets.places import CERTAIN, HEARD, NOWHERE, OPEN, Places
from cti.tickets.sounds import readings, sounds
from dialplans.documents import read_toml
from schemas.gazetteer import County, Gazetteer

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


@cache
def baoji() -> Places:
    found, faults = read_toml(ROOT / "dialplans/baoji/places.toml").model(Gazetteer)
    assert found is not None, faults
    return Places.of(found)


@pytest.mark.parametrize(
    ("text", "county", "town", "landmark"),
    [
        ("渭滨区的路", "weibin", None, None),
        ("我在宝鸡县阳平住", "chencang", "阳平镇", None),
        ("虢镇北边", "chencang", "虢镇街道", None),
        ("凤翔县柳林镇", "fengxiang", "柳林镇", None),
        ("岐山蔡家坡停水", "qishan", "蔡家坡镇", None),
        ("太白山景区", "meixian", None, "太白山"),
        ("太白县咀头镇", "taibai", "咀头镇", None),
        ("法门寺门口", "fufeng", None, "法门寺"),
        ("法门镇街道", "fufeng", "法门镇", None),
        ("石鼓阁底下", "weibin", None, "中华石鼓园"),
        ("陇县东风镇", "longxian", "东风镇", None),
        ("东风路街道办", "jintai", "东风路街道", None),
        ("陈仓镇大街", "jintai", "陈仓镇", None),
        ("陈仓区钓渭镇", "gaoxin", "钓渭镇", None),
        ("马营镇", "gaoxin", "马营镇", None),
        ("渭滨区宝鸡火车站", "weibin", None, "宝鸡火车站"),
    ],
)
def test_the_longest_name_tells_county_town_and_landmark(
    text: str, county: str, town: str | None, landmark: str | None
) -> None:
    found = baoji().find(text)
    assert (found.county, found.town, found.landmark) == (county, town, landmark)
    assert found.certainty == CERTAIN
    begin, end = found.span
    assert text[begin:end] in found.words


@pytest.mark.parametrize(
    "text",
    ["", "宝鸡市到处都是", "陈仓大道上", "太白路", "凤翔路", "门口水沟堵了", "河北来的人", "西安"],
)
def test_what_is_no_place_of_the_city_is_none(text: str) -> None:
    assert baoji().find(text) == NOWHERE


@pytest.mark.parametrize(
    ("text", "counties"),
    [
        ("城关镇路灯", {"fengxiang", "fufeng", "longxian", "qianyang"}),
        ("宝鸡火车站广场", {"weibin", "jintai"}),
        ("高铁站门口", {"weibin", "gaoxin"}),
        ("周原遗址", {"qishan", "fufeng"}),
    ],
)
def test_a_name_of_several_counties_stays_open(text: str, counties: set[str]) -> None:
    found = baoji().find(text)
    assert found.open
    assert found.county is None
    assert set(found.counties) == counties
    assert found.certainty == OPEN


def test_a_county_named_beside_it_settles_an_open_name() -> None:
    found = baoji().find("城关镇", "我是陇县的")
    assert (found.county, found.town) == ("longxian", "城关镇")
    assert found.words == "陇县、城关镇"
    assert not found.open


def test_another_county_does_not_settle_an_open_name_but_wins_over_it() -> None:
    assert baoji().find("城关镇", "太白县的").county == "taibai"


def test_an_open_name_stays_open_beside_another_or_none() -> None:
    assert set(baoji().find("城关镇", "宝鸡火车站").counties) >= {"longxian", "qianyang"}
    assert baoji().find("城关镇", "路灯坏了").open


def test_an_earlier_text_wins() -> None:
    assert baoji().find("眉县", "从渭滨区来的").county == "meixian"
    assert baoji().find("", "眉县到渭滨区").county == "meixian"


def test_who_manages_a_town_wins_over_who_has_it_on_the_map() -> None:
    found = baoji().find("渭滨区马营镇")
    assert (found.county, found.shown_in) == ("gaoxin", "weibin")
    assert baoji().find("渭滨区").shown_in is None


@pytest.mark.parametrize(
    ("text", "county", "town"),
    [
        ("在槐牙镇街道", "meixian", "槐芽镇"),
        ("我在菜家坡", "qishan", "蔡家坡镇"),
        ("国镇东关", "chencang", "东关街道"),
        ("扶丰县午井", "fufeng", "午井镇"),
        ("我在奉县住", "fengxian", None),
    ],
)
def test_what_a_recogniser_wrote_wrongly_is_found_by_its_sound(
    text: str, county: str, town: str | None
) -> None:
    found = baoji().find(text)
    assert (found.county, found.town) == (county, town)
    assert found.certainty in (HEARD, CERTAIN)


def test_a_short_name_by_its_sound_needs_a_place_to_stand() -> None:
    assert baoji().find("电梯有风险").county is None
    assert baoji().find("这个凤线很大").county is None


def test_an_empty_gazetteer_knows_nothing() -> None:
    assert Places.of(Gazetteer()).find("渭滨区") == NOWHERE


def test_a_name_written_twice_is_one_name() -> None:
    county = County(name="东县", also=("东县",), unit="dong")
    assert Places.of(Gazetteer(counties={"dong": county})).find("东县").counties == ("dong",)


@given(st.lists(st.text(max_size=300), max_size=3))
def test_any_text_gives_a_place_of_the_gazetteer_or_none(texts: list[str]) -> None:
    found = baoji().find(*texts)
    assert set(found.counties) <= baoji().gazetteer.counties.keys()
    assert found.county is None or found.county in found.counties
    assert 0 <= found.certainty <= 1


@given(st.lists(st.sampled_from([*"镇区县在是路", "马营", "城关镇", "渭滨", "奉县", "蔡家坡"])))
def test_heaps_of_names_are_borne(words: list[str]) -> None:
    found = baoji().find("".join(words))
    assert found.county is None or found.county in baoji().gazetteer.counties


def test_each_town_and_landmark_is_found_by_each_of_its_names() -> None:
    for code, county in baoji().gazetteer.counties.items():
        for names in (county.towns, county.landmarks):
            for name, others in names.items():
                for said in (name, *others):
                    assert code in baoji().find(said).counties, said
                    assert baoji().find(f"{county.name}{said}").county == code, said


def test_hosted_towns_stand_where_they_are_managed() -> None:
    counties = baoji().gazetteer.counties
    for county in counties.values():
        for town, shown in county.hosts.items():
            assert town in county.towns
            assert town not in counties[shown].towns


def test_sounds_forget_what_speakers_mix_up() -> None:
    assert sounds("停水") == ("tin2", "sui3")
    assert sounds("市政") == sounds("四政") == ("si4", "zen4")
    assert sounds("KTV歌厅") == ()
    assert readings("a") == frozenset()
    assert {"xin2", "han2"} <= readings("行")
    assert readings("n") == readings("\ud800") == frozenset()
