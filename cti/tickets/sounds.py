"""How Chinese sounds, so that what a recogniser wrote wrongly is found all the same. Pure."""

from functools import lru_cache

from pypinyin import Style, lazy_pinyin, pinyin

_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("n", "l"))
_FINALS = (("ing", "in"), ("eng", "en"), ("ang", "an"))


@lru_cache(maxsize=8192)
def readings(character: str) -> frozenset[str]:
    """Return all ways *character* is read, with tone: 行 → `xin2`, `han2`; none for no Chinese.

    What speakers and recognisers mix up is one: zh z, ch c, sh s, n l, -ing -in, -eng -en,
    -ang -an.
    """
    if not "㐀" <= character <= "鿿":
        return frozenset()
    found = pinyin(character, style=Style.TONE3, heteronym=True, errors="ignore")
    return frozenset(_mixed(one) for some in found for one in some)


def sounds(word: str) -> tuple[str, ...]:
    """Return how *word* is read as a whole, with tones; empty when not all of it is Chinese."""
    if not all("㐀" <= character <= "鿿" for character in word):
        return ()
    return tuple(_mixed(one) for one in lazy_pinyin(word, style=Style.TONE3))


@lru_cache(maxsize=4096)
def toneless(sound: str) -> str:
    """Return *sound* without its tone: recognisers err in it too."""
    return sound.rstrip("12345")


def _mixed(sound: str) -> str:
    for said, kept in _INITIALS:
        if sound.startswith(said):
            sound = kept + sound[len(said) :]
            break
    body, tone = toneless(sound), sound[len(toneless(sound)) :]
    for said, kept in _FINALS:
        if body.endswith(said):
            return body[: -len(said)] + kept + tone
    return sound
