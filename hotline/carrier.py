"""The city in a box: a second Asterisk with citizens, the units' telephones and desk phones.

Tests, `hotline demo` and `hotline probe` use it; nothing of it is needed to serve citizens.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

from hotline import places
from hotline.asterisk.install import Installation
from hotline.asterisk.instance import Instance
from hotline.asterisk.render import City, render_city
from schemas.errors import Unavailable

log = logging.getLogger(__name__)

Manner = Literal["answer", "busy", "ringout", "reject", "nobody"]
"""`nobody`: the number does not exist."""
Event = Mapping[str, str]
VOICES = "voices"
"""Folder below the sounds; `voices/help` is a voice's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a telephone of the city does when it is called."""

    manner: Manner = "answer"
    ring: float = 0.2
    """Seconds it rings before it is answered."""
    voice: str = ""
    """Sound that is played after the answer, `tone` for a steady 1 kHz, `tone:700` for another
    pitch in hertz, "" for silence."""
    talk: float = 0
    """Seconds until it hangs up; 0: never by itself."""
    keys: str = ""
    """Keys pressed after the answer, before the voice; `w` is half a second."""

    def __str__(self) -> str:
        return f"{self.ring},{self.manner},{self.voice},{self.talk:g},{self.keys}"


@dataclass(eq=False, slots=True, kw_only=True)
class CitizensCall:
    """A citizen's call: its milestones can be awaited."""

    id: str
    heard: Path
    """What the citizen heard, 8 kHz; whole once the call has ended."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    spoke: asyncio.Event = field(default_factory=asyncio.Event)
    """The voice was played and the keys were pressed."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    since: float = 0.0
    """Unix seconds of the answer, when `heard` begins."""
    cause: int | None = None
    """Q.850 cause once it has ended."""


