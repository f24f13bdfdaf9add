"""The door: a middleware that lets nobody in unnamed, and what browsers need beside it."""

from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

from agents.auth import Auth
from schemas.errors import Forbidden, Unauthorised
from schemas.http import WHO, operation_of
from schemas.identity import Who

COOKIE = "hotline_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

PAGE = "page"
"""Attribute of a handler that answers with a page for people: its `Page`."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page for people; it is no operation of the API."""

    open: bool = False
    """Anybody may see it, without being known."""


def page_of(request: web.Request) -> Page | None:
    """Return the page that *request* was routed to, if it is one."""
    found = getattr(request.match_info.handler, PAGE, None)
    return found if isinstance(found, Page) else None


def authenticate(auth: Auth, *, open_paths: frozenset[str] = frozenset({"/status"})) -> Middleware:
    """Return the middleware that names everybody or sends them away.

    Open without a name are only *open_paths*, and operations and pages that say so of themselves;
    an address that does not exist is refused like any other, so nobody can feel out what there is.
    """

    @web.middleware
    async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
        operation, page = operation_of(request), page_of(request)
        is_open = (operation is not None and operation.open) or (page is not None and page.open)
        if is_open or request.path in open_paths:
            if is_open and request.method not in SAFE:
                _refuse_other_origin(request)
            return await handler(request)
        request[WHO] = await _name(auth, request)
        return await handler(request)

    return door


async def _name(auth: Auth, request: web.Request) -> Who:
    """Return who asks; a token counts before a cookie.

    Raises:
        Unauthorised: nobody we know.
        Forbidden: a cookie came with a change that another site may have caused.
    """
    if header := request.headers.get("Authorization"):
        scheme, _, token = header.partition(" ")
        who = await auth.who_is(token.strip()) if scheme.lower() == "bearer" else None
        if who is None:
            raise Unauthorised("this token is not valid")
        return who
    if cookie := request.cookies.get(COOKIE):
        who = await auth.who_has(cookie)
        if who is None:
            raise Unauthorised("the sign-in has run out")
        if request.method not in SAFE:
            _refuse_forgery(request)
        return who
    raise Unauthorised("sign in, or send a token as `Authorization: Bearer …`")


def same_origin(request: web.Request) -> bool | None:
    """Return whether the page that asks is ours; None when the client does not say."""
    origin = request.headers.get("Origin")
    if origin is None:
        return None
    try:
        page, host = URL(origin), URL(f"http://{request.host}")
    except ValueError:
        return False
    if page.host is None or host.host is None:
        return False
    # Behind a TLS proxy we see http where the page says https: compare names and said ports.
    return (page.host.lower(), page.explicit_port) == (host.host.lower(), host.explicit_port)


def _refuse_other_origin(request: web.Request) -> None:
    if same_origin(request) is False:
        raise Forbidden("another site asked")


def _refuse_forgery(request: web.Request) -> None:
    """A browser sends our cookie for other sites too, but not a header of our own."""
    _refuse_other_origin(request)
    if same_origin(request) is None and "X-Requested-With" not in request.headers:
        raise Forbidden("send `X-Requested-With` with a change")
