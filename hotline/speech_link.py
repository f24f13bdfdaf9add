"""The controller's link to the speech front: is it well, and may callers speak just now.

It asks the front's health several times a second. A front that is gone, hung or without a model
is offered to nobody: callers hear the flow's prompts for keys, and nothing waits.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable

import aiohttp

from hotline import status
from hotline.config import Config
from ivr.listen import Listener
from ivr.speech.breaker import Breaker, Health, Met, State
from ivr.speech.intents import Vocabulary
from schemas.city import City
from schemas.speech import Meaning, Understand

log = logging.getLogger(__name__)

EVERY, WITHIN = 0.2, 0.2
"""Seconds between two questions, and for the answer."""
LONGEST_ANSWER = 4096
"""Bytes."""
KEPT = 3
"""Versions of the city whose words are kept: a call may outlast a publish or two."""
KEYS = "callers use keys"
WITHOUT_WORDS = {
    Health.SLOW: "the speech front does not answer in time",
    Health.SICK: "nobody answers at the speech front's port: `hotline speech` runs it",
}


class SpeechLink:
    """One for the controller; `listener` is what calls need of it."""

    def __init__(
        self,
        config: Config,
        *,
        city: Callable[[], City],
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `run` asks.

        Args:
            city: as it is now: its words are made before a call needs them.
            clock: Unix seconds, for people.
            steady: seconds that never go back, for the breaker.
        """
        speech = config.speech
        self._enabled = speech.enabled
        self._url = f"http://{speech.host}:{speech.port}/health"
        self._city, self._clock, self._steady = city, clock, steady
        self._breaker = Breaker()
        self._vocabularies: list[tuple[City, Vocabulary]] = []
        self._why = "not asked yet" if speech.enabled else "off by the settings"
        self._part = status.State(False, clock(), f"{self._why}; {KEYS}")
        self.model = ""
        """Name of the model that listens, "" while nobody does."""
        self.listener = Listener(
            offered=self.offered,
            met=self.met,
            understand=self.understand,
            model=lambda: self.model,
            longest=speech.longest,
            answer_within=speech.answer_within,
        )

    @property
    def state(self) -> status.State:
        """How it is, for `/status`."""
        ok = self._breaker.state is not State.OPEN
        if self._part.ok != ok:
            self._part = status.State(ok, self._clock())
        if not ok:
            rests = "callers got no answer from it: it rests and is tried again"
            begins = "it has only just begun to answer"
            why = self._why or (rests if self._breaker.rests else begins)
            self._part.last_error = f"{why}; {KEYS}"
        return self._part

    def offered(self) -> bool:
        """Say whether a caller may be asked to speak."""
        learnt = self._enabled and bool(self._vocabularies)
        return learnt and self._breaker.offers(self._steady())

    def met(self, what: Met) -> None:
        """Learn what a call met."""
        self._breaker = self._breaker.met(what, self._steady())

    # ---- its health

    async def run(self) -> None:
        """Ask until cancelled."""
        if not self._enabled:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feel())
            tasks.create_task(self._learn())

    async def _feel(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN)) as http:
            while True:
                self._felt(*await self._ask(http))
                await asyncio.sleep(EVERY)

    async def _ask(self, http: aiohttp.ClientSession) -> tuple[Health, str]:
        try:
            async with http.get(self._url, allow_redirects=False) as answer:
                return self._understood(await _read(answer))
        except TimeoutError:
            return Health.SLOW, WITHOUT_WORDS[Health.SLOW]
        except (aiohttp.ClientError, OSError, ValueError):
            return Health.SICK, WITHOUT_WORDS[Health.SICK]

    def _understood(self, body: bytes) -> tuple[Health, str]:
        try:
            found = json.loads(body)
            ok, full = found["ok"] is True, found.get("full") is True
            model = str(found.get("model") or "")[:64]
            why = str(found.get("reason") or "")[:160]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Health.SICK, "what answers at the speech front's port is no speech front"
        if not ok:
            return Health.SICK, why or "the speech front has no model, or no recogniser lives"
        self.model = model
        return (Health.FULL if full else Health.WELL), ""

    def _felt(self, health: Health, why: str) -> None:
        self._breaker = self._breaker.felt(health, self._steady())
        self._why = why

    # ---- what words mean

    async def _learn(self) -> None:
        """Make the vocabulary of each new version, away from the loop."""
        refused: City | None = None
        while True:
            city = self._city()
            if city is not refused and not any(known is city for known, _ in self._vocabularies):
                try:
                    self._keep(city, await asyncio.to_thread(Vocabulary.of, city))
                except Exception:  # calls go on with the words of the version before, or with keys
                    log.exception("the words of version %d cannot be learnt", city.version)
                    refused = city
            await asyncio.sleep(EVERY)

    def understand(self, city: City) -> Understand:
        """Return what understands words in *city*; calls go on with the version they began with.

        In the half second in which a new version is being learnt, the words of the one before.
        """
        for known, vocabulary in self._vocabularies:
            if known is city:
                return vocabulary.understand
        return self._vocabularies[0][1].understand if self._vocabularies else _no_words

    def _keep(self, city: City, vocabulary: Vocabulary) -> None:
        self._vocabularies = [(city, vocabulary), *self._vocabularies[: KEPT - 1]]


def _no_words(_text: str, _among: Iterable[str], /) -> Meaning:
    return Meaning()


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for part in answer.content.iter_any():
        body += part
        if len(body) > LONGEST_ANSWER:
            break
    return body
