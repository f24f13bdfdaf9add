"""What one line of the admin's own dialplan runs: brackets, programs, the caller's own text."""

import re
from collections.abc import Iterator, Mapping

from dialplans.cells import quote

_PROGRAMS = re.compile(
    r"\b(?:(System|TrySystem|ExternalIVR|EAGI|DeadAGI|SHELL|CURL|FILE|ODBC_\w+)\("
    r"|(AGI)\((?!agi://)|(MixMonitor)\([^,]*,[^,]*,[^)])",
    re.IGNORECASE,
)
_CALLERS = re.compile(
    r"\$\{(CALLERID\((?:name|all)[^)]*\)|PJSIP_HEADER\([^)]*\)|SIP_HEADER\([^)]*\)|"
    r"REDIRECTING\([^)]*name[^)]*\)|CONNECTEDLINE\(name[^)]*\))",
    re.IGNORECASE,
)
_RUN_BY_NAME = re.compile(
    r"(?:Try)?Exec(?:If)?\s*\(\s*\$\{|ExecIf\(.*[?:]\s*\$\{\w+\}\(", re.IGNORECASE
)
_JUMP = re.compile(r"\b(?:Goto|Gosub)\(", re.IGNORECASE)
_CLOSING: Mapping[str, str] = {")": "(", "}": "{", "]": "["}


def fault(call: str) -> tuple[int, str] | None:
    """Return what is wrong with the application *call*: (characters before it, reason)."""
    if not re.match(r"\w+", call, re.ASCII):
        return 0, f"there is {f'{quote(call)}, ' if call else ''}no application to run"
    if (alone := unpaired(call)) is not None:
        return 0, f"a bracket {alone} has no partner"
    if found := _PROGRAMS.search(call):
        name = found[1] or found[2] or found[3]
        reason = f"{name} reaches beyond the exchange (programs, files, network): not from here"
        return found.start(), reason
    if found := _RUN_BY_NAME.match(call):
        return 0, "what is run must stand here, it cannot be the value of a variable"
    if found := _CALLERS.search(_unfiltered(call)):
        return found.start(), f"{found[1]} is the caller's own text: let it pass FILTER() first"
    return None


def contexts(call: str) -> Iterator[tuple[int, str]]:
    """Yield the contexts that *call* jumps into: (characters before it, name)."""
    for found in _JUMP.finditer(call):
        parts = _inner(call, found.end()).split(",")
        if len(parts) >= 3 and re.fullmatch(r"\s*[\w-]+\s*", parts[0], re.ASCII):
            yield found.end(), parts[0].strip()


def _inner(text: str, begin: int) -> str:
    """Return what stands from *begin* up to the bracket that closes."""
    depth = 1
    for i in range(begin, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return text[begin:i]
    return text[begin:]


def _unfiltered(call: str) -> str:
    """Return *call* with what stands in FILTER(…) blanked."""
    while found := re.search(r"FILTER\(", call):
        end = found.end() + len(_inner(call, found.end()))
        call = call[: found.start()] + "~" * (end - found.start()) + call[end:]
    return call


def unpaired(call: str) -> str | None:
    r"""Return the bracket that has no partner; those in quotes and behind \ do not count."""
    opened: list[str] = []
    quoted = escaped = False
    for before, c in zip(" " + call, call, strict=False):
        if escaped or c == "\\":
            escaped = not escaped
        elif c == '"':
            quoted = not quoted
        elif (c == "(" and not quoted) or (c in "{[" and before == "$"):
            opened.append(c)
        elif ((c == ")" and not quoted) or (c in "}]" and _CLOSING[c] in opened)) and (
            not opened or opened.pop() != _CLOSING[c]
        ):
            return opened[-1] if opened else c
    return opened[-1] if opened else None
