"""Where the boxes and lines of a flow chart stand: layers from left to right (Sugiyama's way).

Of ways that go round, the last edge is turned for the layout; layers by the longest way; lines
that pass a layer get a place in it; order by medians; heights by least squares that keep the order.
Every tie is decided by the order in which boxes and lines were given, so a picture changes only
where its flow does.
"""

import itertools
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROUNDS = 24
"""Sweeps for order and for heights; a flow has some twenty steps."""
GAP = 22.0
"""Between boxes of a layer; all lengths are in pixels."""
LANE = 22.0
"""Between lines that pass a layer, or end at one box: a label stands on each."""
BEND = 46.0
"""Room in which lines leave one layer for the next, before their labels."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """Something to place."""

    id: str
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """From a box to another."""

    start: str
    end: str
    label: float = 0.0
    """Width of the text on it."""
    weight: float = 1.0
    """How much it wants to be straight."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where a line runs: straight along each pair of points, bent from one pair to the next."""

    points: tuple[Point, ...]
    label: Point
    """Where the text on it begins, at its left foot."""
    turned: bool
    """It runs from right to left: the arrow is at the first point."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A placed chart; its corner is at 0, 0."""

    boxes: Mapping[str, tuple[float, float, float, float]]
    """x, y of the upper left corner, width and height."""
    lines: Sequence[Drawn]
    """As they were given."""
    width: float
    height: float


@dataclass(slots=True)
class _Chart:
    """The layers, with a stand-in wherever a line passes."""

    layers: list[list[str]]
    sizes: dict[str, tuple[float, float]]
    chains: list[list[str]]
    """Of each line: boxes and stand-ins from left to right."""
    turned: list[bool]
    before: dict[str, list[tuple[str, float]]]
    """Neighbours in the layer before, with the weight of the line."""
    after: dict[str, list[tuple[str, float]]]


def layout(boxes: Sequence[Box], lines: Sequence[Line]) -> Layout:
    """Return where everything stands; boxes nobody leads to begin at the left.

    No line may end where it starts.
    """
    turned = _turned(boxes, lines)
    ways = [(e.end, e.start) if t else (e.start, e.end) for e, t in zip(lines, turned, strict=True)]
    boxes = _roomy(boxes, ways)
    chart = _chart(boxes, lines, ways, turned)
    _order(chart)
    middles = _heights(chart)
    return _placed(chart, middles, boxes, lines)


def _roomy(boxes: Sequence[Box], ways: Sequence[tuple[str, str]]) -> list[Box]:
    """Return the boxes, high enough for a lane for each line on a side."""
    leaving, coming = Counter(way[0] for way in ways), Counter(way[1] for way in ways)
    return [
        Box(b.id, b.width, max(b.height, LANE * max(leaving[b.id], coming[b.id]))) for b in boxes
    ]


# ---- layers


def _chart(
    boxes: Sequence[Box],
    lines: Sequence[Line],
    ways: Sequence[tuple[str, str]],
    turned: list[bool],
) -> _Chart:
    level = _levels([box.id for box in boxes], ways)
    layers: list[list[str]] = [[] for _ in range(max(level.values(), default=0) + 1)]
    sizes = {box.id: (box.width, box.height) for box in boxes}
    for box in boxes:
        layers[level[box.id]].append(box.id)
    chart = _Chart(layers, sizes, [], turned, defaultdict(list), defaultdict(list))
    for nth, (start, end) in enumerate(ways):
        chain = [start]
        for at in range(level[start] + 1, level[end]):
            stand_in = f"{nth}\0{at}"  # no box has such a name
            layers[at].append(stand_in)
            sizes[stand_in] = (0.0, 0.0)
            chain.append(stand_in)
        chain.append(end)
        chart.chains.append(chain)
        for left, right in itertools.pairwise(chain):
            # what passes layers should be straight before anything else
            weight = lines[nth].weight * (1 + (left not in level) + (right not in level))
            chart.after[left].append((right, weight))
            chart.before[right].append((left, weight))
    return chart


