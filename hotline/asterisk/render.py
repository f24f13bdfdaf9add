"""Settings, register and roster → Asterisk's configuration files; reads only our templates."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hotline import places
from hotline.asterisk.parts import (
    AGENT_FILES,
    CARRIER_EVENTS,
    CARRIER_FILES,
    CARRIER_MODULES,
    EVENTS,
    FILES,
    MODULES,
)
from ivr import say
from schemas import config
from schemas.calls import GENERAL_QUEUE, TOP_PRIORITY, skill_queue
from schemas.errors import Fault, Faulty
from schemas.numbers import Number, Register

REALM = "hotline"
"""SIP realm of the agents' passwords."""

AMI_USER = "hotline"

RELOADS_OF_AGENTS = (
    "module reload res_pjsip.so",
    "dialplan reload",
    "queue reload all",
)
"""Console commands after the files of `render_agents` were written; no call notices them."""

MESSAGE_SILENCE = 4
"""Seconds of silence that end a caller's message."""
MESSAGE_LONGEST = 120
"""Seconds a caller's message may last."""

_PLAIN = re.compile(r"[\w ./:@+*-]*")
"""All that a value may be made of: no line break, comment, quote, bracket, `$` or separator."""
_EXTENSION = re.compile(r"[0-9]{2,8}")
_HA1 = re.compile(r"[0-9a-f]{32}")
_UNIT = re.compile(r"[a-z0-9_-]{1,40}")
_DIGITS = re.compile(r"[0-9+]{1,24}")
_CUSTOM = re.compile(r"[\w-]+\.conf", re.ASCII)


class Settings(Protocol):
    """The tables of `hotline.toml` that Asterisk has to know."""

    @property
    def site(self) -> config.Site:
        """[site]."""
        ...

    @property
    def asterisk(self) -> config.Asterisk:
        """[asterisk]."""
        ...

    @property
    def trunk(self) -> config.Trunk:
        """[trunk]."""
        ...

    @property
    def ami(self) -> config.Ami:
        """[ami]."""
        ...

    @property
    def agi(self) -> config.Agi:
        """[agi]."""
        ...

    @property
    def speech(self) -> config.Speech:
        """[speech]."""
        ...

    @property
    def calls(self) -> config.Calls:
        """[calls]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPhone:
    """One agent of the roster as Asterisk must know them: desk phone `<ext>`, browser `w<ext>`."""

    extension: str
    ha1: str = field(repr=False)
    """`ha1(extension, password)`: the password itself is never kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What only Asterisk and we may know."""

    ami: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Directories:
    """The instance's folders as Asterisk itself sees them (inside its root, if it has one)."""

    home: PurePosixPath

    @property
    def etc(self) -> PurePosixPath:
        """Configuration."""
        return self.home / "etc"

    @property
    def lib(self) -> PurePosixPath:
        """Asterisk's own database, keys."""
        return self.home / "lib"

    @property
    def share(self) -> PurePosixPath:
        """Sounds, music, documentation."""
        return self.home / "share"

    @property
    def spool(self) -> PurePosixPath:
        """Recordings are in `monitor` below it."""
        return self.home / "spool"

    @property
    def run(self) -> PurePosixPath:
        """Control socket, pid."""
        return self.home / "run"

    @property
    def log(self) -> PurePosixPath:
        """Messages, CEL."""
        return self.home / "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierPhone:
    """A desk phone of the city in a box: it registers with its password in clear."""

    extension: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Addresses of the city in a box."""

    hotline: str
    """The exchange's SIP address, host:port."""
    secret: str = field(repr=False)
    """Of its AMI user `city`."""
    trunk_host: str = "127.0.0.2"
    trunk_port: int = 5060
    phones_host: str = "127.0.0.3"
    phones_port: int = 5060
    ami_host: str = "127.0.0.2"
    ami_port: int = 5038
    rtp_start: int = 20000
    rtp_end: int = 21000
    phones: tuple[CarrierPhone, ...] = ()


