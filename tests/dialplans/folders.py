"""Copies of the city's own folder to break."""

import shutil
from pathlib import Path

BAOJI = Path(__file__).parents[2] / "dialplans" / "baoji"


def copy(into: Path) -> Path:
    """Return a copy of the city's folder; its sounds are the city's own."""
    into.mkdir(parents=True)
    (into / "audio").symlink_to(BAOJI / "audio")
    for name in ("flows", "custom"):
        if (BAOJI / name).is_dir():
            shutil.copytree(BAOJI / name, into / name)
    (into / "custom").mkdir(exist_ok=True)
    for file in BAOJI.iterdir():
        if file.suffix in (".toml", ".tsv", ".csv"):
            shutil.copyfile(file, into / file.name)
    return into
