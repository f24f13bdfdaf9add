"""Words of Chinese text for a full-text index, and what a query asks of them.

A text is kept as the pairs of neighbouring characters of its Han runs (停水通知 → 停水 水通 通知)
and its Latin words and numbers; a query is cut into words by jieba, and each word asks for its
pairs. So what is found does not hang on jieba cutting text and query alike: part of a street's name
is found, and the index needs no jieba at all. Every token is letters and digits only: no text can
say anything in the syntax of a database.
"""

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

from pypinyin import lazy_pinyin

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks setuptools for what is deprecated there
    import jieba

Where = Literal["title", "keyword"]

LONGEST_QUERY = 200
"""Characters of a query that are looked at."""
LONGEST_TEXT = 100_000
"""Characters of a text that are looked at."""
MOST_BYTES = 500_000
"""Of a text's tokens: a tsvector of PostgreSQL holds 1 MB, with 10 bytes beside each token."""
MOST_GROUPS = 24
"""Tokens that a query asks for."""
_LATIN_LENGTH = 32
_WHOLE_LENGTH = 60

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002a6df"
_RUNS = re.compile(rf"[{_HAN}]+|[a-z0-9]+")
_HYPHENATED = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
_IS_HAN = re.compile(rf"[{_HAN}]")
_ACCENTS = re.compile(r"[\u0300-\u036f]")
_FIGURE = "[零一二三四五六七八九幺两]"
_NUMBERS = re.compile(rf"\+?[0-9](?:[- ]?[0-9]){{6,}}[a-z0-9]*|{_FIGURE}(?:[,、 ]?{_FIGURE}){{6,}}")
"""Of people: phones, identity cards, bank cards, however they are grouped."""

_NUMERAL = "ν"
_WHOLE = "ω"
_MARKS: dict[Where, str] = {"title": "τ", "keyword": "κ"}
"""Begins the token of a word that stands there, so that an index can be asked where. Letters that
neither our tokens nor a number's have, and that both databases keep as they are."""

_EMPTY_WORDS = """
    我 你 您 他 她 它 我们 你们 他们 咱们 的 地 得 了 着 过 吗 呢 吧 啊 呀 嘛 哦 嗯 是
    在 和 与 及 或 也 都 就 还 又 很 这 那 这个 那个 这里 那里 哪 哪里 哪儿 什么 啥 咋
    怎么 怎样 怎么样 怎么办 如何 为什么 为啥 多少 几 请 请问 想 想问 想要 问 问一下 一下
    咨询 了解 知道 需要 要 能 能不能 可以 可不可以 是不是 有没有 有 没有 把 被 给 对 从
    到 由 于 等 之 个 让 向 去 来 说 会 关于 有关 相关
"""
_STOP = frozenset(_EMPTY_WORDS.split())
"""Words that a query may leave out: they say nothing of what is looked for."""
_LIGHT = frozenset("办交缴查打修换补领改找买开无报退用做收没不难贵坏")
"""Single characters that a query may leave out beside longer words: 修路灯 is of 路灯."""


@dataclass(frozen=True, slots=True)
class Term:
    """A token that must be there."""

    token: str
    prefix: bool = False
    """The beginning of a token is enough."""


Group = list[Term]
"""One of these must be there."""


@cache
def _cutter() -> jieba.Tokenizer:
    """Return jieba's tokenizer with its own dictionary, about half a second at the first call.

    Filled here and not by itself: it would trust a cache file in the machine's shared /tmp.
    """
    jieba.setLogLevel(60)
    made = jieba.Tokenizer()
    made.FREQ, made.total = made.gen_pfdict(made.get_dict_file())
    made.initialized = True
    return made


def initialise() -> None:
    """Read the dictionary now, so that the first query need not wait for it."""
    _cutter()


def normal(text: str) -> str:
    """Return *text* with one form for what looks alike: full width, case, accents."""
    plain = unicodedata.normalize("NFKD", text[:LONGEST_TEXT])[:LONGEST_TEXT]
    return _ACCENTS.sub("", plain).lower().replace("〇", "零")


def without_numbers(text: str) -> str:
    """Return *text*, normal, without the numbers of people (phones, cards)."""
    return _NUMBERS.sub(" ", normal(text))


def tokens(text: str) -> list[str]:
    """Return the tokens of *text*, each once, in order."""
    return within(_tokens(normal(text)))


def within(found: Iterable[str]) -> list[str]:
    """Return *found*, each once, in order, as many as an index takes."""
    kept: dict[str, None] = {}
    size = 0
    for token in found:
        if token in kept:
            continue
        size += len(token.encode()) + 1
        if size > MOST_BYTES:
            break
        kept[token] = None
    return list(kept)


def _written(token: str) -> str:
    """Return *token* so that no parser takes its beginning for a number: 1e5路 is one token."""
    return _NUMERAL + token if token[0] in "0123456789" else token