class Link:
    """A bare AMI client, enough for the city: actions one at a time, events to one listener."""

    def __init__(self, told: Callable[[Event], None]) -> None:
        self._told = told
        self._waiting: dict[str, asyncio.Future[Event]] = {}
        self._numbers = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int, *, user: str, secret: str) -> None:
        """Connect and log in.

        Raises:
            Unavailable: refused.
        """
        reader, self._writer = await asyncio.open_connection(host, port)
        await reader.readline()  # the banner
        self._reading = asyncio.create_task(self._read(reader), name="city-ami")
        await self.act("Login", Username=user, Secret=secret)

    async def act(self, action: str, *, variables: Sequence[str] = (), **headers: str) -> Event:
        """Run one action and return its response.

        Raises:
            Unavailable: Asterisk says no, or nothing for 10 s.
            ValueError: a value holds a line break.
        """
        assert self._writer is not None
        number = str(next(self._numbers))
        lines = [("Action", action), ("ActionID", number), *headers.items()]
        lines += [("Variable", text) for text in variables]
        if any("\r" in value or "\n" in value for _, value in lines):
            raise ValueError(f"line break in a header of {action}")
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write("".join(f"{k}: {v}\r\n" for k, v in lines).encode() + b"\r\n")
        try:
            async with asyncio.timeout(10):
                response: Event = await answer
        except TimeoutError:
            raise Unavailable(f"the city does not answer {action}") from None
        finally:
            self._waiting.pop(number, None)
        if response.get("Response") != "Success":
            raise Unavailable(f"{action}: {response.get('Message')}")
        return response

    async def close(self) -> None:
        """Hang up the link."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        message: dict[str, str] = {}
        while line := await reader.readline():
            if text := line.decode(errors="replace").rstrip("\r\n"):
                key, _, value = text.partition(": ")
                message[key] = value
                continue
            if "Event" in message:
                self._told(message)
            else:
                waiting = self._waiting.get(message.get("ActionID", ""))
                if waiting and not waiting.done():
                    waiting.set_result(message)
            message = {}


class Carrier:
    """The running city. Use as `async with Carrier(...) as city`."""

    def __init__(self, installation: Installation, home: Path, city: City) -> None:
        self.instance = Instance(installation, home)
        self.city = city
        self.link = Link(self._happened)
        self._calls: dict[str, CitizensCall] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[tuple[str, Mapping[str, str], asyncio.Future[Event]]] = []

    async def start(self) -> None:
        """Start the city's Asterisk and connect to it.

        Raises:
            Unavailable: it does not start.
        """
        files = render_city(
            self.city,
            self.instance.directories,
            available=self.instance.installation.modules(),
        )
        self.instance.write(files, prompts={VOICES: places.asterisk_config() / "carrier" / VOICES})
        try:
            await self.instance.start()
            await self.link.open(
                self.city.ami_host, self.city.ami_port, user="city", secret=self.city.secret
            )
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop it and delete its folder."""
        await self.link.close()
        await self.instance.stop()
        self.instance.remove()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def heard(self) -> Path:
        """Folder of what citizens and desk phones heard."""
        return self.instance.home / "spool" / "heard"

    async def call(
        self,
        number: str,
        *,
        caller: str = "13900000000",
        name: str = "",
        diversion: Sequence[str] = (),
        history: Sequence[str] = (),
        voice: str | None = None,
        keys: str = "",
        before: float = 0.0,
        hold: float = 7200.0,
        ring: float = 60.0,
        phone: str | None = None,
    ) -> CitizensCall:
        """Let a citizen dial *number*; returns at once, see the call's milestones.

        Args:
            phone: extension of the desk phone that dials, instead of a citizen.
            diversion: whole values of Diversion headers, top-most first.
            history: whole values of History-Info headers.
            voice: sound said after the answer, e.g. `voices/help`; `tone:400` is a steady tone of
                that many hertz which begins after the keys and never ends.
            keys: keys pressed after the voice; `w` is half a second.
            before: seconds of silence before the voice.
            hold: seconds to stay after voice and keys.
            ring: seconds to wait for an answer.
        """
        made = f"{self.instance.pid}-{next(self._numbers)}"
        call = CitizensCall(id=made, heard=self.heard / f"citizen-{made}.wav")
        self._calls[made] = call
        inside = self.instance.installation.inside(call.heard)
        values = {
            "CALL": made, "HEARD": str(inside), "VOICE": voice or "", "KEYS": keys,
            "BEFORE": f"{before:g}", "HOLD": f"{hold:g}",
            "DIVERSIONS": str(len(diversion)), "HISTORIES": str(len(history)),
            **{f"DIVERSION_{i}": quote(text, safe="") for i, text in enumerate(diversion, 1)},
            **{f"HISTORY_{i}": quote(text, safe="") for i, text in enumerate(history, 1)},
        }  # fmt: skip
        await self.link.act(
            "Originate",
            # two underscores: the telephone that is dialled inherits them
            variables=[f"__{key}={value}" for key, value in values.items()],
            # AMI's own pre-dial routine is too young for Asterisk 20, so Dial() runs it
            Channel=f"Local/{number}@{f'phone-dials-{phone}' if phone else 'citizen-dials'}/n",
            ChannelId=made,
            CallerID=f'"{name}" <{caller}>',
            Context="citizen",
            Exten="s",
            Priority="1",
            Timeout=str(round(ring * 1000)),
            Async="true",
        )
        return call

    async def hang_up(self, call: CitizensCall) -> None:
        """Let the citizen hang up; nothing when the call is over already."""
        if not call.ended.is_set():
            with contextlib.suppress(Unavailable):
                await self.link.act("Hangup", Channel=call.id)

    async def press(self, call: CitizensCall, keys: str) -> None:
        """Let the citizen press *keys* now, a quarter of a second each."""
        for key in keys:
            await self.link.act(
                "PlayDTMF", Channel=call.id, Digit=key, Duration="150", Receive="false"
            )
            await asyncio.sleep(0.25)

    async def behave(self, **lines: Behaviour) -> None:
        """Set how telephones behave: `line_110=…`, `phone_8001=…`, `phone_default=…`."""
        for name, behaviour in lines.items():
            await self.link.act("Setvar", Variable=name.upper(), Value=str(behaviour))

    def expect(self, event: str, **headers: str) -> asyncio.Future[Event]:
        """Return a future of the next user event *event* with these *headers*.

        `LineRings`, `PhoneRings` (Line or Phone, Caller), `PhoneAnswered` (Phone, File),
        `PhoneSpeaks` (Phone) when its keys are pressed and its voice begins, and `PhoneGone`
        (Phone) for one that had been answered.
        """
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._listeners.append((event, headers, future))
        return future

    async def registered(self, *extensions: str) -> None:
        """Wait until these desk phones are registered at the exchange (no limit of its own)."""
        wanted = {f"reg-{extension}" for extension in extensions}
        while True:
            said = await self.instance.console("pjsip show registrations")
            there = {
                line.split("/")[0].strip() for line in said.splitlines() if " Registered" in line
            }
            if wanted <= there:
                return
            await asyncio.sleep(0.1)

    def _happened(self, event: Event) -> None:
        match event["Event"]:
            case "UserEvent":
                if call := self._calls.get(event.get("Call", "")):
                    if event["UserEvent"] == "CitizenAnswered":
                        call.since = float(event["Timestamp"])
                        call.answered.set()
                    else:
                        call.spoke.set()
                for listener in list(self._listeners):
                    name, headers, future = listener
                    if future.done():
                        self._listeners.remove(listener)
                    elif name == event["UserEvent"] and headers.items() <= event.items():
                        future.set_result(event)
                        self._listeners.remove(listener)
            case "Hangup":
                if call := self._calls.pop(event["Uniqueid"], None):
                    call.cause = int(event["Cause"])
                    call.ended.set()
            case "OriginateResponse" if event.get("Response") == "Failure":
                if call := self._calls.pop(event.get("Uniqueid", ""), None):
                    call.ended.set()
