"""REST of the humans' room: agents, and signing in."""

from typing import Literal, Self

from aiohttp import web
from pydantic import BaseModel, Field, model_validator

from agents.auth import Auth
from agents.desk import Desks
from agents.door import COOKIE
from agents.roster import EXTENSION
from schemas.calls import AgentId
from schemas.desktop import AgentState, Reason
from schemas.errors import NotFound, TooMany, Unauthorised, Unavailable
from schemas.http import Asked, Asks, Nothing, Operation, Text, bind, require
from schemas.identity import RIGHTS, Right, Role, Who


class OneAgent(Asks):
    """Which agent."""

    extension: str = Field(pattern=EXTENSION)


class Wish(Asks):
    """What an agent is to do."""

    do: Literal["ready", "pause", "offline"]
    reason: Reason | None = Field(default=None, description="Needed for `pause`")

    @model_validator(mode="after")
    def _pauses_have_reasons(self) -> Self:
        if (self.do == "pause") != (self.reason is not None):
            raise ValueError("`reason` belongs to `pause`, and `pause` needs one")
        return self


class SignIn(Asks):
    """Login and password of a person."""

    login: Text = Field(min_length=1, max_length=32)
    password: Text = Field(min_length=1, max_length=128)


class Me(BaseModel):
    """Who one is, and what one may."""

    kind: Literal["user", "token"]
    id: str
    role: Role
    agent: str | None = Field(description="Extension whose desk one may open")
    rights: list[Right]


LIST = Operation(
    name="listAgents",
    method="GET",
    path="/api/v1/agents",
    summary="All agents and what they do just now",
    right=Right.READ_AGENTS,
    query=Nothing,
    body=Nothing,
    response=list[AgentState],
)
GET = Operation(
    name="getAgent",
    method="GET",
    path="/api/v1/agents/{extension}",
    summary="One agent and what they do just now",
    right=Right.READ_AGENTS,
    query=OneAgent,
    body=Nothing,
    response=AgentState,
    errors=(NotFound,),
)
SET = Operation(
    name="setAgentState",
    method="POST",
    path="/api/v1/agents/{extension}/state",
    summary="Take calls, pause or go offline: oneself, or another with the right to steer agents",
    right=Right.READ_AGENTS,
    query=OneAgent,
    body=Wish,
    response=AgentState,
    errors=(NotFound,),
)
SIGN_IN = Operation(
    name="signIn",
    method="POST",
    path="/api/v1/session",
    summary="Sign in; the answer sets the session's cookie",
    right=None,
    query=Nothing,
    body=SignIn,
    response=Me,
    errors=(Unauthorised, TooMany, Unavailable),
    open=True,  # whoever signs in is not known yet
)
WHO_AM_I = Operation(
    name="whoAmI",
    method="GET",
    path="/api/v1/session",
    summary="Who one is, and what one may",
    right=None,
    query=Nothing,
    body=Nothing,
    response=Me,
)
SIGN_OUT = Operation(
    name="signOut",
    method="DELETE",
    path="/api/v1/session",
    summary="Sign out",
    right=None,
    query=Nothing,
    body=Nothing,
    response=None,
    status=204,
)
OPERATIONS = (LIST, GET, SET, SIGN_IN, WHO_AM_I, SIGN_OUT)


def routes(desks: Desks, auth: Auth, *, https: bool = False) -> list[web.RouteDef]:
    """Return the routes of `OPERATIONS`.

    Args:
        https: browsers reach us over TLS although we may not see it (a proxy ends it).
    """

    async def list_agents(_: Asked[Nothing, Nothing]) -> list[AgentState]:
        return desks.states()

    async def get_agent(asked: Asked[OneAgent, Nothing]) -> AgentState:
        return desks.state(AgentId(asked.query.extension))

    async def set_state(asked: Asked[OneAgent, Wish]) -> AgentState:
        agent = AgentId(asked.query.extension)
        own = asked.who.agent == agent and Right.OPEN_DESK in RIGHTS[asked.who.role]
        if not own:
            require(asked.who, Right.STEER_AGENTS)
        match asked.body:
            case Wish(do="ready"):
                return desks.ready(agent)
            case Wish(do="pause", reason=str(reason)):
                return desks.pause(agent, reason)
            case _:
                return desks.offline(agent)

    async def sign_in(asked: Asked[Nothing, SignIn]) -> web.Response:
        request = asked.request
        signed_in = await auth.sign_in(
            asked.body.login,
            asked.body.password,
            address=request.remote or "",
            old_cookie=request.cookies.get(COOKIE),
        )
        answer = web.json_response(me(signed_in.who).model_dump(mode="json"))
        answer.set_cookie(
            COOKIE,
            signed_in.cookie,
            max_age=round(auth.seconds),
            path="/",
            httponly=True,
            samesite="Strict",
            secure=https or request.secure,
        )
        return answer

    async def who_am_i(asked: Asked[Nothing, Nothing]) -> Me:
        return me(asked.who)

    async def sign_out(asked: Asked[Nothing, Nothing]) -> web.Response:
        if cookie := asked.request.cookies.get(COOKIE):
            await auth.sign_out(cookie)
        answer = web.Response(status=204)
        answer.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return answer

    return [
        bind(LIST, list_agents),
        bind(GET, get_agent),
        bind(SET, set_state),
        bind(SIGN_IN, sign_in),
        bind(WHO_AM_I, who_am_i),
        bind(SIGN_OUT, sign_out),
    ]


def me(who: Who) -> Me:
    """Return *who* as they may see themselves."""
    rights = sorted(RIGHTS[who.role])
    return Me(kind=who.kind, id=who.id, role=who.role, agent=who.agent, rights=rights)