def _tokens(text: str) -> Iterator[str]:
    for run in _RUNS.finditer(text):
        written = run[0]
        if not _is_han(written):
            yield _written(written[:_LATIN_LENGTH])
            after = text[run.end() : run.end() + 1]
            if after and _is_han(after):
                yield _written(written[:_LATIN_LENGTH] + after)  # 10路, 3号
            continue
        yield from _pairs(written)
        yield written[-1]
    for run in _HYPHENATED.finditer(text):  # wi-fi, as people type it
        yield _written(run[0].replace("-", "")[:_LATIN_LENGTH])


def sounds(text: str) -> list[str]:
    """Return what somebody types who types sounds, from every character of *text* on.

    The first letters of the syllables (gjjtq) and the syllables whole (gongjijintiqu).
    """
    found = []
    for run in _RUNS.findall(normal(text)):
        if not _is_han(run):
            continue
        syllables = [said for word in cut(run) for said in lazy_pinyin(word) if said.isascii()]
        for begin in range(len(syllables)):
            rest = syllables[begin : begin + _LATIN_LENGTH]
            found.append("".join(syllable[0] for syllable in rest))
            found.append("".join(rest)[:_LATIN_LENGTH])
    return found


def cut(text: str) -> list[str]:
    """Return *text* in words as jieba cuts it."""
    return list(_cutter().cut(text))


def words(query: str) -> list[str]:
    """Return the words of *query* as jieba cuts it, without those that say nothing if it can."""
    plain = normal(query[:LONGEST_QUERY])
    all_words = [word for run in _RUNS.findall(plain) for word in _cut(run)]
    return [word for word in all_words if not _empty(word)] or all_words


def _cut(run: str) -> list[str]:
    return cut(run) if _is_han(run) else [run[:_LATIN_LENGTH]]


def _empty(word: str) -> bool:
    return word in _STOP or word in _LIGHT


def asked(query: str, *, beginnings: bool = False) -> list[Group]:
    """Return what *query* asks of a text: something of each group.

    Args:
        beginnings: of any Latin word the beginning is enough, not of the last alone.
    """
    plain = normal(query[:LONGEST_QUERY])
    found = _groups(plain, lambda word: not _empty(word), beginnings=beginnings)
    return (found or _groups(plain, lambda _: True, beginnings=beginnings))[:MOST_GROUPS]


def _groups(plain: str, keep: Callable[[str], bool], *, beginnings: bool) -> list[Group]:
    found: list[Group] = []
    before: re.Match[str] | None = None
    for run in _RUNS.finditer(plain):
        seam = before is not None and before.end() == run.start()
        before = run
        if _is_han(run[0]):
            found += _han_groups(run[0], keep, after_number=seam)
            continue
        begun = beginnings or run.end() == len(plain)
        after = plain[run.end() : run.end() + 1]
        if after and _is_han(after):
            found.append([Term(_written(run[0][:_LATIN_LENGTH] + after))])
        else:
            found.append([Term(_written(run[0][:_LATIN_LENGTH]), prefix=begun)])
    return found


def _han_groups(run: str, keep: Callable[[str], bool], *, after_number: bool) -> Iterator[Group]:
    parts = cut(run)
    kept = [keep(word) for word in parts]
    start = 0
    for number, word in enumerate(parts):
        place, start = start, start + len(word)
        if not kept[number]:
            continue
        if len(word) > 1:
            yield from ([Term(pair)] for pair in _pairs(word))
            continue
        if after_number and place == 0:
            continue  # 路 of 10路 stands with its number
        # A single character beside a word adds the pair at the seam: 经|二路 asks for 经二. Between
        # two words either seam will do: in 陈仓|区|虢|镇 the text may part 陈仓区 and 虢镇.
        seams = []
        if number > 0 and kept[number - 1]:
            seams.append(Term(run[place - 1 : start]))
        if start < len(run) and kept[number + 1]:
            seams.append(Term(run[place : start + 1]))
        yield seams or [Term(word, prefix=True)]


def _pairs(run: str) -> Iterator[str]:
    return (one + two for one, two in pairwise(run))


def phrase(query: str) -> list[Group]:
    """Return what a text has that holds *query* word for word, signs and spaces set aside."""
    found: list[Group] = []
    for run in _RUNS.findall(normal(query[:LONGEST_QUERY])):
        if not _is_han(run):
            found.append([Term(_written(run[:_LATIN_LENGTH]), prefix=True)])
        elif len(run) == 1:
            found.append([Term(run, prefix=True)])
        else:
            found += [[Term(pair)] for pair in _pairs(run)]
    return found[:MOST_GROUPS]


def marked(text: str, where: Where) -> list[str]:
    """Return the tokens that say that the words of *text* stand *where*."""
    return [_MARKS[where] + token for token in _tokens(normal(text))]


def whole(title: str) -> str:
    """Return the token of the whole of *title*, signs and spaces set aside; "" if it has no words.

    As a prefix it finds the titles that begin so.
    """
    joined = "".join(_RUNS.findall(normal(title)))[:_WHOLE_LENGTH]
    return _WHOLE + joined if joined else ""


def standing(groups: Sequence[Group], where: Where) -> list[Group]:
    """Return *groups* for texts that have them *where*."""
    mark = _MARKS[where]
    return [[Term(mark + term.token, term.prefix) for term in group] for group in groups]


def _is_han(run: str) -> bool:
    return _IS_HAN.match(run) is not None
