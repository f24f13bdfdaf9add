"""Who handles it: the plan's order, its exceptions, and that nothing a citizen says breaks it."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.tickets.dispatch import Suggester
from cti.tickets.matters import Matters
from cti.tickets.proposals import Suggestion
from dialplans import city
from schemas.casebook import Casebook
from schemas.cases import Urgency
from schemas.catalogue import Branch, Catalogue, Category
from schemas.city import City
from schemas.gazetteer import County, Gazetteer
from schemas.numbers import Integration, Number, Register

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
NOBODY = Suggester.of(Casebook(), Register({}))


@cache
def baoji() -> City:
    return city.load(ROOT / "dialplans" / "baoji")


@cache
def suggester() -> Suggester:
    return Suggester.of(baoji().casebook, baoji().register)


def asked(body: str, **also: str) -> Suggestion:
    return suggester().suggest(also.pop("title", ""), body, **also)


def units(found: Suggestion) -> list[str]:
    return [choice.unit for choice in found.ranked]


def test_the_place_comes_first_and_the_city_unit_guides() -> None:
    found = asked("法门镇街道垃圾成堆没人拉")
    assert units(found)[:2] == ["fufeng", "chengguan"]
    lead, guide = found.ranked[:2]
    assert (lead.level, lead.assisting) == ("county", ("chengguan",))
    assert lead.reasons[0].startswith("属地管理优先：地点在扶风县（“法门镇”）")
    assert guide.reasons[0].startswith("谁主管谁负责（业务指导）")


def test_what_is_not_local_goes_to_the_city_unit_wherever_it_is() -> None:
    found = asked("我是眉县的，社保断缴了能不能补缴")
    assert units(found)[:2] == ["renshe", "meixian"]
    assert found.county == "meixian"


def test_without_a_place_the_unit_in_charge_has_it() -> None:
    found = asked("井盖不见了")
    assert units(found)[0] == "chengguan"
    assert "谁主管谁负责" in found.ranked[0].reasons[0]
    assert found.urgency is Urgency.PRESSING


def test_a_town_shown_elsewhere_on_the_map_says_so() -> None:
    found = asked("马营镇垃圾没人拉")
    assert units(found)[0] == "gaoxin"
    assert "行政区划属渭滨区" in found.ranked[0].reasons[0]


def test_services_are_the_firms_and_complaints_the_citys() -> None:
    assert units(asked("停水了", kind="help"))[:2] == ["gongshui", "zhujian"]
    assert units(asked("停水了", kind="complaint"))[:2] == ["zhujian", "gongshui"]
    assert units(asked("停水了，我要投诉"))[:2] == ["zhujian", "gongshui"]
    assert units(asked("停水了，我要投诉", kind="help"))[0] == "gongshui"
    assert "地点在金台区" in asked("金台区停水了").ranked[0].reasons[0]
    assert asked("停水了").ranked[0].level == "firm"


def test_where_the_citys_firms_do_not_serve_the_county_goes_first() -> None:
    found = asked("陇县县城停水了", kind="help")
    assert units(found)[:2] == ["longxian", "zhujian"]


def test_an_office_of_a_county_is_the_countys_and_the_citys() -> None:
    for text in ("渭滨区住建局不给办手续", "渭滨住建局不给办手续"):
        found = asked(text)
        assert units(found)[:2] == ["weibin", "zhujian"]
        assert found.county == "weibin"
        assert "县(区)" not in found.ranked[0].reasons[0]
    assert "县区部门对应市级部门" in asked("渭滨区住建局").ranked[0].reasons[0]
    assert units(asked("我在眉县，县民政局不给我办"))[:2] == ["meixian", "minzheng"]
    assert units(asked("县民政局不给我办"))[0] == "minzheng"


def test_an_office_may_name_a_county_that_nothing_else_names() -> None:
    found = asked("凤翔区住建局", place="城关镇")
    assert found.county == "fengxiang"


def test_complaints_of_conduct_never_go_to_the_unit_alone() -> None:
    found = asked("市人社局工作人员态度恶劣不作为")
    assert found.complained_of == "renshe"
    assert units(found)[0] == "zhengfuban"
    assert found.ranked[0].assisting == ("renshe",)
    assert "renshe" not in units(found)

    found = asked("渭滨区住建局互相推诿")
    assert found.complained_of == "weibin"
    assert units(found)[:2] == ["zhujian", "zhengfuban"]
    assert found.ranked[0].assisting == ("weibin",)

    found = asked("金台区政府不作为")
    assert (found.complained_of, units(found)[0]) == ("jintai", "zhengfuban")

    found = asked("召公镇干部推诿扯皮")
    assert (found.complained_of, units(found)[0]) == (None, "fufeng")

    found = asked("窗口人员推诿扯皮", number="12343")
    assert units(found)[:2] == ["zhengfuban", "minzheng"]

    found = asked("市政府办公室不作为")
    assert found.complained_of == "zhengfuban"
    assert "协调员" in found.ranked[0].reasons[0]


def test_the_number_counts_when_nothing_is_said() -> None:
    found = asked("", number="12369")
    assert units(found) == ["huanbao"]
    assert "12369" in found.ranked[0].reasons[0]
    assert asked("", number="0917-3658058").category == "zhujian.heat"
    assert units(asked("", number="12345")) == ["zhengfuban"]
    assert units(asked("我要反映个情况", number="12345", place="高新区")) == ["gaoxin"]
    assert units(asked("", number="12319", place="渭滨区")) == ["chengguan", "weibin"]
    assert units(asked("", number="999")) == ["zhengfuban"]


def test_the_number_tips_the_scales() -> None:
    assert asked("司机态度太差", number="3249919").category == "jiaotong.bus"
    assert asked("家里冻得不行", number="3658058").category == "zhujian.heat"


def test_nothing_at_all_goes_to_the_office_and_says_so() -> None:
    for one in (suggester(), NOBODY):
        found = one.suggest("", "")
        assert units(found) == ["zhengfuban"]
        assert found.ranked[0].name == "市政府办公室"
        assert "未能判断" in found.ranked[0].reasons[0]
        assert (found.category, found.county, found.town) == (None, None, None)
        assert found.urgency is Urgency.NORMAL


def test_what_the_agent_chose_wins_over_the_text() -> None:
    found = asked("陇县东风镇路灯不亮", county="meixian", category="chengguan.manhole")
    assert (found.county, found.town) == ("meixian", None)
    assert found.category == "chengguan.manhole"
    assert units(found)[0] == "meixian"
    assert "guihua" in units(found)

    found = asked("城关镇路灯不亮", county="longxian")
    assert (found.county, found.town) == ("longxian", "城关镇")
    assert asked("陇县", county="longxian", town="八渡镇").town == "八渡镇"
    assert asked("路灯不亮", town="蔡家坡镇").county == "qishan"
    assert asked("路灯不亮", town="不知道的镇").town == "不知道的镇"


def test_codes_that_nobody_knows_are_passed_over() -> None:
    found = asked("陇县路灯不亮", county="nowhere", category="no.such")
    assert (found.county, found.category) == ("longxian", "guihua.lamp")


def test_a_category_chosen_against_silence_is_enough() -> None:
    found = asked("", category="zhujian.heat")
    assert units(found)[0] == "reli"
    assert "（“" not in found.ranked[0].reasons[0]


def test_a_category_chosen_that_was_said_keeps_its_words() -> None:
    found = asked("路灯不亮，垃圾没人拉", category="chengguan.waste")
    assert found.categories[0].words == ("垃圾没人拉",)


def test_an_open_place_is_asked_for() -> None:
    found = asked("城关镇路灯坏了")
    assert found.county is None
    assert units(found)[0] == "guihua"
    assert "请问清是哪个县区" in found.advice[0]
    assert {"longxian", "qianyang"} & set(units(found))


def test_danger_is_said_first() -> None:
    found = asked("楼道里好大的煤气味，怕是漏气了")
    assert found.emergency
    assert found.urgency is Urgency.URGENT
    assert "119" in found.advice[0]
    calm = asked("师傅看了没有漏气，问一下燃气费咋交")
    assert not calm.emergency
    assert calm.urgency is not Urgency.URGENT


def test_a_denied_matter_is_not_the_matter() -> None:
    assert asked("不是停水，是路灯不亮").category == "guihua.lamp"


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("我在西安买的房子", 1),
        ("部队上的现役军人待遇", 2),
        ("法院判决了不执行", 3),
        ("身份证丢了去派出所补办", 4),
        ("信访局已经受理了", 5),
        ("银行乱扣短信费", 6),
        ("转党组织关系", 7),
    ],
)
def test_what_the_hotline_does_not_take_is_pointed_out(text: str, scope: int) -> None:
    found = asked(text)
    assert found.scope is not None
    assert found.scope.number == scope
    assert "请坐席核对" in found.scope.reason
    assert f"不予受理第{scope}类" in found.ranked[0].reasons[0]


def test_a_hint_stands_beside_another_matter_but_not_for_a_passing_word() -> None:
    found = asked("老板拖欠农民工工资，法院判决了没执行", title="拖欠工资")
    assert found.category == "renshe.wages"
    assert found.scope is not None
    assert found.scope.number == 3
    assert asked("供水热线旁边银行门口停水了，家里停水").scope is None


def test_complaints_of_firms_are_taken() -> None:
    assert asked("银行乱扣短信费", kind="complaint").scope is None


def test_units_that_are_not_integrated_are_named_with_their_number() -> None:
    found = asked("我们村停电了")
    assert units(found)[0] == "gongdian"
    assert "95598" in found.ranked[0].reasons[0]
    assert "95598" in asked("", number="95598").ranked[0].reasons[0]


def test_other_offices_and_matters_stand_behind() -> None:
    found = asked("路灯不亮，给住建局说了也没人修，垃圾也多")
    assert "zhujian" in units(found)
    assert any("来电提到“住建局”" in why for one in found.ranked for why in one.reasons)
    assert len(found.ranked) <= 5
    assert len(found.categories) <= 5


def small(**category: object) -> Suggester:
    one = Category.model_validate({"name": "停水", "words": ("停水",), **category})
    book = Casebook(
        gazetteer=Gazetteer(counties={"dong": County(name="东县", unit="dong")}),
        catalogue=Catalogue(
            fields={"water": Branch(name="供水", unit="shui", categories={"off": one})}
        ),
    )
    number = Number(
        number="95598",
        line_no=1,
        hotline="供电",
        owner_unit="供电局",
        unit="dian",
        integration=Integration.NOT_INTEGRATED,
        notice="",
        flow="",
    )
    return Suggester.of(book, Register({"95598": number}))


def test_units_without_an_entry_are_called_what_is_known_of_them() -> None:
    found = small(firm="gong").suggest("", "停水")
    assert [(one.unit, one.name, one.level) for one in found.ranked] == [
        ("gong", "gong", "firm"),
        ("shui", "shui", "city"),
    ]
    (lead, *_) = small().suggest("", "东县停水").ranked
    assert (lead.name, lead.level) == ("东县", "county")
    (lead, *_) = small().suggest("", "", number="95598").ranked
    assert (lead.name, lead.level) == ("供电局", "city")
    assert "转接95598" in lead.reasons[0]


def test_danger_without_advice_is_danger_all_the_same() -> None:
    found = small(danger=("停水",)).suggest("", "停水")
    assert found.emergency
    assert found.advice == ()


def test_a_category_may_have_a_unit_of_its_own() -> None:
    assert small(unit="other").suggest("", "停水").ranked[0].unit == "other"


def test_a_word_written_twice_in_a_category_counts_once() -> None:
    assert Matters(
        Catalogue(
            fields={
                "aa": Branch(
                    name="一二",
                    unit="aa",
                    categories={"bb": Category(name="停水", words=("停水", "停水", "关 水"))},
                )
            }
        )
    ).read("", "停水停水").guesses[0].words == ("停水",)


def test_hostile_text_is_read_in_bounds() -> None:
    for text in (
        "马营镇" * 2700,
        "渭滨区住建局" * 1400,
        "行" * 8000,
        "\ud800\x00" * 4000,
        "。" * 8000,
    ):
        for place in (text[:200], ""):
            assert asked(text, place=place, title=text[:200]).ranked


WORDS = st.sampled_from(
    [
        *"区县镇路的在没不是投诉停水气电热",
        "渭滨区", "城关镇", "住建局", "推诿", "市政府办公室", "政府", "停水", "漏气", "法院判决",
        "马营镇", "没有", "公交车", "银行", "残联", "\x00", "\ud800", "<script>", "' OR 1=1 --",
    ]
)  # fmt: skip
TEXTS = st.text(max_size=400) | st.lists(WORDS, max_size=60).map("".join)
CODES = st.none() | st.sampled_from(["weibin", "longxian", "zhujian.water", "scope.court", "x"])


@settings(max_examples=300)
@given(
    title=TEXTS,
    body=TEXTS,
    place=TEXTS,
    kind=st.none() | st.sampled_from(["consult", "complaint", "report", "?"]),
    number=st.none() | st.sampled_from(["12345", "3658058", "95598", "1", ""]),
    county=CODES,
    town=st.none() | TEXTS,
    category=CODES,
)
def test_any_text_ends_with_somebody_and_a_reason(**said: str | None) -> None:
    for one in (suggester(), NOBODY):
        found = one.suggest(**said)  # type: ignore[arg-type]
        assert 1 <= len(found.ranked) <= 5
        assert all(choice.reasons and all(choice.reasons) for choice in found.ranked)
        assert all(0 <= choice.score <= 1 for choice in found.ranked)
        assert len({choice.unit for choice in found.ranked}) == len(found.ranked)
        lead = found.ranked[0]
        if found.complained_of not in (None, "zhengfuban"):
            assert found.complained_of not in units(found)
            assert found.complained_of in lead.assisting
