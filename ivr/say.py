"""Numbers, telephone numbers, dates, durations and amounts as a person says them in Mandarin.

Every function returns ids of prompts, the *pieces* of `PIECES`, to be played one after another.
What is said in one breath is one piece (四十二, 两百, 十一月, 下午, 八点): single syllables put
together sound like a ransom note.

两 or 二: before 百 千 万 亿 we say 两 (两百, 两千, 两万), in 十二, 二十, 二十二 always 二; a number
by itself or in an order is 二 (第二位), before a measure word it is 两 (两分钟, 两元), which is
what `count` is for. After 零 and for the smaller coin it is 二 again (三分零二秒, 两元二角).
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from schemas.times import SHANGHAI

Pieces = tuple[str, ...]

LARGEST = 10**12
"""Numbers beyond it, either way, are not spoken: nobody would follow."""
PAUSE = "n-pause"
"""Parts the groups of a long row of digits."""

_OF_ALL_CHINA = re.compile("1[3-9][0-9]{9}|[48]00[0-9]{7}")
"""Mobile numbers, 400 and 800: no area code belongs before them."""
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{5,15}([Zz]|[+-][0-9:]{4,6})?")
_DIGITS = "零一二三四五六七八九"


class Unsayable(ValueError):
    """There is no way to say this; the message names what is wrong with it."""


def _small(n: int) -> str:
    tens, ones = divmod(n, 10)
    head = "" if tens == 0 else "十" if tens == 1 else f"{_DIGITS[tens]}十"
    return head + (_DIGITS[ones] if ones or not tens else "")


def _table() -> dict[str, str]:
    pieces = {f"n-{n}": _small(n) for n in range(100)}
    pieces |= {f"n-{n}00": f"{'两' if n == 2 else _DIGITS[n]}百" for n in range(1, 10)}
    pieces |= {f"n-{n}000": f"{'两' if n == 2 else _DIGITS[n]}千" for n in range(1, 10)}
    pieces |= {f"n-month-{n}": f"{_small(n)}月" for n in range(1, 13)}
    pieces |= {f"n-hour-{n}": f"{'两' if n == 2 else _small(n)}点" for n in range(13)}
    pieces |= {f"n-weekday-{n}": f"星期{day}" for n, day in enumerate("一二三四五六日", 1)}
    return pieces | {
        "n-liang": "两",
        "n-yao": "幺",
        "n-yishi": "一十",
        "n-wan": "万",
        "n-yi": "亿",
        "n-fu": "负",
        "n-nian": "年",
        "n-ri": "日",
        "n-lingchen": "凌晨",
        "n-zaoshang": "早上",
        "n-shangwu": "上午",
        "n-zhongwu": "中午",
        "n-xiawu": "下午",
        "n-wanshang": "晚上",
        "n-zheng": "整",
        "n-ban": "半",
        "n-fen": "分",
        "n-tian": "天",
        "n-xiaoshi": "小时",
        "n-fenzhong": "分钟",
        "n-miao": "秒",
        "n-banxiaoshi": "半小时",
        "n-gebanxiaoshi": "个半小时",
        "n-yuan": "元",
        "n-jiao": "角",
        PAUSE: "，",
    }


PIECES: Mapping[str, str] = MappingProxyType(_table())
"""Text of every piece by its id; `prompts.tsv` holds them all."""


def read(ids: Iterable[str]) -> str:
    """Return what a caller hears, as text; an id that is no piece is a KeyError."""
    return "".join(PIECES[i] for i in ids)


# ---- numbers


def number(n: int) -> Pieces:
    """Say a number by itself: 2 is 二, 10 十, 110 一百一十, 1005 一千零五, 20 000 两万.

    Raises:
        Unsayable: it is beyond `LARGEST`.
    """
    if abs(n) > LARGEST:
        raise Unsayable("is more than can be said")
    return ("n-fu", *_whole(-n)) if n < 0 else _whole(n)


def count(n: int) -> Pieces:
    """Say how many, before a measure word or unit: as `number`, but 2 is 两.

    Raises:
        Unsayable: it is negative or beyond `LARGEST`.
    """
    if n < 0:
        raise Unsayable("is less than none")
    return ("n-liang",) if n == 2 else number(n)


def _whole(n: int, *, begins: bool = True) -> Pieces:
    """Say *n* from 0; where it does not begin the number, 10 is 一十."""
    for unit, piece in ((10**8, "n-yi"), (10**4, "n-wan")):
        if n >= unit:
            high, low = divmod(n, unit)
            head = ("n-liang",) if high == 2 else _whole(high, begins=begins)
            # 零 where the next place down is empty: 一万零五百, but 一万五千
            gap = ("n-0",) if 0 < low < unit // 10 else ()
            return (*head, piece, *gap, *(_whole(low, begins=False) if low else ()))
    said = [f"n-{n // 1000}000"] if n >= 1000 else []
    hundreds, tail = n // 100 % 10, n % 100
    if hundreds:
        said.append(f"n-{hundreds}00")
    if tail and said and (tail < 10 or not hundreds):
        said.append("n-0")
    if 10 <= tail < 20 and (said or not begins):
        said.append("n-yishi")
        tail -= 10
    if tail or not said:
        said.append(f"n-{tail}")
    return tuple(said)


# ---- rows of digits


def digits(text: str) -> Pieces:
    """Say digits one by one, 1 as 一: codes, years.

    Raises:
        Unsayable: it is no row of 1 to 32 digits.
    """
    if not re.fullmatch("[0-9]{1,32}", text):
        raise Unsayable("is no row of 1 to 32 digits")
    return tuple(f"n-{digit}" for digit in text)


def phone(text: str) -> Pieces:
    """Say a telephone number, 1 as 幺, in the groups in which people say it.

    Mobile 3-4-4, eight digits 4-4, seven 3-4, 400 and 800 numbers 3-3-4, area codes by
    themselves; up to six digits in one go. +86 is left out, + before another country is 零零.
    12345 alone is 一二三四五, as the whole country calls it.

    Raises:
        Unsayable: it is no telephone number.
    """
    row = re.sub(r"(?<=[0-9])[ -](?=[0-9])", "", text)
    if not re.fullmatch(r"\+?[0-9]{1,24}", row):
        raise Unsayable("is no telephone number")
    home = re.fullmatch(r"(\+|00)86([0-9]+)", row)
    row = home[2] if home else row.replace("+", "00")
    if home and 9 <= len(row) <= 11 and not _OF_ALL_CHINA.fullmatch(row):
        row = f"0{row}"  # +86 917 … is dialled 0917 … here
    if row == "12345":
        return digits(row)
    return _grouped(_groups(row))


def ticket(text: str) -> Pieces:
    """Say the number of a ticket, `BJ20261123-000001`, so that it can be keyed in: digits alone.

    Year, day and running number are parted by pauses; 1 is 幺. Letters are the same for all
    tickets and are not said.

    Raises:
        Unsayable: it is no ticket's number.
    """
    found = re.fullmatch(r"BJ([0-9]{4})([0-9]{4})-([0-9]{6,9})", text)
    if not found:
        raise Unsayable("is no number of a ticket")
    year, day, running = found.groups()
    return _grouped([year, day, *_threes(running)])


def _groups(row: str) -> list[str]:
    if row.startswith("00"):
        return ["00", *_fours(row[2:])] if len(row) > 2 else [row]
    if _OF_ALL_CHINA.fullmatch(row):
        return [row[:3], row[3:-4], row[-4:]]
    if re.fullmatch("0[0-9]{9,11}", row):
        area = 3 if re.match("010|02", row) else 4
        return [row[:area], *_groups(row[area:])]
    if len(row) == 7:
        return [row[:3], row[3:]]
    return [row] if len(row) < 7 else _fours(row)


def _fours(row: str) -> list[str]:
    """Return groups of four, the last of one to four."""
    return [row[i : i + 4] for i in range(0, len(row), 4)]


def _threes(row: str) -> list[str]:
    return [row[i : i + 3] for i in range(0, len(row), 3)]


def _grouped(groups: Iterable[str]) -> Pieces:
    said: list[str] = []
    for group in groups:
        said += [PAUSE] if said else []
        said += ["n-yao" if digit == "1" else f"n-{digit}" for digit in group]
    return tuple(said)


# ---- days and times


def date(day: dt.date) -> Pieces:
    """Say a day, the year digit by digit: 二零二六年十一月二十三日."""
    return (*digits(f"{day.year:04}"), "n-nian", f"n-month-{day.month}", f"n-{day.day}", "n-ri")


def weekday(day: dt.date) -> Pieces:
    """Say 星期一 to 星期日."""
    return (f"n-weekday-{day.isoweekday()}",)


def time(at: dt.time) -> Pieces:
    """Say a time to the minute: 上午八点半, 下午两点零五分, 中午十二点整."""
    hours = ((6, "lingchen"), (8, "zaoshang"), (12, "shangwu"), (13, "zhongwu"), (18, "xiawu"))
    part = next((name for end, name in hours if at.hour < end), "wanshang")
    hour = at.hour - 12 if at.hour > 12 else at.hour
    if at.minute == 0:
        minutes: Pieces = ("n-zheng",)
    elif at.minute == 30:
        minutes = ("n-ban",)
    else:
        minutes = (*(("n-0",) if at.minute < 10 else ()), f"n-{at.minute}", "n-fen")
    return (f"n-{part}", f"n-hour-{hour}", *minutes)


def moment(at: dt.datetime) -> Pieces:
    """Say day and time in Shanghai; a time without a zone is taken as Shanghai's."""
    here = at.astimezone(SHANGHAI) if at.tzinfo else at
    return (*date(here.date()), *time(here.time()))


