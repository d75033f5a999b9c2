"""The base of everything that a recipe can choose: strict, frozen, checked when it is built."""

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Options(BaseModel):
    """One choice with its options. Unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_guessing(cls, value: object, info: ValidationInfo) -> object:
        """Pydantic takes `true` for 1 and "no" for false; a recipe that says so is a mistake."""
        wants_bool = cls.model_fields[str(info.field_name)].annotation is bool
        if wants_bool and not isinstance(value, bool):
            raise ValueError(f"should be true or false (found {value!r})")
        if isinstance(value, bool) and not wants_bool:
            raise ValueError(
                f"should not be true or false (found {str(value).lower()}); quote a text that means it"
            )
        return value
