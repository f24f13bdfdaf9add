"""What `/status` says: no secret, no personal data."""

from pydantic import BaseModel, Field


class LinkOut(BaseModel):
    """One link to a part the service needs."""

    ok: bool
    since: str = Field(description="Since when it is so, ISO 8601 with zone")
    last_error: str | None = Field(description="The last thing that went wrong, also while ok")


class StatusOut(BaseModel):
    """Whether calls can be served, and what is wrong if not."""

    ok: bool
    node: str
    version: str
    now: str
    started_at: str
    live_calls: int
    links: dict[str, LinkOut]
