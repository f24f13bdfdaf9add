"""What `hotline surge` and `hotline menu-cost` do: the same rows and questions as REST."""

import time
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cti import switches
from cti.calls import menu_cost as costs
from cti.calls.http import Span, span
from hotline import admin
from hotline.config import Config
from schemas.errors import Fault, Faulty, Invalid
from schemas.http_errors import invalid
from schemas.switches import Switch, TurnIn


async def surge(config: Config, *, on: bool | None, who: str, why: str | None) -> dict[str, Any]:
    """Turn surge mode, or only look; return how it stands and its last turns.

    Raises:
        Faulty: it is to be turned and nobody says why.
    """
    if on is not None:
        try:
            TurnIn(on=on, why=why or "")
        except ValidationError:
            reason = "say in 1 to 200 characters why: it is kept with the turn"
            raise Faulty([Fault(admin.TYPED, None, "--why", reason)]) from None
    async with admin.database(config) as session:
        if on is not None:
            by = f"user:{who}"
            await switches.turn(session, Switch.SURGE, on=on, who=by, why=why or "", at=time.time())
        found = await switches.shown(session, Switch.SURGE)
    return {"state": "on" if found.on else "off", **found.model_dump(mode="json")}


async def menu_cost(config: Config, *, since: str | None, until: str | None) -> dict[str, Any]:
    """Return the cost of prompts between two times, as REST tells it.

    Raises:
        Faulty: a time is none, or the span is none.
    """
    given = {k: v for k, v in (("from", since), ("to", until)) if v is not None}
    try:
        first, last = span(Span.model_validate(given), now=time.time(), days=62)
    except ValidationError as error:
        raise _typed(invalid(error, "command line")) from None
    except Invalid as error:
        raise _typed(error) from None
    async with admin.database(config) as session:
        found = await costs.count(session, since=first, until=last)
    return found.model_dump(mode="json", by_alias=True)


def _typed(error: Invalid) -> Faulty:
    listed = error.details.get("faults")
    faults = listed if isinstance(listed, list) else []
    return Faulty(Fault(admin.TYPED, None, f"--{f['key']}", _plain(f)) for f in faults)


def _plain(fault: Mapping[str, object]) -> str:
    return str(fault["reason"]).removeprefix("Value error, ")
