"""Chinese as a person says it: a table written by hand, and an independent reader for the rest."""

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import say

pytestmark = pytest.mark.unit

PROMPTS = Path(__file__).parents[2] / "dialplans" / "baoji" / "prompts.tsv"

# kind | as it stands in a variable | as a person says it
TABLE = """
number | 0 | 零
number | 1 | 一
number | 2 | 二
number | 3 | 三
number | 9 | 九
number | 10 | 十
number | 11 | 十一
number | 12 | 十二
number | 19 | 十九
number | 20 | 二十
number | 21 | 二十一
number | 22 | 二十二
number | 30 | 三十
number | 45 | 四十五
number | 99 | 九十九
number | 100 | 一百
number | 101 | 一百零一
number | 102 | 一百零二
number | 110 | 一百一十
number | 111 | 一百一十一
number | 112 | 一百一十二
number | 119 | 一百一十九
number | 120 | 一百二十
number | 122 | 一百二十二
number | 200 | 两百
number | 202 | 两百零二
number | 210 | 两百一十
number | 222 | 两百二十二
number | 365 | 三百六十五
number | 505 | 五百零五
number | 999 | 九百九十九
number | 1000 | 一千
number | 1001 | 一千零一
number | 1010 | 一千零一十
number | 1012 | 一千零一十二
number | 1020 | 一千零二十
number | 1100 | 一千一百
number | 1101 | 一千一百零一
number | 1110 | 一千一百一十
number | 1234 | 一千两百三十四
number | 2000 | 两千
number | 2002 | 两千零二
number | 2020 | 两千零二十
number | 2200 | 两千两百
number | 2222 | 两千两百二十二
number | 5050 | 五千零五十
number | 9999 | 九千九百九十九
number | 10000 | 一万
number | 10001 | 一万零一
number | 10010 | 一万零一十
number | 10100 | 一万零一百
number | 10500 | 一万零五百
number | 11000 | 一万一千
number | 12345 | 一万两千三百四十五
number | 15000 | 一万五千
number | 20000 | 两万
number | 20002 | 两万零二
number | 22000 | 两万两千
number | 30030 | 三万零三十
number | 50050 | 五万零五十
number | 100000 | 十万
number | 100001 | 十万零一
number | 105000 | 十万五千
number | 110000 | 十一万
number | 120000 | 十二万
number | 200000 | 二十万
number | 220000 | 二十二万
number | 305000 | 三十万五千
number | 1000000 | 一百万
number | 1020000 | 一百零二万
number | 1100000 | 一百一十万
number | 2000000 | 两百万
number | 2002000 | 两百万两千
number | 2000200 | 两百万零两百
number | 3760000 | 三百七十六万
number | 10000000 | 一千万
number | 10000001 | 一千万零一
number | 10100000 | 一千零一十万
number | 20000000 | 两千万
number | 100000000 | 一亿
number | 100000001 | 一亿零一
number | 100010000 | 一亿零一万
number | 100010001 | 一亿零一万零一
number | 100100000 | 一亿零一十万
number | 101000000 | 一亿零一百万
number | 110000000 | 一亿一千万
number | 200000000 | 两亿
number | 1000000000 | 十亿
number | 1400000000 | 十四亿
number | 1000000001 | 十亿零一
number | 100000000000 | 一千亿
number | 1000000000000 | 一万亿
number | -1 | 负一
number | -2 | 负二
number | -10 | 负十
number | -15 | 负十五
number | -200 | 负两百
count | 0 | 零
count | 1 | 一
count | 2 | 两
count | 3 | 三
count | 10 | 十
count | 12 | 十二
count | 20 | 二十
count | 22 | 二十二
count | 102 | 一百零二
count | 200 | 两百
count | 2000 | 两千
count | 20000 | 两万
digits | 0 | 零
digits | 1 | 一
digits | 12345 | 一二三四五
digits | 0917 | 零九一七
digits | 2026 | 二零二六
digits | 100 | 一零零
phone | 12345 | 一二三四五
phone | 110 | 幺幺零
phone | 119 | 幺幺九
phone | 120 | 幺二零
phone | 122 | 幺二二
phone | 12369 | 幺二三六九
phone | 12121 | 幺二幺二幺
phone | 95598 | 九五五九八
phone | 10086 | 幺零零八六
phone | 8001 | 八零零幺
phone | 955123 | 九五五幺二三
phone | 3260000 | 三二六，零零零零
phone | 2769099 | 二七六，九零九九
phone | 3900119 | 三九零，零幺幺九
phone | 87654321 | 八七六五，四三二幺
phone | 13912345678 | 幺三九，幺二三四，五六七八
phone | 18800001111 | 幺八八，零零零零，幺幺幺幺
phone | 09173260000 | 零九幺七，三二六，零零零零
phone | 0917-3261285 | 零九幺七，三二六，幺二八五
phone | 02987654321 | 零二九，八七六五，四三二幺
phone | 01012345678 | 零幺零，幺二三四，五六七八
phone | 075512345678 | 零七五五，幺二三四，五六七八
phone | +8613912345678 | 幺三九，幺二三四，五六七八
phone | 008613912345678 | 幺三九，幺二三四，五六七八
phone | +869173260000 | 零九幺七，三二六，零零零零
phone | +862987654321 | 零二九，八七六五，四三二幺
phone | 4001234567 | 四零零，幺二三，四五六七
phone | +864001234567 | 四零零，幺二三，四五六七
phone | 400 123 4567 | 四零零，幺二三，四五六七
phone | 8008201234 | 八零零，八二零，幺二三四
phone | +14155550123 | 零零，幺四幺五，五五五零，幺二三
ticket | BJ20261123-000001 | 二零二六，幺幺二三，零零零，零零幺
ticket | BJ20260101-000417 | 二零二六，零幺零幺，零零零，四幺七
ticket | BJ20271231-123456 | 二零二七，幺二三幺，幺二三，四五六
ticket | BJ20261123-1000001 | 二零二六，幺幺二三，幺零零，零零零，幺
date | 2026-11-23 | 二零二六年十一月二十三日
date | 2026-01-01 | 二零二六年一月一日
date | 2026-02-02 | 二零二六年二月二日
date | 2027-10-10 | 二零二七年十月十日
date | 2000-12-31 | 二零零零年十二月三十一日
date | 1999-07-20 | 一九九九年七月二十日
date | 2028-02-29 | 二零二八年二月二十九日
weekday | 2026-11-23 | 星期一
weekday | 2026-11-24 | 星期二
weekday | 2026-11-25 | 星期三
weekday | 2026-11-26 | 星期四
weekday | 2026-11-27 | 星期五
weekday | 2026-11-28 | 星期六
weekday | 2026-11-29 | 星期日
time | 00:00 | 凌晨零点整
time | 00:05 | 凌晨零点零五分
time | 00:30 | 凌晨零点半
time | 01:00 | 凌晨一点整
time | 02:00 | 凌晨两点整
time | 02:02 | 凌晨两点零二分
time | 05:59 | 凌晨五点五十九分
time | 06:00 | 早上六点整
time | 07:30 | 早上七点半
time | 08:00 | 上午八点整
time | 08:05 | 上午八点零五分
time | 08:30 | 上午八点半
time | 09:15 | 上午九点十五分
time | 10:10 | 上午十点十分
time | 11:45 | 上午十一点四十五分
time | 12:00 | 中午十二点整
time | 12:12 | 中午十二点十二分
time | 12:30 | 中午十二点半
time | 13:00 | 下午一点整
time | 14:00 | 下午两点整
time | 14:20 | 下午两点二十分
time | 14:30:59 | 下午两点半
time | 17:58 | 下午五点五十八分
time | 18:00 | 晚上六点整
time | 20:02 | 晚上八点零二分
time | 22:22 | 晚上十点二十二分
time | 23:59 | 晚上十一点五十九分
moment | 2026-11-23T09:00 | 二零二六年十一月二十三日上午九点整
moment | 2026-10-02T03:15:00+08:00 | 二零二六年十月二日凌晨三点十五分
moment | 2026-12-31T16:30:00Z | 二零二七年一月一日凌晨零点半
moment | 2026-11-23 14:02:33.250 | 二零二六年十一月二十三日下午两点零二分
duration | 0 | 零秒
duration | 1 | 一秒
duration | 2 | 两秒
duration | 12 | 十二秒
duration | 30 | 三十秒
duration | 59.4 | 五十九秒
duration | 59.6 | 一分钟
duration | 60 | 一分钟
duration | 61 | 一分零一秒
duration | 62 | 一分零二秒
duration | 90 | 一分三十秒
duration | 120 | 两分钟
duration | 125 | 两分零五秒
duration | 720 | 十二分钟
duration | 1320 | 二十二分钟
duration | 1800 | 半小时
duration | 1801 | 三十分零一秒
duration | 2700 | 四十五分钟
duration | 3600 | 一小时
duration | 3605 | 一小时零五秒
duration | 3630 | 一小时零三十秒
duration | 3660 | 一小时零一分
duration | 3900 | 一小时零五分
duration | 4800 | 一小时二十分
duration | 5400 | 一个半小时
duration | 7200 | 两小时
duration | 7320 | 两小时零二分
duration | 9000 | 两个半小时
duration | 43200 | 十二小时
duration | 45000 | 十二个半小时
duration | 86400 | 一天
duration | 86460 | 一天零一分
duration | 88200 | 一天零三十分
duration | 90000 | 一天一小时
duration | 172800 | 两天
duration | 180000 | 两天两小时
duration | 777600 | 九天
money | 0 | 零元
money | 0.01 | 一分
money | 0.02 | 两分
money | 0.10 | 一角
money | 0.2 | 两角
money | 0.55 | 五角五分
money | 1 | 一元
money | 1.05 | 一元零五分
money | 1.50 | 一元五角
money | 2 | 两元
money | 2.22 | 两元二角二分
money | 3.02 | 三元零二分
money | 10 | 十元
money | 12.5 | 十二元五角
money | 20 | 二十元
money | 99.99 | 九十九元九角九分
money | 100 | 一百元
money | 105.05 | 一百零五元零五分
money | 110 | 一百一十元
money | 200 | 两百元
money | 1020 | 一千零二十元
money | 25000 | 两万五千元
money | -8.8 | 负八元八角
"""
CASES = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.strip().splitlines()]


