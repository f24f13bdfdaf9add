"""When tickets are one alarm: one with a grave word, or several alike, near, within hours. Pure.

a ticket with its topics (`risks.Watch`) → with those near it `dangers` → with the alarms
there are `settle` → raise one, let one grow, or nothing
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cti.tickets.alike import likeness
from cti.tickets.wording import Said
from schemas.risks import ALIKE, Cluster, Level, Risks, Topic

SURE = 90
"""Likeness of texts, 0-100, that makes one of two dangers of which nobody knows where."""
MANY_ALIKE = 3
"""Words that a text must have to be like another one: "投诉" alone is like every complaint."""


NOTHING_SAID = Said()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A ticket as far as dangers go."""

    ticket: str
    at: float
    """Unix seconds when it was opened."""
    saved_at: float
    """Unix seconds when it was saved as it is."""
    caller: str = ""
    """Number in one form (`alike.number_of`); "" when it is hidden."""
    county: str | None = None
    town: str | None = None
    groups: bool = True
    """Whether many texts like it mean anything: not what is only asked or praised."""
    said: Said = NOTHING_SAID
    topics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Code of each topic, and its words in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Danger:
    """What one ticket, with those near it, may mean."""

    report: Report
    kind: Literal["word", "cluster"]
    topic: str
    level: Level
    group: tuple[Report, ...]
    """Of the same topic or alike, near in place and time, with the ticket itself; oldest first."""
    around: tuple[Report, ...] = ()
    """The same in the whole county."""
    bound: bool = False
    """Only an alarm that has a ticket of the group may take it: the place alone says too little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An alarm there is already."""

    id: int
    topic: str
    county: str | None
    town: str | None
    tickets: tuple[str, ...]
    state: Literal["open", "confirmed", "dismissed"] = "open"
    decided_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """A new alarm."""

    danger: Danger
    county: str | None
    town: str | None
    tickets: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grow:
    """An alarm takes tickets."""

    danger: Danger
    alarm: int
    county: str | None
    town: str | None
    tickets: tuple[str, ...]
    """All of it, the old ones first."""
    words: tuple[str, ...]
    """Of the new ones."""
    told: bool
    """Whether people hear of it: not of what joins an alarm that is confirmed."""


def dangers(report: Report, others: Iterable[Report], risks: Risks) -> Iterator[Danger]:
    """Yield what *report* may mean, with those of *others* that are near it.

    Args:
        others: tickets of about the same time; those out of the cluster's hours are left aside.
    """
    cluster = risks.cluster
    near_in_time = [
        other
        for other in others
        if other.ticket != report.ticket and abs(other.at - report.at) <= cluster.hours * 3600
    ]
    for code in report.topics:
        yield _of_topic(report, code, risks.topics[code], near_in_time, cluster)
    if not report.topics and report.groups and len(report.said.words) >= MANY_ALIKE:
        near = [other for other in near_in_time if _near(report, other, town=False)]
        alike = [other for other in near if _same_text(report, other, cluster.alike)]
        theirs = sorted({code for other in alike for code in other.topics})
        clustered = [code for code in theirs if not risks.topics[code].at_once]
        code = clustered[0] if clustered else ALIKE
        yield Danger(
            report=report,
            kind="cluster",
            topic=code,
            level=risks.topics[code].level if clustered else "notice",
            group=_in_order(report, _of_one_town(report, alike)),
            around=_in_order(report, (o for o in alike if _same_county(report, o))),
            bound=True,
        )


def _of_topic(
    report: Report, code: str, topic: Topic, others: Sequence[Report], cluster: Cluster
) -> Danger:
    unknown = report.county is None

    def same(other: Report) -> bool:
        if topic.personal:
            return bool(report.caller) and other.caller == report.caller
        if code not in other.topics and other.topics:
            return False
        # no place joins them: the number must, or the text; of what rings at once two too many
        # are better than one that hides in another
        if unknown or other.county is None:
            mine = bool(report.caller) and other.caller == report.caller and code in other.topics
            return mine or _same_text(report, other, SURE if topic.at_once else cluster.alike)
        return code in other.topics or _same_text(report, other, cluster.alike)

    of_one = [other for other in others if same(other)]
    return Danger(
        report=report,
        kind="word" if topic.at_once else "cluster",
        topic=code,
        level=topic.level,
        group=_in_order(report, of_one if topic.personal else _of_one_town(report, of_one)),
        around=_in_order(report, (other for other in of_one if _same_county(report, other))),
        bound=unknown or topic.personal,
    )


def _of_one_town(report: Report, others: Iterable[Report]) -> list[Report]:
    """Return those of the report's town, or of the commonest one when it names none."""
    near = [other for other in others if _near(report, other)]
    towns = [other.town for other in near if other.town is not None]
    if report.town is not None or not towns:
        return near
    commonest = max(sorted(set(towns)), key=towns.count)
    return [other for other in near if other.town in (None, commonest)]


def _in_order(report: Report, others: Iterable[Report]) -> tuple[Report, ...]:
    return tuple(sorted((report, *others), key=lambda one: (one.at, one.ticket)))


