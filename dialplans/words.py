"""Is there something to say for all that flows listen for, and something to ask when unsure?

What has no words is a fault where a flow names it, for nobody could ever mean it. The lines of the
annex are understood by their names at least, so a line without phrases is only worth a look, and
so is an intent that cannot be asked about: without `ask-…`, whoever is not quite clear is taken
for somebody who was not understood.
"""

from collections.abc import Iterator, Mapping

from dialplans.cells import quote
from dialplans.city import Reading
from schemas import flows
from schemas.errors import Fault
from schemas.numbers import EMERGENCY_NUMBERS
from schemas.speech import ASK, EMERGENCY, GRADES, LINE, SOLUTIONS, line_intent, line_of

UNASKED = frozenset({"agent", "yes", "no", "complaint", "service", "repeat", "main"})
"""Intents that need no question: who is not quite clear is as well off with a person."""
UNASKED_KINDS = (EMERGENCY, "scope-")
"""How more of them begin: the flows of emergencies ask for themselves, and who may be told that
nobody here is responsible had better be heard by somebody."""
MOST_NAMED = 6


def unknown(reading: Reading, step: flows.Listen) -> Iterator[tuple[str, str]]:
    """Yield (intent, reason) for each that *step* names and nobody could mean."""
    lines = flows.lines_of(reading.city.register)
    for intent in step.intents:
        line_no = line_of(intent)
        if line_no is not None:
            if line_no not in lines and "hotlines.csv" not in reading.broken:
                yield intent, f"there is no line {line_no} in hotlines.csv"
        elif intent not in reading.city.phrases and "phrases.tsv" not in reading.broken:
            yield intent, f"phrases.tsv has no words for {quote(intent)}"


def warnings(reading: Reading) -> Iterator[Fault]:
    """Yield what callers may say but are not well understood by."""
    if reading.broken & {"phrases.tsv", "prompts.tsv", "hotlines.csv"}:
        return
    yield from _meaningless(reading)
    listening = False
    for written in reading.written.values():
        for step_name, step in written.flow.steps.items():
            if not isinstance(step, flows.Listen):
                continue
            listening |= step.lines is not None
            for key, intents in _named(reading, step).items():
                if mute := [i for i in intents if f"{ASK}{i}" not in reading.city.prompts]:
                    way = ["steps", step_name, *key.split(".")]
                    asks = _some([f"{ASK}{intent}" for intent in mute])
                    reason = f"who is not quite clear cannot be asked: there is no prompt {asks}"
                    yield written.document.fault(way, reason)
    if listening and (mute := list(_wordless(reading))):
        reason = f"no words for {_some(mute)}: understood by the name of the hotline alone"
        yield Fault(str(reading.folder / "phrases.tsv"), None, "intent", reason)


def _meaningless(reading: Reading) -> Iterator[Fault]:
    """Yield intents of phrases.tsv that lead nowhere: their words only take callers from others."""
    city = reading.city
    known = {line_intent(line_no) for line_no in flows.lines_of(city.register)}
    known |= {EMERGENCY + number for number in EMERGENCY_NUMBERS} | GRADES | SOLUTIONS
    for written in reading.written.values():
        for step in written.flow.steps.values():
            if isinstance(step, flows.Listen):
                known |= step.intents.keys()
    for intent in sorted(city.phrases.keys() - known):
        reason = f"no flow listens for {quote(intent)}, and it is no line of hotlines.csv"
        yield Fault(str(reading.folder / "phrases.tsv"), None, "intent", reason)


def _named(reading: Reading, step: flows.Listen) -> Mapping[str, list[str]]:
    """Return the intents that may have to be asked about, by the key that names them."""
    found = {
        f"intents.{intent}": [intent]
        for intent in step.intents
        if intent not in UNASKED and not intent.startswith(UNASKED_KINDS)
    }
    if step.lines is not None:
        found["lines"] = [i for i in step.words(reading.city.register) if i.startswith(LINE)]
    return found


def _wordless(reading: Reading) -> Iterator[str]:
    for line_no in flows.lines_of(reading.city.register):
        if (intent := line_intent(line_no)) not in reading.city.phrases:
            yield intent


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else ""
    return " ".join(names[:MOST_NAMED]) + more
