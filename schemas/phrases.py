"""What words mean: the intents of phrases.tsv, found by the longest phrase that was said."""

import re
from collections.abc import Iterable, Mapping

_SILENT = re.compile(r"[\W_]+")


def meaning(text: str, phrases: Mapping[str, tuple[str, ...]], among: Iterable[str]) -> str:
    """Return the intent that *text* means, "" when it means none.

    The longest phrase that *text* holds decides; of phrases as long as each other the one said
    first. Spaces and punctuation count for nothing.

    Args:
        phrases: what citizens say, by intent.
        among: intents that mean something where the caller is just now.
    """
    said = _SILENT.sub("", text)
    found = [
        (-len(phrase), said.index(phrase), intent)
        for intent in among
        for phrase in (_SILENT.sub("", written) for written in phrases.get(intent, ()))
        if phrase and phrase in said
    ]
    return min(found)[2] if found else ""
