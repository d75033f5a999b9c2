"""Where a model comes from, as a recipe says it."""

from pydantic import Field

from export.options import Options


class ModelSource(Options):
    """A folder or a Hub model."""

    model: str = Field(min_length=1)
    revision: str | None = None  # Hub only
    trust_remote_code: bool = False
