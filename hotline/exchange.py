"""Our Asterisk: found or built, configured from settings, register and roster."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.roster import Agent
from dialplans.store import KINDS
from hotline import places, readback, releases
from hotline.asterisk import install
from hotline.asterisk.instance import Instance
from hotline.asterisk.render import (
    RELOADS_OF_AGENTS,
    AgentPhone,
    Secrets,
    render,
    render_agents,
)
from hotline.config import Config, secret
from schemas.city import City
from schemas.errors import Fault, Faulty, HotlineError

log = logging.getLogger(__name__)

CUSTOM = "custom/"
OF_A_VERSION = ("extensions.conf", "queues.conf", "say.conf")
"""Files that follow from what admins publish; the others follow from settings and roster."""


def name_of(config: Config) -> str:
    """Return the name of this installation's instance: several may share one Asterisk root."""
    place = str(config.site.state.resolve()).encode()
    return f"{config.site.node}-{hashlib.sha256(place).hexdigest()[:8]}"


def city(config: Config) -> City:
    """Return numbers, flows, calendar and prompts as they are published.

    The first start publishes them from the working folder.

    Raises:
        Faulty: with every fault.
    """
    return releases.current(config)


def instance(config: Config) -> Instance:
    """Return our Asterisk, running or not.

    Raises:
        Unavailable: there is no Asterisk on this machine.
    """
    state = config.site.state.resolve()
    installation = install.find(config.asterisk.program, state)
    return Instance(installation, installation.home(state, name_of(config)))


def recordings(config: Config) -> Path:
    """Return the folder of recordings; one that is not there without an Asterisk here."""
    try:
        return instance(config).recordings
    except HotlineError:
        return config.site.state / "no-recordings"


def phones(agents: Sequence[Agent]) -> list[AgentPhone]:
    """Return the telephones of the roster."""
    return [AgentPhone(extension=a.id, ha1=a.sip_ha1) for a in agents if a.sip_ha1]


def configure(config: Config, asterisk: Instance, site: City, agents: Sequence[Agent]) -> None:
    """Write the whole configuration; a running Asterisk reads it at its next reload.

    Raises:
        Faulty: a value cannot stand in a configuration file.
    """
    asterisk.write(
        _rendered(config, asterisk, site, agents),
        prompts={
            "hotline": site.folder / "audio",
            "speech": places.asterisk_config() / "sounds",
        },
    )
    asterisk.add_sounds(_sounds(site))


@dataclass(frozen=True, slots=True)
class Written:
    """A dialplan that Asterisk was given."""

    text: str
    """Ours."""
    admins: Mapping[str, str]
    """The admins' own files by name."""
    etc: Path

    def ours(self) -> tuple[str, ...]:
        """Return all texts of ours; the roster's may have changed meanwhile."""
        return self.text, (self.etc / "extensions_agents.conf").read_text("utf-8")


def publish(config: Config, site: City) -> Written | None:
    """Write what Asterisk reads of a version, to be reloaded.

    Settings and roster are left as they are: a publish changes what admins wrote and no more. The
    sounds of calls in progress stay, for the names of new ones differ.

    Returns:
        None when this machine's Asterisk is configured by somebody else.

    Raises:
        Faulty: a value cannot stand in a configuration file, or a context is ours.
    """
    try:
        asterisk = instance(config)
    except HotlineError as error:
        log.warning("no Asterisk to publish to: %s", error.message)
        return None
    if not (asterisk.home / "etc" / "asterisk.conf").exists():
        return None
    files = _rendered(config, asterisk, site, ())
    admins = {
        name.removeprefix(CUSTOM): text for name, text in files.items() if name.startswith(CUSTOM)
    }
    ours = [text for name, text in files.items() if name.startswith("extensions")]
    if found := tuple(readback.trespasses(ours, admins)):
        raise Faulty(
            Fault(CUSTOM + name, None, "context", f"[{context}] is ours: choose another name")
            for name, context in found
        )
    asterisk.add_sounds(_sounds(site))
    etc = asterisk.home / "etc"
    asterisk.write(
        {
            name: text
            for name, text in files.items()
            if (name in OF_A_VERSION or name.startswith(CUSTOM)) and not _same(etc / name, text)
        },
        prompts={"hotline": site.folder / "audio"},
    )
    return Written(files["extensions.conf"], admins, etc)


def _rendered(
    config: Config, asterisk: Instance, site: City, agents: Sequence[Agent]
) -> dict[str, str]:
    own = site.folder / "custom"
    return render(
        config,
        site.register,
        agents=phones(agents),
        secrets=Secrets(ami=secret(config.site.state, "ami")),
        directories=asterisk.directories,
        version=asterisk.installation.version,
        available=asterisk.installation.modules(),
        custom={path.name: path.read_text("utf-8") for path in sorted(own.glob("*.conf"))},
        skills=site.skills,
        sound=site.sound,
        published=site.version,
    )


def _sounds(site: City) -> dict[str, Path]:
    """Return the sound files of a published version: name below Asterisk's sounds → file."""
    return {
        site.sounds[file.stem] + file.suffix: file
        for file in (site.folder / "audio").iterdir()
        if file.stem in site.sounds and file.suffix.removeprefix(".") in KINDS
    }


async def refresh_agents(config: Config, agents: Sequence[Agent]) -> None:
    """Let a running Asterisk know the roster as it is now; no call notices."""
    try:
        asterisk = instance(config)
    except HotlineError as error:
        log.warning("phones of new agents need a reload by hand: %s", error.message)
        return
    if not (asterisk.home / "etc").is_dir():
        log.warning("this Asterisk is configured elsewhere: give it the new agents there")
        return
    files = render_agents(config, phones(agents))
    if all(_same(asterisk.home / "etc" / name, text) for name, text in files.items()):
        return
    asterisk.write(files)
    for command in RELOADS_OF_AGENTS:  # by its control socket: AMI may run no commands
        await asterisk.console(command)
    log.info("Asterisk knows the new roster: %d agents", len(agents))


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text
