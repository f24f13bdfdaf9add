"""A flow's graph as a picture (SVG) that stands by itself: no script, nothing from outside.

Texts come from prompts and flows that people write: they are escaped, and only what can be seen is
drawn. Lengths are pixels.
"""

import unicodedata
from collections.abc import Iterator
from html import escape

from dialplans import layout
from dialplans.graph import Box, Graph, Kind, Line
from dialplans.layout import Drawn, Layout

FONTS = (
    "'Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC','PingFang SC','Microsoft YaHei',"
    "'WenQuanYi Zen Hei','WenQuanYi Micro Hei',sans-serif"
)
SIZE, SMALL = 15, 12
"""Sizes of letters: titles and texts, labels and feet."""
TEXT_WIDTH = 13 * SIZE
"""Widest line in a box: thirteen Chinese characters."""
PAD, ROW, MARGIN = 12, 21, 24
LABEL_PAD = 14
"""Around the text on a line."""
NEVER_LAST = "“‘（〔《"
NEVER_FIRST = "，。、；：？！”’）〕》…"

FILL = {
    Kind.START: ("#111827", "#111827", "#ffffff"),
    Kind.HEARD: ("#fffbeb", "#b45309", "#111827"),
    Kind.ASKED: ("#f3f4f6", "#6b7280", "#111827"),
    Kind.FLOW: ("#ffffff", "#6d28d9", "#4c1d95"),
    Kind.PERSON: ("#1d4ed8", "#1e3a8a", "#ffffff"),
    Kind.OUTSIDE: ("#dc2626", "#7f1d1d", "#ffffff"),
    Kind.MESSAGE: ("#0f766e", "#134e4a", "#ffffff"),
    Kind.HANGUP: ("#e5e7eb", "#374151", "#111827"),
    Kind.RETURN: ("#ffffff", "#6b7280", "#374151"),
}
"""Filling, edge and letters of each kind."""
LEGEND = (
    (Kind.HEARD, "来电人听到"),
    (Kind.ASKED, "系统判断"),
    (Kind.FLOW, "子流程"),
    (Kind.PERSON, "人工座席"),
    (Kind.OUTSIDE, "转接外线"),
    (Kind.MESSAGE, "留言"),
    (Kind.HANGUP, "挂机"),
)
ALWAYS = (
    "任何时候按 0 转人工；两次没有按对、没有听清或不出声也转人工（另有画线的除外）。"
    "粗线：来电人什么都不做时的走向。"
)


def svg(found: Graph) -> str:
    """Return *found* as an SVG document."""
    cards = {box.id: _card(box) for box in found.boxes}
    placed = layout.layout(
        [layout.Box(box.id, *_size(box, cards[box.id])) for box in found.boxes],
        [
            layout.Line(e.start, e.end, _room(e.label), 6.0 if e.silent else 1.0)
            for e in found.lines
        ],
    )
    used = [(kind, word) for kind, word in LEGEND if any(b.kind is kind for b in found.boxes)]
    top = MARGIN + 40
    bottom = top + placed.height + 28
    width = max(placed.width, _wide(ALWAYS, SMALL), _legend_width(used)) + 2 * MARGIN
    height = bottom + 52 + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="{FONTS}" font-size="{SIZE}">',
        f"<title>{_safe(found.title)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="{MARGIN + 18}" font-size="20" font-weight="bold">'
        f'{_safe(found.title)}<tspan font-size="{SMALL}" font-weight="normal" fill="#6b7280" '
        f'dx="10">{_safe(found.name)}</tspan></text>',
        f'<g transform="translate({MARGIN},{top})">',
    ]
    pairs = list(zip(found.lines, placed.lines, strict=True))
    for line, drawn in sorted(pairs, key=lambda pair: pair[0].silent):  # the bold ones on top
        parts += _line(line, drawn)
    for box in found.boxes:
        parts += _box(box, cards[box.id], placed)
    parts += ["</g>", *_legend(used, bottom), "</svg>"]
    return "\n".join(parts) + "\n"


# ---- measures


def _wide(text: str, size: int) -> float:
    """Return how wide *text* is: Chinese characters are square, others about half as wide."""
    return sum(size if unicodedata.east_asian_width(c) in "WFA" else size * 0.58 for c in text)


def _room(label: str) -> float:
    return _wide(label, SMALL) + 2 * LABEL_PAD if label else 0.0


def _wrapped(text: str, size: int) -> list[str]:
    """Return *text* in as few lines as fit into a box, none much shorter than the others."""
    lines = _broken(text, size, TEXT_WIDTH)
    width = TEXT_WIDTH - size
    while len(lines) > 1 and len(closer := _broken(text, size, width)) == len(lines):
        lines, width = closer, width - size
    return lines


def _broken(text: str, size: int, width: float) -> list[str]:
    """Return *text* in lines no wider than *width*; signs stay with their words."""
    lines, line = [], ""
    for char in text:
        if line and _wide(line + char, size) > width and char not in NEVER_FIRST:
            stays = line.rstrip(NEVER_LAST) or line
            lines.append(stays)
            line = line[len(stays) :]
        line += char
    return [*lines, line] if line else lines


