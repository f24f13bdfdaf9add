"""What a dialplan must look like in Asterisk: the files it read against what it says it has.

Asterisk takes a file that is half nonsense, leaves out what it does not understand and says so in
its log alone. So every step of ours must be there, and as many steps as an admin's file has lines.
Arguments are not compared: Asterisk shows them unescaped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

VERSION = "hotline-version"
"""Context that says which version this is."""
ADMINS_TOO = "hotline-custom"
"""The one context of ours that admins may write into."""

Steps = Mapping[str, list[str]]
"""Extension → applications in order."""

_CONTEXT = re.compile(r"\[([^\]\s;]*)\]?\s*(\(!)?")
_STEP = re.compile(r"(?:exten\s*=>?\s*([^,]+),|same\s*=>?)\s*(?!hint)[^,]+,\s*(\w*)")


def written(text: str) -> Mapping[str, Steps]:
    """Return the steps in an extensions.conf by context; templates (`(!)`) are none."""
    found: dict[str, dict[str, list[str]]] = {}
    here: dict[str, list[str]] = {}
    extension = ""
    for line in map(str.strip, text.splitlines()):
        if context := _CONTEXT.match(line):
            here = found.setdefault(context[1], {}) if not context[2] else {}
        elif step := _STEP.match(line):
            extension = (step[1] or extension).strip()
            here.setdefault(extension, []).append(step[2].lower())
    return found


def running(events: Iterable[Mapping[str, str]]) -> Mapping[str, Steps]:
    """Return the steps in the answer to AMI's ShowDialPlan, by context."""
    found: dict[str, dict[str, list[tuple[int, str]]]] = {}
    for event in events:
        if event.get("Event") == "ListDialplan" and event.get("Priority", "").isdigit():
            step = int(event["Priority"]), event.get("Application", "").lower()
            context = found.setdefault(event.get("Context", ""), {})
            context.setdefault(event.get("Extension", ""), []).append(step)
    return {
        context: {extension: [name for _, name in sorted(steps)] for extension, steps in of.items()}
        for context, of in found.items()
    }


def version(events: Iterable[Mapping[str, str]]) -> int | None:
    """Return the version that Asterisk runs by the answer to ShowDialPlan; None: it says none."""
    said = {
        e.get("AppData", "")
        for e in events
        if e.get("Event") == "ListDialplan" and e.get("Context") == VERSION
    } - {""}
    only = said.pop() if len(said) == 1 else ""
    return int(only) if only.isdigit() else None


def differences(
    ours: Iterable[str], admins: Mapping[str, str], there: Mapping[str, Steps]
) -> Iterator[str]:
    """Yield a sentence for each way in which Asterisk does not have what was written.

    Args:
        ours: texts that we rendered.
        admins: texts of the admins' own files by name.
        there: what Asterisk runs.
    """
    rendered: dict[str, Steps] = {}
    for text in ours:
        rendered.update(written(text))
    for context, steps in rendered.items():
        if context != ADMINS_TOO and steps != there.get(context, {}):
            yield f"Asterisk has other steps in [{context}] than we rendered"
    wanted: dict[str, tuple[str, int]] = {}
    for name, text in admins.items():
        for context, steps in written(text).items():
            _, before = wanted.get(context, ("", 0))
            wanted[context] = name, before + _count(steps)
    for context, (name, lines) in wanted.items():
        if (found := _count(there.get(context, {}))) < lines:
            yield f"Asterisk took {found} of {lines} steps of [{context}] in custom/{name}"


def trespasses(ours: Iterable[str], admins: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (file, context) where an admin's file writes into a context of ours.

    Asterisk would put both together.
    """
    taken = {context for text in ours for context in written(text)} - {ADMINS_TOO}
    for name, text in admins.items():
        for line in map(str.strip, text.splitlines()):
            if (context := _CONTEXT.match(line)) and context[1] in taken:
                yield name, context[1]


def _count(steps: Steps) -> int:
    return sum(map(len, steps.values()))
