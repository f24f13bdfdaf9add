"""A flow as boxes and lines in the words of who reads the picture; drawn by `dialplans.drawing`.

What holds in every step is not drawn but told in the legend: 0 is a person, and so are two
failures, and silence where the flow names no way for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dialplans.paths import reachable
from schemas import flows
from schemas.calls import GENERAL_QUEUE
from schemas.city import City
from schemas.flows import PERSON, RETURN, Flow, Prompt, Step, variables

START = "(start)"


class Kind(StrEnum):
    """What a box stands for; each has a shape of its own."""

    START = "start"
    HEARD = "heard"
    """Something is played, and perhaps asked."""
    ASKED = "asked"
    """The service or the clock is asked; the caller notices nothing."""
    FLOW = "flow"
    """Another flow runs."""
    PERSON = "person"
    OUTSIDE = "outside"
    """A telephone outside is rung."""
    MESSAGE = "message"
    HANGUP = "hangup"
    RETURN = "return"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One box."""

    id: str
    kind: Kind
    title: str
    text: str = ""
    """What callers hear."""
    foot: str = ""
    link: str = ""
    """Flow that runs here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A way from box to box."""

    start: str
    end: str
    label: str
    silent: bool
    """Who does nothing goes here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A whole flow."""

    name: str
    title: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


ANSWERS: Mapping[str, Mapping[str, str]] = {
    "duty": {"free": "有人空闲", "busy": "全忙", "away": "无人在岗"},
    "surge": {"on": "已开启", "off": "未开启"},
    "last_agent": {"free": "上次的座席空闲", "busy": "上次的座席忙", "none": "没有"},
    "caller": {"known": "有号码", "unknown": "无号码"},
    "line": {
        "integrated": "整合", "dual_run": "双轨运行", "not_integrated": "暂不整合",
        "unknown": "未登记",
    },
    "ticket": {"open": "办理中", "done": "已办结", "unknown": "查无此单"},
}  # fmt: skip
QUESTIONS: Mapping[str, str] = {
    "duty": "座席在岗吗？",
    "surge": "应急保障开启？",
    "last_agent": "24 小时内谁接过？",
    "caller": "来电号码已知？",
    "line": "所拨或所说的是哪类热线？",
    "ticket": "查工单",
}
USUAL: Mapping[str, str] = {
    "duty": "free",
    "surge": "off",
    "last_agent": "none",
    "caller": "known",
    "line": "integrated",
    "ticket": "unknown",
}
"""What is so on an ordinary day: the bold way."""
CLOSINGS: Mapping[str, str] = {
    "self_service": "自助办结",
    "out_of_scope": "不予受理",
    "callback_promised": "承诺回拨",
}
SPOKEN: Mapping[str, str] = {
    "notice": "本号码的提示语",
    "caller": "来电号码",
    "ticket": "工单号",
    "onward": "对方号码",
    "number": "所拨号码",
    "hotline": "热线名称",
    "unit": "主管单位",
    "agent": "上次的座席",
}
"""Variables, as the picture names them."""


def graph(city: City, name: str) -> Graph:
    """Return the flow *name* as a graph.

    Raises:
        KeyError: there is no such flow.
    """
    flow = city.flows[name]
    met = reachable(flow)
    dialled = _numbers(city, name)
    boxes = [Box(id=START, kind=Kind.START, title="来电" if dialled else "进入", text=dialled)]
    boxes += [_box(city, step_name, flow.steps[step_name]) for step_name in _in_order(flow, met)]
    lines = [Line(start=START, end=_of(flow, flow.start), label="", silent=True)]
    for box in boxes[1:]:
        lines += _lines(city, flow, box.id)
    for end in dict.fromkeys(line.end for line in lines):
        if end == PERSON:
            boxes.append(Box(id=PERSON, kind=Kind.PERSON, title="人工座席"))
        elif end == RETURN:
            boxes.append(Box(id=RETURN, kind=Kind.RETURN, title="返回"))
    silent = _silent(lines)
    lines = [
        Line(start=e.start, end=e.end, label=e.label, silent=e.silent and e.start in silent)
        for e in lines
    ]
    return Graph(name=name, title=flow.title, boxes=tuple(boxes), lines=tuple(lines))


def _of(flow: Flow, target: str) -> str:
    """Return the box of *target*; a step that does not exist is a person to the machine too."""
    return target if target == RETURN or target in flow.steps else PERSON


def _in_order(flow: Flow, met: set[str]) -> list[str]:
    """Return the steps as they are met, from the start on: this decides ties of the layout."""
    found, todo = dict[str, None](), [flow.start]
    while todo:
        name = todo.pop(0)
        if name in met and name not in found:
            found[name] = None
            todo += [target for _, target in flow.steps[name].targets]
    return list(found)


