"""When a delivery that failed is tried again, and when nobody tries any more. Pure."""

FIRST = 1.0
"""Seconds between the first failure and the second try; each wait is twice the one before."""
LONGEST = 3600.0
"""Seconds; the longest wait between two tries."""
GIVE_UP = 3 * 86400.0
"""Seconds after which news is no news: a receiver that was away so long must ask the REST API."""
FEWEST = 5
"""Tries that old news has all the same: it may have waited behind earlier news, or for us."""


def wait(tries: int, *, age: float) -> float | None:
    """Return the seconds until the next try, None when the delivery is given up.

    Args:
        tries: how often it failed, at least once.
        age: seconds since what it tells of happened.
    """
    # beyond that power the wait is the longest anyway, and a float would overflow one day
    delay = min(LONGEST, FIRST * 2.0 ** min(tries - 1, 20))
    if tries >= FEWEST and age + delay > GIVE_UP:
        return None
    return delay
