"""What may be done with a ticket: one model a move, told apart by `do`.

Texts are hostile: they are shown escaped, never run.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.cases import Resolution, Urgency
from schemas.http import Asks, Text
from schemas.tickets import TicketId

Why = Annotated[Text, Field(min_length=1, max_length=2000)]
UnitCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}$", examples=["zhujian"])]
CallRef = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Reason = Annotated[Text, Field(min_length=1, max_length=200)]
Moment = Annotated[float, Field(ge=0, le=4_102_444_800, allow_inf_nan=False)]
"""Unix seconds of this century."""


class CaseMove(Asks):
    """Base of every move."""

    call_id: CallRef | None = Field(default=None, description="The call in which it was said")


class Accept(CaseMove):
    """受理: the draft is a matter of 12345."""

    do: Literal["accept"] = "accept"
    urgency: Urgency | None = None


class Answer(CaseMove):
    """直接答复: a consultation answered on the line; closes the ticket."""

    do: Literal["answer"] = "answer"
    text: Why
    article: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="Article of the knowledge base"
    )


class Refuse(CaseMove):
    """不予受理: one of the seven classes; the citizen was told why and where to turn."""

    do: Literal["refuse"] = "refuse"
    scope: int = Field(ge=1, le=7)
    text: Why


class Dispatch(CaseMove):
    """派单: to a lead unit, perhaps with assisting ones (协办); also again, by the coordinator."""

    do: Literal["dispatch"] = "dispatch"
    unit: UnitCode
    assisting: list[UnitCode] = Field(default=[], max_length=8)
    reason: Reason = Field(description="Why this unit, in words")
    urgency: Urgency | None = None


class ToCoordinator(CaseMove):
    """复杂事项: several units' matter, or nobody's; the coordinator takes it."""

    do: Literal["to_coordinator"] = "to_coordinator"
    reason: Reason


class Sign(CaseMove):
    """签收."""

    do: Literal["sign"] = "sign"


class Contact(CaseMove):
    """联系群众: the unit spoke with the citizen (六(三)); the first time ends a clock."""

    do: Literal["contact"] = "contact"
    text: Why


class Return(CaseMove):
    """退单: not this unit's matter (派单异议)."""

    do: Literal["return"] = "return"
    reason: Why
    suggest: UnitCode | None = Field(default=None, description="Whose matter it is instead")


class GrantReturn(CaseMove):
    """同意退单: it is to be dispatched again."""

    do: Literal["grant_return"] = "grant_return"
    text: Reason


class RejectReturn(CaseMove):
    """驳回退单: the unit handles it all the same."""

    do: Literal["reject_return"] = "reject_return"
    text: Reason


class AskExtension(CaseMove):
    """申请延期."""

    do: Literal["ask_extension"] = "ask_extension"
    until: Moment = Field(description="Unix seconds by which it will be done")
    reason: Why


class GrantExtension(CaseMove):
    """同意延期, until what was asked or an earlier time."""

    do: Literal["grant_extension"] = "grant_extension"
    until: Moment | None = None
    text: Reason


class DenyExtension(CaseMove):
    """不同意延期."""

    do: Literal["deny_extension"] = "deny_extension"
    text: Reason


class AskCitizen(CaseMove):
    """请群众补充: handling waits for what only the citizen knows."""

    do: Literal["ask_citizen"] = "ask_citizen"
    text: Why


class CitizenAnswered(CaseMove):
    """群众已补充, or will not."""

    do: Literal["citizen_answered"] = "citizen_answered"
    text: Why


class Opinion(CaseMove):
    """协办意见 of an assisting unit."""

    do: Literal["opinion"] = "opinion"
    text: Why


class Finish(CaseMove):
    """办结: what was done, and how the citizen was told (谁办理谁答复)."""

    do: Literal["finish"] = "finish"
    resolution: Literal[Resolution.SOLVED, Resolution.EXPLAINED]
    text: Why
    policy: Annotated[Text, Field(max_length=200)] = Field(
        default="", description="Basis; needed for `explained`"
    )
    told: bool = Field(description="Whether the citizen was told")


class Told(CaseMove):
    """答复群众: the citizen is told the result, later than it was done."""

    do: Literal["told"] = "told"
    text: Why


class SendBack(CaseMove):
    """办结退回: the reply does not answer what was asked."""

    do: Literal["send_back"] = "send_back"
    reason: Why


class Check(CaseMove):
    """开始回访."""

    do: Literal["check"] = "check"


class Close(CaseMove):
    """归档: the callback is over; not reached is not satisfied."""

    do: Literal["close"] = "close"
    reached: bool
    solved: bool | None = None
    satisfied: int | None = Field(default=None, ge=1, le=5)
    text: Annotated[Text, Field(max_length=2000)] = ""


class Rework(CaseMove):
    """重办: unsolved or dissatisfied; a new clock."""

    do: Literal["rework"] = "rework"
    solved: bool | None = None
    satisfied: int | None = Field(default=None, ge=1, le=5)
    reason: Why


class Supervise(CaseMove):
    """督办."""

    do: Literal["supervise"] = "supervise"
    text: Why


class Urge(CaseMove):
    """催办: the citizen asks again."""

    do: Literal["urge"] = "urge"
    text: Why


class Merge(CaseMove):
    """并单: the same matter as another open ticket; its calls go there."""

    do: Literal["merge"] = "merge"
    into: TicketId
    reason: Reason


class Withdraw(CaseMove):
    """撤单, as the citizen wishes."""

    do: Literal["withdraw"] = "withdraw"
    reason: Why


class Note(CaseMove):
    """A note; changes nothing."""

    do: Literal["note"] = "note"
    text: Why


AnyMove = Annotated[
    Accept
    | Answer
    | Refuse
    | Dispatch
    | ToCoordinator
    | Sign
    | Contact
    | Return
    | GrantReturn
    | RejectReturn
    | AskExtension
    | GrantExtension
    | DenyExtension
    | AskCitizen
    | CitizenAnswered
    | Opinion
    | Finish
    | Told
    | SendBack
    | Check
    | Close
    | Rework
    | Supervise
    | Urge
    | Merge
    | Withdraw
    | Note,
    Field(discriminator="do"),
]


class MoveIn(Asks):
    """A move of one ticket."""

    version: int = Field(ge=1, le=2**31 - 1, description="The version that was looked at")
    move: AnyMove


MOVE_LABELS = {
    "open": "登记",
    "edit": "修改",
    "accept": "受理",
    "answer": "直接答复",
    "refuse": "不予受理",
    "dispatch": "派单",
    "to_coordinator": "转协调",
    "sign": "签收",
    "contact": "联系群众",
    "return": "退单",
    "grant_return": "同意退单",
    "reject_return": "驳回退单",
    "ask_extension": "申请延期",
    "grant_extension": "同意延期",
    "deny_extension": "不同意延期",
    "ask_citizen": "请群众补充",
    "citizen_answered": "群众已补充",
    "opinion": "协办意见",
    "finish": "办结",
    "told": "答复群众",
    "send_back": "办结退回",
    "check": "开始回访",
    "close": "归档",
    "rework": "重办",
    "supervise": "督办",
    "urge": "催办",
    "merge": "并单",
    "merged_here": "并入",
    "withdraw": "撤单",
    "note": "备注",
    "evidence": "上传佐证",
    "escalate": "超期升级",
    "reckon": "重算时限",
    "unmask": "查看保密来电人",
}
"""Every move as people read it, the service's own included (`schemas.case_moves` and beyond)."""
