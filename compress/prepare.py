"""Everything that can be checked and decided before anything is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import TypeVar

from compress.data.load import load_splits
from compress.data.rows import Splits
from compress.errors import SeveralMistakesError, UserError
from compress.models.lengths import Lengths, choose_max_length, measure_lengths
from compress.models.open import Opened, open_model
from compress.models.shrink import choose_layers, layer_count, require_layers
from compress.models.teacher import Alignment, align_teacher
from compress.models.tokenizer import position_limit
from compress.recipe import RunConfig
from compress.training.device import Compute, choose_compute

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """Data and teacher, found to fit each other and the recipe."""

    splits: Splits  # label ids are the teacher's outputs
    opened: Opened
    alignment: Alignment
    lengths: Lengths
    max_length: int
    teacher_layers: int
    student_layers: tuple[int, ...] | None  # counted from 1; None without a student
    compute: Compute
    notes: tuple[str, ...]


def prepare(config: RunConfig) -> Prepared:
    """Read data and model, align labels, choose lengths and layers; every fault that can be seen is told at once."""
    faults: list[UserError] = []

    def attempt(step: Callable[[], T]) -> T | None:
        try:
            return step()
        except UserError as error:
            faults.append(error)
            return None

    compute = attempt(lambda: choose_compute(config.device, config.precision))
    opened = attempt(lambda: open_model(config.teacher))
    student_layers = None
    if config.student is not None and opened is not None:
        wanted, model_config = config.student.layers, opened.config
        student_layers = attempt(lambda: choose_layers(wanted, require_layers(model_config)))
    splits = attempt(lambda: load_splits(config.data, config.seed))
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralMistakesError(faults)
    assert compute is not None
    assert opened is not None
    assert splits is not None
    alignment = align_teacher(opened, config.teacher, splits, named_by_recipe=config.data.labels is not None)
    lengths = measure_lengths(opened.tokenizer, splits.train.texts)
    max_length = choose_max_length(
        config.data.max_length, lengths, position_limit(opened.tokenizer, opened.config)
    )
    notes = [*splits.notes, *_clashing_runtimes()]
    if cut := lengths.share_over(max_length):
        notes.append(
            f"{cut:.2%} of the training texts are longer than {max_length} tokens and lose their end"
        )
    return Prepared(
        alignment.apply(splits),
        opened,
        alignment,
        lengths,
        max_length,
        layer_count(opened.config),
        student_layers,
        compute,
        tuple(notes),
    )


def _clashing_runtimes() -> list[str]:
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if find_distribution(name)]
    if len(installed) < 2:
        return []
    return [
        "onnxruntime and onnxruntime-gpu are both installed, and the CUDA provider vanishes: keep one "
        "(pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu)"
    ]


def find_distribution(name: str) -> bool:
    """A distribution of this name is installed."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
