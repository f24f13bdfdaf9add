"""Text as the sounds it is spoken with: toneless syllables, and how alike two of them sound.

Recognisers of Mandarin mostly err by writing other characters of the same sound (医保卡 → 一宝卡),
so what callers mean is found by sound. Two syllables need not be equal: Shaanxi speech does not
part z/zh, n/l, in/ing, f/h, and neither do recognisers on a telephone line.
"""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from pypinyin import lazy_pinyin

from ivr.speech.engines.characters import simplified


class Sound(NamedTuple):
    """One character as it is spoken."""

    written: str
    """The character, or the Latin word."""
    readings: tuple[str, ...]
    """The likely one first: 行 is `xing` or `hang`."""


LONGEST = 240
"""Characters of a text that are looked at: a caller says no more in the longest listen step."""

LATIN = "@"
"""How the sound of a Latin word begins, so that `bus` is no syllable."""

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[0-9]|[a-z]+")
_WORD = 12
"""Letters of a Latin word that are looked at."""

_DIGITS = {
    "0": ("ling",), "1": ("yi", "yao"), "2": ("er",), "3": ("san",), "4": ("si",),
    "5": ("wu",), "6": ("liu",), "7": ("qi",), "8": ("ba",), "9": ("jiu",),
}  # fmt: skip

_READINGS = {
    char: tuple(readings)
    for char, *readings in (
        written.split()
        for written in (
            "长 chang zhang", "行 xing hang", "重 zhong chong", "还 hai huan", "得 de dei",
            "都 dou du", "着 zhe zhao", "了 le liao", "调 diao tiao", "乐 le yue", "便 bian pian",
            "差 cha chai", "单 dan shan", "藏 cang zang", "卡 ka qia", "会 hui kuai",
            "降 jiang xiang", "解 jie xie", "率 lv shuai", "没 mei mo", "弹 tan dan", "系 xi ji",
            "校 xiao jiao", "薄 bao bo", "传 chuan zhuan", "大 da dai", "地 di de", "给 gei ji",
            "和 he huo", "角 jiao jue", "觉 jiao jue", "壳 ke qiao", "落 luo la", "露 lu lou",
            "塞 sai se", "色 se shai", "什 shen shi", "石 shi dan", "提 ti di", "尾 wei yi",
            "血 xue xie", "谁 shei shui", "熟 shu shou", "粘 zhan nian", "这 zhe zhei",
            "那 na nei", "折 zhe she", "省 sheng xing", "车 che ju", "幺 yao", "两 liang er",
            "缴 jiao", "咋 za ze zha", "啥 sha", "额 e wo", "俺 an", "俩 lia", "恶 e wu",
            "参 can shen", "处 chu", "朝 chao zhao", "盛 sheng cheng", "厂 chang", "曾 ceng zeng",
            "称 cheng chen", "否 fou pi", "更 geng", "供 gong", "冠 guan", "汗 han", "号 hao",
            "划 hua", "混 hun", "几 ji", "嚼 jiao jue", "结 jie", "劲 jin jing", "据 ju",
            "勒 le lei", "绿 lv lu", "模 mo mu", "难 nan", "宁 ning", "宿 su xiu", "拓 tuo ta",
            "吓 xia he", "削 xue xiao", "殷 yin", "与 yu", "载 zai", "择 ze zhai", "轧 zha ya",
        )
    )
    if readings
}  # fmt: skip

_INITIALS = (
    "zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r",
    "z", "c", "s",
)  # fmt: skip
_BARE = {
    "yi": "i", "ya": "ia", "yo": "o", "ye": "ie", "yao": "iao", "you": "iu", "yan": "ian",
    "yin": "in", "yang": "iang", "ying": "ing", "yong": "iong", "yu": "v", "yue": "ve",
    "yuan": "van", "yun": "vn", "wu": "u", "wa": "ua", "wo": "uo", "wai": "uai", "wei": "ui",
    "wan": "uan", "wen": "un", "wang": "uang", "weng": "ong",
}  # fmt: skip
"""Syllables that are written with y or w but begin with their final."""


def _table(written: str) -> dict[frozenset[str], float]:
    pairs = (line.split() for line in written.strip().splitlines())
    return {
        frozenset("" if end == "-" else end for end in pair.split("/")): float(alike)
        for alike, *row in pairs
        for pair in row
    }


