"""Signing in and out, as pages."""

from aiohttp import web

from agents.auth import Auth
from agents.door import COOKIE
from agents.web import guard, render, words
from agents.web.reading import fields_of
from schemas.errors import HotlineError, TooMany, Unauthorised, Unavailable

LOGIN, PASSWORD = 32, 128
"""Characters at most."""


class Signing:
    """The handlers.

    Args:
        https: browsers reach us over TLS although we may not see it (a proxy ends it).
    """

    def __init__(self, auth: Auth, *, https: bool) -> None:
        self._auth = auth
        self._https = https

    async def form(self, request: web.Request) -> web.StreamResponse:
        """Show the sign-in; who is signed in already goes on."""
        there = guard.inside(request.query.get("next", "/"))
        cookie = request.cookies.get(COOKIE)
        if cookie and await self._auth.who_has(cookie) is not None:
            return render.elsewhere(request, there)
        return render.html("login.html.j2", me=None, next=there, login="", say="")

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """Sign in and go on to where one wanted to."""
        given = await fields_of(request)
        login = given.get("login", [""])[0].strip()
        password = given.get("password", [""])[0]
        there = guard.inside(given.get("next", ["/"])[0])
        try:
            if not (0 < len(login) <= LOGIN and 0 < len(password) <= PASSWORD) or "\0" in login:
                raise Unauthorised("login or password is wrong")
            signed_in = await self._auth.sign_in(
                login,
                password,
                address=request.remote or "",
                old_cookie=request.cookies.get(COOKIE),
            )
        except (Unauthorised, TooMany, Unavailable) as error:
            headers = {}
            if isinstance(after := error.details.get("retry_after"), int | float):
                headers["Retry-After"] = str(max(1, round(after)))
            return render.html(
                "login.html.j2",
                status=error.status,
                headers=headers,
                me=None,
                next=there,
                login=login[:LOGIN],
                say=_why(error),
            )
        answer = render.elsewhere(request, there)
        answer.set_cookie(
            COOKIE,
            signed_in.cookie,
            max_age=round(self._auth.seconds),
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._https or request.secure,
        )
        return answer

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the sign-in."""
        given = await fields_of(request)
        guard.refuse_forgery(request, given.get(guard.FIELD, [""])[0])
        await self._auth.sign_out(request.cookies[COOKIE])
        answer = render.elsewhere(request, "/login")
        answer.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return answer


def _why(error: HotlineError) -> str:
    match error:
        case TooMany():
            after = error.details.get("retry_after")
            wait = words.minutes(after) if isinstance(after, int | float) else 15
            return f"登录失败次数太多，已暂时锁定。请约{wait}分钟后再试。"
        case Unavailable():
            return "现在登录的人太多，请稍后再试。"
        case _:
            return "登录名或密码不对。"
