"""`hotline.toml` and `HOTLINE_*`: every setting, its unit, its default, its limits.

The environment wins over the file: `HOTLINE_WEB__PORT=8443` sets `[web] port`.
Port 0 means "pick a free one".
"""

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
LOOPBACK = IPv4Address("127.0.0.1")


class Section(BaseModel):
    """A table of the file: unknown keys are faults, values never change after start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Site(Section):
    """[site] - which city, which machine."""

    dialplan: str = Field(default="baoji", pattern=r"^[a-z0-9_-]+$")
    """Folder of numbers, flows and prompts: a built-in name, or see `dialplan_dir`."""
    dialplan_dir: Path | None = None
    """A folder of the admin's own instead of the built-in one."""
    node: str = Field(default="n1", pattern=r"^[a-z0-9]{1,16}$")
    """Asterisk's systemname: makes Linkedids unique across nodes."""
    state: Path = Path(".local")
    """Where everything that is written at run time lives."""


class Asterisk(Section):
    """[asterisk] - the telephone exchange that we start and configure."""

    program: str | None = None
    """A binary or a root folder (also HOTLINE_ASTERISK); None: PATH, then `<state>/asterisk`."""
    sip_host: IPv4Address = LOOPBACK
    sip_port: Port = 5060
    rtp_start: Port = 10000
    rtp_end: Port = 10200
    http_port: Port = 8088
    media_address: IPv4Address | None = None
    """Address told to phones in SDP when it is not `sip_host` (NAT, several interfaces)."""
    record: bool = True
    """Record every answered call."""


class Trunk(Section):
    """[trunk] - the carrier. Whoever sends from these addresses is the carrier: keep it short."""

    peers: tuple[IPv4Network, ...] = (IPv4Network("127.0.0.2/32"),)
    host: str = Field(default="127.0.0.2:5060", pattern=r"^[\w.-]+(:\d{1,5})?$")
    """Where outgoing calls go."""
    qualify: Annotated[int, Field(ge=0, le=3600)] = 0
    """Seconds between two OPTIONS that ask whether the carrier lives; 0: never, just call."""


class Ami(Section):
    """[ami] - Asterisk's manager."""

    host: IPv4Address = LOOPBACK
    port: Port = 5038
    action_timeout: Seconds = 5.0
    """Seconds to wait for the answer to one action."""
    ping_every: Seconds = 2.0
    """Seconds between pings; two unanswered ones and the link counts as dead."""


class Agi(Section):
    """[agi] - our FastAGI server."""

    host: IPv4Address = LOOPBACK
    port: Port = 4573
    first_word: Annotated[float, Field(ge=0.5, le=10)] = 1.6
    """Seconds the dialplan waits for our first command before it queues the caller by itself."""


class Speech(Section):
    """[speech] - the AEAP server and its recognisers."""

    enabled: bool = True
    """Whether callers may speak; keys work always."""
    host: IPv4Address = LOOPBACK
    port: Port = 4574
    model: str = Field(default="auto", pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    """Name in models.toml; auto: the first for Mandarin that is here."""
    models: Path | None = None
    """Folder of the models; None: `models` in the state folder."""
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    """Recogniser processes; 0: one for each core."""
    streams: Annotated[int, Field(ge=0, le=1000)] = 0
    """Callers at once for one worker; 0: what the engine is known to bear."""
    hangover: Annotated[float, Field(ge=0.2, le=3)] = 0.7
    """Seconds of silence that end a sentence."""
    longest: Annotated[float, Field(ge=2, le=60)] = 10.0
    """Seconds after which a caller who goes on talking is understood by what was said so far."""
    answer_within: Annotated[float, Field(ge=0.2, le=10)] = 1.0
    """Seconds after the end of a sentence in which the words must be there; then keys go on."""
    keep_audio: bool = False
    """Keep the sound of what callers said to the flow, where calls are recorded at all."""
    transcribe: bool = True
    """Transcribe recordings after the calls, at the lowest priority."""


class Web(Section):
    """[web] - REST, WebSocket, pages."""

    host: IPv4Address = LOOPBACK
    port: Port = 8080


class Database(Section):
    """[database] - where the ledger is."""

    url: str | None = Field(default=None, pattern=r"^(sqlite\+aiosqlite|postgresql\+asyncpg)://")
    """SQLAlchemy URL; None: SQLite in the state folder."""


class Calls(Section):
    """[calls] - the caller's side."""

    sla_answer: Seconds = 15.0
    """GB/T 33358-2016: answered within 15 s of the ring."""
    queue_timeout: Seconds = 3600.0
    ring: Annotated[int, Field(ge=5, le=60)] = 15
    """Seconds one agent's phone rings before the next one is asked."""
    pop_lead: Annotated[float, Field(ge=0, le=0.2)] = 0.02
    """Seconds an agent's INVITE is held back so that the screen-pop is there first."""
    wrap_up: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """Seconds of wrap-up (话后) after a talk; the desk may end it sooner."""
    announce_every: Annotated[int, Field(ge=0, le=3600)] = 45
    """Seconds between two announcements of place and expected wait to who queues; 0: never."""
    transfer_ring: Annotated[int, Field(ge=5, le=120)] = 45
    """Seconds the line of a transfer or a third party rings before the caller is given back."""
    park: Annotated[int, Field(ge=5, le=3600)] = 120
    """Seconds a parked caller waits before the same agent is rung again."""
    max_calls: Annotated[int, Field(ge=1, le=100_000)] = 2000
    """Concurrent calls one controller accepts; beyond it the dialplan's fallback queue serves."""


class Dialplan(Section):
    """[dialplan] - publishing what the telephony admins write."""

    two_persons: bool = False
    """A published version waits until somebody else than its author approves it."""
    watch_minutes: Annotated[float, Field(ge=0, le=1440)] = 10.0
    """Minutes to watch the calls after a change, and to take it back when it harms; 0: never."""
    watch_failed_calls: Annotated[int, Field(ge=1, le=1000)] = 3
    """Calls whose flow failed since the change, at least, to take it back."""
    watch_failed_points: Annotated[float, Field(ge=0, le=100)] = 5.0
    """Percentage points that failures may grow by against the hour before."""
    watch_points: Annotated[float, Field(ge=1, le=100)] = 10.0
    """Percentage points that abandonment may grow, or answers in time fall, by."""
    watch_calls: Annotated[int, Field(ge=10, le=10_000)] = 30
    """Calls that must have come, before and since, for abandonment and answers to count."""
    keep_versions: Annotated[int, Field(ge=2, le=10_000)] = 50
    """Published versions to keep."""
    apply_within: Seconds = 30.0
    """Seconds that `publish` waits for the controller and Asterisk to run a new version."""


class Cases(Section):
    """[cases] - tickets, units and other systems."""

    loopback_hooks: bool = False
    """Web hooks may lead to this machine: for trying out; else no address inside is told."""


class Logging(Section):
    """[logging] - what is said, and how."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    json_lines: bool = True