def _silent(lines: list[Line]) -> set[str]:
    """Return the boxes that a caller who does nothing comes to."""
    found, todo = {START}, [START]
    while todo:
        box = todo.pop()
        for line in lines:
            if line.start == box and line.silent and line.end not in found:
                found.add(line.end)
                todo.append(line.end)
    return found


# ---- boxes


def _box(city: City, name: str, step: Step) -> Box:
    heard = _text(city, step.heard if not isinstance(step, flows.Asking) else step.prompts)
    seconds = _seconds(city, step)
    match step:
        case flows.Queue():
            title = "人工座席" if step.queue == GENERAL_QUEUE else f"队列 {step.queue}"
            return Box(id=name, kind=Kind.PERSON, title=title, text=heard, foot=_who(city, step))
        case flows.Transfer(to=to):
            return Box(id=name, kind=Kind.OUTSIDE, title=f"转接 {_named(to)}", text=heard)
        case flows.Message():
            return Box(id=name, kind=Kind.MESSAGE, title="录音留言", text=heard)
        case flows.Hangup(outcome=outcome):
            foot = CLOSINGS[outcome]
            return Box(id=name, kind=Kind.HANGUP, title="挂机", text=heard, foot=foot)
        case flows.Notice(outcome=outcome):
            foot = f"听完挂机：{CLOSINGS[outcome]}"
            return Box(id=name, kind=Kind.HANGUP, title=f"告知{seconds}", text=heard, foot=foot)
        case flows.Goto(flow=str(called)):
            flow = city.flows.get(called)
            title = called if flow is None else flow.title
            return Box(id=name, kind=Kind.FLOW, title=title, foot=f"子流程 {called}", link=called)
        case flows.Goto():
            return Box(id=name, kind=Kind.ASKED, title=name)
        case flows.Lookup(what=what):
            return Box(id=name, kind=Kind.ASKED, title=QUESTIONS[what])
        case flows.Hours(schedule=schedule):
            plan = city.calendar.schedules.get(schedule)
            title = schedule if plan is None or not plan.title else plan.title
            return Box(id=name, kind=Kind.ASKED, title=f"{title}？")
        case flows.Say():
            return Box(id=name, kind=Kind.HEARD, title=f"播放{seconds}", text=heard)
        case flows.Digits(min=least, max=most):
            digits = f"{least}" if least == most else f"{least}–{most}"
            foot = f"输入 {digits} 位，# 结束"
            return Box(id=name, kind=Kind.HEARD, title=f"输入{seconds}", text=heard, foot=foot)
        case flows.Listen(spoken=spoken):
            if spoken:
                heard += f"（能听懂说话时：{_text(city, spoken)}）"
            return Box(id=name, kind=Kind.HEARD, title=f"播放并听{seconds}", text=heard)
        case flows.Menu(retries=retries):
            again = f"再问 {retries} 次" if retries else ""
            return Box(id=name, kind=Kind.HEARD, title=f"菜单{seconds}", text=heard, foot=again)
        case _:  # pragma: no cover - there is no other step
            raise AssertionError(step)


def _who(city: City, step: flows.Queue) -> str:
    """Return who is rung before the others."""
    first = [] if step.agent is None else [_named(step.agent)]
    if step.seat:
        first.append("单位自有座席")
    if step.skill is not None:
        first.append(city.skill_codes.get(step.skill) or f"{_named(step.skill)}技能组")
    told = f"先：{' → '.join(first)}" if first else ""
    return f"{told}　优先" if step.priority else told


def _named(text: str) -> str:
    """Return a text of a flow with its variables named for people."""
    return flows.fill(text, {name: SPOKEN.get(name, name) for name in variables(text)})


def _text(city: City, prompts: tuple[Prompt, ...]) -> str:
    return "".join(_said(city, prompt) for prompt in prompts)


def _said(city: City, prompt: Prompt) -> str:
    if isinstance(prompt, str) and not list(variables(prompt)):
        spoken = city.prompts.get(prompt)
        return f"〔没有 {prompt}〕" if spoken is None else spoken.text
    return f"〔{_named(prompt if isinstance(prompt, str) else prompt.value)}〕"


def _seconds(city: City, step: Step) -> str:
    """Return what the prompts of *step* last, where they are the same for everybody."""
    prompts = step.prompts if isinstance(step, flows.Asking) else step.heard
    found = [city.prompts.get(p) if isinstance(p, str) else None for p in prompts]
    known = [spoken.seconds for spoken in found if spoken is not None]
    return f" {sum(known):.1f} 秒" if known and len(known) == len(found) else ""


