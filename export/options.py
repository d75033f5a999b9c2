"""The base of everything that a recipe can choose: strict, frozen, checked when it is built."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """One choice with its options. Unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
