"""What `/status` says: no secret, no personal data."""

from pydantic import BaseModel, Field


class LinkOut(BaseModel):
    """One link to a part the service needs."""

    ok: bool
    since: str = Field(description="Since when it is so, ISO 8601 with zone")
    last_error: str | None = Field(description="The last thing that went wrong, also while ok")


class DialplanOut(BaseModel):
    """Which published version of the dialplan runs."""

    version: int = Field(description="0: none was published")
    differs: bool | None = Field(
        description="Whether the admins' working folder holds anything else; null: not known"
    )
    watch_until: str | None = Field(
        description="Until when the last change is watched, ISO 8601 with zone"
    )
    alarm: str | None = Field(description="What was taken back by itself since the last change")


class StatusOut(BaseModel):
    """Whether calls can be served, and what is wrong if not."""

    ok: bool
    node: str
    version: str
    now: str
    started_at: str
    live_calls: int
    links: dict[str, LinkOut]
    dialplan: DialplanOut | None = None
