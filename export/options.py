"""The base of everything that a recipe can choose: strict, frozen, checked when it is built."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Options(BaseModel):
    """One choice with its options. Unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_guessing(cls, values: Any) -> Any:
        """Pydantic takes `true` for 1 and "no" for false; a recipe that says so is a mistake."""
        if not isinstance(values, dict):
            return values
        for name, field in cls.model_fields.items():
            value = values.get(field.alias or name)
            wants_bool = field.annotation is bool
            if isinstance(value, bool) and not wants_bool:
                raise ValueError(
                    f"{name} should not be true or false (found {value}); quote a text that means it"
                )
            if wants_bool and value is not None and not isinstance(value, bool):
                raise ValueError(f"{name} should be true or false (found {value!r})")
        return values