def test_the_table_holds_at_least_two_hundred_cases() -> None:
    assert len(set(CASES)) == len(CASES) >= 200


@pytest.mark.parametrize(("kind", "text", "words"), CASES)
def test_it_is_said_as_a_person_says_it(kind: str, text: str, words: str) -> None:
    assert say.read(say.spoken(kind, text)) == words


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("number", ""), ("number", "二"), ("number", "1.5"), ("number", "1e3"), ("number", "٣"),
        ("number", "１２"), ("number", "1000000000001"), ("number", "-1000000000001"),
        ("number", "9" * 5000), ("number", "+1"), ("number", "1_000"),
        ("count", "-1"), ("count", "x"), ("count", "99999999999999"),
        ("digits", ""), ("digits", "12a"), ("digits", "-1"), ("digits", "1" * 33), ("digits", "٣"),
        ("phone", ""), ("phone", "+"), ("phone", "12345;rm -rf"), ("phone", "anonymous"),
        ("phone", "1" * 25), ("phone", "12--34"), ("phone", "１２３"),
        ("ticket", "BJ20261123-00001"), ("ticket", "20261123-000001"), ("ticket", ""),
        ("date", "2026-02-30"), ("date", "2026-2-3"), ("date", "heute"), ("date", "0000-01-01"),
        ("weekday", "2026-13-01"),
        ("time", "25:00"), ("time", "8:30"), ("time", "12:60"), ("time", "12:00+08:00"),
        ("moment", "2026-11-23"), ("moment", "2026-11-23T25:00"), ("moment", ""),
        ("moment", "0001-01-01T00:00:00+14:00"), ("moment", "2026-11-23T:::::"),
        ("duration", "-1"), ("duration", "inf"), ("duration", "nan"), ("duration", "1e9"),
        ("duration", "999999999999999"),
        ("money", "1.005"), ("money", ""), ("money", "NaN"), ("money", "1,000"),
        ("money", "1000000000001"), ("money", "1e2"),
        ("poem", "12"), ("", ""), ("__class__", "1"),
    ],
)  # fmt: skip
def test_what_is_no_such_thing_is_unsayable(kind: str, text: str) -> None:
    with pytest.raises(say.Unsayable):
        say.spoken(kind, text)


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("Infinity"), Decimal("1e-30"), "zwei"])
def test_no_odd_amount_of_money_is_said(amount: Decimal | str) -> None:
    with pytest.raises(say.Unsayable):
        say.money(amount)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -0.001])
