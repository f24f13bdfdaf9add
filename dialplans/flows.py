"""The flow documents of a folder: read, checked by their models, with the place of everything.

What one step means for another is `dialplans.lint`'s to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dialplans.documents import Document, read_yaml
from schemas.errors import Fault
from schemas.flows import RESERVED, Flow

SUFFIX = ".yaml"
MOST = 100
"""Flows of a city; the built-in one has about a dozen."""


@dataclass(frozen=True, slots=True)
class Written:
    """A flow and the document it was written in."""

    flow: Flow
    document: Document


def read(folder: Path) -> tuple[Mapping[str, Written], list[Fault]]:
    """Return the flows in *folder* by name, and every fault of form there is."""
    files = sorted(folder.glob(f"*{SUFFIX}"))
    faults = [
        Fault(str(file), None, "file", f"is not read: a flow's file ends with {SUFFIX}")
        for file in sorted(folder.glob("*"))
        if file.suffix in (".yml", ".json", ".YAML")
    ]
    if len(files) > MOST:
        return {}, [*faults, Fault(str(folder), None, "flows", f"has more than {MOST} flows")]
    found: dict[str, Written] = {}
    for file in files:
        document = read_yaml(file)
        flow, told = document.model(Flow)
        faults += told
        if flow is None:
            continue
        faults += _own(flow, document, file.stem)
        found[file.stem] = Written(flow, document)
    return found, faults


def _own(flow: Flow, document: Document, stem: str) -> list[Fault]:
    """What a document says about itself must be so."""
    faults = []
    if flow.flow != stem:
        faults.append(document.fault(["flow"], f"is {flow.flow!r}, but the file is {stem}{SUFFIX}"))
    for name in sorted(RESERVED & flow.steps.keys()):
        faults.append(document.fault(["steps", name], f"{name} is a target of every flow already"))
    return faults
