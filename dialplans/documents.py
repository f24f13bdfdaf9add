"""YAML and TOML that people edit, with the place of everything in it.

YAML here is the plain part of YAML 1.2: `on` and `yes` are words, `0917` keeps its zero, keys are
text, no anchors, no tags, nothing stands twice. So what an admin reads is what we read, and a file
cannot grow when it is opened.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dialplans.cells import INVISIBLE
from schemas.errors import Fault
from schemas.flows import FORMS

MAX_BYTES = 200_000
DEEPEST = 20
"""Levels of nesting; a flow has five."""

M = TypeVar("M", bound=BaseModel)
Path_ = tuple[str, ...]

_INT = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_FLOAT = re.compile(r"-?(?:0|[1-9]\d{0,8})\.\d{1,9}")
_WORDS: Mapping[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}
_TOML_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)$")


@dataclass(slots=True)
class Document:
    """A file as data, and where each part of it stands."""

    file: str
    data: Any = None
    faults: list[Fault] = field(default_factory=list)
    """What is wrong with its form; then `data` is None."""
    places: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    """Line and column, both from 1, by the way that leads there: ("steps", "offer", "wait")."""

    def place(self, way: Iterable[object]) -> tuple[int | None, int | None]:
        """Return where *way* stands, or the nearest that encloses it."""
        found: Path_ = ()
        for part in map(str, way):
            if (*found, part) in self.places:
                found = (*found, part)
        return self.places.get(found, (None, None))

    def fault(self, way: Iterable[object], reason: str, *, key: str | None = None) -> Fault:
        """Return a fault of what stands at *way*."""
        parts = tuple(map(str, way))
        line, column = self.place(parts)
        return Fault(self.file, line, key or ".".join(parts) or "file", reason, column)

    def model(self, of: type[M]) -> tuple[M | None, list[Fault]]:
        """Return the data as a model, or every reason why it is none."""
        if self.faults:
            return None, list(self.faults)
        try:
            return of.model_validate(self.data), []
        except ValidationError as error:
            found = error.errors(include_url=False)
            # a list whose items are all wrong is not also empty
            return None, [self._told(e) for e in found if not _follows(e, found)]

    def _told(self, error: ErrorDetails) -> Fault:
        """Return the fault; pydantic also names kinds of steps, which stand nowhere."""
        way: Path_ = ()
        inside = self.data
        kind: object = None
        for part in error["loc"]:
            if isinstance(inside, dict) and kind is None and inside.get("do") == part:
                kind = part
                continue
            there = (*way, str(part)) in self.places
            if there or (error["type"] == "missing" and part == error["loc"][-1]):
                way, kind = (*way, str(part)), None
                inside = inside.get(part) if isinstance(inside, dict) else None
        if error["type"] == "union_tag_invalid":
            way = (*way, "do")
        line, column = self.place(way)
        return Fault(self.file, line, ".".join(way) or "file", reason_of(error), column)


def _follows(error: ErrorDetails, others: Iterable[ErrorDetails]) -> bool:
    way = error["loc"]
    return error["type"] == "too_short" and any(
        other["loc"][: len(way)] == way and other is not error for other in others
    )


def reason_of(error: ErrorDetails) -> str:
    """Return what pydantic found, in words for who wrote the file."""
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known here"
        case "union_tag_not_found":
            return "needs `do`: what is this step to do?"
        case "union_tag_invalid":
            return f"no step is called {_quote(context['tag'])}, only {context['expected_tags']}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be a table of `key: value` lines"
        case "tuple_type" | "list_type":
            return "must be a list, as [a, b]"
        case "value_error":
            return str(context.get("error", error["msg"]))
        case "string_pattern_mismatch":
            text = str(error["input"])
            form = FORMS.get(context["pattern"], f"like {context['pattern']}")
            pattern = ": Asterisk would read it as a pattern" if text.startswith("_") else ""
            return f"must be {form}, not {_quote(text)}{pattern}"
        case "string_type":
            return "must be text"
        case "literal_error":
            return f"must be {context['expected']}, not {_quote(error['input'])}"
        case "string_too_long" | "too_long":
            return f"is too long: {context['max_length']} are allowed"
        case "string_too_short" | "too_short":
            return "is empty"
        case _:
            said = error["msg"].replace("Input should be", "must be")
            return f"{said}, not {_quote(error['input'])}"


def _quote(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else text[:40] + "…")


class _Loader(yaml.SafeLoader):
    """Composes nodes; knows no aliases, by which nine lines can become a billion."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse what refers to another place, or says what Python is to make of it."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        for what in ("anchor", "tag"):
            if getattr(event, what, None) is not None:
                kind = "aliase" if isinstance(event, yaml.AliasEvent) else what
                reason = f"{kind}s are not allowed"
                raise yaml.MarkedYAMLError(problem=reason, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Document:
    """Return *path* as a document; never raises for its content."""
    document = Document(str(path))
    text = _text(path, document)
    if text is None:
        return document
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        if node is None:
            document.faults.append(Fault(document.file, 1, "file", "is empty", 1))
        else:
            document.data = _built(node, (), document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        reason = f"is no YAML: {error.problem or error.context}"
        document.faults.append(Fault(document.file, line, "file", reason, column))
    except yaml.YAMLError as error:  # a character that no YAML may hold
        at = getattr(error, "position", None)
        line, column = _line_and_column(text, at) if isinstance(at, int) else (None, None)
        reason = "holds a forbidden character"
        document.faults.append(Fault(document.file, line, "file", reason, column))
    except RecursionError:
        document.faults.append(Fault(document.file, None, "file", "is nested too deep"))
    if document.faults:
        document.data = None
    return document


def read_toml(path: Path) -> Document:
    """Return *path* as a document; never raises for its content."""
    document = Document(str(path))
    text = _text(path, document)
    if text is None:
        return document
    try:
        document.data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        said = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "nested too deep"
        place = _TOML_PLACE.search(said)
        line, column = (int(place[1]), int(place[2])) if place else (None, None)
        reason = f"is no TOML: {_TOML_PLACE.sub('', said).strip()}"
        document.faults.append(Fault(document.file, line, "file", reason, column))
        return document
    document.places = _toml_places(text)
    for way in _hidden(document.data, ()):
        document.faults.append(document.fault(way, "holds a control or invisible character"))
    return document


def _hidden(value: object, way: Path_) -> Iterator[Path_]:
    """Yield where text stands that nobody can see."""
    match value:
        case str() if _invisible(value):
            yield way
        case dict():
            for key, inner in value.items():
                # the key itself may be what cannot be seen: then its table is named
                yield from [way] if _invisible(key) else _hidden(inner, (*way, key))
        case list():
            for i, inner in enumerate(value):
                yield from _hidden(inner, (*way, str(i)))


def _line_and_column(text: str, at: int) -> tuple[int, int]:
    """Return where the character after the first *at* of *text* stands."""
    before = text[:at]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _text(path: Path, document: Document) -> str | None:
    def no(reason: str, line: int | None = None, column: int | None = None) -> None:
        document.faults.append(Fault(document.file, line, "file", reason, column))

    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        no(f"cannot be read: {getattr(error, 'strerror', None) or 'bad name'}")
        return None
    if len(raw) > MAX_BYTES:
        no(f"is larger than {MAX_BYTES} bytes")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        no("is not UTF-8", *_line_and_column(raw[: error.start].decode(), error.start))
        return None


def _built(node: yaml.Node, way: Path_, document: Document) -> Any:
    begin = node.start_mark

    def no(reason: str, mark: Any = begin) -> None:
        key = ".".join(way) or "file"
        fault = Fault(document.file, mark.line + 1, key, reason, mark.column + 1)
        document.faults.append(fault)

    document.places.setdefault(way, (begin.line + 1, begin.column + 1))
    if len(way) > DEEPEST:
        no("is nested too deep")
        return None
    match node:
        case yaml.MappingNode(value=pairs):
            built: dict[str, Any] = {}
            for key_node, value_node in pairs:
                at = key_node.start_mark
                if not isinstance(key_node, yaml.ScalarNode):
                    no("a key must be a word", at)
                    continue
                key = str(key_node.value)
                if _invisible(key):
                    no("a key holds a control or invisible character", at)
                    continue
                if key in built:
                    first = document.places[(*way, key)][0]
                    no(f"{_quote(key)} stands on line {first} already", at)
                    continue
                document.places[(*way, key)] = (at.line + 1, at.column + 1)
                built[key] = _built(value_node, (*way, key), document)
            return built
        case yaml.SequenceNode(value=items):
            return [_built(item, (*way, str(i)), document) for i, item in enumerate(items)]
        case yaml.ScalarNode(value=text) if _invisible(str(text)):
            no("holds a control or invisible character")
            return None
        case yaml.ScalarNode(value=text, style=style):
            return _scalar(str(text), plain=style is None)
        case _:
            no("is nothing that belongs here")
            return None


def _invisible(text: str) -> bool:
    """Tell whether *text* would do something to a terminal, or could not be written at all."""
    return any(unicodedata.category(c) in INVISIBLE and c not in "\n\t" for c in text)


def _scalar(text: str, *, plain: bool) -> object:
    if not plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _toml_places(text: str) -> dict[Path_, tuple[int, int]]:
    """Return where tables and keys of simple TOML stand: a key per line, tables in brackets."""
    places: dict[Path_, tuple[int, int]] = {}
    table: Path_ = ()
    counts: dict[Path_, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line):
            table = tuple(part.strip().strip("\"'") for part in found[2].split("."))
            if found[1] == "[[":
                index = counts.get(table, 0)
                counts[table] = index + 1
                places.setdefault(table, (number, 1))
                table = (*table, str(index))
            for depth in range(1, len(table) + 1):
                places.setdefault(table[:depth], (number, 1))
        elif found := re.match(r"(\s*)(\"[^\"]*\"|'[^']*'|[\w.-]+)\s*=", line):
            key = found[2].strip("\"'")
            places.setdefault((*table, key), (number, len(found[1]) + 1))
    return places
