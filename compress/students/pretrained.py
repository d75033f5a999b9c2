"""A student that is a pretrained model of its own: a small encoder from a folder or the Hub."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from compress.data.rows import Rows
from compress.errors import ModelError
from compress.models.heads import auto_class
from compress.models.open import Opened, load_classifier, open_model
from compress.models.positions import trim_positions
from compress.models.sentence_encoder import SETTINGS, settings_of
from compress.models.source import ModelSource
from compress.models.trained import Trained
from compress.tasks import SINGLE_LABEL, Task


class Pretrained(ModelSource):
    """A pretrained encoder with its own tokenizer, and a new head for the teacher's labels.

    A classifier that has exactly the teacher's labels in the teacher's order keeps its head.
    """

    # trim: words that the texts do not use go, and positions beyond the teacher's longest text
    vocabulary: Literal["keep", "trim"] = "keep"

    def config(self, teacher: PreTrainedConfig) -> PreTrainedConfig:
        """The student's config; raises `ModelError` where the model cannot be opened or cannot classify."""
        opened = self._open()
        return _with_task_of(teacher, copy.deepcopy(opened.config))

    def build(
        self,
        teacher: Trained,
        transfer: Rows,
        device: str,  # noqa: ARG002 - every student has the same verb
    ) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
        """The student before it learns, and its tokenizer; a new head is drawn from torch's generator."""
        opened = self._open(teacher.task)
        with _named_as_student():
            new_head = opened.label_names != teacher.labels
            model = load_classifier(opened, teacher.labels, new_head=new_head, task=teacher.task)
        if opened.has_trained_head and new_head and teacher.task.has_head:
            model = self._without_its_head(model, teacher.task)
        _with_task_of(teacher.model.config, model.config)
        model = model.float().cpu().eval()
        if self.vocabulary == "trim":
            from compress.models.vocabulary import trim_vocabulary

            model = trim_positions(model, teacher.max_length)
            return trim_vocabulary(model, opened.tokenizer, transfer.texts)
        return model, opened.tokenizer

    def _open(self, task: Task = SINGLE_LABEL) -> Opened:
        with _named_as_student():
            opened = open_model(self, task)
        known = type(opened.config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
        own = getattr(opened.config, "auto_map", None) or {}
        if not known and AutoModelForSequenceClassification.__name__ not in own:
            raise ModelError(
                f"student.model {self.model} is a {opened.config.model_type} model, which transformers has "
                "no text classifier for",
                "a text encoder",
                "give another model, or make the student of the teacher: student: {layers: 3}",
            )
        return opened

    def _without_its_head(self, model: PreTrainedModel, task: Task) -> PreTrainedModel:
        """The encoder with a head as initialised: one for other labels of the same number would stay."""
        fresh: PreTrainedModel = auto_class(task.head).from_config(
            model.config, trust_remote_code=self.trust_remote_code
        )
        fresh.base_model.load_state_dict(model.base_model.state_dict())
        return fresh


def _with_task_of(teacher: PreTrainedConfig, config: PreTrainedConfig) -> PreTrainedConfig:
    """The config with the teacher's labels and kind of problem set in it."""
    names = {int(index): str(name) for index, name in (teacher.id2label or {}).items()}
    config.id2label = {index: names[index] for index in sorted(names)}
    config.label2id = {name: index for index, name in config.id2label.items()}
    config.problem_type = teacher.problem_type
    if hasattr(teacher, SETTINGS):  # its own pooling; length and scores are the teacher's
        own = {"pooling": settings_of(config)["pooling"]}
        setattr(config, SETTINGS, settings_of(teacher) | own)
    return config


@contextmanager
def _named_as_student() -> Iterator[None]:
    """Within, a message about a model points to the student's part of the recipe."""
    try:
        yield
    except ModelError as error:
        remedy = error.remedy.replace("teacher.model", "student.model").replace(
            "teacher.trust_remote_code", "student.trust_remote_code"
        )
        raise ModelError(error.found, error.expected, remedy) from None
