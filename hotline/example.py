"""`hotline.toml.example`: every setting, its default and its meaning, from the settings' source.

The meanings are the docstrings below the fields of `schemas.config`, so they are written once.
"""

import ast
import inspect
import textwrap

from pydantic.fields import FieldInfo

from hotline.config import Config
from schemas import config as sections

HEAD = """\
# Every setting of the 12345 hotline with its default. Copy this file to `hotline.toml`, uncomment
# what you change, and try it with `hotline config check`: every fault is told at once.
# The environment wins over the file: HOTLINE_WEB__PORT=8443 sets `port` of [web]; lists are written
# with commas. Port 0 lets `hotline up` pick a free one.
# Made by `hotline config example`; a test keeps it in step with the settings.
"""


def text() -> str:
    """Return the file: as it stands it changes nothing, all settings being commented out."""
    told = _docstrings()
    parts = [HEAD]
    for name, field in Config.model_fields.items():
        section = field.annotation
        assert isinstance(section, type)
        assert issubclass(section, sections.Section)
        about = (section.__doc__ or "").partition(" - ")[2].rstrip(".")
        parts.append(f"\n[{name}]  # {about}\n")
        for key, setting in section.model_fields.items():
            about = told.get((section.__name__, key), "")
            parts += [f"# {line}\n" for line in textwrap.wrap(about, 98)]
            parts.append(f"#{_line(key, setting)}\n")
    return "".join(parts)


def _line(key: str, setting: FieldInfo) -> str:
    value = setting.get_default()
    if value is None:
        return f'{key} = ""  # not set'
    return f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"'  # text, paths, addresses: no default of ours needs escaping


def _docstrings() -> dict[tuple[str, str], str]:
    """Return (class, field) → the string that stands below the field."""
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(inspect.getsource(sections)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(said))),
                ):
                    found[node.name, name] = " ".join(said.split())
    return found
