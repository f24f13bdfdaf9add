"""One shape for every error over HTTP: `{"error": code, "message": …, "details": {…}}`."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from schemas.errors import Faulty, HotlineError, Invalid

log = logging.getLogger(__name__)

CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many",
}
"""Codes for the errors that the web server raises by itself."""


class ErrorOut(BaseModel):
    """What went wrong, for a program (`error`) and for a person (`message`)."""

    error: str = Field(description="Stable code")
    message: str
    details: dict[str, object] = {}


def invalid(error: ValidationError, where: str) -> Invalid:
    """Return all faults of *error* as one refusal; what was sent is not repeated."""
    return invalid_from(error.errors(include_url=False, include_context=False), where)


def invalid_from(faults: Iterable[ErrorDetails], where: str) -> Invalid:
    """Return *faults* found in *where* (query, body, …) as one refusal."""
    listed = [
        {"in": where, "key": ".".join(map(str, fault["loc"])), "reason": fault["msg"]}
        for fault in faults
    ]
    plural = "fault" if len(listed) == 1 else "faults"
    return Invalid(f"{len(listed)} {plural} in the {where}", faults=listed)


def response(error: HotlineError) -> web.Response:
    """Return *error* as the JSON answer it deserves."""
    details = dict(error.details)
    if isinstance(error, Faulty):
        details["faults"] = [str(fault) for fault in error.faults]
    answer = _json(error.status, error.code, error.message, details)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(after := error.details.get("retry_after"), int | float):
        answer.headers["Retry-After"] = str(max(1, round(after)))
    return answer


def _json(status: int, code: str, message: str, details: Mapping[str, object]) -> web.Response:
    body = {"error": code, "message": message, "details": details}
    return web.Response(
        status=status,
        body=json.dumps(body, ensure_ascii=True, default=str).encode(),
        content_type="application/json",
    )


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Outermost middleware: whatever goes wrong inside leaves as JSON, without our insides."""
    try:
        return await handler(request)
    except HotlineError as error:
        return response(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = CODES.get(error.status, "error")
        answer = _json(error.status, code, error.reason, {})
        if isinstance(error, web.HTTPMethodNotAllowed):
            answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return answer
    except Exception:  # one of the four outermost loops: a bug of ours ends here, not the server
        log.exception("request failed: %s %s", request.method, request.match_info.route.name)
        return _json(500, "error", "a fault of ours; it has been logged", {})
