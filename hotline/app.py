"""The one place that builds I/O objects and joins the rooms: `hotline serve`."""

import asyncio
import contextlib
import json
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp.web import Application
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agents import http as agents_http
from agents import roster, ws
from agents.auth import Auth
from agents.desk import Desks, Timer
from agents.door import authenticate
from agents.hub import Hub
from agents.presence import Rules
from agents.roster import Agent
from cti import switches_http
from cti.asterisk.ami import AsteriskUnreachable, Link, LinkState
from cti.asterisk.ami_events import AmiShape, understand
from cti.asterisk.cel_file import CelFile
from cti.asterisk.control import Queues
from cti.asterisk.rooms import Rooms
from cti.calls import control_http, ledger
from cti.calls.journal import Journal, row_of
from cti.calls.reconcile import Reconciler
from cti.calls.registry import Registry
from cti.calls.steering import Steering
from cti.commands import Commands
from cti.histories import Histories
from cti.inbox import Inbox
from cti.switches import Switches
from hotline import db, exchange, publish_http, status, web
from hotline.asterisk.render import AMI_USER
from hotline.case_work import CaseWork
from hotline.config import Config, secret
from hotline.lookups import Lookups
from hotline.publishing import Publishing
from hotline.speech_link import SpeechLink
from ivr import routing, say
from ivr.agi import AgiServer
from ivr.inbound import Inbound
from ivr.presence import HotKey, Presence
from schemas.calls import AgentId, Call, CallOut, State
from schemas.city import City
from schemas.commands import Command
from schemas.errors import HotlineError
from schemas.events import Attributed, Event
from schemas.flows import HANDOVER
from schemas.numbers import Number
from schemas.tables import CallRow

log = logging.getLogger(__name__)

ROSTER_EVERY = 2.0
"""Seconds between two looks at who the agents are."""
AGAIN = 1.0
"""Seconds before a resync that failed is tried again."""


@dataclass(slots=True)
class Part:
    """A part of ours as /status shows it."""

    ok: bool
    since: float
    last_error: str | None = None