def _same_text(one: Report, other: Report, least: int) -> bool:
    if not other.groups or len(other.said.words) < MANY_ALIKE:
        return False
    matters = one.said.matters, other.said.matters
    if all(matters) and matters[0].isdisjoint(matters[1]):
        return False
    if set(one.said.words).isdisjoint(other.said.words):
        return False
    return likeness(one.said, other.said) >= least


def _near(one: Report, other: Report, *, town: bool = True) -> bool:
    """Whether nothing says that they are of two counties, or towns."""
    if one.county != other.county:
        return one.county is None or other.county is None
    return not town or one.town == other.town or one.town is None or other.town is None


def _same_county(one: Report, other: Report) -> bool:
    return one.county is not None and one.county == other.county


def settle_all(
    found: Iterable[Danger], alarms: Iterable[Known], cluster: Cluster
) -> list[tuple[int, Raise | Grow]]:
    """Return what follows from several dangers, one after the other, with the alarm's id.

    An alarm that is raised has an id below zero, which what follows knows it by.
    """
    there = {alarm.id: alarm for alarm in alarms}
    news: list[tuple[int, Raise | Grow]] = []
    for danger in found:
        outcome = settle(danger, there.values(), cluster)
        if outcome is None:
            continue
        before = None if isinstance(outcome, Raise) else there[outcome.alarm]
        id = -1 - len(there) if isinstance(outcome, Raise) else outcome.alarm
        there[id] = Known(
            id=id,
            topic=danger.topic,
            county=outcome.county,
            town=outcome.town,
            tickets=outcome.tickets,
            state="open" if before is None else before.state,
            decided_at=None if before is None else before.decided_at,
        )
        news.append((id, outcome))
    return news


def settle(danger: Danger, alarms: Collection[Known], cluster: Cluster) -> Raise | Grow | None:
    """Return what follows from *danger* beside the alarms there are.

    A ticket is in one alarm of a topic at most, whatever became of the alarm. It joins the open
    one of its place, however long that has been open; a confirmed one takes, unheard, what comes
    within the cluster's hours, so that a known outage does not ring again; a dismissed one takes
    nothing, and its tickets count for no other.
    """
    mine = danger.report.ticket
    of_topic = [alarm for alarm in alarms if alarm.topic == danger.topic]
    if any(mine in alarm.tickets for alarm in of_topic):
        return None
    taken = {ticket for alarm in of_topic for ticket in alarm.tickets}
    for alarm in sorted(of_topic, key=lambda alarm: (alarm.town is None, alarm.id)):
        if _takes(alarm, danger, cluster):
            return _grow(alarm, danger, (danger.report,))
    group = [one for one in danger.group if one.ticket not in taken]
    if danger.kind == "word" or _enough(group, cluster.tickets, cluster):
        fresh = [danger.report] if danger.kind == "word" else group
        return _raise(danger, fresh, one_town=True)
    if danger.bound:
        return None
    # every town of the county a little: an open alarm of one of them grows to the county
    settled = {ticket for a in of_topic if a.state != "open" for ticket in a.tickets}
    around = [one for one in danger.around if one.ticket not in settled]
    if not _enough(around, cluster.county, cluster):
        return None
    for alarm in sorted(of_topic, key=lambda alarm: alarm.id):
        if alarm.state == "open" and not {one.ticket for one in around}.isdisjoint(alarm.tickets):
            return _grow(alarm, danger, [one for one in around if one.ticket not in taken])
    return _raise(danger, around, one_town=False)


def _enough(group: Sequence[Report], tickets: int, cluster: Cluster) -> bool:
    # each hidden number is somebody else
    callers = {one.caller or one.ticket for one in group}
    return len(group) >= tickets and len(callers) >= min(cluster.callers, tickets)


def _takes(alarm: Known, danger: Danger, cluster: Cluster) -> bool:
    report = danger.report
    if alarm.state == "dismissed":
        return False
    if alarm.state == "confirmed":
        late = report.at - (alarm.decided_at or 0) > cluster.hours * 3600
        if danger.kind == "word" or late:
            return False
    if danger.bound:
        return not {one.ticket for one in danger.group}.isdisjoint(alarm.tickets)
    if alarm.county != report.county:
        return False
    return alarm.town is None or report.town is None or alarm.town == report.town


def _raise(danger: Danger, group: Sequence[Report], *, one_town: bool) -> Raise:
    return Raise(
        danger=danger,
        county=_common(danger.report.county, (one.county for one in group)),
        town=_common(danger.report.town, (one.town for one in group)) if one_town else None,
        tickets=tuple(one.ticket for one in group),
        words=_words(danger.topic, group),
    )


def _grow(alarm: Known, danger: Danger, group: Sequence[Report]) -> Grow:
    towns = {one.town for one in group if one.town is not None}
    town = alarm.town if towns <= {alarm.town} else None
    return Grow(
        danger=danger,
        alarm=alarm.id,
        county=alarm.county,
        town=town,
        tickets=(*alarm.tickets, *(one.ticket for one in group)),
        words=_words(danger.topic, group),
        told=alarm.state == "open",
    )


def _common(mine: str | None, theirs: Iterable[str | None]) -> str | None:
    """Return the one place that is named; None when it is none or several."""
    named = {place for place in (mine, *theirs) if place is not None}
    return named.pop() if len(named) == 1 else None


def _words(topic: str, group: Iterable[Report]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for one in group for word in one.topics.get(topic, ())))
