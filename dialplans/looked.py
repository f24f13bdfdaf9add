"""An admin's folder as it is looked at: what stands in it, and who comes to which step of it.

Who comes to a step is a number: the one that was dialled, or the first of a line that was said.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from dialplans import paths
from dialplans.city import Reading
from schemas import flows
from schemas.flows import UNKNOWN
from schemas.numbers import MAIN_NUMBER, Number
from schemas.speech import line_of

Spoken = Callable[[str, str], tuple[str, ...]]
"""How a value of some kind is said: ids of prompts, or ValueError when it cannot be."""


@dataclass(frozen=True)
class Looked:
    """A folder, and who uses which flow of it."""

    reading: Reading
    spoken: Spoken | None = None

    @cached_property
    def found(self) -> paths.Flows:
        """The flows."""
        return self.reading.city.flows

    @cached_property
    def roots(self) -> Mapping[str, tuple[Number | None, ...]]:
        """Numbers by the flow they begin in; None is any number that is not in the register."""
        found: dict[str, list[Number | None]] = {UNKNOWN: [None]}
        for number in self.reading.city.register.numbers.values():
            found.setdefault(number.flow, []).append(number)
        return {name: tuple(numbers) for name, numbers in found.items()}

    @cached_property
    def users(self) -> Mapping[str, tuple[Number | None, ...]]:
        """Numbers that a call which runs a flow may be about, by flow: as dialled, or as said."""
        users: dict[str, dict[Number | None, None]] = {name: {} for name in self.found}
        for root, numbers in self.roots.items():
            for name in paths.closure(self.found, root):
                users[name] |= dict.fromkeys(numbers)
        for (flow, _), numbers in self._said.items():
            users[flow] |= dict.fromkeys(numbers)
        return {name: tuple(numbers) for name, numbers in users.items()}

    def met(self, flow: str, step: str) -> tuple[Number | None, ...]:
        """Return the numbers that a call which comes to a step may be about."""
        dialled, said = (some.get((flow, step), ()) for some in (self._dialled, self._said))
        return tuple(dict.fromkeys((*dialled, *said)))

    @cached_property
    def _dialled(self) -> Mapping[paths.Ref, tuple[Number | None, ...]]:
        found: dict[paths.Ref, dict[Number | None, None]] = {}
        for root, numbers in self.roots.items():
            for word, some in _by_class(numbers).items():
                for node in paths.explore(self.found, root, _as_dialled(word), mark=False):
                    found.setdefault((node.flow, node.step), {}).update(dict.fromkeys(some))
        return {ref: tuple(some) for ref, some in found.items()}

    @cached_property
    def _said(self) -> Mapping[paths.Ref, tuple[Number | None, ...]]:
        """Numbers that callers may have said when they come to a step."""
        main = self.reading.city.register.numbers.get(MAIN_NUMBER)
        first = flows.lines_of(self.reading.city.register).values()
        found: dict[paths.Ref, dict[Number | None, None]] = {}
        for root in {UNKNOWN, *([] if main is None else [main.flow])}:
            for word, some in _by_class(tuple(first)).items():
                for node in paths.explore(self.found, root, _as_said(word), mark=False):
                    if node.mark:
                        found.setdefault((node.flow, node.step), {}).update(dict.fromkeys(some))
        return {ref: tuple(some) for ref, some in found.items()}

    @cached_property
    def callers(self) -> Mapping[str, tuple[paths.Ref, ...]]:
        """Steps that run a flow, by flow."""
        found: dict[str, list[paths.Ref]] = {}
        for name, flow in self.found.items():
            for step, called in paths.calls(flow):
                found.setdefault(called, []).append((name, step))
        return {name: tuple(refs) for name, refs in found.items()}

    def whole(self, *parts: str) -> bool:
        """Tell whether these files could be read, all of them."""
        return not self.reading.broken & set(parts)


def _by_class(numbers: Iterable[Number | None]) -> Mapping[str, list[Number | None]]:
    """Return numbers by what a lookup of `line` finds."""
    found: dict[str, list[Number | None]] = {}
    for number in numbers:
        word = "unknown" if number is None else number.integration.value
        found.setdefault(word, []).append(number)
    return found


def _as_dialled(word: str) -> paths.Change:
    """Follow callers of a number of this class."""

    def change(_: str, step: flows.Step, way: paths.Way, mark: bool) -> bool | None:
        return mark if _open(step, way, word) else None

    return change


def _as_said(word: str) -> paths.Change:
    """Follow callers who sooner or later say a line of this class; then the mark is set."""

    def change(_: str, step: flows.Step, way: paths.Way, mark: bool) -> bool | None:
        if mark and not _open(step, way, word):
            return None
        line = line_of(way.key.removeprefix("intents."))
        return mark or way.key == "lines" or line is not None

    return change


def _open(step: flows.Step, way: paths.Way, word: str) -> bool:
    """Tell whether a call about a line of this class goes this way."""
    if not isinstance(step, flows.Lookup) or step.what != "line":
        return True
    return way.key == (f"cases.{word}" if word in step.cases else "otherwise")
