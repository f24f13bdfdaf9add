"""The task that tells hooks what happened: at least once, in order per ticket, for three days.

A slow or dead hook holds nobody else up: each has its own few connections, and one that nobody
answers rests as a whole, or all that waits for it would be tried in a tight loop. Nothing that a
receiver answers is read beyond its status, and no redirect is followed: it would lead around the
check of where a hook may go.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from socket import AddressFamily
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.hooks import deliveries
from cti.hooks.addresses import check_url, refused
from cti.hooks.backoff import wait
from cti.hooks.deliveries import Claimed, Target
from cti.hooks.wire import headers, payload
from schemas.errors import Invalid

log = logging.getLogger(__name__)

PRUNE_EVERY = 3600.0
"""Seconds between two looks for news that is too old to keep."""
KEEP = 30 * 86400.0
"""Seconds for which news stays in the outbox, delivered or not."""
LONGEST_REST = 60.0
"""Seconds; the longest rest of a hook that nobody answers, each twice the one before."""
LEASE = 5.0
"""Seconds beyond the time-out of a try before a delivery counts as left behind by the dead."""


class RefusedAddress(OSError):
    """A name resolves to where no hook may go."""


class Guarded(AbstractResolver):
    """Resolves names as ever, but not to refused addresses: names may change after the check."""

    def __init__(self, *, loopback: bool) -> None:
        self._loopback = loopback
        self._inner = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of *host* that may be used.

        Raises:
            RefusedAddress: there are none.
        """
        found = await self._inner.resolve(host, port, family)
        fine = [one for one in found if refused(_address(one), loopback=self._loopback) is None]
        if not fine:
            raise RefusedAddress("the name leads to an address where no hook may go")
        return fine

    async def close(self) -> None:
        """Release what resolving held."""
        await self._inner.close()


def _address(found: ResolveResult) -> Any:
    return ip_address(found["host"].partition("%")[0])


