"""Which dangers words mean, and what becomes of several tickets: tables and rules."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cti.tickets.clusters import Danger, Grow, Known, Raise, Report, dangers, settle_all
from cti.tickets.risks import Watch
from cti.tickets.wording import listen
from schemas.risks import ALIKE, Cluster, Risks

pytestmark = pytest.mark.unit

BAOJI = Path(__file__).parents[2] / "dialplans" / "baoji" / "risks.toml"
RISKS = Risks.model_validate(tomllib.loads(BAOJI.read_text()))
WATCH = Watch(RISKS)
T0 = 1_795_400_000.0
HOUR = 3600.0


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("我们小区停水两天了", {"water_cut"}),
        ("全村没有水吃", {"water_cut"}),
        ("昨晚开始停电，变压器烧了", {"power_cut"}),
        ("没有电梯上楼很难", set()),
        ("手机没电了", set()),
        ("家里有很大的煤气味", {"gas"}),
        ("没有人管燃气泄漏", {"gas"}),
        ("会不会燃气泄漏", set()),
        ("担心爆炸", set()),
        ("没有发生爆炸", set()),
        ("不会爆炸吧", set()),
        ("楼下着火了，快来人", {"fire"}),
        ("灶打不着火", set()),
        ("电影院着火了", {"fire"}),
        ("小区组织消防演练模拟着火", set()),
        ("咨询火灾保险怎么理赔", set()),
        ("去年失火，一直没有赔偿", set()),
        ("去年就说过，今天又起火了", {"fire"}),
        ("工地拖欠工资半年", {"wages"}),
        ("几十个工人在政府门口拉横幅讨薪", {"wages", "wages_mass", "crowd"}),
        ("车辆乱停堵路口", set()),
        ("村民堵路不让车过", {"crowd"}),
        ("我不想活了", {"suicide"}),
        ("我没有想死", set()),
        ("担心他自杀", {"suicide"}),
        ("商场跳楼价甩卖", set()),
        ("学校食堂吃完上吐下泻，怀疑食物中毒", {"food"}),
        ("幼儿园老师虐童", {"school"}),
        ("疫情期间停发的补贴什么时候给", set()),
        ("后山滑坡了", {"landslide"}),
        ("业绩滑坡", set()),
        ("村里有人贩毒", {"gang"}),
        ("禁毒宣传说毒品的事", set()),
        ("危房墙体开裂", {"unsafe_house"}),
        ("河水发黑有死鱼", {"water_pollution"}),
        ("ＦＩＲＥ，化工厂泄漏毒气", {"air_pollution"}),
        ("表扬公交司机", set()),
        ("", set()),
        ("\ud800\0停\0水", set()),
    ],
)
def test_what_words_mean(text: str, topics: set[str]) -> None:
    assert set(WATCH.topics(text)) == topics


def test_words_are_told_with_their_topic() -> None:
    assert WATCH.topics("楼上着火，停水了，又着火") == {"fire": ("着火",), "water_cut": ("停水",)}


def test_a_word_far_down_a_long_text_is_found_even_where_it_is_cut() -> None:
    for before in range(480, 505):
        assert set(WATCH.topics("好" * before + "燃气泄漏")) == {"gas"}
    assert set(WATCH.topics("很好。" * 2600 + "楼塌了")) == {"collapse"}


def test_nothing_is_watched_without_topics() -> None:
    assert Watch(Risks()).topics("着火了") == {}


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.text(max_size=200), st.text(alphabet=st.characters(codec=None), max_size=60)))
def test_no_text_raises(text: str) -> None:
    assert set(WATCH.topics(text)) <= RISKS.topics.keys()


def test_every_word_of_the_city_is_found_by_itself() -> None:
    for code, topic in RISKS.topics.items():
        for word in topic.words:
            assert code in WATCH.topics(word), word


def test_the_gravest_name_whom_to_tell() -> None:
    handed = [topic.hand_to for topic in RISKS.topics.values() if topic.personal]
    assert handed
    assert all("110" in one for one in handed)
    assert RISKS.label("water_cut") == "停水"
    assert RISKS.label(ALIKE) == "同类诉求集中"
    assert RISKS.label("gone") == "gone"


def test_a_topic_may_not_take_the_name_of_what_has_none() -> None:
    with pytest.raises(ValidationError):
        Risks.model_validate({"topics": {ALIKE: {"name": "同类", "words": ["同类"]}}})


# --- several tickets ------------------------------------------------------------------------------


def report(
    id: str,
    text: str = "停水了",
    *,
    county: str | None = "jintai",
    town: str | None = None,
    hours: float = 0,
    caller: str | None = None,
    groups: bool = True,
) -> Report:
    return Report(
        ticket=id,
        at=T0 + hours * HOUR,
        saved_at=T0 + hours * HOUR,
        caller=f"139{id:0>8}" if caller is None else caller,
        county=county,
        town=town,
        groups=groups,
        said=listen(text),
        topics=WATCH.topics(text),
    )


def follow(
    *reports: Report, alarms: tuple[Known, ...] = (), cluster: Cluster = RISKS.cluster
) -> tuple[list[Known], list[Raise | Grow]]:
    """Play *reports* one after the other, as the follower does; returns alarms and news."""
    there = {alarm.id: alarm for alarm in alarms}
    news: list[Raise | Grow] = []
    risks = RISKS.model_copy(update={"cluster": cluster})
    for n, one in enumerate(reports):
        found = list(dangers(one, reports[: n + 1], risks))
        for id, outcome in settle_all(found, there.values(), cluster):
            number = id if id > 0 else len(there) + 1
            before = there.get(number)
            there[number] = Known(
                id=number,
                topic=outcome.danger.topic,
                county=outcome.county,
                town=outcome.town,
                tickets=outcome.tickets,
                state=before.state if before else "open",
                decided_at=before.decided_at if before else None,
            )
            news.append(outcome)
    return list(there.values()), news


def decided(alarm: Known, state: str, hours: float = 0) -> Known:
    return replace(alarm, state=state, decided_at=T0 + hours * HOUR)  # type: ignore[arg-type]


def test_three_of_one_topic_in_a_county_are_an_alarm_and_more_join_it() -> None:
    alarms, news = follow(*(report(str(n), hours=n) for n in range(5)))
    (alarm,) = alarms
    assert alarm.tickets == ("0", "1", "2", "3", "4")
    assert [type(one) for one in news] == [Raise, Grow, Grow]
    assert (alarm.topic, alarm.county, alarm.town) == ("water_cut", "jintai", None)
    assert all(isinstance(one, Raise) or one.told for one in news)


def test_two_are_none() -> None:
    assert follow(report("1"), report("2")) == ([], [])


def test_nor_are_three_of_different_counties() -> None:
    three = (report("1"), report("2", county="weibin"), report("3", county="meixian"))
    assert follow(*three) == ([], [])


def test_nor_three_too_far_apart() -> None:
    assert follow(report("1"), report("2", hours=3), report("3", hours=7)) == ([], [])


def test_one_person_three_times_is_a_repeat_caller_not_a_cluster() -> None:
    mine = [report(str(n), caller="13909170001") for n in range(3)]
    assert follow(*mine) == ([], [])
    alarms, _ = follow(*mine, report("9"))
    assert len(alarms) == 1


def test_hidden_numbers_are_different_people() -> None:
    alarms, _ = follow(*(report(str(n), caller="") for n in range(3)))
    assert len(alarms) == 1


def test_towns_set_them_apart_when_they_are_known() -> None:
    towns = ("陈仓镇", "金河镇", None)
    assert follow(*(report(str(n), town=town) for n, town in enumerate(towns)))[0] == []
    alarms, _ = follow(*(report(str(n), town="陈仓镇") for n in range(3)))
    assert alarms[0].town == "陈仓镇"
    alarms, _ = follow(report("1", town="陈仓镇"), report("2"), report("3"))
    assert alarms[0].town == "陈仓镇"


def test_every_town_a_little_is_an_alarm_of_the_county() -> None:
    towns = ("陈仓镇", "金河镇", "硖石镇", "蟠龙镇", "十里铺街道")
    alarms, _ = follow(*(report(str(n), town=town) for n, town in enumerate(towns)))
    (alarm,) = alarms
    assert (alarm.county, alarm.town) == ("jintai", None)
    assert len(alarm.tickets) == 5


def test_an_alarm_of_a_town_grows_to_the_county_instead_of_a_second_one() -> None:
    first = [report(str(n), town="陈仓镇") for n in range(3)]
    alarms, news = follow(*first, report("8", town="金河镇"), report("9", town="硖石镇"))
    (alarm,) = alarms
    assert alarm.town is None
    assert alarm.tickets == ("0", "1", "2", "8", "9")
    assert isinstance(news[-1], Grow)


def test_the_alarm_of_a_confirmed_town_does_not_grow_to_the_county() -> None:
    first = [report(str(n), town="陈仓镇") for n in range(3)]
    alarms, _ = follow(*first)
    there = tuple(decided(alarm, "confirmed") for alarm in alarms)
    others = [report(str(n), town=f"{n}镇") for n in range(4, 8)]
    assert follow(*first, *others, alarms=there)[1] == []
    alarms, news = follow(*first, *others, report("9", town="金河镇"), alarms=there)
    assert [type(one) for one in news] == [Raise]
    assert alarms[-1].tickets == ("4", "5", "6", "7", "9")


def test_a_text_alike_joins_a_topic_it_has_no_word_of() -> None:
    said = "阳光小区家里水龙头放不出一滴水"
    three = (
        report("1", f"{said}，停水了"),
        report("2", f"{said}，停水"),
        report("3", said),
    )
    for order in (three, three[::-1]):
        alarms, _ = follow(*order)
        assert [(a.topic, a.tickets) for a in alarms] == [("water_cut", ("1", "2", "3"))]


def test_many_alike_of_no_topic_are_an_alarm_too_and_grow() -> None:
    said = "阳光小区物业把消防通道锁死了不让走"
    alarms, news = follow(*(report(str(n), said) for n in range(4)))
    assert [(a.topic, len(a.tickets)) for a in alarms] == [(ALIKE, 4)]
    assert news[0].danger.level == "notice"


def test_many_who_ask_the_same_are_none() -> None:
    said = "咨询医保异地报销怎么办理需要什么材料"
    assert follow(*(report(str(n), said, groups=False) for n in range(5))) == ([], [])


def test_nor_are_texts_that_say_nothing() -> None:
    assert follow(*(report(str(n), "投诉") for n in range(5))) == ([], [])


def test_other_matters_at_one_spot_and_texts_without_a_common_word_are_not_alike() -> None:
    texts = tuple(f"阳光小区东门旁边的{what}" for what in ("路灯不亮", "井盖丢失", "大树枯死"))
    assert follow(*(report(str(n), text) for n, text in enumerate(texts))) == ([], [])
    texts = ("健身器材损坏严重缺少维护", "快递驿站丢失包裹拒绝赔偿", "培训机构虚假宣传骗取学费")
    assert follow(*(report(str(n), text) for n, text in enumerate(texts))) == ([], [])


def test_other_alike_texts_do_not_join_by_the_place_alone() -> None:
    said = "阳光小区物业把消防通道锁死了不让走"
    alarms, _ = follow(*(report(str(n), said) for n in range(3)))
    other = [report(f"o{n}", "公园里的健身器材坏了没人修理") for n in range(2)]
    assert follow(*other, alarms=tuple(alarms))[1] == []


def test_without_a_place_only_the_text_or_the_number_joins() -> None:
    nowhere = [report(str(n), f"停水了{n}", county=None) for n in range(3)]
    alarms, _ = follow(*nowhere)
    assert alarms == []
    alike = [report(str(n), "龙泉家属院停水两天没人管", county=None) for n in range(4)]
    alarms, news = follow(*alike)
    assert [(a.county, len(a.tickets)) for a in alarms] == [(None, 4)]
    assert [type(one) for one in news] == [Raise, Grow]
    placed = report("p", "龙泉家属院停水两天没人管")
    alarms, _ = follow(*alike[:2], placed)
    assert [a.county for a in alarms] == ["jintai"]


def test_one_ticket_is_enough_where_the_topic_says_so() -> None:
    alarms, news = follow(report("1", "燃气泄漏"))
    assert [(a.topic, a.tickets) for a in alarms] == [("gas", ("1",))]
    assert isinstance(news[0], Raise)
    assert news[0].danger.kind == "word"
    assert news[0].words == ("燃气泄漏",)
    more, news = follow(report("2", "闻到煤气味", town="陈仓镇"), alarms=tuple(alarms))
    assert [a.tickets for a in more] == [("1", "2")]
    assert isinstance(news[0], Grow)


def test_two_places_of_one_danger_are_two_alarms() -> None:
    alarms, _ = follow(
        report("1", "燃气泄漏", town="陈仓镇"),
        report("2", "燃气泄漏", town="金河镇"),
        report("3", "燃气泄漏", county="weibin"),
        report("4", "煤气泄漏", county=None),
        report("5", "天然气泄漏了", county=None),
    )
    assert len(alarms) == 5


def test_two_people_who_want_to_die_are_two_alarms() -> None:
    alarms, _ = follow(report("1", "我不想活了"), report("2", "我不想活了"))
    assert [a.tickets for a in alarms] == [("1",), ("2",)]
    again = report("3", "我要跳楼", caller=report("1").caller, county="weibin")
    alarms, _ = follow(report("1", "我不想活了"), report("2", "我不想活了"), again)
    assert [a.tickets for a in alarms] == [("1", "3"), ("2",)]
    hidden = [report(str(n), "我不想活了", caller="") for n in range(2)]
    assert len(follow(*hidden)[0]) == 2


def test_a_ticket_read_twice_changes_nothing() -> None:
    three = [report(str(n)) for n in range(3)]
    alarms, _ = follow(*three)
    assert follow(*three, alarms=tuple(alarms))[1] == []


@pytest.mark.parametrize("state", ["dismissed", "confirmed"])
def test_a_decided_alarm_does_not_come_back_for_the_same_tickets(state: str) -> None:
    three = [report(str(n), hours=n) for n in range(3)]
    alarms, _ = follow(*three)
    assert follow(*three, alarms=(decided(alarms[0], state, 2),))[1] == []


def test_after_a_dismissed_one_as_many_new_tickets_are_needed() -> None:
    three = [report(str(n)) for n in range(3)]
    there = (decided(follow(*three)[0][0], "dismissed"),)
    assert follow(*three, report("3"), report("4"), alarms=there)[1] == []
    alarms, _ = follow(*three, report("3"), report("4"), report("5"), alarms=there)
    assert alarms[1].tickets == ("3", "4", "5")


def test_a_confirmed_one_takes_more_unheard_for_some_hours() -> None:
    three = [report(str(n)) for n in range(3)]
    there = (decided(follow(*three)[0][0], "confirmed", 1),)
    alarms, news = follow(report("3", hours=2), alarms=there)
    assert alarms[0].tickets == ("0", "1", "2", "3")
    assert [isinstance(one, Grow) and one.told for one in news] == [False]
    late = [report(str(n), hours=9) for n in range(4, 7)]
    alarms, news = follow(*late, alarms=there)
    assert [type(one) for one in news] == [Raise]


def test_after_a_confirmed_word_the_next_ticket_rings_again() -> None:
    alarms, _ = follow(report("1", "着火了"))
    _, news = follow(report("2", "着火了"), alarms=(decided(alarms[0], "confirmed"),))
    assert [type(one) for one in news] == [Raise]


def test_an_open_alarm_takes_more_however_old_it_is() -> None:
    alarms, _ = follow(*(report(str(n)) for n in range(3)))
    alarms, _ = follow(report("9", hours=50), alarms=tuple(alarms))
    assert [a.tickets for a in alarms] == [("0", "1", "2", "9")]


def test_the_alarm_of_the_very_town_goes_before_the_countys() -> None:
    there = (
        Known(id=1, topic="water_cut", county="jintai", town=None, tickets=("a",)),
        Known(id=2, topic="water_cut", county="jintai", town="陈仓镇", tickets=("b",)),
    )
    alarms, _ = follow(report("9", town="陈仓镇"), alarms=there)
    assert alarms[1].tickets == ("b", "9")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["停水了", "燃气泄漏", "小区停电了没人管", "物业锁了消防通道不开"]),
            st.sampled_from(["jintai", "weibin", None]),
            st.sampled_from(["陈仓镇", "金河镇", None]),
            st.integers(0, 12),
            st.sampled_from(["13909170001", "13909170002", ""]),
        ),
        max_size=14,
    )
)
def test_whatever_comes_no_ticket_is_in_two_alarms_of_one_topic(
    rows: list[tuple[str, str | None, str | None, int, str]],
) -> None:
    reports = [
        report(str(n), text, county=county, town=town, hours=hours, caller=caller)
        for n, (text, county, town, hours, caller) in enumerate(rows)
    ]
    alarms, news = follow(*reports)
    for _ in rows:  # read again, as after a crash: it comes to rest
        alarms, news = follow(*reports, alarms=tuple(alarms)) if news else (alarms, news)
    assert news == []
    for topic in {alarm.topic for alarm in alarms}:
        tickets = [t for alarm in alarms if alarm.topic == topic for t in alarm.tickets]
        assert len(tickets) == len(set(tickets))


def test_several_at_once_know_of_each_other() -> None:
    reports = [report(str(n), "停水了，着火了") for n in range(5)]
    found = [danger for one in reports for danger in dangers(one, reports, RISKS)]
    news = settle_all(found, [], RISKS.cluster)
    water = [(id, one) for id, one in news if one.danger.topic == "water_cut"]
    assert len(water) == 1
    assert isinstance(water[0][1], Raise)
    assert len(water[0][1].tickets) == 5
    fire = [(id, one) for id, one in news if one.danger.topic == "fire"]
    assert len({id for id, _ in fire}) == 1
    assert [len(one.tickets) for _, one in fire] == [1, 2, 3, 4, 5]


def test_a_danger_is_a_value() -> None:
    (danger,) = dangers(report("1"), [report("1")], RISKS)
    assert isinstance(danger, Danger)
    assert danger.group == danger.around == (report("1"),)
