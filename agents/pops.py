"""The screen-pop: what a call shows before anybody has said a word."""

from schemas.calls import Call
from schemas.desktop import History, ScreenPop
from schemas.times import iso


def pop_of(call: Call, *, now: float) -> ScreenPop:
    """Return the pop of *call*, without history; *now* is Unix seconds."""
    number = call.number
    return ScreenPop(
        call=call.id,
        caller=call.caller,
        number=number.number if number else call.dialled,
        hotline=number.hotline if number else None,
        owner_unit=number.owner_unit if number else None,
        integration=number.integration.value if number else None,
        attribution=call.attribution.value if call.attribution else None,
        queue=call.queue,
        waited=round(max(0.0, now - call.started_at), 3),
        started_at=iso(call.started_at),
        transcript=call.transcript,
        intent=call.intent,
        confidence=call.confidence,
    )


def with_history(pop: ScreenPop, history: History | None) -> ScreenPop:
    """Return *pop* with what is known of the caller; None leaves it as it is."""
    if history is None:
        return pop
    return pop.model_copy(update={"history": history.calls, "open_tickets": history.tickets})
