"""Changes come from our own pages only, and a page is signed in as who it says."""

import hashlib
import hmac

from aiohttp import web

from agents.door import COOKIE
from schemas.errors import Forbidden

FIELD = "csrf"
"""Hidden field of every form."""


def form_token(cookie: str) -> str:
    """Return what a form of this sign-in carries: nobody can make it without the cookie."""
    return hmac.new(cookie.encode("utf-8", "surrogateescape"), b"form", hashlib.sha256).hexdigest()


def token_for(request: web.Request) -> str:
    """Return the token for forms of the page that is being answered."""
    return form_token(request.cookies.get(COOKIE, ""))


def refuse_forgery(request: web.Request, token: str) -> None:
    """Refuse a change that no form of this sign-in sent; programs have the REST operations.

    Raises:
        Forbidden: the token is not the one of this sign-in.
    """
    cookie = request.cookies.get(COOKIE)
    ours = form_token(cookie or "")
    given = token.encode("utf-8", "surrogateescape")
    if "Authorization" in request.headers or not cookie:
        raise Forbidden("pages are for people")
    if not hmac.compare_digest(ours.encode(), given):
        raise Forbidden("页面已过期，没有提交。请重新载入后再做一次。")


def inside(address: str) -> str:
    r"""Return *address* if it is a page of ours to go to after the sign-in, else the first page.

    Only the pages of tickets count: `//evil.example`, `/\evil` and the like never lead out.
    """
    path, _, _ = address.partition("?")
    plain = address.isascii() and address.isprintable() and "\\" not in address
    return address if plain and (path == "/cases" or path.startswith("/cases/")) else "/"
