"""What can go wrong in a run, by whose move it is.

`UserError` (exit code 2) is the user's to mend; `ProofError` (exit code 3) says that what was made
does not do what it must. Anything else is a bug and crashes with its traceback (exit code 1).
"""

from collections.abc import Sequence

from export.proof import ProofError
from serve.errors import UserError


class RecipeError(UserError):
    """Faults in a recipe, all of them at once."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        count = f"{len(faults)} fault" + ("s" if len(faults) > 1 else "")
        super().__init__(
            f"{source} has {count}:\n" + "\n".join(f"  {fault}" for fault in faults),
            "a recipe as docs/recipe.md describes it",
            "mend the lines above; `compress run RECIPE --dry-run` checks again without training",
        )


class SeveralMistakesError(UserError):
    """Mistakes that have nothing to do with each other, told at once."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        self.errors = tuple(errors)
        first = errors[0]
        super().__init__(first.found, first.expected, first.remedy)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.errors))


class DataError(UserError):
    """A data set that cannot be read, or that cannot be learned from."""


class ModelError(UserError):
    """A model or tokenizer that cannot be loaded or does not fit the task."""


class MissingExtraError(UserError):
    """A package is missing that an extra of the distribution installs."""

    def __init__(self, command: str, package: str, extra: str) -> None:
        super().__init__(
            f"`compress {command}` needs the package {package}, which is not installed",
            f"the extra [{extra}] of compress-toolchain",
            f'pip install "compress-toolchain[{extra}]", or `make install` in a checkout',
        )


__all__ = [
    "DataError",
    "MissingExtraError",
    "ModelError",
    "ProofError",
    "RecipeError",
    "SeveralMistakesError",
    "UserError",
]
