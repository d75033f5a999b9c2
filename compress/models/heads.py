"""Which of transformers' classes a task's models are."""

from typing import Any

import transformers
from transformers import PreTrainedConfig

from compress.models import sentence_encoder
from compress.models import word_models as _registered  # noqa: F401  so that the Auto classes know them
from compress.tasks import SINGLE_LABEL, TASKS


def auto_class(head: str) -> Any:
    """`AutoModelForSequenceClassification` for `SequenceClassification`, and so on."""
    if head == sentence_encoder.HEAD:
        return sentence_encoder.AutoModelForSentenceEmbedding
    return getattr(transformers, f"AutoModelFor{head}")


def saved_head(config: PreTrainedConfig) -> str | None:
    """The head of some task that a model was saved with; None where it was saved without."""
    heads = dict.fromkeys(task.head for task in TASKS)
    names = config.architectures or []
    return next((head for head in heads if any(head in name for name in names)), None)


def class_of(config: PreTrainedConfig) -> Any:
    """The Auto class that a saved model is opened with; a text classifier's where it does not say."""
    return auto_class(saved_head(config) or SINGLE_LABEL.head)
