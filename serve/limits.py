"""What one client may ask of the endpoint."""

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

from serve.encoding import MAX_CHARACTERS


class Limits(BaseModel):
    """Ceilings of the endpoint; over one of them a request is refused and not cut short."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body_bytes: PositiveInt = 2_000_000
    body_seconds: PositiveFloat = 20.0  # to send the whole body
    texts: PositiveInt = 32  # per request
    characters: PositiveInt = MAX_CHARACTERS  # per text
    waiting: PositiveInt = 64  # requests behind the one that is being answered
