"""Places of the city: `places.toml` as a model."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from schemas.calendar import Part
from schemas.units import Code

Name = Annotated[str, Field(min_length=2, max_length=40)]
CountyCode = Annotated[str, Field(pattern=r"^[a-z]{3,16}$")]


class County(Part):
    """A county or district (县、区)."""

    name: Name
    also: tuple[Name, ...] = ()
    """Other names people use."""
    unit: Code
    """Unit that answers for the place (属地)."""
    city_firms: bool = False
    """Whether the city's own water, gas, heat and bus companies serve it."""
    towns: Mapping[Name, tuple[Name, ...]] = {}
    """Townships and sub-districts (镇、街道), with other names."""
    landmarks: Mapping[Name, tuple[Name, ...]] = {}
    """Squares, stations, roads, estates, sights, schools, hospitals, with other names."""
    hosts: Mapping[Name, CountyCode] = {}
    """Towns listed here since it manages them, though the map shows them in another county."""


class Gazetteer(Part):
    """All of places.toml."""

    source: str = ""
    counties: Mapping[CountyCode, County] = {}