def test_no_odd_length_of_time_is_said(seconds: float) -> None:
    with pytest.raises(say.Unsayable):
        say.duration(seconds)


def test_a_moment_without_a_zone_is_shanghais() -> None:
    naive = dt.datetime(2026, 11, 23, 9, 30)  # noqa: DTZ001 - that is the point
    aware = dt.datetime(2026, 11, 23, 1, 30, tzinfo=dt.UTC)
    assert say.moment(naive) == say.moment(aware)


def test_every_piece_is_a_prompt_with_the_same_text() -> None:
    lines = PROMPTS.read_text(encoding="utf-8").splitlines()
    listed = {row[0]: row[1] for row in (line.split("\t") for line in lines)}
    assert {i: listed.get(i) for i in say.PIECES} == dict(say.PIECES)
    assert {i for i in listed if i.startswith("n-")} == set(say.PIECES)


# ---- an independent reader of Chinese numbers

WORTH = {"十": 10, "百": 100, "千": 1000}
VALUE = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2}


def value_of(words: str) -> int:
    """Read a number the way a child learns it: by its largest unit, left and right of it."""
    if words.startswith("负"):
        return -value_of(words[1:])
    for unit, worth in (("亿", 10**8), ("万", 10**4)):
        if unit in words:
            # 一万亿 is a 万 of 亿: the last 亿 parts the number
            left, _, right = words.rpartition(unit)
            return value_of(left) * worth + (value_of(right) if right else 0)
    total, digit = 0, 0
    for char in words:
        if char in WORTH:
            total += (digit or 1) * WORTH[char]
            digit = 0
        else:
            digit = VALUE[char]
    return total + digit


