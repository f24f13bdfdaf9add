"""The admin's own dialplan files, `custom/*.conf`: read as Asterisk would, before Asterisk does.

They are included at the end of our dialplan. So a context of ours that stands in them again would
quietly get more extensions, and a directive would reach files nobody has checked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dialplans import applications
from dialplans.cells import quote
from schemas.errors import Fault

THEIRS = "hotline-custom"
"""The one context of ours that is the admin's to fill."""
PREFIX = "hotline-"
"""Contexts that begin so are ours, also those that we do not have yet."""
SETTINGS = ("general", "globals")
NAME = re.compile(r"[\w-]+\.conf", re.ASCII)
MAX_BYTES = 200_000
LONGEST = 2000
"""Characters of a line; Asterisk would cut what is longer than it has room for."""
_BLANK = " \t\r"
"""What Asterisk takes for blanks: no others of Unicode's."""

_SECTION = re.compile(r"\[([^\]]*)\](.*)")
_MEANT_AS_PATTERN = re.compile(
    r"(?=.*[0-9])[0-9*#+XZN.!\[\]-]*[XZN.!\[\]][0-9*#+XZN.!\[\]-]*|[XZN]+[.!]?"
)
"""What somebody writes who forgot the _ before it."""
_PATTERN = re.compile(r"(?=.*[0-9])[0-9*#+XZN.!\[\]-]*[XZN.!\[\]][0-9*#+XZN.!\[\]-]*|[XZN]+[.!]?")
_PATTERN = re.compile(r"_(?:[0-9*#+XZNxzn-]|\[[0-9*#+-]+\])*[.!]?")
_CONTEXT = re.compile(r"^\[([\w-]+)\]", re.MULTILINE | re.ASCII)


@cache
def ours() -> frozenset[str]:
    """Return the contexts of our own dialplan, from its templates."""
    templates = Path(__file__).parent.glob("*.j2")
    names = {name for file in templates for name in _CONTEXT.findall(file.read_text("utf-8"))}
    return frozenset(names - set(SETTINGS))


@dataclass(slots=True)
class _File:
    """What was read of one file so far."""

    path: Path
    faults: list[Fault] = field(default_factory=list)
    context: str | None = None
    exten: str | None = None
    skip: bool = False
    """Whether the context is one that may not stand here: its lines are not told again."""
    contexts: dict[str, tuple[int, int]] = field(default_factory=dict)
    names: list[tuple[str, int, int, str]] = field(default_factory=list)
    """Contexts that something names: (name, line, column, key)."""
    priorities: set[tuple[str, str, str]] = field(default_factory=set)

    def no(self, line: int, column: int, key: str, reason: str) -> None:
        self.faults.append(Fault(str(self.path), line, key, reason, column))


def faults(folder: Path) -> Iterator[Fault]:
    """Yield every fault of the files in *folder*."""
    files = [_read(path) for path in sorted(folder.glob("*.conf"))]
    known = ours().union(*(file.contexts for file in files))
    for file in files:
        yield from file.faults
        for name, line, column, key in file.names:
            if name not in known:
                yield Fault(str(file.path), line, key, f"there is no context {quote(name)}", column)


def warnings(folder: Path) -> Iterator[Fault]:
    """Yield files that Asterisk does not get, and contexts that nothing leads into."""
    for path in sorted(folder.glob("*")):
        if path.suffix != ".conf" and path.suffix.lower() not in (".md", ".txt", ""):
            yield Fault(str(path), None, "file", "is not read: a dialplan's file ends with .conf")
    files = [_read(path) for path in sorted(folder.glob("*.conf"))]
    named = {name for file in files for name, *_ in file.names}
    for file in files:
        for name, (line, column) in file.contexts.items():
            if name not in named and name != THEIRS:
                reason = f"nothing leads into it: include it in [{THEIRS}]"
                yield Fault(str(file.path), line, name, reason, column)


def _read(path: Path) -> _File:
    file = _File(path)
    if not NAME.fullmatch(path.name):
        reason = "must be named with a-z A-Z 0-9 _ - and end with .conf"
        file.faults.append(Fault(str(path), None, "file", reason))
        return file
    try:
        raw = path.read_bytes()
    except OSError as error:
        file.faults.append(Fault(str(path), None, "file", f"cannot be read: {error.strerror}"))
        return file
    if len(raw) > MAX_BYTES:
        file.faults.append(Fault(str(path), None, "file", f"is larger than {MAX_BYTES} bytes"))
        return file
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        column = len(before) - before.rfind("\n")
        file.no(before.count("\n") + 1, column, "file", "is not UTF-8")
        return file
    for number, content in enumerate(text.split("\n"), 1):
        if not _line(file, number, content):
            break
    return file


def _line(file: _File, number: int, line: str) -> bool:
    """Read one line; return whether the rest can be read too."""
    comment = re.search(r"(?<!\\);", line)
    code = line[: comment.start()] if comment else line
    if comment and (re.match(r";--(?!-)", line[comment.start() :]) or code.endswith("--")):
        reason = "comments over several lines hide what is read: begin each line with ;"
        file.no(number, comment.start() + 1, "comment", reason)
        return False
    text = code.strip(_BLANK)
    column = len(code) - len(code.lstrip(_BLANK)) + 1
    if len(line) > LONGEST:
        file.no(number, LONGEST + 1, "line", f"is longer than {LONGEST} characters")
    elif any(ord(c) < 32 and c != "\t" for c in text):
        file.no(number, column, "line", "holds a control character")
    elif text:
        _statement(file, number, column, text)
    return True


