"""Tickets and catalogue as outsiders see them. Pure.

What is shown of a ticket is chosen here, field by field; a new column of a ticket stays inside
until somebody adds it here.
"""

import re
from collections.abc import Iterator

from cti.tickets import masks
from schemas.casebook import Casebook
from schemas.cases import Kind, TicketState
from schemas.outside import RequestOut, ServiceOut
from schemas.tables import TicketRow
from schemas.times import iso, iso_or_none

KIND = "kind"
"""Group of services for what has no category: `kind.complaint`."""
NUMBER = re.compile(r"(?<!\d)(?:(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}|\d{17}[\dXx])(?!\d)")
"""Mobile and identity numbers, wherever citizens say them."""


def services(book: Casebook) -> Iterator[ServiceOut]:
    """Yield every service: the catalogue, and the kinds for what fits nowhere."""
    for field, branch in book.catalogue.fields.items():
        for name, category in branch.categories.items():
            yield ServiceOut(
                service_code=f"{field}.{name}",
                service_name=category.name,
                description=f"{branch.name}：{category.name}",
                keywords=",".join(category.words),
                group=branch.name,
            )
    for kind in Kind:
        yield ServiceOut(
            service_code=f"{KIND}.{kind.value}",
            service_name=kind.label,
            description=f"未分类的{kind.label}",
            keywords="",
            group="未分类",
        )


def code_of(category: str | None, kind: str | None) -> str:
    """Return the service code of a ticket."""
    return category or f"{KIND}.{kind or Kind.HELP.value}"


def request(row: TicketRow, book: Casebook, *, expected: float | None) -> RequestOut:
    """Return *row* as outsiders see it.

    Args:
        expected: Unix seconds by which it is to be done; None: not said.
    """
    state = TicketState(row.state)
    shown = TicketState.DONE if state is TicketState.CHECKING else state
    hidden = row.confidential or row.kind == Kind.REPORT.value
    code = code_of(row.category, row.kind)
    kind = Kind(row.kind) if row.kind else Kind.HELP
    category = book.catalogue.category(row.category) if row.category else None
    name = category.name if category is not None else row.category or kind.label
    return RequestOut(
        service_request_id=row.id,
        status="closed" if state.closed else "open",
        status_notes=_notes(row, shown),
        service_name=name,
        service_code=code,
        description=None if hidden else _text(row, "\n".join(filter(None, (row.title, row.body)))),
        agency_responsible=(
            book.unit_name(row.unit) if row.unit and row.dispatched_at is not None else None
        ),
        requested_datetime=iso(row.created_at),
        updated_datetime=iso(row.updated_at),
        expected_datetime=iso_or_none(expected),
        address=None if hidden else _text(row, row.place) or None,
    )


def _notes(row: TicketRow, shown: TicketState) -> str:
    if shown is TicketState.MERGED and row.merged_into:
        return f"{shown.label}：{row.merged_into}"
    return shown.label


def _text(row: TicketRow, said: str) -> str:
    """Return what a citizen *said* without who they are."""
    if row.caller:
        said = said.replace(row.caller, masks.number(row.caller) or "")
    if row.contact_name:
        said = said.replace(row.contact_name, masks.NAME)
    return NUMBER.sub(lambda found: f"{found[0][:3]}****{found[0][-4:]}", said)
