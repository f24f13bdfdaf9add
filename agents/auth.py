"""Who is asking: tokens for machines, cookie sessions for people."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from agents import keys, roster
from agents.lockout import Lockout
from schemas.errors import TooMany, Unauthorised, Unavailable
from schemas.identity import Who
from schemas.tables import UserRow

CACHE_SECONDS = 5.0
"""For so long a revoked key may still open; a REST call within it costs no query."""
CACHE_SIZE = 4096
LONGEST_KEY = 128
"""Characters; longer ones are not ours and are not looked up."""
WAITING = 16
"""Sign-ins that may wait for the one thread that checks passwords; more are sent away."""
NOBODY = roster.HASHER.hash(roster.generated())
"""Hash that no password has: an unknown login costs as much time as a known one."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session."""

    cookie: str
    who: Who
    name: str


class Auth:
    """Knows keys and people.

    Args:
        sessions: makes database sessions that may write.
        clock: Unix seconds.
        hours: how long a sign-in lasts.
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        *,
        clock: Callable[[], float],
        hours: float = 12.0,
        lockout: Lockout | None = None,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self.seconds = hours * 3600
        self._lockout = lockout or Lockout()
        self._cache: OrderedDict[str, tuple[float, Who | None]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting = 0

    def close(self) -> None:
        """Give the password thread back."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def who_is(self, bearer: str) -> Who | None:
        """Return whom a token stands for."""
        if not bearer.startswith(keys.PREFIX):
            return None
        return await self._known("t" + bearer, lambda s: keys.token_owner(s, bearer))

    async def who_has(self, cookie: str) -> Who | None:
        """Return who is signed in with a cookie."""
        now = self._clock()
        return await self._known("c" + cookie, lambda s: keys.cookie_owner(s, cookie, now=now))

    async def _known(
        self, key: str, ask: Callable[[AsyncSession], Awaitable[Who | None]]
    ) -> Who | None:
        if len(key) > LONGEST_KEY:
            return None
        now = self._clock()
        if (found := self._cache.get(key)) and now < found[0]:
            return found[1]
        async with self._sessions() as session:
            who = await ask(session)
        self._cache[key] = now + CACHE_SECONDS, who
        self._cache.move_to_end(key)
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return who

    async def sign_in(
        self, login: str, password: str, *, address: str, old_cookie: str | None = None
    ) -> SignedIn:
        """Check a password and open a session with a key of its own.

        Raises:
            Unauthorised: login and password do not belong together; it is not said why.
            TooMany: too many failures of this login from this address.
            Unavailable: too many people sign in at this moment.
        """
        who = (login, address)
        if wait := self._lockout.locked_for(who, now=self._clock()):
            raise TooMany("too many failed sign-ins; wait", retry_after=round(wait))
        async with self._sessions() as session:
            found = await session.scalars(select(UserRow).where(UserRow.login == login))
            user = found.first()
        stored = user.password_hash if user is not None and user.active else NOBODY
        if not await self._fits(stored, password) or user is None:
            self._lockout.failed(who, now=self._clock())
            raise Unauthorised("login or password is wrong")
        self._lockout.succeeded(who)
        if old_cookie is not None:
            await self.sign_out(old_cookie)
        async with self._sessions.begin() as session:
            cookie = await keys.open_session(session, user, now=self._clock(), seconds=self.seconds)
        return SignedIn(cookie, keys.who_is_user(user), user.name)

    async def _fits(self, stored: str, password: str) -> bool:
        if self._waiting >= WAITING:
            raise Unavailable("too many people sign in at this moment; try again", retry_after=2)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, roster.verify, stored, password)
        finally:
            self._waiting -= 1

    async def sign_out(self, cookie: str) -> None:
        """End a session at once."""
        self._cache.pop("c" + cookie, None)
        async with self._sessions.begin() as session:
            await keys.close_session(session, cookie)