# Which sounds are confused is phonetics and Shaanxi dialect, not a count over recordings.
_ALIKE_INITIALS = _table("""
    0.95 z/zh c/ch s/sh
    0.90 n/l
    0.80 f/h l/r
    0.75 b/p d/t g/k j/q zh/ch z/c
    0.70 z/ch c/zh q/x s/c sh/ch j/zh q/ch x/sh
    0.65 m/n j/x zh/sh z/s x/s r/- q/c j/z h/- sh/c s/ch w/-
    0.60 -/b -/m h/k g/- l/- h/x n/- d/l t/l m/b
    0.50 sh/r zh/r z/d zh/d t/ch g/j k/q d/g t/k b/d b/g p/t p/k f/p l/d n/d k/c h/s f/s
""")
_ALIKE_FINALS = _table("""
    0.97 o/uo
    0.95 in/ing en/eng an/ang
    0.88 ian/iang uan/uang
    0.80 e/uo e/o un/ong vn/iong un/en ong/eng i/v ui/ei ai/ei iao/ao iu/ou ve/ie in/vn ing/vn
    0.75 ao/ou ia/a ua/a ian/an iang/ang uan/an uang/ang ian/van uai/ai van/uan iong/ong uai/ui
    0.70 ai/e ie/ian an/ai ang/ao ong/ou en/ei e/a u/ou u/o u/v u/uo ing/eng in/en vn/un ve/e
    0.65 iu/iao ie/i i/ei uo/ou ang/ong ang/uang an/en eng/ang ua/uo ia/ie i/in i/ing u/ong iu/v
    0.60 e/i e/er a/er i/e a/an a/ai u/un ie/in uo/u ui/un iu/iong ian/in iang/ing ai/uan ve/v
""")
_STRANGE = 0.2
"""How alike two finals or initials are that nobody confuses: the other half may still be right."""


@cache
def split(syllable: str) -> tuple[str, str]:
    """Return initial and final of *syllable*, as spoken.

    >>> split("zhuang"), split("yuan"), split("ju")
    (('zh', 'uang'), ('', 'van'), ('j', 'v'))
    """
    if syllable in _BARE:
        return "", _BARE[syllable]
    initial = next((i for i in _INITIALS if syllable.startswith(i)), "")
    final = syllable[len(initial) :]
    if initial in {"j", "q", "x"} and final.startswith("u"):
        final = "v" + final[1:]
    if initial in {"z", "c", "s", "zh", "ch", "sh", "r"} and final == "i":
        final = "-i"  # 四 and 西 share a letter, not a vowel
    return initial, final


@cache
def _alike(a: str, b: str) -> float:
    if a == b:
        return 1.0
    (initial_a, final_a), (initial_b, final_b) = split(a), split(b)
    initials = finals = 1.0
    if initial_a != initial_b:
        initials = _ALIKE_INITIALS.get(frozenset((initial_a, initial_b)), _STRANGE)
    if final_a != final_b:
        finals = _ALIKE_FINALS.get(frozenset((final_a, final_b)), _STRANGE)
    return initials * finals


def alike(a: str, b: str) -> float:
    """Return how alike two syllables sound, 0-1; 1 only for equal ones; symmetric.

    Answers are kept: ask for syllables of Mandarin only, of which there are about 400.

    >>> alike("si", "shi") > alike("si", "xi") > alike("si", "ban")
    True
    """
    return _alike(a, b) if a <= b else _alike(b, a)


def sounds(text: str) -> tuple[Sound, ...]:
    """Return how *text* is spoken, a sound for each character that has one.

    Digits are read one by one; a Latin word is one sound that is only like itself; punctuation,
    control characters and scripts that Mandarin does not use are silent.

    >>> [sound.readings for sound in sounds("报警110!")]
    [('bao',), ('jing',), ('yi', 'yao'), ('yi', 'yao'), ('ling',)]
    """
    found: list[Sound] = []
    for run in _HAN.findall(plain(text)):
        if run in _DIGITS:
            found.append(Sound(run, _DIGITS[run]))
        elif run.isascii():
            found.append(Sound(run, (LATIN + run[:_WORD],)))
        else:
            found += _chinese(run)
    return tuple(found)


def letters(text: str) -> str:
    """Return *text* without what is not spoken, in `plain` writing."""
    return "".join(_HAN.findall(plain(text)))


def plain(text: str) -> str:
    """Return *text* in one way of writing: simplified, small letters, half width, not too long.

    >>> plain("ＯＫ，我家停電")
    'ok,我家停电'
    """
    wide = unicodedata.normalize("NFKC", text[:LONGEST]).lower()
    return simplified(wide[:LONGEST])


def _chinese(run: str) -> list[Sound]:
    """Return the readings of a row of characters: context decides which comes first."""
    spoken = lazy_pinyin(run, v_to_u=False, errors=_silent)  # type: ignore[arg-type]
    return [
        Sound(char, (likely, *(r for r in _READINGS.get(char, ()) if r != likely)))
        for char, likely in zip(run, spoken, strict=True)
        if likely
    ]


def _silent(unknown: str) -> list[str]:
    """Return what pypinyin takes, whatever its types say: a reading for each character."""
    return [""] * len(unknown)
