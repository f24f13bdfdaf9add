"""What a dialplan must look like in Asterisk: our rendered text against what Asterisk says it has.

Steps are compared by extension, order and application. Their arguments are not: Asterisk shows
them unescaped.
"""

import re
from collections.abc import Iterable, Mapping

CONTEXTS = ("hotline-in", "hotline-route", "hotline-fallback")
"""What every caller passes: if these are as rendered, callers are safe."""
VERSION = "hotline-version"
"""Context that says which version this is."""

Steps = Mapping[str, list[str]]
"""Extension → applications in order."""

_STEP = re.compile(r"(?:exten\s*=>\s*([^,]+),\s*1|same\s*=>\s*n)(?:\(\w+\))?,\s*(\w+)")


def rendered(text: str, context: str) -> Steps:
    """Return the steps of *context* in an extensions.conf of ours."""
    found: dict[str, list[str]] = {}
    here, extension = False, ""
    for line in text.splitlines():
        if line.startswith("["):
            here = line.strip() == f"[{context}]"
        elif here and (step := _STEP.match(line.strip())):
            extension = step[1] or extension
            found.setdefault(extension, []).append(step[2].lower())
    return found


def running(events: Iterable[Mapping[str, str]]) -> Steps:
    """Return the steps in the answer to AMI's ShowDialPlan."""
    found: dict[str, list[tuple[int, str]]] = {}
    for event in events:
        if event.get("Event") == "ListDialplan" and event.get("Priority", "").isdigit():
            step = int(event["Priority"]), event.get("Application", "").lower()
            found.setdefault(event.get("Extension", ""), []).append(step)
    return {extension: [name for _, name in sorted(steps)] for extension, steps in found.items()}


def version(events: Iterable[Mapping[str, str]]) -> int | None:
    """Return the version that Asterisk runs by the answer to ShowDialPlan; None: it says none."""
    said = {e.get("AppData", "") for e in events if e.get("Event") == "ListDialplan"} - {""}
    only = said.pop() if len(said) == 1 else ""
    return int(only) if only.isdigit() else None
