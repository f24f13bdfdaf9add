"""Templates, the headers that every page carries, and how a refusal looks to a person."""

import hashlib
import logging
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, PackageLoader, StrictUndefined

from agents.door import page_of
from agents.web import words
from schemas.errors import HotlineError, Unauthorised
from schemas.http import operation_of

log = logging.getLogger(__name__)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    # With `no-referrer` browsers say `Origin: null` of our own forms, and the check of the origin
    # would be lost; to other sites this says as little.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STATIC: Mapping[str, str] = {
    "app.css": "text/css",
    "app.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""Files beside the pages: name → media type. No others are given out."""

_SAID: Mapping[int, tuple[str, str]] = {
    401: ("请先登录", "登录已过期。请重新登录后再做一次。"),
    403: ("没有权限", "您的账号不能这样做，或者这个页面打开得太久。请返回后重新载入再试。"),
    404: ("没有找到", "没有这个页面，或者它不归您的单位办理。"),
    405: ("不能这样打开", "请从工单列表进入。"),
    409: ("没有完成", "情况已经变化。请返回后重新载入再试。"),
    413: ("内容太大", "文字太长，或者文件超过 20 MB。请改短后再试。"),
    422: ("内容不对", "请返回检查后再试。"),
    429: ("太频繁了", "请稍等再试。"),
    503: ("暂时不可用", "系统正忙或数据库暂时不可用。请稍后再试。"),
}


@cache
def static(name: str) -> tuple[bytes, str]:
    """Return the bytes of a static file and a name for just these bytes."""
    body = files("agents.web").joinpath("static", name).read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:12]


@cache
def environment() -> Environment:
    """Return the templates: everything is escaped, and a name nobody gave is a fault."""
    made = Environment(
        loader=PackageLoader("agents.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = lambda name: f"/static/{name}?v={static(name)[1]}"
    made.filters["size"] = words.size
    return made


def html(
    template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
) -> web.Response:
    """Return a page."""
    text = environment().get_template(template).render(values)
    return web.Response(
        text=text, status=status, content_type="text/html", headers={**HEADERS, **(headers or {})}
    )


def by_htmx(request: web.Request) -> bool:
    """Tell whether a part of a page is asked for, by a page of ours."""
    return "HX-Request" in request.headers


def elsewhere(request: web.Request, address: str) -> web.Response:
    """Send the browser to another page."""
    if by_htmx(request):
        return web.Response(status=204, headers={**HEADERS, "HX-Redirect": address})
    return web.Response(status=303, headers={**HEADERS, "Location": address})


@web.middleware
async def errors_as_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let people read what is refused them; stands within the one that says it in JSON."""
    if not _for_people(request):
        return await handler(request)
    try:
        return await handler(request)
    except HotlineError as error:
        return refused(request, error.status, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return refused(request, error.status)
    except Exception:
        resource = request.match_info.route.resource
        log.exception("page failed: %s %s", request.method, resource and resource.canonical)
        return refused(request, 500)


def refused(request: web.Request, status: int, error: HotlineError | None = None) -> web.Response:
    """Return the page that says so; who is not signed in is led to the sign-in."""
    if isinstance(error, Unauthorised) and (request.method == "GET" or by_htmx(request)):
        return elsewhere(request, login_address(request))
    title, say = _SAID.get(status, ("出错了", "这是系统的问题，已经记录。请稍后再试。"))
    if error is not None:
        say = words.readable(error.message, say)
    template = "_refused.html.j2" if by_htmx(request) else "refused.html.j2"
    headers: dict[str, str] = {}
    if by_htmx(request):
        headers = {"HX-Retarget": "#news", "HX-Reswap": "innerHTML"}
    after = None if error is None else error.details.get("retry_after")
    if isinstance(after, int | float):
        headers["Retry-After"] = str(max(1, round(after)))
    return html(template, status=status, headers=headers, title=title, say=say, me=None)


def login_address(request: web.Request) -> str:
    """Return the sign-in that leads back to where the browser wanted to go."""
    wanted = request.path_qs if request.method == "GET" and not by_htmx(request) else "/"
    return (
        "/login"
        if wanted == "/"
        else str(request.url.with_path("/login").relative().with_query(next=wanted))
    )


def _for_people(request: web.Request) -> bool:
    """Tell a person who looks at pages from a program."""
    if operation_of(request) is not None:
        return False
    if page_of(request) is not None:
        return True
    wants = "text/html" in request.headers.get("Accept", "")
    return wants and not request.path.startswith(("/api/", "/ws/"))
