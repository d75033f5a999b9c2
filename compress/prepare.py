"""Everything that can be checked and decided before anything is trained."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution

from compress.data.load import load_splits
from compress.data.rows import Splits
from compress.models.lengths import Lengths, choose_max_length, measure_lengths
from compress.models.open import Opened, open_model
from compress.models.shrink import choose_layers, layer_count, require_layers
from compress.models.teacher import Alignment, align_teacher
from compress.models.tokenizer import position_limit
from compress.recipe import RunConfig
from compress.training.device import Compute, choose_compute


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
    """Read data and model, align labels, choose lengths and layers; raises `UserError` with the first fault."""
    compute = choose_compute(config.device, config.precision)
    opened = open_model(config.teacher)
    student_layers = None
    if config.student is not None:
        student_layers = choose_layers(config.student.layers, require_layers(opened.config))
    splits = load_splits(config.data, config.seed)
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
