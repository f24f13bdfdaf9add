"""All that case work knows of this city, from the admin's folder; published with the dialplan."""

from dataclasses import dataclass, field

from schemas.catalogue import Catalogue
from schemas.gazetteer import Gazetteer
from schemas.limits import Limits
from schemas.risks import Risks
from schemas.scores import Scores
from schemas.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Casebook:
    """Units, limits, places, catalogue, risks, scores."""

    units: Units = field(default_factory=Units)
    limits: Limits = field(default_factory=Limits)
    gazetteer: Gazetteer = field(default_factory=Gazetteer)
    catalogue: Catalogue = field(default_factory=Catalogue)
    risks: Risks = field(default_factory=Risks)
    scores: Scores = field(default_factory=Scores)

    def unit_name(self, code: str) -> str:
        """Return the name of a unit as people read it; the code itself when nobody knows it."""
        found = self.units.units.get(code)
        return code if found is None else found.name