def _numbers(city: City, name: str) -> str:
    found = [n.number for n in city.register.numbers.values() if n.flow == name]
    if len(found) > 3:
        return f"{found[0]} 等 {len(found)} 个号码"
    return "、".join(found)


# ---- lines


def _lines(city: City, flow: Flow, name: str) -> Iterator[Line]:
    """Yield the ways out of a step, those to the same box as one."""
    labels: dict[str, list[str]] = {}
    silent: set[str] = set()
    for target, label, quiet in _ways(city, flow.steps[name]):
        end = _of(flow, target)
        labels.setdefault(end, []).append(label)
        if quiet:
            silent.add(end)
    for end, some in labels.items():
        if end != name:  # asked again: the box says how often
            label = " / ".join(filter(None, dict.fromkeys(some)))
            yield Line(start=name, end=end, label=label, silent=end in silent)


def _ways(city: City, step: Step) -> Iterator[tuple[str, str, bool]]:
    """Yield target, label, and whether who does nothing goes there."""
    match step:
        case flows.Asking():
            waits = step.key_wait if isinstance(step, flows.Listen) else getattr(step, "wait", 0)
            if step.silence is not None:
                yield step.silence, "不按键" if waits else "播完", True
            for target, keys in _by_target(step.keys).items():
                yield target, f"按 {' '.join(keys)}", False
            if isinstance(step, flows.Listen):
                if step.lines is not None:
                    yield step.lines, "说某条热线的事", False
                for target, intents in _by_target(step.intents).items():
                    yield target, _words(city, intents), False
            if step.otherwise not in (PERSON, step.silence):
                yield step.otherwise, "其他", False
        case flows.Digits():
            yield step.next, "输入完", False
            if step.failed != PERSON:
                yield step.failed, "没输入", True
        case flows.Notice():
            for target, keys in _by_target(step.keys).items():
                yield target, f"按 {' '.join(keys)}", False
        case flows.Lookup(what=what):
            usual = USUAL[what]
            for word, target in step.cases.items():
                yield target, ANSWERS[what][word], word == usual
            if set(step.cases) != set(ANSWERS[what]):
                yield step.otherwise, "否则", usual not in step.cases
        case flows.Hours():
            yield step.open, "是", True
            yield step.closed, "否", True
        case flows.Goto(flow=str(called)):
            if called not in city.flows or _returns(city, called):
                yield step.then, "", True
        case _:
            yield from ((target, "", True) for _, target in step.targets)


def _returns(city: City, name: str) -> bool:
    """Tell whether the flow *name* ever gives its caller back."""
    flow = city.flows[name]
    return any(RETURN in dict(flow.steps[s].targets).values() for s in reachable(flow))


def _by_target(ways: Mapping[str, str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word, target in ways.items():
        found.setdefault(target, []).append(word)
    return found


def _words(city: City, intents: list[str]) -> str:
    """Return a phrase for each intent: what one may say."""
    said = [city.phrases.get(intent, (intent,))[0] for intent in intents]
    more = "…" if len(said) > 2 else ""
    return f"说“{'”“'.join(said[:2])}”{more}"


# ---- Mermaid


SHAPES: Mapping[Kind, tuple[str, str]] = {
    Kind.START: ("([", "])"),
    Kind.HEARD: ("(", ")"),
    Kind.ASKED: ("{{", "}}"),
    Kind.FLOW: ("[[", "]]"),
    Kind.PERSON: ("([", "])"),
    Kind.OUTSIDE: ("[/", "/]"),
    Kind.MESSAGE: ("[(", ")]"),
    Kind.HANGUP: ("[", "]"),
    Kind.RETURN: ("((", "))"),
}


def mermaid(found: Graph) -> str:
    """Return *found* in Mermaid's language."""
    names = {box.id: f"n{nth}" for nth, box in enumerate(found.boxes)}
    lines = ["flowchart LR"]
    for box in found.boxes:
        opening, closing = SHAPES[box.kind]
        text = "<br/>".join(_plain(part) for part in (box.title, box.text, box.foot) if part)
        lines.append(f'  {names[box.id]}{opening}"{text}"{closing}')
    for line in found.lines:
        arrow = "==>" if line.silent else "-->"
        label = f'|"{_plain(line.label)}"|' if line.label else ""
        lines.append(f"  {names[line.start]} {arrow}{label} {names[line.end]}")
    people = ",".join(names[box.id] for box in found.boxes if box.kind is Kind.PERSON)
    if people:
        lines += ["  classDef person fill:#dbeafe,stroke:#1d4ed8", f"  class {people} person"]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Return *text* so that Mermaid takes none of it for its own signs."""
    return "".join(
        char if char.isalnum() or char in " ，。、：？“”…〔〕–　" else f"#{ord(char)};"
        for char in text
        if char.isprintable() or char == "　"
    )
