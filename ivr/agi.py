"""FastAGI on asyncio: the server that Asterisk connects to, and the session of one caller.

AgiError (ivr.agi_wire)
 ├─ CallerGone       the caller hung up, or Asterisk closed the connection: not an error
 ├─ CommandFailed    the command did not work and the caller is still on the line
 └─ AsteriskSilent   no answer in time
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from ivr.agi_wire import AgiError, AgiWire, Environment, Garbage, Hangup, Item, Reply, recognised

log = logging.getLogger(__name__)

ANY_KEY = "0123456789*#"
"""Escape keys: with none given Asterisk would throw away what is pressed during a prompt."""
QUICK = 5.0
"""Seconds to wait for the reply to a command that plays and waits for nothing."""
LONGEST_PROMPT = 60.0
"""Seconds to wait for the end of one prompt."""

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}|TIMEOUT\(absolute\)")
_VALUE = re.compile(r"[A-Za-z0-9_.+-]{0,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """How one `SPEECH RECOGNIZE` ended."""

    kind: Literal["speech", "digit", "timeout", "nothing"]
    """nothing: the recogniser is gone, or said what is no result."""
    text: str = ""
    """Hostile text."""
    score: int = 0
    grammar: str = ""
    key: str | None = None


class CallerGone(AgiError):
    """The caller hung up before or during the command."""


class CommandFailed(AgiError):
    """Asterisk refused or could not do it; the caller is still on the line."""


class AsteriskSilent(AgiError):
    """Asterisk said nothing for too long."""


class Session:
    """One caller's AGI connection. Not for use by two tasks at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._wire = AgiWire()
        self._gone = False
        self.environment: Mapping[str, str] = {}

    @property
    def script(self) -> str:
        """Name in the path of the agi:// address."""
        return self.environment.get("agi_network_script", "").partition("?")[0].strip("/")

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments the dialplan gave, in order."""
        found: list[str] = []
        while (value := self.environment.get(f"agi_arg_{len(found) + 1}")) is not None:
            found.append(value)
        return tuple(found)

    async def open(self, *, within: float) -> None:
        """Read the environment, all of it in *within* seconds.

        Raises:
            AsteriskSilent, CallerGone, Garbage.
        """
        item = await self._item(within, "the environment")
        assert isinstance(item, Environment)  # the wire gives nothing else first
        self.environment = item.values

    async def command(self, verb: str, *args: str | int, within: float = QUICK) -> Reply:
        """Send one command and return its own reply.

        Args:
            within: seconds to wait for the reply.

        Raises:
            CallerGone: the caller hung up before or during the command.
            CommandFailed: Asterisk answered -1 or an error and the caller is still on the line.
            AsteriskSilent: no reply in time; the session is of no use any more.
            Garbage: the other side does not speak AGI.
        """
        reply = await self._exchange(verb, args, within)
        if reply.code == 200 and not reply.result.startswith("-"):
            return reply
        # -1 means "did not work" and "hung up" alike; a hung-up channel answers 511 or not at all
        # to the next command.
        if reply.code == 200:
            await self._exchange("CHANNEL STATUS", (), QUICK)
        raise CommandFailed(f"{verb}: {reply.code} {reply.result}")

    async def keep_alive(self, seconds: int) -> None:
        """Let Asterisk take the caller back unless we speak again within *seconds*; 0 ends that."""
        await self.command("SET VARIABLE", "TIMEOUT(absolute)", seconds)

    async def set_variables(self, values: Mapping[str, str | int]) -> None:
        """Set channel variables (and TIMEOUT(absolute)) in one command.

        Raises:
            ValueError: a name or value holds a character the dialplan might act upon.
        """
        for name, value in values.items():
            if not (_VARIABLE.fullmatch(name) and _VALUE.fullmatch(str(value))):
                raise ValueError(f"not a safe value for channel variable {name!r}")
        await self.command("EXEC", "MSet", ",".join(f"{k}={v}" for k, v in values.items()))

    async def play(self, sound: str, *, keys: str = ANY_KEY) -> str | None:
        """Play *sound* and return the key of *keys* that cut it, None when it ended uncut.

        How long it was heard the reply does not tell: endpos counts the samples of the file that
        Asterisk chose, 8 000 or 16 000 a second as the caller's telephone is.

        Raises:
            CommandFailed: there is no such sound.
        """
        return _key(await self.command("STREAM FILE", sound, keys, within=LONGEST_PROMPT))

    async def wait(self, seconds: float) -> str | None:
        """Return the next key, None when there is none within *seconds*."""
        within = seconds + QUICK
        return _key(await self.command("WAIT FOR DIGIT", round(seconds * 1000), within=within))

    async def speech_create(self, engine: str) -> bool:
        """Connect the caller to a recogniser; False: it is not there, or takes nobody.

        A recogniser that accepts and then says nothing holds Asterisk's thread, prompts and time
        limit included, until it closes the connection.
        """
        return (await self.command("SPEECH CREATE", engine)).result == "1"

    async def speech_set(self, name: str, value: str) -> None:
        """Tell the recogniser something; whether it took it Asterisk does not say."""
        await self.command("SPEECH SET", name, value)

    async def speech_recognize(self, sound: str, timeout: int) -> Recognition:
        """Play *sound* and return the first of: a result, a key, *timeout* after its end.

        A result does not end the sound: what is played next does. Keys are taken one at a time.

        Args:
            timeout: whole seconds, and up to one second less: Asterisk compares clock seconds.

        Raises:
            CommandFailed: there is no recogniser; the sound was not begun.
        """
        within = LONGEST_PROMPT + timeout + QUICK
        reply = await self.command("SPEECH RECOGNIZE", sound, timeout, within=within)
        match reply.data:
            case "speech" if words := recognised(reply):
                return Recognition(
                    kind="speech", text=words.text, score=words.score, grammar=words.grammar
                )
            case "digit":
                key = reply.attributes.get("digit", "")
                return Recognition(kind="digit", key=key if key and key in ANY_KEY else None)
            case "timeout":
                return Recognition(kind="timeout")
            case "hangup":
                self._gone = True
                raise CallerGone("SPEECH RECOGNIZE")
            case None:
                raise CommandFailed("SPEECH RECOGNIZE: no recogniser")
        return Recognition(kind="nothing")

    async def speech_destroy(self) -> None:
        """Let the recogniser go; nothing when there is none."""
        await self.command("SPEECH DESTROY")

    async def _exchange(self, verb: str, args: Sequence[str | int], within: float) -> Reply:
        if self._gone:
            raise CallerGone(verb)
        self._heard(self._wire.next())  # a HANGUP that came since the last reply
        self._writer.write(self._wire.send(verb, *args))
        reply = self._heard(await self._item(within, verb))
        assert isinstance(reply, Reply)
        if reply.code == 511:  # "Command Not Permitted on a dead channel or intercept routine"
            self._gone = True
            raise CallerGone(verb)
        return reply

    def _heard(self, item: Item | None) -> Item | None:
        if isinstance(item, Hangup):
            self._gone = True
            raise CallerGone("hung up")
        return item

    async def _item(self, within: float, what: str) -> Item:
        try:
            async with asyncio.timeout(within):
                await self._writer.drain()
                while (item := self._wire.next()) is None:
                    if not (data := await self._reader.read(LARGEST_READ)):
                        self._gone = True
                        raise CallerGone(f"connection closed during {what}")
                    self._wire.receive(data)
                return item
        except TimeoutError:
            raise AsteriskSilent(what) from None
        except ConnectionError as error:
            self._gone = True
            raise CallerGone(f"connection lost during {what}") from error


LARGEST_READ = 16 * 1024
"""Bytes taken from a socket at once: bounds what one peer can make us hold."""

Script = Callable[[Session], Awaitable[None]]


def _key(reply: Reply) -> str | None:
    code = reply.number or 0
    return chr(code) if 0 < code < 128 and chr(code) in ANY_KEY else None


class AgiServer:
    """Listens for Asterisk and runs the script that each caller's dialplan asks for.

    It owns the task of every session. Whatever goes wrong in one ends with its connection closed
    and no route set, so that the dialplan serves the caller by itself.
    """

    def __init__(
        self,
        scripts: Mapping[str, Script],
        *,
        host: str,
        port: int,
        most: int,
        environment_within: float = 2.0,
        drain_within: float = 5.0,
    ) -> None:
        """Prepare; `async with` listens.

        Args:
            scripts: by the name in the path of the agi:// address.
            port: 0 picks a free one, see `port`.
            most: concurrent sessions; beyond it a connection is closed at once.
            environment_within: seconds for the whole environment to arrive.
            drain_within: seconds that sessions may go on when the server stops.
        """
        self._scripts = scripts
        self._host, self._port, self._most = host, port, most
        self._environment_within = environment_within
        self._drain_within = drain_within
        self._sessions: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._full = False
        self.refused = 0
        """Connections closed because `most` sessions were running."""

    @property
    def port(self) -> int:
        """Port it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def sessions(self) -> int:
        """Sessions running now."""
        return len(self._sessions)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, limit=LARGEST_READ, backlog=1024
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=self._drain_within)
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._sessions) >= self._most:
            self.refused += 1
            if not self._full:
                log.warning("%d sessions are running: more callers are refused", self._most)
            self._full = True
            writer.transport.abort()
            return
        self._full = False
        task = asyncio.create_task(self._serve(reader, writer), name="agi-session")
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer)
        try:
            await session.open(within=self._environment_within)
            if script := self._scripts.get(session.script):
                await script(session)
            else:
                log.warning("the dialplan asked for a script that does not exist")
        except CallerGone as gone:
            log.debug("caller gone: %s", gone)
        except (Garbage, AsteriskSilent, CommandFailed) as error:
            log.warning("AGI peer: %s: %s", type(error).__name__, error)
        except Exception:
            log.exception("an AGI script failed; the dialplan serves its caller")
        finally:
            writer.close()
