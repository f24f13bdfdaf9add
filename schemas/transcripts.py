"""What was said in recordings, in JSON: recognised, not checked."""

from pydantic import BaseModel, Field


class Part(BaseModel):
    """Something said in one breath."""

    at: float = Field(description="Seconds of the recording at which it begins")
    until: float = Field(description="Seconds of the recording at which it ends")
    text: str
    score: int = Field(description="How sure the engine was, 0-100 by its own measure")


class TranscriptOut(BaseModel):
    """What was said in the recording of one call."""

    call_id: str
    recording: str
    engine: str = Field(description="Name of the model that listened")
    seconds: float = Field(description="Length of the recording")
    text: str
    parts: list[Part]
    made_at: str
    error: str | None = Field(description="Why there is none: the recording is gone or broken")
