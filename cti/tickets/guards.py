"""What may stand against a move: guards (how the ticket stands) and forms (what the move says).

Each returns a sentence in Chinese for who tried, "" when nothing is wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.case_moves import (
    Accept,
    Answer,
    AskCitizen,
    AskExtension,
    CaseMove,
    CitizenAnswered,
    Close,
    DenyExtension,
    Dispatch,
    Finish,
    GrantExtension,
    Merge,
    Opinion,
    Return,
    ToCoordinator,
    Told,
)
from schemas.cases import Case, Resolution, TicketState, Waiting

LONGEST_EXTENSION = 400 * 86400.0
"""Seconds; no extension reaches further, whatever the limits say."""
UNHAPPY = 2
"""Stars of 5 up to which the citizen is not satisfied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The two figures of the house."""

    most_returns: int = 2
    most_extensions: int = 1


# ---- guards: how the ticket stands


def _acceptable(case: Case, _: Rules) -> str:
    return "" if case.complete else "受理前请补全类别、标题和内容"


def _consultation(case: Case, _: Rules) -> str:
    return "" if case.kind == "consult" else "只有咨询类可以直接答复，其他请受理后派单"


def _returnable(case: Case, rules: Rules) -> str:
    if case.waiting is not None:
        return "延期申请正在审核，审核后再退单"
    if case.returns >= rules.most_returns:
        return f"已退单{case.returns}次，不能再退；有争议请联系热线转协调"
    return ""


def _extensible(case: Case, rules: Rules) -> str:
    if case.waiting is Waiting.EXTENSION:
        return "延期申请正在审核，不要重复申请"
    if case.waiting is Waiting.CITIZEN:
        return "正在等群众补充，时限已暂停；群众补充后再申请延期"
    if case.extensions >= rules.most_extensions:
        return f"已延期{case.extensions}次，不能再申请"
    return ""


def _extension_asked(case: Case, _: Rules) -> str:
    return "" if case.waiting is Waiting.EXTENSION else "没有待审核的延期申请"


def _nothing_awaited(case: Case, _: Rules) -> str:
    if case.waiting is Waiting.EXTENSION:
        return "延期申请正在审核，审核后再请群众补充"
    return "" if case.waiting is None else "已经在等群众补充"


def _citizen_awaited(case: Case, _: Rules) -> str:
    return "" if case.waiting is Waiting.CITIZEN else "没有在等群众补充"


def _not_told(case: Case, _: Rules) -> str:
    return "" if case.told_at is None else "已经答复群众，不要重复登记"


def _not_coordinated(case: Case, _: Rules) -> str:
    # A coordinated ticket may come back to the coordinator, but not from the coordinator.
    there = case.with_coordinator and case.state is TicketState.ACCEPTED
    return "已经转协调，请由协调人员派单" if there else ""


def _assisted(case: Case, _: Rules) -> str:
    return "" if case.assisting else "这件工单没有协办单位"


GUARDS: Mapping[type[CaseMove], Callable[[Case, Rules], str]] = {
    Accept: _acceptable,
    Answer: _consultation,
    Return: _returnable,
    AskExtension: _extensible,
    GrantExtension: _extension_asked,
    DenyExtension: _extension_asked,
    AskCitizen: _nothing_awaited,
    CitizenAnswered: _citizen_awaited,
    Told: _not_told,
    ToCoordinator: _not_coordinated,
    Opinion: _assisted,
}
"""Why a move may not come now; "" when it may."""

# ---- forms: what the move says


def _dispatch_fits(case: Case, move: Dispatch, _: float) -> str:
    if move.unit in move.assisting:
        return "主办单位不能同时是协办单位"
    if case.state is TicketState.RETURNED and move.unit == case.unit:
        return "仍由原单位办理的，请用「驳回退单」"
    if move.unit == case.complained_of and not move.assisting:
        return "群众投诉的正是这个单位，不能只派给它：请另定主办单位"
    if move.unit == case.complained_of and not case.with_coordinator:
        return "群众投诉的正是这个单位，不能由它主办：请另定主办单位或转协调"
    return ""


def _until_fits(_: Case, move: AskExtension, at: float) -> str:
    fits = at < move.until <= at + LONGEST_EXTENSION  # false for what is no number, too
    return "" if fits else "延期的时间要在现在以后、400天以内"


def _grant_fits(case: Case, move: GrantExtension, at: float) -> str:
    asked = case.asked_until if case.asked_until is not None else at
    if asked <= at:
        return "申请延到的时间已经过了，只能不同意"
    if move.until is not None and not at < move.until <= asked:
        return "同意延到的时间要在现在以后，不晚于申请的时间"
    return ""


def _finish_fits(_: Case, move: Finish, __: float) -> str:
    if move.resolution is Resolution.EXPLAINED and not move.policy.strip():
        return "解释说明的，要写明政策依据"
    return ""


def _close_fits(case: Case, move: Close, _: float) -> str:
    if not move.reached:
        told = move.solved is not None or move.satisfied is not None
        return "没有联系上群众，不能填写是否解决和满意度" if told else ""
    if move.solved is None and move.satisfied is None:
        return "已联系上群众，请填写是否解决或满意度"
    unhappy = move.satisfied is not None and move.satisfied <= UNHAPPY
    if move.solved is not False and not unhappy:
        return ""
    # What cannot be solved, was explained and then gone over once more would never end otherwise.
    if case.resolution is Resolution.EXPLAINED and case.reworks:
        return ""
    return "群众反映没有解决或不满意，不能归档，请重办"


def _merge_fits(case: Case, move: Merge, _: float) -> str:
    return "不能并入自己" if move.into == case.id else ""


FORMS: Mapping[type[CaseMove], Callable[[Case, Any, float], str]] = {
    Dispatch: _dispatch_fits,
    AskExtension: _until_fits,
    GrantExtension: _grant_fits,
    Finish: _finish_fits,
    Close: _close_fits,
    Merge: _merge_fits,
}
"""Why what a move says does not fit; "" when it does."""


def guarded(case: Case, kind: type[CaseMove], rules: Rules) -> str:
    """Return why no move of this *kind* may come now."""
    guard = GUARDS.get(kind)
    return guard(case, rules) if guard is not None else ""


def unfit(case: Case, move: CaseMove, at: float) -> str:
    """Return why what *move* says does not fit."""
    form = FORMS.get(type(move))
    return form(case, move, at) if form is not None else ""
