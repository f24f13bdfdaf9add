"""Find an Asterisk ≥ 20, or build a private one from distribution packages."""

import fcntl
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from schemas.errors import Unavailable

OLDEST = (20,)
BINARIES = ("usr/sbin/asterisk", "usr/local/sbin/asterisk", "usr/bin/asterisk")
PACKAGES = "asterisk,asterisk-moh-opsound-wav,ca-certificates"
SUITE = "sid"  # Debian's releases carry no Asterisk; sid has the current LTS
_INSTANCES = PurePosixPath("/srv/hotline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An Asterisk that can be run."""

    binary: PurePosixPath
    """Path as seen inside `root`."""
    root: Path | None
    """Folder it runs in by chroot; None: on this machine directly."""
    version: tuple[int, ...]

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs Asterisk with *arguments*."""
        prefix = [shutil.which("chroot") or "/usr/sbin/chroot", str(self.root)] if self.root else []
        return [*prefix, str(self.binary), *arguments]

    def home(self, state: Path, name: str) -> Path:
        """Return the folder of the instance *name*, as we see it.

        A private root can only see itself, so its instances live inside it: nothing is mounted.
        """
        if self.root:
            return self.outside(_INSTANCES) / name
        return state.resolve() / "instances" / name

    def inside(self, path: Path) -> PurePosixPath:
        """Return *path* as Asterisk sees it.

        Raises:
            ValueError: Asterisk cannot see it.
        """
        if self.root is None:
            return PurePosixPath(path)
        return PurePosixPath("/") / path.relative_to(self.root)

    def outside(self, path: PurePosixPath) -> Path:
        """Return Asterisk's *path* as we see it."""
        return Path(path) if self.root is None else self.root / path.relative_to("/")

    def modules(self) -> frozenset[str] | None:
        """Return the modules that are installed; None when their folder is not where we look."""
        libraries = self.outside(PurePosixPath("/usr"))
        for pattern in (
            "lib/*/asterisk/modules",
            "lib*/asterisk/modules",
            "local/lib*/asterisk/modules",
        ):
            for folder in libraries.glob(pattern):
                return frozenset(path.stem for path in folder.glob("*.so"))
        return None


def find(program: str | None, state: Path) -> Installation:
    """Return the Asterisk to use: *program* or HOTLINE_ASTERISK, PATH, `<state>/asterisk`.

    Args:
        program: a binary or a root folder, as set in `[asterisk] program`.
        state: our folder for everything written at run time.

    Raises:
        Unavailable: there is none, or it is too old; the message says what to do.
    """
    if named := os.environ.get("HOTLINE_ASTERISK") or program:
        return _at(Path(named).expanduser())
    if found := shutil.which("asterisk") or _in_sbin():
        return _at(Path(found))
    private = state / "asterisk"
    if private.is_dir():
        return _at(private)
    raise Unavailable(
        "no Asterisk: install the package `asterisk` (20 or newer), or let `make run` build a "
        f"private one in {private}, or set HOTLINE_ASTERISK to a binary or a root folder"
    )


def build(root: Path, *, say: Callable[[str], None]) -> Installation:
    """Build a private Asterisk in the folder *root* unless it is there already.

    It appears whole or not at all; two builders at once wait for each other.

    Args:
        say: told what happens, one sentence a time.

    Raises:
        Unavailable: it cannot be built here; the message says what to do.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    with _alone(root.parent / f".{root.name}.lock", say):
        if root.is_dir():
            return _at(root)
        mmdebstrap = shutil.which("mmdebstrap")
        if os.geteuid() != 0:
            raise Unavailable("building a private Asterisk needs root; run: sudo make run")
        if mmdebstrap is None:
            raise Unavailable("mmdebstrap is missing; run: apt-get install -y mmdebstrap")
        for left in root.parent.glob(f".{root.name}.new-*"):  # of a builder that died
            shutil.rmtree(left)
        new = root.parent / f".{root.name}.new-{os.getpid()}"
        # without one mmdebstrap takes the suite's own
        mirror = [own] if (own := os.environ.get("HOTLINE_DEBIAN_MIRROR")) else []
        say(f"building a private Asterisk in {root} (about 360 MB, half a minute)")
        try:
            _run(
                mmdebstrap, "--variant=minbase", "--aptopt=Acquire::Check-Valid-Until \"false\"",
                f"--include={PACKAGES}", SUITE, str(new), *mirror,
            )  # fmt: skip
            _no_name_lookups(new)
            _at(new)
            new.rename(root)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        installed = _at(root)
        say(f"Asterisk {'.'.join(map(str, installed.version))} is ready")
        return installed


def system_sounds(installation: Installation) -> Path | None:
    """Return Asterisk's own data folder (documentation, music), as we see it."""
    for candidate in ("/usr/share/asterisk", "/var/lib/asterisk", "/usr/local/var/lib/asterisk"):
        folder = installation.outside(PurePosixPath(candidate))
        if (folder / "documentation").is_dir():
            return folder
    return None


def _at(place: Path) -> Installation:
    if not place.exists():
        raise Unavailable(f"HOTLINE_ASTERISK names {place}, which is not there")
    if not place.is_dir():
        return _checked(PurePosixPath(place.resolve()), None)
    for name in BINARIES:
        if (place / name).exists():
            if os.geteuid() != 0:
                raise Unavailable(f"running Asterisk in the folder {place} needs root")
            return _checked(PurePosixPath("/") / name, place.resolve())
    raise Unavailable(f"{place} is a folder, but no Asterisk root: it has no {BINARIES[0]}")


def _checked(binary: PurePosixPath, root: Path | None) -> Installation:
    guess = Installation(binary=binary, root=root, version=())
    try:
        said = subprocess.run(  # noqa: S603 - the admin's own program
            guess.command("-V"), capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{' '.join(guess.command('-V'))} fails: {error}") from error
    numbers = re.search(r"Asterisk (?:\D*/)?(\d+(?:\.\d+)*)", said)
    if numbers is None:
        raise Unavailable(f"{binary} says {said[:60]!r}, which is no version of Asterisk")
    version = tuple(int(part) for part in numbers[1].split("."))
    if version < OLDEST:
        raise Unavailable(f"{binary} is Asterisk {numbers[1]}; at least {OLDEST[0]} is needed")
    return Installation(binary=binary, root=root, version=version)


def _in_sbin() -> str | None:
    """Return a packaged Asterisk that an ordinary user's PATH does not show."""
    return shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin")


def _no_name_lookups(root: Path) -> None:
    """Let Asterisk learn its own address without DNS: a dead resolver would block every call."""
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.touch()


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        last = "\n".join(error.stderr.strip().splitlines()[-8:])
        raise Unavailable(f"{command[0]} failed:\n{last}") from error


@contextmanager
def _alone(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process builds Asterisk; waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