class Sender:
    """Sends news to hooks.

    Args:
        read: makes sessions that only read.
        write: makes sessions that may write.
        loopback: whether hooks on this machine are told.
        timeout: seconds that one try may take in all.
        every: seconds between two looks at the outbox.
        per_hook: tries to one hook at a time.
    """

    def __init__(
        self,
        read: async_sessionmaker[AsyncSession],
        write: async_sessionmaker[AsyncSession],
        *,
        loopback: bool = False,
        timeout: float = 10.0,
        every: float = 1.0,
        per_hook: int = 4,
        lease: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._write = write
        self._loopback = loopback
        self._timeout = timeout
        self._every = every
        self._per_hook = per_hook
        self._lease = timeout + LEASE if lease is None else lease
        self._clock = clock
        self._busy: Counter[int] = Counter()
        self._down: dict[int, tuple[int, float]] = {}
        """Hooks that nobody answers: how often in a row, and when one try is made again."""
        self._woken = asyncio.Event()
        self._pruned_at = float("-inf")

    def wake(self) -> None:
        """Look at the outbox now, and let no hook rest; for who has just written to it."""
        self._down.clear()
        self._woken.set()

    async def run(self, told: Callable[[Exception | None], None] = lambda _: None) -> None:
        """Tell hooks for ever; ends only by cancellation.

        Args:
            told: hears after each look what it failed by, or None.
        """
        connector = TCPConnector(
            resolver=Guarded(loopback=self._loopback), limit=0, ttl_dns_cache=30
        )
        async with (
            ClientSession(
                connector=connector,
                timeout=ClientTimeout(total=self._timeout),
                cookie_jar=DummyCookieJar(),
                trust_env=False,
            ) as http,
            asyncio.TaskGroup() as tries,
        ):
            while True:
                self._woken.clear()
                try:
                    await self._look(http, tries)
                except (SQLAlchemyError, OSError) as error:
                    log.warning("hooks wait: the database fails (%s)", type(error).__name__)
                    told(error)
                except Exception as error:  # an outermost loop: news must go on whatever is wrong
                    log.exception("telling hooks failed")
                    told(error)
                else:
                    told(None)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._every):
                        await self._woken.wait()

    async def _look(self, http: ClientSession, tries: asyncio.TaskGroup) -> None:
        now = self._clock()
        async with self._read() as session:
            found = await deliveries.work(session, now=now)
        if found.new:
            async with self._write.begin() as session:
                await deliveries.spread(session, now=now)
            self._woken.set()  # there may be more, and now there are deliveries
        for target in found.targets:
            free = self._free(target.id, now) - self._busy[target.id]
            if free > 0:
                for claimed in await self._claim(target, free):
                    self._busy[target.id] += 1
                    tries.create_task(self._try(http, target, claimed), name=f"hook-{target.id}")
        if now - self._pruned_at >= PRUNE_EVERY:
            async with self._write.begin() as session:
                gone = await deliveries.prune(session, before=now - KEEP)
            self._pruned_at = now if gone == 0 else self._pruned_at

    async def _claim(self, target: Target, limit: int) -> Sequence[Claimed]:
        now = self._clock()
        async with self._read() as session:
            due = await deliveries.due(session, target.id, now=now, limit=limit)
        if not due:
            return []
        async with self._write.begin() as session:
            return await deliveries.claim(session, target.id, due, now=now, lease=self._lease)

    def _free(self, hook: int, now: float) -> int:
        """Return how many tries to *hook* there may be at a time."""
        if hook not in self._down:
            return self._per_hook
        return 1 if now >= self._down[hook][1] else 0

    def _heard(self, hook: int, status: int | None) -> None:
        """Let *hook* rest when nobody answered; whatever is answered, there is somebody."""
        if status is not None:
            self._down.pop(hook, None)
            return
        now = self._clock()
        times, until = self._down.get(hook, (0, now))
        if now >= until:  # else it is one of several tries at once
            rest = min(LONGEST_REST, 2.0 ** min(times, 10))
            self._down[hook] = times + 1, now + rest

    async def _try(self, http: ClientSession, target: Target, claimed: Claimed) -> None:
        try:
            try:
                status, error = await self._post(http, target, claimed)
            except Exception:  # or it would end all other tries with it
                log.exception("hook %d: news %d cannot be told", target.id, claimed.news.id)
                status, error = None, "a fault of ours; it has been logged"
            self._heard(target.id, status)
            await self._settle(claimed, status, error)
        except (SQLAlchemyError, OSError) as fault:
            # the lease ends by itself, and it is sent again
            log.warning("hook %d: the database fails (%s)", target.id, type(fault).__name__)
        finally:
            self._busy[target.id] -= 1
            self._woken.set()

    async def _settle(self, claimed: Claimed, status: int | None, error: str | None) -> None:
        now = self._clock()
        async with self._write.begin() as session:
            if error is None and status is not None:
                await deliveries.delivered(session, claimed.id, status=status, at=now)
                return
            delay = wait(claimed.tries + 1, age=now - claimed.news.at)
            await deliveries.failed(
                session,
                claimed.id,
                status=status,
                error=error or "",
                next_at=None if delay is None else now + delay,
            )
        if delay is None:
            log.error("hook %d: news %d is given up", claimed.hook, claimed.news.id)

    async def _post(
        self, http: ClientSession, target: Target, claimed: Claimed
    ) -> tuple[int | None, str | None]:
        """Return the status, and what went wrong or None; never raises for the receiver's doing."""
        body = payload(claimed.news)
        try:
            check_url(target.url, loopback=self._loopback)  # addresses are not resolved: no guard
            async with http.post(
                target.url,
                data=body,
                headers=headers(target.secret, claimed.news, body, timestamp=int(self._clock())),
                allow_redirects=False,
            ) as answer:
                # what else it says is not read: it may never end
                fine = 200 <= answer.status < 300
                return answer.status, None if fine else f"HTTP {answer.status}"
        except Invalid as error:
            return None, error.message
        except TimeoutError:
            return None, f"no answer within {self._timeout:g} s"
        except (ClientError, OSError, ValueError) as error:
            return None, type(error).__name__