numbers = st.one_of(
    st.integers(-say.LARGEST, say.LARGEST),
    st.integers(0, 12).map(lambda e: 10**e),
    st.tuples(st.integers(0, 10), st.integers(0, 10), st.integers(1, 9), st.integers(1, 9)).map(
        lambda t: t[2] * 10 ** t[0] + t[3] * 10 ** t[1]
    ),
)


@given(numbers)
def test_a_number_is_read_back_as_itself(n: int) -> None:
    words = say.read(say.number(n))
    assert value_of(words) == n
    assert "零零" not in words
    assert not words.endswith("零") or n == 0
    assert "零" not in words[:1] or n == 0
    for wrong in ("二百", "二千", "十两", "零百", "零千", "零万", "零亿", "零十"):
        assert wrong not in words
    assert not words.endswith("两")


@given(numbers.filter(lambda n: n >= 0))
def test_a_count_differs_from_the_number_for_two_alone(n: int) -> None:
    assert (say.count(n) == say.number(n)) == (n != 2)


@given(st.integers(0, 99_999))
def test_small_numbers_are_read_back_one_by_one(n: int) -> None:
    assert value_of(say.read(say.number(n))) == n


@given(st.from_regex(r"[0-9]{1,24}", fullmatch=True))
def test_a_telephone_number_keeps_its_digits(row: str) -> None:
    if row.startswith("0086") and len(row) > 4:
        return
    heard = say.read(say.phone(row))
    spoken = re.sub("[，]", "", heard).replace("幺", "一")
    assert spoken == "".join("零一二三四五六七八九"[int(d)] for d in row)
    assert "一" not in heard or row == "12345"
    groups = heard.split("，")
    assert all(1 <= len(group) <= 6 for group in groups)
    assert len(groups) > 1 or len(row) <= 6


