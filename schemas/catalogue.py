"""What tickets are about: the two-level catalogue `catalogue.toml` as a model."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from schemas.calendar import Part
from schemas.cases import Urgency
from schemas.units import Code

Word = Annotated[str, Field(min_length=1, max_length=20)]
_Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,23}$")]
_Digits = Annotated[str, Field(pattern=r"^[0-9]{3,12}$")]


class Category(Part):
    """Second level: one sort of matter."""

    name: Annotated[str, Field(min_length=2, max_length=30)]
    words: tuple[Word, ...] = ()
    """What people say when they mean it; `暖气 不热`: the parts in this order, close together."""
    numbers: tuple[_Digits, ...] = ()
    """Numbers of the register whose callers mean it unless they say otherwise."""
    unit: Code | None = None
    """Who is in charge (谁主管谁负责); None: the field's unit."""
    firm: Code | None = None
    """Utility that serves; complaints of it go to `unit`."""
    local: bool = True
    """Whether the place's own unit goes first (属地管理优先); false: the city's unit anywhere."""
    urgency: Urgency = Urgency.NORMAL
    danger: tuple[Word, ...] = ()
    """Words with which somebody may be in danger: urgent at once."""
    emergency: str = Field(default="", max_length=80)
    """What the agent does first then."""
    scope: Annotated[int, Field(ge=1, le=7)] | None = None
    """Class of what the hotline does not take (plan 四), when this is such a matter."""
    conduct: bool = False
    """作风效能: never sent to the complained-of unit alone."""


class Branch(Part):
    """First level: a field of government."""

    name: Annotated[str, Field(min_length=2, max_length=30)]
    unit: Code
    offices: tuple[Word, ...] = ()
    """Names people have for the office, past and present: 住建局, 建设局."""
    categories: Mapping[_Key, Category] = {}


class Catalogue(Part):
    """All of catalogue.toml; a category's code is `field.category`."""

    version: str = "0"
    fields: Mapping[_Key, Branch] = {}

    def category(self, code: str) -> Category | None:
        """Return the category *code*, `zhujian.water`."""
        field, _, name = code.partition(".")
        found = self.fields.get(field)
        return None if found is None else found.categories.get(name)

    def label(self, code: str) -> str:
        """Return *code* as people read it: `住建·停水`."""
        field, _, name = code.partition(".")
        above = self.fields.get(field)
        below = None if above is None else above.categories.get(name)
        return "·".join(part.name for part in (above, below) if part is not None) or code
