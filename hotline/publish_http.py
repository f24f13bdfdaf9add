"""REST of publishing: what runs, what was published, publish and go back."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from pydantic import BaseModel, Field

from hotline import releases
from hotline.config import Config
from schemas.errors import Conflict, Forbidden, NotFound
from schemas.http import Asked, Asks, Nothing, Operation, Text, bind
from schemas.identity import Right, Who
from schemas.status import DialplanOut


class Limit(Asks):
    """How many."""

    limit: int = Field(default=50, ge=1, le=1000, description="Newest first")


class Publish(Asks):
    """A change to make live: what stands in the service's working folder."""

    why: Text = Field(min_length=1, max_length=releases.LONGEST)
    watch_minutes: float | None = Field(default=None, ge=0, le=1440, description="Else as set")
    approve_needed: bool = Field(default=False, description="Wait for a second person")


class Rollback(Asks):
    """Where to go back to."""

    why: Text = Field(min_length=1, max_length=releases.LONGEST)
    version: int | None = Field(default=None, ge=1, le=10**9, description="Else the one before")


class LastOut(BaseModel):
    """The last thing that happened to a version."""

    event: str
    at: str
    who: str
    why: str


class VersionOut(BaseModel):
    """One published version."""

    version: int
    state: str = Field(description="live, staged, retired, rolled_back or refused")
    at: str = Field(description="ISO 8601 with zone")
    who: str
    why: str
    parent: int | None = Field(description="Version that was live before it")
    approved_by: str | None
    last: LastOut
    kept: bool = Field(description="Whether one can still go back to it")


class PublishedOut(BaseModel):
    """What came of it."""

    version: int
    state: str = Field(
        description="current (GET /api/v1/dialplan tells when it runs), staged or unchanged"
    )


class Approve(Asks):
    """Which version may go live."""

    version: int = Field(ge=1, le=10**9)


STATE = Operation(
    name="getDialplan",
    method="GET",
    path="/api/v1/dialplan",
    summary="Which published version runs, whether it is watched, and what was taken back",
    right=Right.READ_HOTLINES,
    query=Nothing,
    body=Nothing,
    response=DialplanOut,
)
VERSIONS = Operation(
    name="listDialplanVersions",
    method="GET",
    path="/api/v1/dialplan/versions",
    summary="What was published: by whom, why, and what became of it",
    right=Right.ADMIN,
    query=Limit,
    body=Nothing,
    response=list[VersionOut],
)
PUBLISH = Operation(
    name="publishDialplan",
    method="POST",
    path="/api/v1/dialplan/publish",
    summary="Check the service's working folder and make it the current version",
    right=Right.ADMIN,
    query=Nothing,
    body=Publish,
    response=PublishedOut,
)
APPROVE = Operation(
    name="approveDialplan",
    method="POST",
    path="/api/v1/dialplan/approve",
    summary="Let a version go live that somebody else published; for people, not for tokens",
    right=Right.ADMIN,
    query=Nothing,
    body=Approve,
    response=PublishedOut,
    errors=(Conflict, NotFound),
)
ROLLBACK = Operation(
    name="rollbackDialplan",
    method="POST",
    path="/api/v1/dialplan/rollback",
    summary="Make an earlier version the current one",
    right=Right.ADMIN,
    query=Nothing,
    body=Rollback,
    response=PublishedOut,
    errors=(Conflict, NotFound),
)


def routes(config: Config, *, state: Callable[[], DialplanOut]) -> list[web.RouteDef]:
    """Return the routes of this module.

    Args:
        state: what the controller runs just now.
    """
    found = releases.versions(config)

    async def dialplan(_: Asked[Nothing, Nothing]) -> DialplanOut:
        return state()

    async def versions(asked: Asked[Limit, Nothing]) -> list[VersionOut]:
        rows = await asyncio.to_thread(releases.rows, found)
        return [VersionOut.model_validate(row) for row in rows[: asked.query.limit]]

    async def publish(asked: Asked[Nothing, Publish]) -> PublishedOut:
        wish = asked.body
        made, fresh = await asyncio.to_thread(
            releases.publish, config, who=_name(asked.who), why=wish.why,
            watch=wish.watch_minutes, staged=wish.approve_needed,
        )  # fmt: skip
        word = "current" if found.current() == made.version else "staged"
        return PublishedOut(version=made.version, state=word if fresh else "unchanged")

    async def approve(asked: Asked[Nothing, Approve]) -> PublishedOut:
        if asked.who.kind != "user":
            raise Forbidden("approving is for people who sign in: one may hold many tokens")
        made = await asyncio.to_thread(found.approve, asked.body.version, who=_name(asked.who))
        return PublishedOut(version=made.version, state="current")

    async def rollback(asked: Asked[Nothing, Rollback]) -> PublishedOut:
        target = await asyncio.to_thread(
            found.roll_back, asked.body.version, who=_name(asked.who),
            why=releases.reason(asked.body.why),
        )  # fmt: skip
        assert target is not None  # only who names the version to leave can be too late
        return PublishedOut(version=target, state="current")

    return [
        bind(STATE, dialplan),
        bind(VERSIONS, versions),
        bind(PUBLISH, publish),
        bind(APPROVE, approve),
        bind(ROLLBACK, rollback),
    ]


def _name(who: Who) -> str:
    return who.id if who.kind == "user" else f"token:{who.id}"