@given(st.integers(1, 10**9 - 1), st.dates(dt.date(2018, 1, 1), dt.date(2099, 12, 31)))
def test_a_tickets_number_keeps_its_digits(running: int, day: dt.date) -> None:
    heard = say.read(say.ticket(f"BJ{day:%Y%m%d}-{running:06}"))
    digits = [str("零幺二三四五六七八九".index(c)) for c in heard if c != "，"]
    assert "".join(digits) == f"{day:%Y%m%d}{running:06}"


@given(st.dates(dt.date(1, 1, 1)))
def test_a_date_is_read_back_as_itself(day: dt.date) -> None:
    found = re.fullmatch("(.{4})年(.+)月(.+)日", say.read(say.date(day)))
    assert found
    year = int("".join(str(VALUE[c]) for c in found[1]))
    assert dt.date(year, value_of(found[2]), value_of(found[3])) == day


@given(st.times())
def test_a_time_is_read_back_as_itself(at: dt.time) -> None:
    found = re.fullmatch(
        "(凌晨|早上|上午|中午|下午|晚上)(.+)点(?:(整)|(半)|(.+)分)", say.read(say.time(at))
    )
    assert found
    hour = VALUE[found[2]] if found[2] in VALUE else value_of(found[2])
    if found[1] in ("下午", "晚上"):
        hour += 12
    minute = 0 if found[3] else 30 if found[4] else value_of(found[5].lstrip("零"))
    assert (hour, minute) == (at.hour, at.minute)


@given(st.integers(0, 10**9))
def test_a_length_of_time_is_read_back_as_itself(seconds: int) -> None:
    words = say.read(say.duration(seconds))
    assert "零零" not in words
    if words == "半小时":
        assert seconds == 1800
        return
    if words.endswith("个半小时"):
        assert value_of(words.removesuffix("个半小时")) * 3600 + 1800 == seconds
        return
    found = re.fullmatch("(?:(.+)天)?(?:(.+)小时)?(?:(.+)分钟?)?(?:(.+)秒)?", words)
    assert found
    worth = (86400, 3600, 60, 1)
    parts = [value_of(part) if part else 0 for part in found.groups()]
    assert sum(p * w for p, w in zip(parts, worth, strict=True)) == seconds


@given(st.integers(-(10**11), 10**11))
def test_an_amount_is_read_back_as_itself(fens: int) -> None:
    words = say.read(say.money(Decimal(fens) / 100))
    found = re.fullmatch("(负)?(?:(.+)元)?(?:(.)角)?零?(?:(.)分)?", words)
    assert found
    parts = [value_of(part) if part else 0 for part in found.groups()[1:]]
    total = parts[0] * 100 + parts[1] * 10 + parts[2]
    assert (-total if found[1] else total) == fens


@given(st.sampled_from([*say.KINDS, "poem"]), st.text(max_size=30))
def test_whatever_stands_in_a_variable_is_said_in_pieces_or_unsayable(kind: str, text: str) -> None:
    try:
        pieces = say.spoken(kind, text)
    except say.Unsayable:
        return
    assert pieces
    assert say.PIECES.keys() >= set(pieces)
