"""Which tickets are the same matter: a labelled set of pairs, and what must hold for any text."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.tickets import alike
from cti.tickets.alike import LIKELY, PROPOSE, Alike, Index, Matter, ago, likeness, number_of
from cti.tickets.wording import MATTERS, Said, kind_of, listen

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
HOUR = 3600.0
COUNTIES = {"jintai": "金台区", "weibin": "渭滨区"}


def index(*matters: Matter) -> Index:
    made = Index(lambda code: COUNTIES.get(code, code))
    for matter in matters:
        made.put(matter)
    return made


def asked(known: Matter, new: Matter) -> Alike | None:
    return next(iter(index(known).ask(new)), None)


# --- the labelled set ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    same: bool
    why: str
    known: Matter
    new: Matter


def _pairs() -> Iterator[Pair]:
    lines = Path(__file__).with_name("alike_pairs.tsv").read_text().splitlines()
    rows = [row for row in csv.reader(lines, delimiter="\t") if not row[0].startswith("#")][1:]
    for n, row in enumerate(rows):
        sort, why, *rest = [*row, *[""] * (11 - len(row))]
        known, new, hours = rest[:4], rest[4:8], rest[8]
        made = [
            Matter(
                id=f"{name}{n}",
                text=text,
                county=county or None,
                town=town or None,
                caller=f"1390917{ord(caller):04d}" if caller else None,
                at=at,
            )
            for name, (text, county, town, caller), at in (
                ("known", known, T0),
                ("new", new, T0 + HOUR * float(hours or 0)),
            )
        ]
        yield Pair(sort == "same", why, *made)


PAIRS = tuple(_pairs())


def judged(pairs: tuple[Pair, ...]) -> Counter[tuple[bool, str]]:
    """Count pairs by whether they are the same matter, and how they are proposed."""
    crowd = index(*(pair.known for pair in PAIRS))
    counted: Counter[tuple[bool, str]] = Counter()
    for pair in pairs:
        found = {one.ticket_id: one for one in crowd.ask(pair.new, limit=50)}.get(pair.known.id)
        how = "not" if found is None else "likely" if found.likely else "maybe"
        counted[pair.same, how] += 1
    return counted


def test_pairs_are_many_and_of_each_sort() -> None:
    assert len(PAIRS) >= 60
    assert sum(pair.same for pair in PAIRS) >= 40
    assert {pair.why for pair in PAIRS if not pair.same} >= {"county", "town", "spot", "caller"}


def test_the_same_matter_in_other_words_is_proposed_and_different_ones_are_not(
    record_property: Callable[[str, object], None],
) -> None:
    counted = judged(PAIRS)
    same = sum(n for (same, _), n in counted.items() if same)
    right = counted[True, "likely"] + counted[True, "maybe"]
    wrong = counted[False, "likely"] + counted[False, "maybe"]
    recall, precision = right / same, right / (right + wrong)
    record_property("recall", round(recall, 3))
    record_property("precision", round(precision, 3))
    assert recall >= 0.92
    assert precision >= 0.92
    assert counted[True, "likely"] >= 0.45 * same


def test_pairs_written_after_most_of_the_tuning_hold_too() -> None:
    counted = judged(tuple(pair for pair in PAIRS if pair.why == "unseen"))
    assert counted[True, "likely"] + counted[True, "maybe"] >= 9  # of 12
    assert counted[False, "likely"] + counted[False, "maybe"] <= 1  # of 12


def test_no_different_matters_are_very_likely_the_same() -> None:
    assert judged(PAIRS)[False, "likely"] == 0


@pytest.mark.parametrize("why", ["county", "caller", "matter"])
def test_what_must_never_be_proposed(why: str) -> None:
    pairs = tuple(pair for pair in PAIRS if pair.why == why and not pair.same)
    assert judged(pairs) == {(False, "not"): len(pairs)}


# --- one by one ----------------------------------------------------------------------------------

WATER = Matter(
    id="w",
    text="阳光小区停水两天",
    caller="13909170001",
    county="jintai",
    town="陈仓镇",
    category="zhujian.water",
    at=T0,
)


def test_reasons_are_words_and_name_no_number() -> None:
    new = Matter(
        id="n",
        text="阳光小区没水了",
        caller="+86 139 0917 0001",
        county="jintai",
        town="陈仓镇",
        category="zhujian.water",
        at=T0 + 2 * HOUR,
    )
    found = asked(WATER, new)
    assert found is not None
    assert found.likely
    assert found.repeat
    assert found.reasons[0] == "同一来电号码"
    assert found.reasons[1].startswith("文字相似 ")
    assert found.reasons[2:] == ("同一地点", "同一类别", "2小时前")
    assert "139" not in str(found)


def test_the_town_is_named_when_both_are_of_it() -> None:
    known = Matter(id="k", text="村里停水三天", county="jintai", town="陈仓镇", at=T0)
    new = Matter(id="n", text="停水三天了", county="jintai", town="陈仓镇", at=T0)
    found = asked(known, new)
    assert found is not None
    assert "同在金台区陈仓镇" in found.reasons
    elsewhere = Matter(id="n", text="停水三天了", county="jintai", at=T0)
    found = asked(known, elsewhere)
    assert found is not None
    assert "同在金台区" in found.reasons


def test_a_repeat_caller_is_proposed_before_what_is_more_alike() -> None:
    mine = Matter(id="mine", text="前天反映的停水还没处理", caller="13909170001", at=T0)
    other = Matter(id="other", text="家里停水没人管", caller="13909170002", at=T0)
    new = Matter(id="n", text="家里停水没人管", caller="013909170001", at=T0 + HOUR)
    found = index(mine, other).ask(new)
    assert [one.ticket_id for one in found] == ["mine", "other"]
    assert found[0].repeat
    assert not found[1].repeat


def test_the_same_words_of_nobody_knows_where_are_not_very_likely_the_same() -> None:
    found = asked(Matter(id="k", text="停水没人管"), Matter(id="n", text="停水没人管"))
    assert found is not None
    assert not found.likely


def test_after_72_hours_it_is_no_repeat_call() -> None:
    new = Matter(id="n", text="停水还没来", caller="13909170001", at=T0 + 73 * HOUR)
    assert all(not one.repeat for one in index(WATER).ask(new))


def test_before_anything_is_typed_the_callers_other_tickets_are_shown() -> None:
    draft = Matter(id="n", caller="13909170001", at=T0 + HOUR)
    (found,) = index(WATER).ask(draft)
    assert PROPOSE <= found.score < LIKELY
    assert found.reasons == ("同一来电号码", "1小时前")
    assert index(WATER).ask(Matter(id="n", caller="13909170002", at=T0 + HOUR)) == []
    assert index(Matter(id="e")).ask(Matter(id="n")) == []


def test_other_house_numbers_of_one_estate_are_near_not_the_same() -> None:
    known = Matter(id="k", text="阳光小区3号楼电梯坏了", at=T0)
    near = asked(known, Matter(id="n", text="阳光小区5号楼电梯坏了", at=T0))
    same = asked(known, Matter(id="n", text="阳光小区3号楼电梯坏了没人修", at=T0))
    assert near is not None
    assert "地点相近" in near.reasons
    assert same is not None
    assert same.score > near.score


def test_the_place_as_it_was_typed_counts() -> None:
    known = Matter(id="k", text="井盖丢了", place="胜利桥北头十字西南角", at=T0)
    found = asked(known, Matter(id="n", text="井盖不见了", place="胜利桥北头十字西南角", at=T0))
    assert found is not None
    assert "同一地点" in found.reasons


def test_another_category_and_a_long_time_make_it_less_likely() -> None:
    far = Matter(id="w", text="没有水，住阳光小区的都很急", category="zhujian.water", at=T0)

    def score(**changed: object) -> int:
        new = {"id": "n", "text": "阳光小区停水", "category": "zhujian.water", "at": T0, **changed}
        found = asked(far, Matter(**new))  # type: ignore[arg-type]
        return found.score if found else 0

    assert score() > score(category=None) > score(category="huanbao.water")
    days = [score(category=None, at=T0 + day * 24 * HOUR) for day in (0, 3, 30)]
    assert days[0] > days[1] > days[2]


def test_what_is_dropped_or_changed_is_not_found_any_more() -> None:
    known = index(WATER)
    known.put(Matter(id="w", text="咨询养老金", at=T0))
    assert len(known) == 1
    assert known.ask(Matter(id="n", text="阳光小区停水", caller="13909170001", at=T0)) == []
    known.drop("w")
    known.drop("never seen")
    assert "w" not in known
    assert len(known) == 0
    assert known.ask(Matter(id="n", text="咨询养老金", at=T0)) == []


def test_a_ticket_is_not_like_itself() -> None:
    assert index(WATER).ask(WATER) == []


def test_what_was_put_longest_ago_goes_first() -> None:
    known = index(*(Matter(id=str(n), text="停水") for n in range(5)))
    known.put(Matter(id="0", text="停水"))
    known.shrink(2)
    assert ["0" in known, "3" in known, "4" in known] == [True, False, True]
    known.shrink(9)
    assert len(known) == 2


def test_among_very_many_of_one_matter_the_spot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "POSTINGS", 200)
    crowd = index(*(Matter(id=str(n), text=f"第{n}小区停水", at=T0) for n in range(500)))
    crowd.put(Matter(id="it", text="翠竹园小区停水", at=T0))
    found = crowd.ask(Matter(id="n", text="翠竹园小区没水", at=T0))
    assert found[0].ticket_id == "it"
    assert found[0].likely


@pytest.mark.parametrize(
    ("caller", "number"),
    [
        ("13909170001", "13909170001"),
        ("+8613909170001", "13909170001"),
        ("008613909170001", "13909170001"),
        ("013909170001", "13909170001"),
        ("3260000", "09173260000"),
        ("0917-3260000", "09173260000"),
        ("+869173260000", "9173260000"),
        ("anonymous", ""),
        ("00000000", ""),
        ("110", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_one_phone_is_one_number(caller: str | None, number: str) -> None:
    assert number_of(caller) == number


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "刚才"),
        (59, "刚才"),
        (60, "1分钟前"),
        (7200, "2小时前"),
        (47 * 3600, "47小时前"),
        (48 * 3600, "2天前"),
        (float("nan"), "刚才"),
    ],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    assert ago(seconds) == words


# --- any text ------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet=st.characters(codec=None), max_size=100),
    st.lists(st.sampled_from([*MATTERS, "路", "小区", "阳光", "3号楼", " ", "\0", "\ud800"])).map(
        "".join
    ),
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, st.one_of(st.none(), TEXTS), TEXTS)
def test_no_text_raises_and_every_score_is_in_bounds(
    one: str, other: str, caller: str | None, place: str
) -> None:
    known = index(
        Matter(id="a", text=one, caller=caller, place=place, at=T0),
        Matter(id="b", text=other, caller=caller, county=one[:3], town=other[:3], at=T0),
    )
    new = Matter(id="n", text=one + other, caller=caller, place=place, at=T0)
    assert all(PROPOSE <= found.score <= 100 for found in known.ask(new))
    assert 0 <= likeness(listen(one), listen(other)) <= 100
    known.drop("a")
    known.drop("b")
    assert known.ask(new) == []
    assert not known._words  # nothing is left behind
    assert not known._callers


@settings(max_examples=30, deadline=None)
@given(TEXTS)
def test_a_text_is_wholly_like_itself(text: str) -> None:
    said = listen(text)
    assert likeness(said, said) == (100 if said.words else 0)
    assert likeness(said, Said()) == 0


def test_a_very_long_text_is_cut() -> None:
    assert len(listen("停水了" * 5000).words) < 10
    assert listen("ﬁ" * 600).words  # one character that becomes two


def test_ways_of_saying_are_one_matter_and_polite_words_are_none() -> None:
    assert listen("家里没水了").matters == listen("自来水停了").matters == {"停水"}
    assert listen("您好，请问相关部门能不能尽快处理一下").words in ((), ("能不能",))


def test_spots_are_named_in_full() -> None:
    assert listen("我家住阳光小区3号楼").spots == {"阳光小区"}
    assert listen("经二路路灯坏了").spots == {"经二路"}
    assert listen("8路公交等不来").spots == {"8路"}
    assert listen("小区的路不平，公司门口").spots == frozenset()
    assert listen("3号楼与12栋").numbers == {"3", "12"}


@pytest.mark.parametrize(
    ("spot", "kind"),
    [
        *(("8路", "line"), ("经二路", "road"), ("阳光小区", "estate"), ("东关村", "village")),
        *(("清姜小学", "school"), ("宏远公司", "firm"), ("人民公园", "open")),
    ],
)
def test_spots_are_of_a_kind(spot: str, kind: str) -> None:
    assert kind_of(spot) == kind