def _turned(boxes: Sequence[Box], lines: Sequence[Line]) -> list[bool]:
    """Tell of each line whether it leads back to where one may have come from."""
    leaving: dict[str, list[int]] = defaultdict(list)
    for nth, line in enumerate(lines):
        leaving[line.start].append(nth)
    turned = [False] * len(lines)
    done: set[str] = set()
    for box in boxes:
        if box.id in done:
            continue
        done.add(box.id)
        on_the_way = [(box.id, iter(leaving[box.id]))]
        while on_the_way:
            for nth in on_the_way[-1][1]:
                end = lines[nth].end
                if any(end == at for at, _ in on_the_way):
                    turned[nth] = True
                elif end not in done:
                    done.add(end)
                    on_the_way.append((end, iter(leaving[end])))
                    break
            else:
                on_the_way.pop()
    return turned


def _levels(names: Sequence[str], ways: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the layer of each box: one behind the farthest that leads to it."""
    level = dict.fromkeys(names, 0)
    moved = True
    while moved:  # ends, for no way goes round any more
        moved = False
        for start, end in ways:
            if level[end] <= level[start]:
                level[end] = level[start] + 1
                moved = True
    return level


# ---- order


def _order(chart: _Chart) -> None:
    """Sort every layer so that few lines cross, and those that matter are short and on top."""
    best = [list(layer) for layer in chart.layers]
    fewest = _crossings(chart)
    at = {name: i for layer in chart.layers for i, name in enumerate(layer)}
    for turn in range(ROUNDS):
        forwards = turn % 2 == 0
        towards = chart.before if forwards else chart.after
        for layer in chart.layers if forwards else reversed(chart.layers):
            key = {name: _median([at[n] for n, _ in towards[name]], at[name]) for name in layer}
            layer.sort(key=key.__getitem__)
            at.update((name, i) for i, name in enumerate(layer))
        if (crossings := _crossings(chart)) < fewest:
            best, fewest = [list(layer) for layer in chart.layers], crossings
    chart.layers[:] = best
    at.update((name, i) for layer in best for i, name in enumerate(layer))
    any(not _swapped(chart, at) for _ in range(ROUNDS))  # until a round changes nothing


def _swapped(chart: _Chart, at: dict[str, int]) -> bool:
    """Change neighbours' places where that makes the picture better; tell whether it did."""
    changed = False
    for layer in chart.layers:
        for i in range(len(layer) - 1):
            upper, lower = layer[i], layer[i + 1]
            before = _cost(chart, at, upper, lower)
            at[upper], at[lower] = i + 1, i
            if _cost(chart, at, lower, upper) < before:
                layer[i], layer[i + 1] = lower, upper
                changed = True
            else:
                at[upper], at[lower] = i, i + 1
    return changed


def _cost(chart: _Chart, at: Mapping[str, int], upper: str, lower: str) -> tuple[int, float]:
    """Return what two neighbours cost: crossings of their lines, and how far those lead."""
    crossings, length = 0, 0.0
    for side in (chart.before, chart.after):
        ends = sorted(at[name] for name, _ in side[lower])
        crossings += sum(bisect_left(ends, at[name]) for name, _ in side[upper])
        for own in (upper, lower):
            length += sum(weight * abs(at[own] - at[name]) for name, weight in side[own])
    return crossings, round(length, 6)


def _median(places: list[int], own: int) -> float:
    if not places:
        return own
    places = sorted(places)
    half = len(places) // 2
    return places[half] if len(places) % 2 else (places[half - 1] + places[half]) / 2


def _crossings(chart: _Chart) -> int:
    found = 0
    for left, right in itertools.pairwise(chart.layers):
        at = {name: i for i, name in enumerate(right)}
        met: list[int] = []
        for name in left:
            ends = sorted(at[end] for end, _ in chart.after[name])
            found += sum(len(met) - bisect_right(met, end) for end in ends)
            for end in ends:
                insort(met, end)
    return found


# ---- heights


def _heights(chart: _Chart) -> dict[str, float]:
    """Return the height of each box's middle: near its neighbours, none on top of another."""
    y: dict[str, float] = {}
    for layer in chart.layers:
        _spread(chart, layer, dict.fromkeys(layer, (0.0, 1.0)), y)
    for turn in range(ROUNDS):
        for layer in chart.layers if turn % 2 == 0 else reversed(chart.layers):
            wanted = {}
            for name in layer:
                near = chart.before[name] + chart.after[name]
                total = sum(weight for _, weight in near)
                mean = sum(y[n] * weight for n, weight in near) / total if near else y[name]
                wanted[name] = (mean, max(total, 0.1))
            _spread(chart, layer, wanted, y)
    return y


def _spread(
    chart: _Chart,
    layer: Sequence[str],
    wanted: Mapping[str, tuple[float, float]],
    y: dict[str, float],
) -> None:
    """Set the heights of a layer as near to the wanted as its order allows (least squares)."""
    offset, blocks = 0.0, list[tuple[float, float, int]]()
    offsets: list[float] = []
    for i, name in enumerate(layer):
        if i:
            offset += _apart(chart, layer[i - 1], name)
        offsets.append(offset)
        mean, weight = wanted[name]
        block = (mean - offset, weight, 1)
        while blocks and blocks[-1][0] > block[0]:  # pool those that would change places
            m, w, n = blocks.pop()
            block = ((m * w + block[0] * block[1]) / (w + block[1]), w + block[1], n + block[2])
        blocks.append(block)
    bases = [mean for mean, _, count in blocks for _ in range(count)]
    for name, base, own in zip(layer, bases, offsets, strict=True):
        y[name] = base + own


def _apart(chart: _Chart, upper: str, lower: str) -> float:
    """Return how far the middles of two neighbours in a layer must be apart."""
    heights = chart.sizes[upper][1], chart.sizes[lower][1]
    lines_only = not any(heights)
    return sum(heights) / 2 + (LANE if lines_only else GAP)


# ---- the picture


def _placed(
    chart: _Chart, y: Mapping[str, float], boxes: Sequence[Box], lines: Sequence[Line]
) -> Layout:
    level = {name: i for i, layer in enumerate(chart.layers) for name in layer}
    rooms = [0.0] * len(chart.layers)
    """Width of the labels before each layer."""
    for line, chain in zip(lines, chart.chains, strict=True):
        rooms[level[chain[1]]] = max(rooms[level[chain[1]]], line.label)
    lefts: list[float] = []
    x = 0.0
    for room, layer in zip(rooms, chart.layers, strict=True):
        x += (BEND + room) if lefts else 0.0
        lefts.append(x)
        x += max(chart.sizes[name][0] for name in layer)
    top = min(y[name] - height / 2 for name, (_, height) in chart.sizes.items())
    placed = {
        b.id: (lefts[level[b.id]], y[b.id] - b.height / 2 - top, b.width, b.height) for b in boxes
    }

    def right(name: str) -> float:
        """Return where the column of *name* ends: no line bends before, under wider boxes."""
        return lefts[level[name]] + max(chart.sizes[n][0] for n in chart.layers[level[name]])

    ends, starts = _ports(chart, y, into=True), _ports(chart, y, into=False)
    drawn = []
    for nth, chain in enumerate(chart.chains):
        points: list[Point] = []
        first, height = chain[0], starts[nth] - top
        points += [(lefts[level[first]] + chart.sizes[first][0], height), (right(first), height)]
        for name in chain[1:-1]:
            left = lefts[level[name]]
            room = rooms[level[name]] if name == chain[1] else 0.0
            points += [(left - room, y[name] - top), (right(name), y[name] - top)]
        last = lefts[level[chain[-1]]]
        room = rooms[level[chain[-1]]] if len(chain) == 2 else 0.0
        points += [(last - room, ends[nth] - top), (last, ends[nth] - top)]
        drawn.append(Drawn(tuple(points), points[2], chart.turned[nth]))
    bottom = max(top_ + height for _, top_, _, height in placed.values())
    height = max(bottom, *(p[1] for one in drawn for p in one.points)) if drawn else bottom
    return Layout(placed, drawn, x, height)


def _ports(chart: _Chart, y: Mapping[str, float], *, into: bool) -> list[float]:
    """Return the height at which each line ends at (or begins at) its box: a lane for each."""
    at: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for nth, chain in enumerate(chart.chains):
        box, other = (chain[-1], chain[-2]) if into else (chain[0], chain[1])
        at[box].append((y[other], nth))
    found = [0.0] * len(chart.chains)
    for box, met in at.items():
        for place, (_, nth) in enumerate(sorted(met)):
            found[nth] = y[box] + (place - (len(met) - 1) / 2) * LANE
    return found
