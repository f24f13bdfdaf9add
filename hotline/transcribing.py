"""Transcripts of recordings, made after the calls with what the machine has to spare."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.transcripts import store
from cti.transcripts.store import Due, TranscriptFilter
from hotline import admin, exchange, models
from hotline.config import Config
from ivr.speech import engines
from ivr.speech import models as known
from ivr.speech.engines import Engine
from ivr.speech.models import Model
from ivr.speech.passages import passages
from ivr.speech.sound import RATE, read
from schemas.errors import NotFound, Unavailable
from schemas.transcripts import Part, TranscriptOut

SETTLED = 10.0
"""Seconds after the end of a call in which its recording is still being closed."""
MOST = 10_000
"""Recordings taken from the list at a time."""
EVERY = 10.0
"""Seconds between two looks for new recordings."""


@dataclass(frozen=True, slots=True)
class Made:
    """What came of one recording."""

    call: str
    seconds: float
    """Length of the recording."""
    took: float
    """Seconds it took to listen."""
    words: int
    """Characters."""
    error: str | None


def step_back() -> None:
    """Let everything else on this machine go first."""
    os.nice(19)
    with contextlib.suppress(OSError, AttributeError):  # a container may forbid it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def heard(engine: Engine, pcm: bytes) -> list[Part]:
    """Return what was said in a recording; takes its time."""
    parts = []
    for passage in passages(pcm):
        stream = engine.open()
        stream.feed(passage.pcm)
        found = stream.finish()
        if found.text:
            parts.append(
                Part(at=passage.at, until=passage.until, text=found.text, score=found.score)
            )
    return parts


async def transcribe(
    config: Config,
    only: Sequence[str],
    *,
    again: bool,
    follow: bool,
    tell: Callable[[Made], None],
) -> None:
    """Listen to the recordings that are due.

    Args:
        only: calls; all when empty.
        again: those that have a transcript, too.
        follow: go on for ever with what comes; not with *only* or *again*.
        tell: told each that is done.

    Raises:
        NotFound: one of *only* has no recording, or is not closed.
        Unavailable: there is no model to listen with; *follow* waits for one.
    """
    if follow and not (config.speech.enabled and config.speech.transcribe):
        await asyncio.Event().wait()  # not wanted here: whoever keeps us alive would start us again
    model, folder = await _found(config, patient=follow)
    engine: Engine | None = None
    async with admin.sessions(config) as sessions:
        while True:
            async with sessions() as session:
                due = await store.due(
                    session,
                    node=config.site.node,
                    limit=MOST,
                    before=time.time() - SETTLED,
                    only=only,
                    again=again,
                )
            if strange := sorted(set(only) - {one.call for one in due}):
                raise NotFound(_why_not(strange, again=again))
            if due and engine is None:
                engine = await asyncio.to_thread(engines.load, model, folder)
            for one in due:
                assert engine is not None
                tell(await _one(config, sessions, engine, one))
            if not follow and (again or len(due) < MOST):
                return
            if not due:
                await asyncio.sleep(EVERY)


async def _found(config: Config, *, patient: bool) -> tuple[Model, Path]:
    """Return the model to listen with; who is *patient* waits until one has come."""
    while True:
        try:
            return known.find(config.speech.model, models.folders(config))
        except Unavailable:
            if not patient:
                raise
            await asyncio.sleep(EVERY)


async def _one(
    config: Config, sessions: async_sessionmaker[AsyncSession], engine: Engine, of: Due
) -> Made:
    """Listen to one recording and keep what was heard, or why nothing was."""
    file = exchange.instance(config).recordings / of.recording
    began = time.monotonic()
    seconds, parts, error = 0.0, list[Part](), None
    try:
        pcm = await asyncio.to_thread(read, file)
        seconds = len(pcm) / 2 / RATE
        parts = await asyncio.to_thread(heard, engine, pcm)
    except FileNotFoundError:
        error = "the recording is gone"
    except Exception as trouble:  # native code raises anything; one recording must not stop all
        error = f"the recording cannot be read: {trouble}".replace(str(file), of.recording)
    async with sessions.begin() as session:
        await store.save(
            session,
            of,
            engine=engine.name,
            seconds=round(seconds, 2),
            parts=parts,
            at=time.time(),
            error=error,
        )
    words = sum(len(part.text) for part in parts)
    return Made(of.call, round(seconds, 2), round(time.monotonic() - began, 2), words, error)


def _why_not(calls: Sequence[str], *, again: bool) -> str:
    has = "" if again else ", or has a transcript already (--again makes it anew)"
    return f"{', '.join(calls)}: there is no such call with a recording, it is not over{has}"


async def search(config: Config, words: str, limit: int) -> Sequence[TranscriptOut]:
    """Return transcripts in which *words* were said, newest first."""
    async with admin.sessions(config) as sessions, sessions() as session:
        page = await store.find(session, TranscriptFilter(text=words, limit=limit))
    return page.items
