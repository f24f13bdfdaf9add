"""How often a sign-in may fail before nobody is asked any more. Pure: time is an argument."""

from collections import OrderedDict, deque
from collections.abc import Hashable


class Lockout:
    """Counts failures of each key within a sliding window.

    Args:
        failures: so many within `window` seconds lock.
        keys: keys remembered; the one longest untouched is forgotten first.
    """

    def __init__(self, *, failures: int = 5, window: float = 900.0, keys: int = 10_000) -> None:
        self._failures = failures
        self._window = window
        self._keys = keys
        self._seen: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def locked_for(self, key: Hashable, *, now: float) -> float:
        """Return the seconds for which *key* is still locked; 0 when it may try."""
        times = self._seen.get(key)
        if times is None or len(times) < self._failures:
            return 0.0
        return max(0.0, times[0] + self._window - now)

    def failed(self, key: Hashable, *, now: float) -> None:
        """Note a failure."""
        times = self._seen.setdefault(key, deque(maxlen=self._failures))
        while times and times[0] <= now - self._window:
            times.popleft()
        times.append(now)
        self._seen.move_to_end(key)
        if len(self._seen) > self._keys:
            self._seen.popitem(last=False)

    def succeeded(self, key: Hashable) -> None:
        """Forget the failures of *key*."""
        self._seen.pop(key, None)
