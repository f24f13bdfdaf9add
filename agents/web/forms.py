"""What people fill in to make a move: one row of a table a move, read and checked alike. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agents.web.words import SCOPES
from schemas.case_moves import MOVE_LABELS, MoveIn
from schemas.cases import Resolution, Urgency
from schemas.times import read as read_time

Kind = Literal["line", "text", "when", "unit", "units", "pick", "tick"]
"""`when` a date with time, `unit` one unit, `units` several, `pick` one of `choices`,
`tick` yes or no."""

Given = Mapping[str, Sequence[str]]
"""A form as it was sent: every value of every field."""

YES, NO = "yes", "no"
_WORDS: Mapping[str, bool] = {YES: True, NO: False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form."""

    name: str
    label: str
    kind: Kind = "text"
    needed: bool = True
    longest: int = 2000
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    """Value and word of each choice of a `pick`."""
    holds: Literal["text", "number", "truth"] = "text"
    """What the model wants of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a move is made."""

    do: str
    fields: tuple[Field, ...] = ()
    says: str = ""
    """What follows from it, in a sentence."""
    tone: Literal["on", "side", "against"] = "side"
    """Whether it takes the ticket on, goes beside, or turns it back."""

    @property
    def label(self) -> str:
        """The word people read."""
        return MOVE_LABELS[self.do]


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that somebody sent."""

    move: MoveIn | None
    """None: something is missing."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """What is wrong, by field, in Chinese."""


def _text(label: str, name: str = "text", hint: str = "", longest: int = 2000) -> Field:
    return Field(name=name, label=label, hint=hint, longest=longest)


def _line(label: str, name: str, hint: str = "", *, needed: bool = True) -> Field:
    return Field(name=name, label=label, kind="line", hint=hint, longest=200, needed=needed)


_URGENCY = Field(
    name="urgency",
    label="紧急程度",
    kind="pick",
    needed=False,
    choices=(("", "不变"), *((u.value, u.label) for u in Urgency)),
)
_SOLVED = Field(
    name="solved",
    label="是否解决",
    kind="pick",
    needed=False,
    holds="truth",
    choices=(("", "未问到"), (YES, "已解决"), (NO, "未解决")),
)
_SATISFIED = Field(
    name="satisfied",
    label="是否满意",
    kind="pick",
    needed=False,
    holds="number",
    choices=(
        ("", "未评价"),
        ("5", "非常满意"),
        ("4", "满意"),
        ("3", "基本满意"),
        ("2", "不满意"),
        ("1", "非常不满意"),
    ),
)

_ROWS = (
    Form(do="accept", fields=(_URGENCY,), tone="on"),
    Form(
        do="answer",
        fields=(
            _text("答复内容"),
            Field(
                name="article",
                label="知识库文章编号",
                kind="line",
                needed=False,
                longest=9,
                holds="number",
            ),
        ),
        says="当场答复咨询，工单随即归档。",
        tone="on",
    ),
    Form(
        do="refuse",
        fields=(
            Field(
                name="scope",
                label="不予受理的类别",
                kind="pick",
                holds="number",
                choices=(("", "请选择"), *((str(n), f"{n}. {t}") for n, t in SCOPES.items())),
            ),
            _text("怎样告知诉求人", hint="说明理由和应当找谁。"),
        ),
        tone="against",
    ),
    Form(
        do="dispatch",
        fields=(
            Field(name="unit", label="主办单位", kind="unit"),
            Field(name="assisting", label="协办单位", kind="units", needed=False),
            _line("派单理由", "reason", "为什么由这个单位办理。"),
            _URGENCY,
        ),
        tone="on",
    ),
    Form(
        do="to_coordinator",
        fields=(_line("理由", "reason", "涉及几个单位，或职责不清。"),),
        says="交协调员确定主办和协办单位。",
    ),
    Form(do="sign", says="签收后请尽快联系诉求人。", tone="on"),
    Form(
        do="contact",
        fields=(_text("沟通情况", hint="何时、联系了谁、查清了什么。"),),
        tone="on",
    ),
    Form(
        do="return",
        fields=(
            _text("退单理由", "reason", "不属于本单位职责的依据。"),
            Field(name="suggest", label="建议办理单位", kind="unit", needed=False),
        ),
        says="退单由热线审核；驳回后仍由本单位办理。",
        tone="against",
    ),
    Form(do="grant_return", fields=(_line("审核意见", "text"),), tone="on"),
    Form(do="reject_return", fields=(_line("驳回理由", "text"),), tone="against"),
    Form(
        do="ask_extension",
        fields=(
            Field(name="until", label="延期至", kind="when"),
            _text("延期理由", "reason"),
        ),
        says="审核期间办结时限暂停计算。",
    ),
    Form(
        do="grant_extension",
        fields=(
            Field(
                name="until", label="延期至", kind="when", needed=False, hint="留空为所申请的时间。"
            ),
            _line("审核意见", "text"),
        ),
        tone="on",
    ),
    Form(do="deny_extension", fields=(_line("不同意的理由", "text"),), tone="against"),
    Form(
        do="ask_citizen",
        fields=(_text("请诉求人补充什么"),),
        says="等待期间办结时限暂停计算。",
    ),
    Form(do="citizen_answered", fields=(_text("补充的情况"),), tone="on"),
    Form(do="opinion", fields=(_text("协办意见"),)),
    Form(
        do="finish",
        fields=(
            Field(
                name="resolution",
                label="办理结果",
                kind="pick",
                choices=(
                    ("", "请选择"),
                    (Resolution.SOLVED.value, Resolution.SOLVED.label),
                    (Resolution.EXPLAINED.value, "客观原因无法解决，已解释说明"),
                ),
            ),
            _text("办理情况", hint="做了什么、结果如何；将作为答复。"),
            _line("政策依据", "policy", "解释说明的必须填写。", needed=False),
            Field(name="told", label="已把结果告知诉求人", kind="tick", holds="truth"),
        ),
        says="办结后由热线回访诉求人。",
        tone="on",
    ),
    Form(do="told", fields=(_text("答复内容"),), tone="on"),
    Form(do="send_back", fields=(_text("退回理由", "reason"),), tone="against"),
    Form(do="check", says="开始向诉求人回访核实。", tone="on"),
    Form(
        do="close",
        fields=(
            Field(
                name="reached",
                label="是否联系上诉求人",
                kind="pick",
                holds="truth",
                choices=(("", "请选择"), (YES, "已联系上"), (NO, "未联系上")),
            ),
            _SOLVED,
            _SATISFIED,
            Field(name="text", label="回访记录", needed=False),
        ),
        says="未解决或不满意的不能归档，请选重办。",
        tone="on",
    ),
    Form(do="rework", fields=(_SOLVED, _SATISFIED, _text("重办理由", "reason")), tone="against"),
    Form(do="supervise", fields=(_text("督办要求"),)),
    Form(do="urge", fields=(_text("催办内容"),)),
    Form(
        do="merge",
        fields=(
            Field(
                name="into",
                label="并入的工单号",
                kind="line",
                longest=32,
                hint="例如 BJ20261123-000001。",
            ),
            _line("理由", "reason"),
        ),
        says="本单随即关闭，来电归入那张工单。",
    ),
    Form(do="withdraw", fields=(_text("撤单理由", "reason"),), tone="against"),
    Form(do="note", fields=(_text("备注"),)),
)
FORMS: Mapping[str, Form] = {form.do: form for form in _ROWS}


def fill(form: Form, given: Given, *, version: int) -> Filled:
    """Return the move that *given* asks for, or what is wrong with it."""
    faults: dict[str, str] = {}
    move: dict[str, object] = {"do": form.do}
    for part in form.fields:
        said = [value for value in given.get(part.name, ()) if value.strip()]
        if part.kind == "tick":
            move[part.name] = bool(said)
        elif part.kind == "units":
            move[part.name] = said
        elif not said:
            if part.needed:
                faults[part.name] = _missing(part)
        else:
            try:
                move[part.name] = _value(part, said[0])
            except ValueError:
                faults[part.name] = _unfit(part)
    if move.get("resolution") == Resolution.EXPLAINED.value and "policy" not in move:
        faults.setdefault("policy", "解释说明必须写明政策依据")
    if faults:
        return Filled(None, faults)
    try:
        return Filled(MoveIn.model_validate({"version": version, "move": move}))
    except ValidationError as error:
        return Filled(None, dict(_in_chinese(form, fault) for fault in error.errors()))


def _value(part: Field, said: str) -> object:
    if part.kind == "when":
        return read_time(said)
    if part.holds == "truth":
        if said not in _WORDS:
            raise ValueError(said)
        return _WORDS[said]
    if part.holds == "number":
        if not (said.isascii() and said.isdigit() and len(said) <= 9):
            raise ValueError(said)
        return int(said)
    # A browser sends a line's end as CR LF; the longest text is counted without the CR there too.
    return said.strip().replace("\r\n", "\n")


def _missing(part: Field) -> str:
    return f"请选择{part.label}" if part.kind in ("pick", "unit") else f"请填写{part.label}"


def _unfit(part: Field) -> str:
    return "请填写日期和时间" if part.kind == "when" else f"{part.label}的内容不对"


def _in_chinese(form: Form, fault: ErrorDetails) -> tuple[str, str]:
    """Return the field of *form* that a fault belongs to ("" for none) and the sentence."""
    names = {part.name: part for part in form.fields}
    part = next((names[key] for key in map(str, fault["loc"]) if key in names), None)
    if part is None:
        return "", "表单内容不完整，请重新载入页面"
    if fault["type"] == "string_too_long":
        return part.name, f"{part.label}最多{fault['ctx']['max_length']}字"
    if fault["type"] == "too_long":
        return part.name, f"{part.label}最多{fault['ctx']['max_length']}个"
    return part.name, _unfit(part)
