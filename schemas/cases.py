"""The words of case work: where a ticket stands, who must move, which clocks run."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class TicketState(StrEnum):
    """Where a ticket stands."""

    DRAFT = "draft"
    ACCEPTED = "accepted"
    DISPATCHED = "dispatched"
    SIGNED = "signed"
    HANDLING = "handling"
    RETURNED = "returned"
    """The unit says it is not its matter (派单异议); the hotline judges."""
    DONE = "done"
    CHECKING = "checking"
    ARCHIVED = "archived"
    REFUSED = "refused"
    MERGED = "merged"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        """The word people read."""
        return STATE_LABELS[self]

    @property
    def closed(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self in CLOSED


STATE_LABELS: Mapping[TicketState, str] = {
    TicketState.DRAFT: "草稿",
    TicketState.ACCEPTED: "已受理",
    TicketState.DISPATCHED: "已派单",
    TicketState.SIGNED: "已签收",
    TicketState.HANDLING: "办理中",
    TicketState.RETURNED: "退单待审",
    TicketState.DONE: "已办结",
    TicketState.CHECKING: "回访中",
    TicketState.ARCHIVED: "已归档",
    TicketState.REFUSED: "不予受理",
    TicketState.MERGED: "已并单",
    TicketState.WITHDRAWN: "已撤单",
}
CLOSED = frozenset(
    {TicketState.ARCHIVED, TicketState.REFUSED, TicketState.MERGED, TicketState.WITHDRAWN}
)


class Kind(StrEnum):
    """What the citizen wants (受理类别)."""

    CONSULT = "consult"
    HELP = "help"
    COMPLAINT = "complaint"
    REPORT = "report"
    ADVICE = "advice"
    PRAISE = "praise"

    @property
    def label(self) -> str:
        """The word people read."""
        return KIND_LABELS[self]


KIND_LABELS: Mapping[Kind, str] = {
    Kind.CONSULT: "咨询",
    Kind.HELP: "求助",
    Kind.COMPLAINT: "投诉",
    Kind.REPORT: "举报",
    Kind.ADVICE: "建议",
    Kind.PRAISE: "表扬",
}


class Urgency(StrEnum):
    """How fast the clocks run."""

    NORMAL = "normal"
    """一般: working time."""
    PRESSING = "pressing"
    """加急: public utilities, extreme weather."""
    URGENT = "urgent"
    """紧急: life and safety; wall-clock."""

    @property
    def label(self) -> str:
        """The word people read."""
        return {"normal": "一般", "pressing": "加急", "urgent": "紧急"}[self.value]


class Waiting(StrEnum):
    """What handling waits for; the clock of closing pauses, one of its own runs."""

    EXTENSION = "extension"
    """延期 is asked and not yet judged."""
    CITIZEN = "citizen"
    """The citizen was asked for something and has not answered."""


class Resolution(StrEnum):
    """How it was done."""

    SOLVED = "solved"
    """已解决."""
    EXPLAINED = "explained"
    """Cannot be solved for objective reasons: policy explained (六(三)), with its basis."""
    ANSWERED = "answered"
    """直接答复: on the line, from the knowledge base."""

    @property
    def label(self) -> str:
        """The word people read."""
        return {"solved": "已解决", "explained": "解释说明", "answered": "直接答复"}[self.value]


AGENT_OF = "agent"
DISPATCHERS = "dispatchers"
COORDINATOR = "coordinator"
MONITORS = "monitors"
CALLBACKS = "callbacks"
UNIT_OF = "unit:"
"""How an owner that is a unit begins: `unit:zhujian`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A ticket as its life knows it; everything else of it is text."""

    id: str
    state: TicketState = TicketState.DRAFT
    kind: str | None = None
    urgency: Urgency = Urgency.NORMAL
    unit: str | None = None
    """Lead unit; in DRAFT and ACCEPTED only a guess."""
    assisting: tuple[str, ...] = ()
    waiting: Waiting | None = None
    asked_until: float | None = None
    with_coordinator: bool = False
    returns: int = 0
    """Times a unit sent it back, also in vain."""
    extensions: int = 0
    """Granted ones."""
    reworks: int = 0
    supervised: int = 0
    urged: int = 0
    scope: int | None = None
    merged_into: str | None = None
    resolution: Resolution | None = None
    told_at: float | None = None
    solved: bool | None = None
    satisfied: int | None = None
    complete: bool = False
    """Whether it has what accepting needs: kind, title, text."""
    complained_of: str | None = None
    """Unit whose conduct the citizen complains of (作风效能): never alone with it."""


class ClockName(StrEnum):
    """What must be done in time."""

    ACCEPT = "accept"
    DISPATCH = "dispatch"
    SIGN = "sign"
    CONTACT = "contact"
    CLOSE = "close"
    REPLY = "reply"
    """The citizen and the platform are told the result."""
    REVIEW = "review"
    """A return is judged."""
    EXTENSION = "extension"
    """An asked extension is judged."""
    CITIZEN = "citizen"
    """The citizen answers what was asked."""
    CHECK = "check"
    """The callback after it is done."""

    @property
    def label(self) -> str:
        """The word people read."""
        return CLOCK_LABELS[self]


CLOCK_LABELS: Mapping[ClockName, str] = {
    ClockName.ACCEPT: "受理",
    ClockName.DISPATCH: "派单",
    ClockName.SIGN: "签收",
    ClockName.CONTACT: "联系群众",
    ClockName.CLOSE: "办结",
    ClockName.REPLY: "答复",
    ClockName.REVIEW: "退单审核",
    ClockName.EXTENSION: "延期审核",
    ClockName.CITIZEN: "等群众补充",
    ClockName.CHECK: "回访",
}


class Light(StrEnum):
    """How a ticket or clock stands."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    OFF = "off"
    """Closed, or its clock pauses."""

    @property
    def label(self) -> str:
        """The word people read: colour is never the only sign."""
        return {"green": "正常", "yellow": "临期", "red": "超期", "off": "—"}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A time that does not count."""

    at: float
    until: float | None
    """None while it lasts."""
    why: str
    """A value of `Waiting`, or `return`, `done`, `granted` (`cti.tickets.clocks`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """One clock as a value; all times Unix seconds."""

    name: ClockName
    begun_at: float
    amount: float
    measure: str
    """`workdays`, `workhours` (of `hours`), `hours`, `days` (wall-clock)."""
    hours: str = ""
    """Schedule of calendar.toml."""
    extra: float = 0.0
    fixed_due: float | None = None
    pauses: tuple[Pause, ...] = ()
    ended_at: float | None = None
    met: bool | None = None
    due_at: float | None = None
    """By the calendar it was last reckoned with; None while it pauses."""
    yellow_at: float | None = None
    rung: int = 0
    unit: str | None = None
    basis: str = ""

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended; a paused one runs too."""
        return self.ended_at is None

    @property
    def paused(self) -> bool:
        """Whether it stands still just now."""
        return bool(self.pauses) and self.pauses[-1].until is None and self.running