def _statement(file: _File, line: int, column: int, text: str) -> None:
    if text.startswith("#"):
        word = text.split()[0]
        reason = f"{quote(word)} is not followed: all that Asterisk reads must stand in this folder"
        file.no(line, column, "directive", reason)
    elif text.startswith("["):
        _section(file, line, column, text)
    elif file.context is None:
        if not file.skip:
            file.no(line, column, "line", f"{quote(text)} stands before any [context]")
    elif not file.skip:
        _entry(file, line, column, text)


def _section(file: _File, line: int, column: int, text: str) -> None:
    found = _SECTION.fullmatch(text)
    name = found[1].strip() if found else ""
    file.context, file.exten, file.skip = name or None, None, True
    if found is None:
        file.no(line, column, "context", f"{quote(text)} has no closing bracket")
    elif not re.fullmatch(r"[\w-]{1,79}", name, re.ASCII):
        file.no(line, column, "context", f"must be a-z A-Z 0-9 _ -, not {quote(name)}")
    elif name.lower() in SETTINGS:
        reason = f"[{name}] holds settings of the whole dialplan: they are ours"
        file.no(line, column, name, reason)
    elif name == THEIRS:
        file.skip = False
    elif name in ours() or name.lower().startswith((PREFIX, "from-")):
        what = "is a context of ours" if name in ours() else "begins as our contexts do"
        reason = f"[{name}] {what}: what stands in it would shadow it; use [{THEIRS}] or a new name"
        file.no(line, column, name, reason)
    elif found[2].strip():
        file.no(line, column, name, f"{quote(found[2].strip())} behind a context is not allowed")
    else:
        file.skip = False
        file.contexts.setdefault(name, (line, column))


def _entry(file: _File, line: int, column: int, text: str) -> None:
    found = re.match(r"(\w+)\s*=>?\s*", text)
    key = found[1].lower() if found else ""
    rest = text[found.end() :] if found else ""
    at = column + (found.end() if found else 0)
    if key in ("exten", "same"):
        _exten(file, line, column, at, key, rest)
    elif key == "include":
        name = re.split(r"[,|]", rest)[0].strip()
        if name in ours():
            reason = f"{name} is ours: calls come from there, they do not go back"
            file.no(line, at, "include", reason)
        else:
            file.names.append((name, line, at, "include"))
    elif key in ("switch", "lswitch", "eswitch"):
        reason = "switch is not followed: where calls go must stand in this folder"
        file.no(line, column, key, reason)
    elif key not in ("ignorepat", "autohints"):
        word = quote(found[1] if found else text)
        file.no(line, column, "line", f"{word} is no line of a dialplan: exten, same or include")


def _exten(file: _File, line: int, column: int, at: int, key: str, rest: str) -> None:
    exten, priority, call = file.exten, "", rest
    if key == "exten":
        exten, _, after = rest.partition(",")
        exten = exten.strip()
        priority, _, call = after.partition(",")
        if not _exten_name(file, line, at, exten):
            file.exten = exten
            return
    else:
        priority, _, call = rest.partition(",")
        if exten is None:
            file.no(line, column, "same", "stands before any exten of this context")
            return
    first = exten != file.exten
    file.exten = exten
    label = re.fullmatch(r"\s*(\w+)(\+\d+)?(\([\w-]+\))?\s*", priority, re.ASCII)
    word = label[1].lower() if label else ""
    if not (word.isdigit() or word in ("n", "s", "hint")):
        reason = f"{quote(priority.strip())} is no priority: 1, n or hint"
        file.no(line, at, key, reason)
        return
    context = file.context or ""
    if word == "n" and first and (context, exten, "1") not in file.priorities:
        file.no(line, at, key, f"{exten} begins with n: without a 1 no call can enter it")
        return
    if word.isdigit() or word == "hint":
        if (context, exten, word) in file.priorities:
            file.no(line, at, key, f"{exten} has a priority {word} already: this line is ignored")
            return
        file.priorities.add((context, exten, word))
    if word == "hint":
        return
    begins = at + len(rest) - len(call.lstrip()) if call.strip() else at
    if found := applications.fault(call.strip()):
        file.no(line, begins + found[0], "exten", found[1])
    else:
        for before, name in applications.contexts(call.strip()):
            file.names.append((name, line, begins + before, "exten"))


def _exten_name(file: _File, line: int, at: int, exten: str) -> bool:
    name = exten.partition("/")[0]
    reason = None
    if not name:
        reason = "an extension is missing"
    elif name in ("_.", "_!"):
        reason = f"{name} also takes what is not dialled (h, i, t …); write _X. for any digits"
    elif name.startswith("_"):
        if not _PATTERN.fullmatch(name):
            reason = f"{quote(name)} begins with _, so Asterisk reads it as a pattern"
            wild = next((c for c in name[1:] if c in "XZNxzn"), None)
            reason += f" and {wild!r} in it as any digit" if wild else ""
            reason += "; a name needs another beginning"
    elif _MEANT_AS_PATTERN.fullmatch(name):
        reason = (
            f"{quote(name)} is taken letter by letter, nobody can dial it; a pattern is _{name}"
        )
    elif not re.fullmatch(r"[\w*#+-]{1,79}", name, re.ASCII):
        reason = f"{quote(name)} cannot be an extension"
    if reason is not None:
        file.no(line, at, "exten", reason)
    return reason is None
