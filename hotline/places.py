"""Where our data files are: in the checkout, or inside the installed wheel."""

import contextlib
import os
import pwd
from pathlib import Path

import dialplans
from schemas.config import Site
from schemas.errors import Unavailable

FIRST_PERSON = 1000
"""Smallest user id of a person on Debian; below are accounts of services."""
_HERE = Path(__file__).resolve().parent


def asterisk_config() -> Path:
    """Return the folder of Asterisk's templates."""
    inside = _HERE / "asterisk-config"  # the wheel puts them here
    return inside if inside.is_dir() else _HERE.parent / "asterisk-config"


def dialplan_templates() -> Path:
    """Return the folder of the dialplan's templates."""
    return Path(dialplans.__file__).resolve().parent


def dialplan(site: Site) -> Path:
    """Return the folder of numbers, flows, prompts and the admin's own contexts."""
    return site.dialplan_dir or dialplan_templates() / site.dialplan


def not_for_root(site: Site) -> None:
    """Keep root's hands off the state of a service that has an account of its own.

    A database or configuration file that root makes there cannot be read by the service.

    Raises:
        Unavailable: root asks, and the folder is a system account's.
    """
    with contextlib.suppress(OSError, KeyError):
        owner = site.state.stat().st_uid
        if os.geteuid() == 0 and 0 < owner < FIRST_PERSON:
            name = pwd.getpwuid(owner).pw_name
            raise Unavailable(f"{site.state} is the service's: type `sudo -u {name} hotline …`")