class Controller:
    """Everything `hotline serve` holds; built once, run once."""

    def __init__(self, config: Config, engine: AsyncEngine, city: City) -> None:
        self.config = config
        self.engine = engine
        self.city = city
        register = city.register
        node = config.site.node
        read, write = db.readers(engine), db.writers(engine)
        self.registry = Registry()
        self.journal = Journal(engine, node=node)
        self.link = Link(
            host=str(config.ami.host),
            port=config.ami.port,
            user=AMI_USER,
            secret=secret(config.site.state, "ami"),
            inbox=self._from_asterisk,
            booted=self._booted,
            down=self._down,
            action_timeout=config.ami.action_timeout,
            ping_every=config.ami.ping_every,
        )
        self.auth = Auth(write, clock=time.time)
        self.case_work = CaseWork(
            config,
            engine,
            city=lambda: self.city,
            ami=self.link,
            auth=self.auth,
            recordings=lambda: exchange.recordings(config),
        )
        self.commands = Commands(
            write,
            self.registry,
            report=self._report,
            steer=self._steer,
            drafts=self.case_work.casework,
        )
        self.inbox = Inbox(
            self.registry, self.journal, obey=self.commands, attribute=self._attribute
        )
        self.queues = Queues(self.link)
        self.histories = Histories(read)
        self.hub = Hub()
        self.desks = Desks(
            (),
            hub=self.hub,
            queues=self.queues,
            histories=self.histories,
            describe=self._describe,
            clock=time.time,
            alarm=_alarm,
            rules=Rules(wrap_up=config.calls.wrap_up),
        )
        self.steering = Steering(
            self.registry,
            Rooms(self.link),
            report=self._report,
            register=lambda: self.city.register,
            known=self._has_extension,
            spoken=self._handover,
            clock=time.time,
        )
        self.reconciler = Reconciler(
            ami=self.link,
            registry=self.registry,
            inbox=self.inbox,
            journal=self.journal,
            engine=engine,
            file=CelFile(_cel_path(config)),
            register=register,
            node=node,
            obey=self.commands,
        )
        self.switches = Switches()
        self.lookups = Lookups(desks=self.desks, switches=self.switches, read=read, clock=time.time)
        self.speech = SpeechLink(config, city=lambda: self.city)
        self.agi = AgiServer(
            {
                "inbound": Inbound(
                    city=lambda: self.city,
                    report=self.inbox.put,
                    returning=self._returning,
                    lookups=self.lookups,
                    staffed=self.queues.staffed,
                    clock=time.time,
                    listener=self.speech.listener,
                ),
                "presence": Presence(_Keys(self.desks)),
            },
            host=str(config.agi.host),
            port=config.agi.port,
            most=config.calls.max_calls,
        )
        self._resync = asyncio.Event()
        self._stopping = False
        self._roster: tuple[Agent, ...] = ()
        self._known_by_asterisk: tuple[tuple[Agent, ...], float] | None = None
        """The roster as Asterisk was told it, and since when that Asterisk is linked."""
        self._agi_state = Part(False, time.time(), "not listening yet")
        self._ledger_state = Part(True, time.time())
        self.publishing = Publishing(
            config,
            city,
            link=self.link,
            link_since=lambda: self.link.state.since,
            use=self._use,
            read=read,
        )
        self.inbox.subscribe(self.publishing.watch.happened)
        self.inbox.subscribe(self.histories.happened)
        self.inbox.subscribe(self.desks.happened)
        self.inbox.subscribe(self.steering.happened)

    def links(self) -> Mapping[str, LinkState | Part | status.State]:
        """Return the state of every link but the database."""
        behind = self.journal.error_since is not None
        if self._ledger_state.ok == behind:
            self._ledger_state = Part(not behind, time.time(), self.journal.last_error)
        spoken = {"speech": self.speech.state} if self.config.speech.enabled else {}
        return {
            "ami": self.link.state,
            "agi": self._agi_state,
            "ledger": self._ledger_state,
            "dialplan": self.publishing.state,
            "cases": self.case_work.state,
            **spoken,
        }

    async def run(self, stop: asyncio.Event, listening: Callable[[str], None]) -> None:
        """Serve until *stop*.

        Args:
            listening: told the base URL of the web once calls and people can come.
        """
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.desks)
            stack.push_async_callback(self.histories.close)
            stack.callback(self.auth.close)
            tasks = await stack.enter_async_context(_background())
            tasks.append(asyncio.create_task(self.speech.run(), name="speech"))
            tasks.append(asyncio.create_task(self.journal.run(), name="journal"))
            tasks.append(asyncio.create_task(self.inbox.run(), name="inbox"))
            await self._look_at_roster()
            await stack.enter_async_context(self.agi)
            self._agi_state = Part(True, time.time())
            runner, port = await web.serve(
                self._web(), host=str(self.config.web.host), port=self.config.web.port
            )
            stack.push_async_callback(runner.cleanup)
            stack.callback(self.hub.close)  # before the cleanup, which waits for open desks
            tasks.append(asyncio.create_task(self.link.run(), name="ami"))
            tasks.append(asyncio.create_task(self._keep_in_step(), name="resync"))
            tasks.append(asyncio.create_task(self.reconciler.keep_mark(), name="mark"))
            tasks.append(asyncio.create_task(self._watch_roster(), name="roster"))
            tasks.append(asyncio.create_task(self.publishing.run(), name="publishing"))
            tasks.append(asyncio.create_task(self.case_work.run(), name="cases"))
            listening(f"http://{self.config.web.host}:{port}")
            stopping = asyncio.create_task(stop.wait(), name="stop")
            done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            self._stopping = True
            for task in done - {stopping}:
                task.result()  # a part of ours that ends by itself has failed: say how, and stop

    def _web(self) -> Application:
        config = self.config
        return web.build(
            engine=self.engine,
            register=lambda: self.city.register,
            live=self.registry,
            links=self.links,
            node=config.site.node,
            sla_answer=config.calls.sla_answer,
            dialplan=self.publishing.status,
            middlewares=[authenticate(self.auth)],
            more=[
                *control_http.routes(self.steering),
                *switches_http.routes(
                    self.switches, db.readers(self.engine), db.writers(self.engine)
                ),
                *agents_http.routes(self.desks, self.auth),
                ws.socket_route(self.desks),
                *publish_http.routes(config, state=self.publishing.status),
                *self.case_work.routes(),
            ],
        )

    # ---- from Asterisk

    def _from_asterisk(self, message: dict[str, str]) -> None:
        """Take one AMI event; called by the transport, so it must never raise."""
        try:
            self.case_work.prober.heard(message)
            if message["Event"] == "ContactStatus":
                self._phone(message)
                return
            event = understand(message)
        except AmiShape as error:
            log.warning("AMI event not understood: %s", error)
        except Exception:
            log.exception("an AMI event broke its reader")
        else:
            if event is not None:
                self.inbox.put(event)

    def _phone(self, message: Mapping[str, str]) -> None:
        endpoint = message.get("EndpointName", "").removeprefix("w")
        online = message.get("ContactStatus") not in ("Removed", "Unreachable")
        self.desks.phone(AgentId(endpoint), online=online)

    async def _booted(self) -> None:
        """Bring presence in line with app_queue at once; the ledger follows when it can."""
        await self._restore_desks()
        self._resync.set()

    async def _restore_desks(self) -> None:
        members = await self.queues.members()
        talking = {c.agent: c for c in self.registry.all() if c.agent and c.state is State.TALKING}
        self.desks.restore(members, talking=talking, at=time.time())

    def _down(self) -> None:
        if self._stopping:
            return
        log.error("AMI link lost; calls go on by the dialplan, the screen waits")

    async def _keep_in_step(self) -> None:
        """Resync when asked, or when events were lost; try again until it works."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._resync.wait()
            if not (self._resync.is_set() or self.inbox.overflowed):
                continue
            self._resync.clear()
            self.inbox.overflowed = False
            try:
                await self.reconciler.resync()
                await self._restore_desks()  # now that the registry knows who talks to whom
            except (SQLAlchemyError, OSError, AsteriskUnreachable) as error:
                log.warning("resync failed (%s); trying again", type(error).__name__)
                self._resync.set()
                await asyncio.sleep(AGAIN)

    # ---- ports

    def _report(self, event: Event) -> None:
        self.inbox.put(event)

    async def _steer(self, command: Command, call: Call) -> None:
        await self.steering.obey(command, call)

    def _has_extension(self, extension: str) -> bool:
        return AgentId(extension) in self.desks

    def _handover(self, ticket: str) -> Sequence[str]:
        return [self.city.sound(prompt) for prompt in (HANDOVER, *say.ticket(ticket))]

    def _attribute(self, event: Event, did: str, redirecting: str) -> Attributed:
        facts = routing.Facts(
            call=event.call, channel="", caller="", did=did, redirecting_orig=redirecting
        )
        found = routing.attribute(facts, self.city.register)
        return Attributed(
            call=event.call,
            at=event.at,
            number=found.number,
            attribution=found.attribution,
            dialled=found.dialled,
            chain=found.chain,
        )

    def _returning(self, number: Number, caller: str) -> bool:
        return number.onward is not None and self.registry.transfers_to(number.onward, caller)

    def _describe(self, call: Call) -> CallOut:
        return ledger.call_out(CallRow(**row_of(call, node=self.config.site.node)))

    # ---- published versions

    def _use(self, city: City) -> None:
        """Begin calls on *city* from now on; those in progress end on their own."""
        self.city = city
        self.reconciler.register = city.register
        self._known_by_asterisk = None  # its queues may be others

    # ---- people

    async def _look_at_roster(self) -> None:
        async with db.readers(self.engine)() as session:
            agents = await roster.load(session)
            await self.switches.look(session)
        if agents != self._roster:
            self.desks.set_roster(agents)
        if self.link.up and (agents, self.link.state.since) != self._known_by_asterisk:
            await exchange.refresh_agents(self.config, agents)
            # a skill whose unit has left the register has no queue any more
            units = self.city.skill_codes
            await self.queues.staff({a.id: [s for s in a.skills if s in units] for a in agents})
            self._known_by_asterisk = (agents, self.link.state.since)
        self._roster = agents

    async def _watch_roster(self) -> None:
        while True:
            await asyncio.sleep(ROSTER_EVERY)
            try:
                await self._look_at_roster()
            except (SQLAlchemyError, OSError, HotlineError) as error:
                log.warning("the roster cannot be read just now (%s)", type(error).__name__)


@dataclass(frozen=True, slots=True)
class _Keys:
    """The hot keys of desk phones act on presence."""

    desks: Desks

    async def press(self, ext: AgentId, what: HotKey, /) -> bool:
        if ext not in self.desks:
            return False
        match what:
            case "ready":
                self.desks.ready(ext)
            case "offline":
                self.desks.offline(ext)
            case "pause":
                self.desks.pause(ext, "hot key")
        return True


def _alarm(when: float, then: Callable[[], None], /) -> Timer:
    return asyncio.get_running_loop().call_later(max(0.0, when - time.time()), then)


@contextlib.asynccontextmanager
async def _background() -> AsyncIterator[list[asyncio.Task[None]]]:
    """Own the long-running tasks: end them in the reverse order of their start."""
    tasks: list[asyncio.Task[None]] = []
    try:
        yield tasks
    finally:
        for task in reversed(tasks):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _cel_path(config: Config) -> Path:
    try:
        return exchange.instance(config).cel
    except HotlineError as error:
        log.warning("no channel log to learn from after an outage: %s", error.message)
        return config.site.state / "no-cel"


async def serve(config: Config) -> None:
    """Run the controller until SIGTERM or SIGINT."""
    config.site.state.mkdir(parents=True, exist_ok=True)
    site = exchange.city(config)
    await db.upgrade(config.database_url)
    engine = db.engine(config.database_url)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    address = config.site.state / "run" / "serve.json"

    def listening(url: str) -> None:
        address.parent.mkdir(parents=True, exist_ok=True)
        sip = f"{config.asterisk.sip_host}:{config.asterisk.sip_port}"
        address.write_text(json.dumps({"web": url, "sip": sip}))
        log.info("serving: web %s, %d numbers", url, len(site.register.numbers))

    try:
        await Controller(config, engine, site).run(stop, listening)
    finally:
        address.unlink(missing_ok=True)
        await engine.dispose()
