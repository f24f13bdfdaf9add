"""Due times found by hand, against the clocks."""

import csv
from pathlib import Path

import pytest

from cti.tickets.clocks import moment, reckon
from schemas.calendar import Calendar, Override, Schedule
from schemas.cases import Clock, ClockName, Pause
from schemas.times import iso, read

pytestmark = pytest.mark.unit

TABLE = Path(__file__).with_name("due_times.tsv")
SCHEDULES = {
    "office": Schedule(workdays=("08:30-12:00", "14:00-18:00")),
    "hall": Schedule(workdays=("09:00-17:00",)),
    "night": Schedule(every=("22:00-07:00",)),
}


def rows() -> list[dict[str, str]]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader((x for x in lines if not x.startswith("#")), delimiter="\t"))


def pause_of(text: str) -> Pause:
    why, _, span = text.partition(" ")
    at, until = span.split("/")
    return Pause(at=read(at), until=read(until), why=why)


def override_of(text: str) -> Override:
    day, kind = text.split()
    return Override.model_validate({"date": day, "kind": kind, "why": "表"})


def parts(text: str) -> list[str]:
    return [part for part in text.split("; ") if part]


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['limit']} {row['begin']}")
def test_a_due_time_is_what_was_found_by_hand(row: dict[str, str]) -> None:
    amount, measure = row["limit"].split()
    clock = Clock(
        name=ClockName.CLOSE,
        begun_at=read(row["begin"]),
        amount=float(amount),
        measure=measure,
        hours=row["hours"],
        pauses=tuple(map(pause_of, parts(row["pauses"]))),
        fixed_due=read(row["granted until"]) if row["granted until"] else None,
    )
    calendar = Calendar(
        schedules=SCHEDULES, overrides=tuple(map(override_of, parts(row["overrides"])))
    )
    due = moment(clock, calendar)
    assert iso(due) == iso(read(row["due"])), row["why"]
    assert reckon(clock, calendar).due_at == due


def test_the_table_is_whole() -> None:
    assert len(rows()) >= 60
    assert all(row["why"] for row in rows())
    assert len({tuple(row.values()) for row in rows()}) == len(rows())
