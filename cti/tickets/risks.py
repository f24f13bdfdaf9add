"""Which dangers the words of a ticket mean (风险词). Pure."""

import re
from collections.abc import Iterator

from cti.tickets.wording import plain
from schemas.risks import Risks

BESIDE = 12
"""Characters around a word in which others may take its danger away; never past its clause."""
_CLAUSES = re.compile(r"[,;:!?。、…\n]")
_DENIALS = "没有|没|未|并非|不是|不会|不至于|并未|从未|绝不"
_FEARS = (
    "担心|害怕|怕|防止|避免|预防|以防|谨防|小心|万一|如果|假如|要是"
    "|会不会|是不是|有没有|是否|何时|什么时候"
)
_FILLERS = (
    "再|又|会|要|是|有|可能|发生|出现|引发|引起|造成|导致|任何|什么|发现|过|被|我家|家里|的|着"
)
_DENIED, _FEARED = (re.compile(f"(?:{said})(?:{_FILLERS})*$") for said in (_DENIALS, _FEARS))
"""Straight before a word: 没有人管燃气泄漏 denies nothing."""


class Watch:
    """The words of risks.toml, made ready."""

    def __init__(self, risks: Risks) -> None:
        self.risks = risks
        self._topic_of: dict[str, list[str]] = {}
        for code, topic in risks.topics.items():
            for word in topic.words:
                self._topic_of.setdefault(plain(word), []).append(code)
        # longer words first: 没有电梯 must not be heard as 没有电 by a word list alone
        words = sorted(self._topic_of, key=len, reverse=True)
        first = "".join(sorted({re.escape(word[0]) for word in words}))
        each = "|".join(map(re.escape, words))
        self._any = re.compile(f"(?=[{first}])(?=({each}))") if words else None
        self._unless = {
            code: tuple(map(plain, topic.unless)) for code, topic in risks.topics.items()
        }

    def topics(self, text: str) -> dict[str, tuple[str, ...]]:
        """Return the topics that *text* means with the words that say so; never raises.

        A word does not count when a word of its `unless` stands beside it, or when it is denied
        (没有停水) or only feared (担心爆炸); fear for a person's life counts.
        """
        if self._any is None:
            return {}
        found: dict[str, dict[str, None]] = {}
        for part in _parts(text):
            for hit in self._any.finditer(part):
                begin, end = hit.span(1)
                before = part[max(0, begin - BESIDE) : begin]
                beside = before + part[begin : end + BESIDE]
                for code in self._topics_of(hit[1]):
                    if any(word in beside for word in self._unless[code]):
                        continue
                    if _DENIED.search(before):
                        continue
                    if _FEARED.search(before) and not self.risks.topics[code].personal:
                        continue
                    found.setdefault(code, {})[hit[1]] = None
        return {code: tuple(words) for code, words in found.items()}

    def _topics_of(self, word: str) -> Iterator[str]:
        # of words that begin at one place only the longest is found: the shorter count as well
        for length in range(2, len(word) + 1):
            yield from self._topic_of.get(word[:length], ())


def _parts(text: str) -> Iterator[str]:
    """Yield the clauses of *text*, however long it is."""
    for start in range(0, len(text), 500):
        yield from _CLAUSES.split(plain(text[start : start + 530]))
