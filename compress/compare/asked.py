"""What `compress compare` is asked for on the command line."""

import difflib
from dataclasses import dataclass

from compress.distill import METHODS, Distill
from compress.recipe import RunConfig
from compress.training.options import TrainOptions
from serve.errors import UserError

PLAIN = "plain"


@dataclass(frozen=True)
class Lineup:
    """One row of the comparison: stages by the names of their methods."""

    name: str  # tinybert+logits
    methods: tuple[str, ...]

    def stages(self, config: RunConfig) -> list[Distill]:
        """The stages for this recipe, which share its budget of epochs alike.

        A method that stands in the recipe has the recipe's options; another has its own defaults with the
        pace of the recipe's last stage. Layers and prediction get half of the epochs each. Raises `UserError`
        for a method that needs options which the recipe does not give, and for stages that leave the head
        untrained.
        """
        total = sum(stage.epochs for stage in config.distill)
        stages = [
            _stage(name, config).model_copy(update={"epochs": total / len(self.methods)})
            for name in self.methods
        ]
        if stages[-1].selects == "last":
            raise UserError(
                f"--methods {self.name}: {self.methods[-1]}, as the recipe has it, does not train the head",
                "a last method that does",
                f"give --methods {self.name}+logits",
            )
        return stages


def parse_methods(text: str) -> list[Lineup]:
    """Methods separated by commas; `a+b` is one after the other; the plain student comes first.

    A method that trains layers alone is followed by `logits`, since nothing else trains the head.
    """
    lineups = [Lineup(PLAIN, (PLAIN,))]
    for entry in filter(None, (part.strip() for part in text.split(","))):
        names = tuple(name.strip() for name in entry.split("+"))
        for name in names:
            if name not in METHODS:
                near = difflib.get_close_matches(name, METHODS, n=1)
                raise UserError(
                    f"--methods names {name!r}",
                    f"some of {', '.join(METHODS)}, separated by commas",
                    f"did you mean {near[0]!r}?" if near else "for example --methods logits,tinybert,minilm",
                )
        if METHODS[names[-1]].selects == "last":
            names = (*names, "logits")
        lineup = Lineup("+".join(names), names)
        if lineup not in lineups:
            lineups.append(lineup)
    if len(lineups) == 1:
        raise UserError(
            f"--methods {text!r} names no method",
            f"some of {', '.join(METHODS)}",
            "for example --methods logits",
        )
    return lineups


def parse_seeds(text: str) -> list[int] | int:
    """Seeds that were given, or how many to count up from the recipe's."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if (
        not numbers
        or min(numbers) < 0
        or max(numbers) >= 2**32
        or (len(numbers) == 1 and numbers[0] < 1)
        or len(set(numbers)) < len(numbers)
    ):
        raise UserError(
            f"--seeds {text}", "a count (3) or different seeds (13,14,15)", "for example --seeds 3"
        )
    return numbers[0] if len(numbers) == 1 else numbers


def parse_rates(text: str | None) -> list[float]:
    """Learning rates; none where the recipe's own are to be used."""
    if text is None:
        return []
    try:
        rates = [float(part) for part in text.split(",")]
    except ValueError:
        rates = []
    if not rates or not all(0 < rate <= 1 for rate in rates):
        raise UserError(
            f"--learning-rates {text}",
            "numbers between 0 and 1",
            "for example --learning-rates 5e-5,1e-4,2e-4",
        )
    return rates


def _stage(name: str, config: RunConfig) -> Distill:
    for stage in config.distill:
        if stage.method == name:
            return stage
    pace = config.distill[-1]
    shared = {key: getattr(pace, key) for key in TrainOptions.model_fields}
    missing = [key for key, field in METHODS[name].model_fields.items() if field.is_required()]
    missing.remove("method")
    if missing:
        raise UserError(
            f"--methods names {name!r}, which needs {', '.join(missing)}, and no stage of the recipe has them",
            f"a stage with method: {name} in the recipe's distill:",
            "add it there, or take another method",
        )
    return METHODS[name].model_validate({"method": name, **shared})
