"""Whether callers are asked to speak just now: the circuit breaker, without clock or socket.

It is fed with what the speech front says of its health, several times a second, and with what
calls met. A front that is gone or sick is offered to nobody; one that says it is well but left
callers without an answer rests, and is then tried with one call.

    closed ──sick, too many troubles──► open ──well, and rested──► half open ──good──► closed
                                         ▲                             │
                                         └────────trouble, sick────────┘
"""

from dataclasses import dataclass, replace
from enum import StrEnum

TROUBLES = 3
"""Troubles in a row, of any calls, after which speech rests."""
WELL = 2
"""Good answers in a row until a front that was sick is offered again."""
SLOW = 2
"""Health questions in a row without an answer in time that make it sick."""
REST, LONGEST_REST = 5.0, 60.0
"""Seconds of the first rest, doubled with each that did not help; and the most."""
TRIAL = 60.0
"""Seconds in which the one call that tries must come back: its caller may have hung up."""


class State(StrEnum):
    """Of the circuit."""

    CLOSED = "closed"
    """Words are listened to."""
    OPEN = "open"
    """Keys alone."""
    HALF_OPEN = "half_open"
    """One call may try."""


class Health(StrEnum):
    """What the front says of itself."""

    WELL = "well"
    FULL = "full"
    """Well, and takes nobody more just now."""
    SICK = "sick"
    """It says so, or nobody is there."""
    SLOW = "slow"
    """It said nothing in time."""


class Met(StrEnum):
    """What a call met."""

    BEGUN = "begun"
    """It is about to ask for a recogniser."""
    GOOD = "good"
    """The sentence was recognised, or nobody spoke and it said so."""
    PASSED = "passed"
    """Nothing was learnt: the caller pressed a key, or hung up."""
    REFUSED = "refused"
    """It takes nobody, or is not there."""
    MUTE = "mute"
    """It said nothing when it should have."""
    LATE = "late"
    """It said that the words were not there in time."""
    FAILED = "failed"
    """It died, or said that it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The circuit. Times are seconds of any clock that goes forward."""

    state: State = State.OPEN
    well: int = 0
    """Good answers in a row, up to `WELL`."""
    slow: int = 0
    full: bool = False
    troubles: int = 0
    """In a row."""
    rests: int = 0
    """Since it last worked."""
    rests_until: float = 0.0
    tries_until: float = 0.0
    """Until when the one call that tries is awaited; 0: nobody tries."""

    def offers(self, at: float) -> bool:
        """Say whether a caller is asked to speak."""
        return not self.full and (
            self.state is State.CLOSED or (self.state is State.HALF_OPEN and at >= self.tries_until)
        )

    def felt(self, health: Health, at: float) -> "Breaker":
        """Return the breaker after one question about its health."""
        match health:
            case Health.SLOW if self.slow + 1 < SLOW:
                return replace(self, slow=self.slow + 1)
            case Health.SLOW | Health.SICK:
                return replace(self, state=State.OPEN, well=0, slow=SLOW, full=False)
        heard = replace(self, well=min(self.well + 1, WELL), slow=0, full=health is Health.FULL)
        if heard.state is not State.OPEN or heard.well < WELL or at < heard.rests_until:
            return heard
        if heard.rests:
            return replace(heard, state=State.HALF_OPEN, tries_until=0.0)
        return replace(heard, state=State.CLOSED, troubles=0)

    def met(self, what: Met, at: float) -> "Breaker":
        """Return the breaker after what a call met."""
        match what:
            case Met.BEGUN if self.state is State.HALF_OPEN:
                return replace(self, tries_until=at + TRIAL)
            case Met.BEGUN:
                return self
            case Met.PASSED:  # if it was the one call that tries, another one does
                return replace(self, tries_until=0.0)
            case Met.REFUSED if self.well >= WELL:  # well a moment ago: merely full
                return replace(self, full=True, tries_until=0.0)
            case Met.GOOD if self.state is State.HALF_OPEN:
                return replace(self, state=State.CLOSED, troubles=0, rests=0, tries_until=0.0)
            case Met.GOOD:
                return replace(self, troubles=0)
        troubles = self.troubles + 1
        if self.state is State.OPEN or (self.state is State.CLOSED and troubles < TROUBLES):
            return replace(self, troubles=troubles)
        rest = min(REST * 2**self.rests, LONGEST_REST)
        return replace(
            self,
            state=State.OPEN,
            troubles=0,
            rests=min(self.rests + 1, 10),
            rests_until=at + rest,
            tries_until=0.0,
        )
