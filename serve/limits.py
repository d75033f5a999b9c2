"""What one client, and all of them together, may ask of the endpoint."""

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

from serve.encoding import MAX_CHARACTERS


class Limits(BaseModel):
    """Ceilings of the endpoint; over one of them a request is refused and not cut short."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connections: PositiveInt = 900  # HTTP connections at once, and gRPC requests at once
    body_bytes: PositiveInt = 2_000_000
    body_seconds: PositiveFloat = 20.0  # to send the whole body
    arriving_bytes: PositiveInt = 128_000_000  # of all bodies that have begun to arrive and are not complete
    texts: PositiveInt = 32  # per request
    characters: PositiveInt = MAX_CHARACTERS  # per text
    tokens: PositiveInt = 262_144  # per request, as the model reads them: all windows of a long text
    seconds: PositiveFloat = 30.0  # that a request may wait for its answer
    # Admitted and not yet answered, of all clients together. A text counts as one whether it comes alone or in
    # a batch.
    waiting_texts: PositiveInt = 512
    waiting_tokens: PositiveInt = 65_536
