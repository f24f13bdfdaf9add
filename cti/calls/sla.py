"""The service-level clock: from the INVITE of a hotline number to a human's answer.

GB/T 33358-2016 counts from the ring, so every second that a prompt costs is in it.
"""

from schemas.calls import Call


def seconds_to_answer(call: Call) -> float | None:
    """Return seconds from INVITE to the first human answer, or None when nobody answered."""
    if call.answered_at is None:
        return None
    return round(max(0.0, call.answered_at - call.started_at), 3)


def waited(call: Call, *, now: float) -> float:
    """Return the seconds the citizen has waited so far, or waited until the answer."""
    end = call.answered_at if call.answered_at is not None else call.ended_at or now
    return max(0.0, end - call.started_at)


def in_time(call: Call, *, limit: float) -> bool:
    """Tell whether a human answered within *limit* seconds of the INVITE."""
    seconds = seconds_to_answer(call)
    return seconds is not None and seconds <= limit
