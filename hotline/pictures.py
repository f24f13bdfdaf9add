"""Flows as pictures, for the command line."""

from collections.abc import Mapping
from pathlib import Path

from dialplans.drawing import svg
from dialplans.graph import graph, mermaid
from schemas.city import City
from schemas.errors import NotFound


def draw(city: City, flow: str | None, *, mermaid: bool = False) -> Mapping[str, str]:
    """Return pictures by the name of their file.

    Args:
        flow: None: every flow.
        mermaid: in Mermaid's language, not SVG.

    Raises:
        NotFound: there is no such flow.
    """
    if flow is not None and flow not in city.flows:
        raise NotFound(f"there is no flow {flow[:40]!r}; there are {', '.join(sorted(city.flows))}")
    names = sorted(city.flows) if flow is None else [flow]
    if mermaid:
        return {f"{name}.mmd": as_mermaid(city, name) for name in names}
    return {f"{name}.svg": svg(graph(city, name)) for name in names}


def as_mermaid(city: City, name: str) -> str:
    """Return a flow in Mermaid's language."""
    return mermaid(graph(city, name))


def write(pictures: Mapping[str, str], into: Path) -> None:
    """Write the pictures into a folder, made where it is not there."""
    into.mkdir(parents=True, exist_ok=True)
    for name, text in pictures.items():
        (into / name).write_text(text, "utf-8")
