"""What is due to one caller's RECOGNIZE, and when: the rules without a socket.

A *sentence* is what a caller says in one go; it may last over several RECOGNIZEs (it begins under
the prompt, is collected on while the prompt is being cut, and ends under the next one). Each
RECOGNIZE gets one result, and gets it while its sound arrives: Asterisk throws away what comes
between two of them.
"""

from dataclasses import dataclass

from ivr.speech.wire import Kind, Listening, Result

_ENDS_IT = frozenset({Kind.FINAL, Kind.LATE, Kind.FAILED})


@dataclass(frozen=True, slots=True)
class Turn:
    """What the recogniser is told about a RECOGNIZE."""

    sentence: int
    """Changes when a new sentence is wanted; marks about an older one count no more."""
    listen: int
    listening: Listening


class Talk:
    """One connection. Times are seconds of any clock that goes forward."""

    def __init__(self, answer_within: float) -> None:
        """Begin.

        Args:
            answer_within: seconds after the end of a sentence for its words to come.
        """
        self._within = answer_within
        self._turn = Turn(0, 0, Listening())
        self._asked = False
        self._answered = False
        self._over = True
        self._failed = False
        self._forget()
        self.last: Result | None = None
        """The last result that was sent."""

    def _forget(self) -> None:
        self._began = False
        self._ended: float | None = None
        self._words: Result | None = None
        self._silent = 0

    @property
    def unasked(self) -> bool:
        """Whether sound must be listened to although nobody set `listen`.

        `SpeechBackground()` in an admin's dialplan does not: it gets sentence after sentence.
        """
        return self._over and not self._asked

    @property
    def takes_sound(self) -> bool:
        """Whether the recogniser still wants the sound of this sentence."""
        return not (self._over or self._failed or self._ended is not None)

    def listen(self, listening: Listening | None) -> Turn:
        """Note that a RECOGNIZE comes; None: one that nobody announced."""
        fresh = self._over
        self._asked = self._asked or listening is not None
        self._turn = Turn(
            self._turn.sentence + fresh, self._turn.listen + 1, listening or Listening()
        )
        self._answered = False
        self._over = False
        if fresh:
            self._forget()
        return self._turn

    # ---- what the recogniser says

    def begun(self, sentence: int) -> None:
        """Somebody speaks."""
        if sentence == self._turn.sentence:
            self._began = True

    def ended(self, sentence: int, now: float) -> None:
        """The sentence is over; its words are awaited from now on."""
        if sentence == self._turn.sentence and self._ended is None:
            self._ended = now

    def silent(self, listen: int) -> None:
        """Nobody spoke for as long as RECOGNIZE *listen* allows."""
        self._silent = listen

    def words(self, sentence: int, text: str, score: int) -> None:
        """The words are there; "" when there was sound and no words."""
        if sentence == self._turn.sentence and self._words is None:
            self._words = Result(Kind.FINAL, text, score)

    def failed(self) -> None:
        """No words will come any more on this connection."""
        self._failed = True

    # ---- what Asterisk is told

    def due(self, now: float) -> Result | None:
        """Return what to send on receipt of sound; it counts as sent."""
        if self._answered or self._over:
            return None
        result = self._result(now)
        if result is not None:
            self._answered = True
            self._over = result.kind in _ENDS_IT
            self.last = result
        return result

    def _result(self, now: float) -> Result | None:
        if self._words is not None:
            return self._words
        if self._failed:
            return Result(Kind.FAILED)
        if self._ended is not None and now - self._ended >= self._within:
            return Result(Kind.LATE)
        if self._began:
            return Result(Kind.BEGAN) if self._turn.listening.barge else None
        if self._silent == self._turn.listen:
            return Result(Kind.SILENCE)
        return None
