"""What a browser sends with a form: fields, and files as they come in."""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs

from aiohttp import BodyPartReader, ClientPayloadError, web

from schemas.errors import Invalid

MOST_FIELDS = 100
LONGEST_FIELD = 4096
"""Bytes of a field that stands before a file."""
PIECE = 64 * 1024
_BROKEN = (ValueError, AssertionError)
"""What aiohttp's reader raises of a form that is none."""


async def fields_of(request: web.Request) -> Mapping[str, list[str]]:
    """Return the fields of a plain form; the body is bounded by the application.

    Raises:
        Invalid: it is no such form.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise Invalid("send a form")
    try:
        body = (await request.read()).decode("ascii")
        return parse_qs(body, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise Invalid("the form is not of its form") from None


async def parts_of(request: web.Request) -> AsyncIterator[BodyPartReader]:
    """Yield the parts of a form with files, one after another, unread.

    Raises:
        Invalid: it is no such form.
    """
    if request.content_type != "multipart/form-data":
        raise Invalid("send a form with files")
    try:
        reader = await request.multipart()
        for _ in range(MOST_FIELDS):
            part = await reader.next()
            if part is None:
                return
            if not isinstance(part, BodyPartReader):
                raise Invalid("a form within a form")
            yield part
    except _BROKEN:
        raise Invalid("the form is not of its form") from None


async def short(part: BodyPartReader) -> str:
    """Return a field that stands before a file.

    Raises:
        Invalid: it is too long, or no text.
    """
    read = bytearray()
    async for piece in pieces(part):
        read += piece
        if len(read) > LONGEST_FIELD:
            raise Invalid("a field is too long")
    try:
        return read.decode()
    except UnicodeDecodeError:
        raise Invalid("a field is no text") from None


async def pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    """Yield a part's bytes as they come in.

    Raises:
        Invalid: the form ends before the part does.
    """
    try:
        while piece := await part.read_chunk(PIECE):
            yield bytes(piece)
    except (*_BROKEN, ConnectionError, ClientPayloadError, web.RequestPayloadError):
        raise Invalid("上传中断，文件没有收全。请重新上传。") from None