def duration(seconds: float) -> Pieces:
    """Say how long, to the second: 两分钟, 一个半小时, 一小时零五分, 三分二十秒.

    Raises:
        Unsayable: it is negative, endless or longer than `LARGEST`.
    """
    if not 0 <= seconds <= LARGEST:
        raise Unsayable("is no length of time")
    whole = round(seconds)
    if whole == 1800:
        return ("n-banxiaoshi",)
    if whole % 3600 == 1800 and whole < 86400:
        return (*count(whole // 3600), "n-gebanxiaoshi")
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    short = "n-fen" if days or hour or second else "n-fenzhong"
    parts = ((days, "n-tian"), (hour, "n-xiaoshi"), (minute, short), (second, "n-miao"))
    return _parts(parts) or ("n-0", "n-miao")


def _parts(parts: Iterable[tuple[int, str]]) -> Pieces:
    """Say amounts of ever smaller units: 零 where one is left out or a minute or second is < 10."""
    said: list[str] = []
    skipped = False
    for amount, unit in parts:
        if not amount:
            skipped = True
            continue
        few = amount < 10 and unit in ("n-fen", "n-miao")
        if said and (skipped or few):
            said += ["n-0", f"n-{amount}", unit]
        else:
            said += [*count(amount), unit]
        skipped = False
    return tuple(said)


def money(amount: Decimal | str) -> Pieces:
    """Say an amount of yuan: 两元, 三元五角, 一百零五元零五分, 八角.

    Raises:
        Unsayable: it is no amount, too large, or has parts of a fen.
    """
    try:
        yuan = Decimal(amount)
        fens = int(yuan * 100) if abs(yuan) <= LARGEST else None
    except (InvalidOperation, ValueError):
        raise Unsayable("is no amount of money") from None
    if fens is None or fens != yuan * 100:
        raise Unsayable("is too much money, or holds parts of a fen")
    coins, fen = divmod(abs(fens), 10)
    whole, jiao = divmod(coins, 10)
    said: Pieces = (*count(whole), "n-yuan") if whole or not fens else ()
    if jiao:
        said += (f"n-{jiao}" if said else count(jiao)[0], "n-jiao")
    if fen:
        gap = ("n-0",) if said and not jiao else ()
        said += (*gap, f"n-{fen}" if said else count(fen)[0], "n-fen")
    return ("n-fu", *said) if fens < 0 else said


# ---- whatever a flow holds in a variable


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise Unsayable("is no whole number")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text):
        raise Unsayable("is no number of seconds")
    return float(text)


def _day(text: str) -> dt.date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise Unsayable("is no day as 2026-11-23")
    return dt.date.fromisoformat(text)


def _clock(text: str) -> dt.time:
    if not re.fullmatch(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?", text):
        raise Unsayable("is no time as 09:30")
    return dt.time.fromisoformat(text)


def _moment(text: str) -> dt.datetime:
    if not _MOMENT.fullmatch(text):
        raise Unsayable("is no moment as 2026-11-23T09:30")
    return dt.datetime.fromisoformat(text)


def _amount(text: str) -> str:
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", text):
        raise Unsayable("is no amount of money")
    return text


KINDS: Mapping[str, Callable[[str], Pieces]] = MappingProxyType(
    {
        "number": lambda text: number(_integer(text)),
        "count": lambda text: count(_integer(text)),
        "digits": digits,
        "phone": phone,
        "ticket": ticket,
        "date": lambda text: date(_day(text)),
        "weekday": lambda text: weekday(_day(text)),
        "time": lambda text: time(_clock(text)),
        "moment": lambda text: moment(_moment(text)),
        "duration": lambda text: duration(_seconds(text)),
        "money": lambda text: money(_amount(text)),
    }
)
"""What can be asked of `spoken`, by name."""


def spoken(kind: str, text: str) -> Pieces:
    """Say *text* as a *kind* of thing; spaces around it do not matter.

    Raises:
        Unsayable: the kind is unknown, or the text is no such thing.
    """
    if kind not in KINDS:
        raise Unsayable(f"nothing is said as {kind[:40]!r}")
    try:
        return KINDS[kind](text.strip())
    except Unsayable as error:
        raise Unsayable(f"{text[:40]!r} {error}") from None
    except (ValueError, OverflowError):  # 2026-02-30, 25:00, a moment before year 1
        raise Unsayable(f"{text[:40]!r} is no {kind}") from None