def ha1(extension: str, password: str) -> str:
    """Return what a SIP registrar keeps instead of the password (RFC 2617 HA1)."""
    text = f"{extension}:{REALM}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def render(
    settings: Settings,
    register: Register,
    *,
    skills: Collection[str] = (),
    agents: Sequence[AgentPhone],
    secrets: Secrets,
    directories: Directories,
    version: tuple[int, ...] = (20,),
    available: Collection[str] | None = None,
    custom: Mapping[str, str] = {},
    ice_candidates: Sequence[tuple[str, str]] = (),
    sound: Callable[[str], str] = "hotline/{}".format,
    published: int = 0,
) -> dict[str, str]:
    """Return every configuration file of the exchange: name below `etc` → text.

    Args:
        skills: codes of skills that are no owner unit's.
        version: of the Asterisk that will read them.
        available: modules it has; None: ask it for all that we could use.
        custom: the admin's own dialplan files by name; they are included, not changed.
        ice_candidates: (interface address, address told to browsers) pairs.
        published: version of what the admins wrote; Asterisk can be asked for it.
        sound: sound file of a prompt, below Asterisk's sounds.

    Raises:
        Faulty: a value cannot stand in a configuration file; all such values at once.
    """
    seats = [n for n in register.numbers.values() if n.seat]
    units = [*sorted(register.units), *sorted(skills)]
    _check(
        [
            *_wrong("settings", "ami", [secrets.ami], re.compile(r"[\w-]{8,128}", re.ASCII)),
            *_wrong("register", "unit", units, _UNIT),
            *_wrong("register", "number", (n.number for n in seats), _DIGITS),
            *_wrong("register", "seat", (n.seat or "" for n in seats), _DIGITS),
            *_wrong("custom", "name", custom, _CUSTOM),
        ]
    )
    exchange = settings.asterisk
    open_to_all = exchange.sip_host.is_unspecified
    media = exchange.media_address or (None if open_to_all else exchange.sip_host)
    values = {
        "dirs": directories,
        "node": settings.site.node,
        "maxcalls": most_calls(settings),
        "modules": [m for m in MODULES if available is None or m in available],
        "asterisk": exchange,
        "rtp_start": exchange.rtp_start,
        "rtp_end": exchange.rtp_end,
        "rtp_timeout": 60,
        "media_address": media,
        "ice_candidates": ice_candidates,
        "trunk": settings.trunk,
        "ami": settings.ami,
        "ami_user": AMI_USER,
        "agi": settings.agi,
        "speech": settings.speech,
        "calls": settings.calls,
        "http_host": "127.0.0.1",
        "realm": REALM,
        "secrets": secrets,
        "events": EVENTS,
        "skill_queues": [skill_queue(skill) for skill in units],
        "seats": sorted(seats, key=_by_number),
        "general": GENERAL_QUEUE,
        # app_queue compares priorities across queues only from these versions on
        "longest": "prio" if version >= (22, 9) or (20, 19) <= version < (21,) else "yes",
        "queue_timeout": round(settings.calls.queue_timeout),
        "transfer_ring": settings.calls.transfer_ring,
        "park_seconds": settings.calls.park,
        "top_priority": TOP_PRIORITY,
        "message_silence": MESSAGE_SILENCE,
        "message_longest": MESSAGE_LONGEST,
        "sound": sound,
        "count": say.count,
        "pop_lead": settings.calls.pop_lead,
        "custom": sorted(custom),
        "published": published,
    }
    return {
        **_files(FILES, values),
        **render_agents(settings, agents),
        **{f"custom/{name}": text for name, text in custom.items()},
    }


def render_agents(settings: Settings, agents: Sequence[AgentPhone]) -> dict[str, str]:
    """Return the files that depend on the roster alone.

    Raises:
        Faulty: an extension or a hash is not one, or an extension stands there twice.
    """
    _check(
        [
            *_wrong("roster", "extension", (a.extension for a in agents), _EXTENSION),
            *_wrong("roster", "sip_ha1", (a.ha1 for a in agents), _HA1),
            *_twice("roster", "extension", (a.extension for a in agents)),
        ]
    )
    roster = sorted(agents, key=_by_extension)
    return _files(AGENT_FILES, {"agents": roster, "realm": REALM, "ring": settings.calls.ring})


def render_city(
    city: City, directories: Directories, *, available: Collection[str] | None = None
) -> dict[str, str]:
    """Return the configuration of the city in a box.

    Raises:
        Faulty: a phone's extension is not one.
    """
    _check(_wrong("city", "extension", (p.extension for p in city.phones), _EXTENSION))
    values = {
        "dirs": directories,
        "node": "city",
        "maxcalls": 4000,
        "modules": [m for m in CARRIER_MODULES if available is None or m in available],
        "ice_candidates": (),
        "events": CARRIER_EVENTS,
        "hotline_host": city.hotline.partition(":")[0],
        **{name: getattr(city, name) for name in City.__dataclass_fields__},
    }
    return _files(CARRIER_FILES, values)


def most_calls(settings: Settings) -> int:
    """Return how many callers the exchange lets in: later ones hear "busy" instead of silence.

    A caller holds one pair of RTP ports, a talk two: a quarter of the pairs is kept for talks.
    """
    pairs = (settings.asterisk.rtp_end - settings.asterisk.rtp_start) // 2
    return max(1, min(settings.calls.max_calls * 2, pairs * 3 // 4))


def _by_number(number: Number) -> str:
    return number.number


def _by_extension(agent: AgentPhone) -> str:
    return agent.extension


def _wrong(file: str, key: str, values: Iterable[str], allowed: re.Pattern[str]) -> Iterable[Fault]:
    return (
        Fault(file, None, key, f"{value[:40]!r} cannot stand in Asterisk's configuration")
        for value in values
        if not allowed.fullmatch(value)
    )


def _twice(file: str, key: str, values: Iterable[str]) -> Iterable[Fault]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            yield Fault(file, None, key, f"{value[:40]!r} stands there twice")
        seen.add(value)


def _check(faults: Iterable[Fault]) -> None:
    if found := tuple(faults):
        raise Faulty(found)


def _plain(value: object) -> object:
    """Refuse what could end its line or its argument; every `{{ }}` of a template comes by here.

    Raises:
        Faulty: naming the value.
    """
    text = str(value)
    if not _PLAIN.fullmatch(text):
        raise Faulty([Fault("settings", None, "value", f"{text[:40]!r} is not plain text")])
    return value


@cache  # a controller renders at every publish
def _environment(*folders: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - not HTML; `_plain` guards every value
    )


def _files(names: Sequence[str], values: Mapping[str, object]) -> dict[str, str]:
    environment = _environment(places.asterisk_config(), places.dialplan_templates())
    return {
        f"{name.rpartition('/')[2]}.conf": environment.get_template(f"{name}.conf.j2").render(
            values
        )
        for name in names
    }