def _card(box: Box) -> list[tuple[str, int, bool]]:
    """Return the lines of text in a box: text, size, bold."""
    title = [(row, SIZE, True) for row in _wrapped(_seen(box.title), SIZE)]
    text = [(row, SIZE, False) for row in _wrapped(_seen(box.text), SIZE)]
    foot = [(row, SMALL, False) for row in _wrapped(_seen(box.foot), SMALL)]
    return [*title, *text, *foot]


def _size(box: Box, rows: list[tuple[str, int, bool]]) -> tuple[float, float]:
    side = 26 if box.kind in (Kind.ASKED, Kind.PERSON, Kind.START, Kind.OUTSIDE) else PAD
    widest = max((_wide(text, size) for text, size, _ in rows), default=0.0)
    return round(widest + 2 * side), len(rows) * ROW + 2 * PAD - 6


def _seen(text: str) -> str:
    return "".join(c for c in text if c.isprintable() or c == "　")


def _safe(text: str) -> str:
    return escape(_seen(text), quote=True)


# ---- boxes


def _box(box: Box, rows: list[tuple[str, int, bool]], placed: Layout) -> Iterator[str]:
    x, y, width, height = placed.boxes[box.id]
    link = f'<a href="{_safe(box.link)}.svg">' if box.link else "<g>"
    fill, edge, ink = FILL[box.kind]
    yield link
    yield from _shape(box.kind, x, y, width, height, f'fill="{fill}" stroke="{edge}"')
    line = y + (height - len(rows) * ROW) / 2 - 5
    for text, size, bold in rows:
        line += ROW
        weight = ' font-weight="bold"' if bold else ""
        fade = ' opacity="0.75"' if size == SMALL else ""
        yield (
            f'<text x="{x + width / 2:.1f}" y="{line:.1f}" text-anchor="middle" '
            f'font-size="{size}" fill="{ink}"{weight}{fade}>{_safe(text)}</text>'
        )
    yield "</a>" if box.link else "</g>"


def _shape(kind: Kind, x: float, y: float, w: float, h: float, paint: str) -> Iterator[str]:
    def rect(radius: float, inset: float = 0.0) -> str:
        return (
            f'<rect x="{x + inset:.1f}" y="{y + inset:.1f}" width="{w - 2 * inset:.1f}" '
            f'height="{h - 2 * inset:.1f}" rx="{radius:.1f}" stroke-width="1.5" {paint}/>'
        )

    match kind:
        case Kind.ASKED:
            c = min(16, h / 2)
            points = [(0, h / 2), (c, 0), (w - c, 0), (w, h / 2), (w - c, h), (c, h)]
        case Kind.OUTSIDE:
            c = min(16, h / 2)
            points = [(c, 0), (w, 0), (w - c, h), (0, h)]
        case Kind.HANGUP:
            c = min(9, h / 3)
            points = [
                (c, 0), (w - c, 0), (w, c), (w, h - c), (w - c, h), (c, h), (0, h - c), (0, c),
            ]  # fmt: skip
        case Kind.START | Kind.PERSON | Kind.RETURN:
            yield rect(min(h, 52) / 2)
            return
        case Kind.FLOW:
            yield rect(4)
            yield rect(2, 4)
            return
        case _:
            yield rect(8)
            return
    shape = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in points)
    yield f'<polygon points="{shape}" stroke-width="1.5" stroke-linejoin="round" {paint}/>'


# ---- lines


def _line(line: Line, drawn: Drawn) -> Iterator[str]:
    colour, width = ("#111827", 3.2) if line.silent else ("#6b7280", 1.4)
    (x, y), *rest = drawn.points
    steps = [f"M{x:.1f},{y:.1f}"]
    for nth, (to_x, to_y) in enumerate(rest):
        if nth % 2:  # from one column to the next
            half = (to_x - x) / 2
            bend = f"{x + half:.1f},{y:.1f} {to_x - half:.1f},{to_y:.1f}"
            steps.append(f"C{bend} {to_x:.1f},{to_y:.1f}")
        else:
            steps.append(f"H{to_x:.1f}")
        x, y = to_x, to_y
    yield f'<path d="{"".join(steps)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    tip_x, tip_y = drawn.points[0] if drawn.turned else drawn.points[-1]
    back = 9 if drawn.turned else -9
    yield (
        f'<polygon points="{tip_x:.1f},{tip_y:.1f} {tip_x + back:.1f},{tip_y - 5:.1f} '
        f'{tip_x + back:.1f},{tip_y + 5:.1f}" fill="{colour}"/>'
    )
    if line.label:
        label_x, label_y = drawn.label
        yield (
            f'<text x="{label_x + 4:.1f}" y="{label_y - 5:.1f}" font-size="{SMALL}" '
            f'fill="#111827">{_safe(line.label)}</text>'
        )


# ---- legend


def _legend_width(used: list[tuple[Kind, str]]) -> float:
    return sum(_wide(word, SMALL) + 52 for _, word in used)


def _legend(used: list[tuple[Kind, str]], y: float) -> Iterator[str]:
    x = float(MARGIN)
    for kind, word in used:
        fill, edge, _ = FILL[kind]
        yield from _shape(kind, x, y, 28, 16, f'fill="{fill}" stroke="{edge}"')
        yield f'<text x="{x + 34:.1f}" y="{y + 13:.1f}" font-size="{SMALL}">{word}</text>'
        x += _wide(word, SMALL) + 52
    yield f'<text x="{MARGIN}" y="{y + 42:.1f}" font-size="{SMALL}" fill="#374151">{ALWAYS}</text>'
