"""Everything of general distillation that can be checked and decided before anything is trained."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from transformers import AutoModelForMaskedLM, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from compress.data.unlabeled import unlabeled_files
from compress.distill.rehearsal import rehearse
from compress.errors import DataError, ModelError, SeveralMistakesError, UserError
from compress.general.encoder import Kind, fills_masks, kind_of
from compress.general.lines import TextLines
from compress.general.masked import MaskedLines
from compress.general.recipe import GeneralConfig, TextOptions
from compress.models.anatomy import anatomy_of
from compress.models.open import Opened, load_as, open_model
from compress.models.tokenizer import position_limit
from compress.training.device import Compute, choose_compute

HELD_OUT_AT_MOST = 2_000
T = TypeVar("T")


@dataclass(frozen=True)
class Text:
    """The lines that teach and those that measure; none of these is among those, in another place either."""

    lines: TextLines
    teaching: NDArray[np.int64]
    held_out: NDArray[np.int64]
    max_length: int
    seed: int

    def rows(self, tokenizer: PreTrainedTokenizerFast, *, held_out: bool = False) -> MaskedLines:
        """Masked rows, as this tokenizer cuts them."""
        chosen = self.held_out if held_out else self.teaching
        return MaskedLines(self.lines, chosen, tokenizer, self.max_length, self.seed)

    def sample(self, count: int) -> list[str]:
        """About so many of the lines that teach, evenly spread."""
        step = max(1, len(self.teaching) // count)
        return [self.lines[int(index)] for index in self.teaching[::step]]

    def digest(self) -> list[object]:
        """What identifies the lines and how they are used."""
        parts = hashlib.sha256(self.teaching.tobytes() + self.held_out.tobytes()).hexdigest()
        return [self.lines.content, parts, self.max_length, self.seed]


@dataclass(frozen=True)
class Prepared:
    """Text and teacher, found to fit each other and the recipe."""

    opened: Opened
    teacher_kind: Kind
    student_config: PreTrainedConfig
    text: Text
    compute: Compute
    new_head: bool  # the teacher is to get the head that fills in masks, or goes without it

    def load_teacher(self) -> PreTrainedModel:
        """The teacher with its weights, before any training; raises `ModelError` where some are missing."""
        return load_as(self.teacher_kind, self.opened, new_head=self.new_head)

    def new_student(self) -> PreTrainedModel:
        """A model of the student's size, with random weights."""
        kind: Any = self.teacher_kind
        student: PreTrainedModel = kind.from_config(self.student_config)
        return student


def prepare_general(config: GeneralConfig) -> Prepared:
    """Read text and teacher, and try every lesson on models without weights; tells every fault at once."""
    faults: list[UserError] = []

    def attempt(step: Callable[[], T]) -> T | None:
        try:
            return step()
        except UserError as error:
            faults.append(error)
            return None

    compute = attempt(lambda: choose_compute(config.device, config.precision))
    lines = attempt(lambda: _read(config.data))
    opened = attempt(lambda: _open(config))
    student = None if opened is None else attempt(lambda: config.student.config(opened.config))
    _raise(faults)
    assert compute is not None
    assert lines is not None
    assert opened is not None
    assert student is not None
    kind = AutoModelForMaskedLM if config.teacher.train else kind_of(opened.config)
    _check_head(config, opened, kind)
    lessons = {f"distill.{number}": method for number, method in enumerate(config.distill)}
    _raise(rehearse(lessons, student, [opened.config], same_tokens=True))
    new_head = config.teacher.train is not None or not fills_masks(opened.config)
    return Prepared(opened, kind, student, _split(lines, config, opened), compute, new_head)


def split_lines(
    lines: TextLines, seed: int, share: float, most: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the lines that teach and of those that are held out, each in ascending order.

    A line that says what one that is held out says, elsewhere in the text, is left out of both. Raises
    `DataError` where nothing is left to learn from.
    """
    order = np.random.default_rng(seed).permutation(len(lines)).astype(np.int64)[:most]
    count = min(max(1, round(len(order) * share)), HELD_OUT_AT_MOST)
    held_out, rest = np.sort(order[:count]), np.sort(order[count:])
    teaching = rest[~np.isin(lines.marks(rest), lines.marks(held_out))]
    if not len(teaching):
        found = "1 line of text" if len(order) == 1 else f"{len(order):,} lines, all held out or equal to one"
        raise DataError(
            f"the text holds {found}, so nothing is left to learn from",
            "thousands of lines, each a text of its own",
            "give more text in data.path, or a smaller data.held_out",
        )
    return teaching, held_out


def _raise(faults: Sequence[UserError]) -> None:
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralMistakesError(faults)


def _read(options: TextOptions) -> TextLines:
    expected = "text files, one text per line"
    return TextLines(unlabeled_files(options.paths, key="data.path", expected=expected))


def _split(lines: TextLines, config: GeneralConfig, opened: Opened) -> Text:
    teaching, held_out = split_lines(lines, config.seed, config.data.held_out, config.data.max_lines)
    max_length = min(config.data.max_length, position_limit(opened.tokenizer, opened.config))
    return Text(lines, teaching, held_out, max_length, config.seed)


def _open(config: GeneralConfig) -> Opened:
    opened = open_model(config.teacher)
    anatomy_of(opened.config, "general distillation")
    tokenizer, name = opened.tokenizer, config.teacher.model
    if tokenizer.mask_token is None:
        raise ModelError(
            f"the tokenizer of {name} has no mask token",
            "a model that was pretrained by filling in masks, as BERT was",
            "give another teacher.model",
        )
    known = int(opened.config.vocab_size)
    if len(tokenizer) > known:
        raise ModelError(
            f"the tokenizer of {name} has {len(tokenizer):,} tokens, and the model knows {known:,}",
            "a tokenizer and a model that belong together",
            "put the model's own tokenizer beside its weights",
        )
    return opened


def _check_head(config: GeneralConfig, opened: Opened, kind: Kind) -> None:
    """Refuse what needs logits of a head that was trained, where the teacher would have none."""
    if kind is AutoModelForMaskedLM:
        return
    name = f"{config.teacher.model} has no head that fills in masks"
    remedy = "add teacher.train: {epochs: 1}, which trains one on these texts"
    for stage in config.distill:
        if stage.method == "distilbert":
            raise ModelError(
                f"{name}, and the method distilbert learns from its logits",
                "a masked language model as teacher",
                f"{remedy}, or take tinybert or minilm",
            )
    student = config.student
    if not opened.has_trained_head and (student.intermediate_size or student.hidden_size):
        raise ModelError(
            f"{name}, and what matters least in it (student.intermediate_size, student.hidden_size) is found "
            "by its answers",
            "a teacher with a trained head",
            f"{remedy}, or take out layers alone",
        )
