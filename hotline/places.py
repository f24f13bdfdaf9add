"""Where our data files are: in the checkout, or inside the installed wheel."""

from pathlib import Path

import dialplans
from schemas.config import Site

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
