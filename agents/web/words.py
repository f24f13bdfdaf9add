"""How people read it: times, sizes, names. Pure: what time it is, is an argument."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

from schemas.casebook import Casebook
from schemas.cases import AGENT_OF, CALLBACKS, COORDINATOR, DISPATCHERS, MONITORS, UNIT_OF, Urgency
from schemas.identity import Role
from schemas.times import SHANGHAI

Workday = Callable[[date], bool]
"""Whether people work on a day."""

HOUR, DAY = 3600, 86400

ROLES: Mapping[Role, str] = {
    Role.READER: "只读程序",
    Role.AGENT: "坐席",
    Role.SUPERVISOR: "班长",
    Role.DISPATCHER: "派单员",
    Role.MONITOR: "督办员",
    Role.QUALITY: "质检员",
    Role.ADMIN: "管理员",
    Role.UNIT: "经办人",
    Role.INSPECTOR: "督查",
}
OWNERS: Mapping[str, str] = {
    AGENT_OF: "受理坐席",
    DISPATCHERS: "派单员",
    COORDINATOR: "协调员",
    MONITORS: "督办员",
    CALLBACKS: "回访员",
}
SCOPES: Mapping[int, str] = {
    1: "非本市管辖",
    2: "省级、部委主管及涉军",
    3: "人大政协、司法仲裁",
    4: "警务、应急、急救",
    5: "信访等部门正在处理",
    6: "专业经营单位的服务业务",
    7: "其他有专门途径(党务、人事等)",
}
"""The seven classes that 12345 does not take (plan, 三)."""


def moment(text: str) -> datetime:
    """Return an ISO time as Shanghai's."""
    return datetime.fromisoformat(text).astimezone(SHANGHAI)


def day_and_time(text: str, *, now: float) -> str:
    """Return an ISO time as `今天 18:00`, `11月25日 18:00` or, of another year, with the year."""
    at, today = moment(text), datetime.fromtimestamp(now, SHANGHAI)
    near = {0: "今天", 1: "明天", -1: "昨天"}.get((at.date() - today.date()).days)
    if near is None:
        near = f"{at.month}月{at.day}日"
        if at.year != today.year:
            near = f"{at.year}年{near}"
    return f"{near} {at:%H:%M}"


def whole(at: float) -> str:
    """Return Unix seconds with the year: `2026年11月25日 18:00`."""
    when = datetime.fromtimestamp(at, SHANGHAI)
    return f"{when.year}年{when.month}月{when.day}日 {when:%H:%M}"


def left(due: str | None, *, now: float, workday: Workday, urgency: Urgency) -> str:
    """Return how much time is left until *due*: `还剩2个工作日`, `已超期3小时`; "" without one.

    What is urgent runs by the wall clock, so its days are counted as they are.
    """
    if due is None:
        return ""
    at = moment(due)
    seconds = at.timestamp() - now
    if seconds < 0:
        return f"已超期{_span(-seconds)}"
    if seconds < DAY or urgency is Urgency.URGENT:
        return f"还剩{_span(seconds)}"
    today = datetime.fromtimestamp(now, SHANGHAI).date()
    ahead = (at.date() - today).days
    if ahead > 90:  # nobody counts working days so far ahead
        return f"还剩{ahead}天"
    days = sum(workday(today + timedelta(days=n)) for n in range(1, ahead + 1))
    return f"还剩{days}个工作日" if days else f"还剩{_span(seconds)}"


def _span(seconds: float) -> str:
    if seconds < HOUR:
        return f"{max(1, int(seconds // 60))}分钟"
    if seconds < DAY:
        return f"{int(seconds // HOUR)}小时"
    return f"{int(seconds // DAY)}天"


def size(count: int) -> str:
    """Return bytes as `3.4 MB`."""
    if count < 1024:
        return f"{count} B"
    if count < 1024**2:
        return f"{count / 1024:.0f} KB"
    return f"{count / 1024**2:.1f} MB"


def minutes(seconds: float) -> int:
    """Return *seconds* in minutes, rounded up."""
    return max(1, -int(-seconds // 60))


def readable(text: str, otherwise: str = "") -> str:
    """Return *text* if it is said in Chinese, for people; what is said for programs is not."""
    return text if any("\u4e00" <= letter <= "\u9fff" for letter in text) else otherwise


def owner(code: str, book: Casebook) -> str:
    """Return who must move now; "" when nobody must."""
    if code.startswith(UNIT_OF):
        return book.unit_name(code.removeprefix(UNIT_OF))
    return OWNERS.get(code, code)


def place(book: Casebook, county: str | None, town: str | None, text: str) -> str:
    """Return county, town and place in one line, nothing said twice."""
    found = book.gazetteer.counties.get(county or "")
    said: list[str] = []
    for part in (found.name if found else county, town, text):
        if part and not any(part in other for other in said):
            said = [other for other in said if other not in part]
            said.append(part)
    return " ".join(said)
