"""Convolutions over the teacher's word embeddings.

Kim, "Convolutional Neural Networks for Sentence Classification" (2014), section 2; sizes from section 3.1.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from compress.data.rows import Rows
from compress.models.trained import Trained
from compress.models.word_models import TextCnnConfig, TextCnnForSequenceClassification
from compress.students.word_embeddings import Vocabulary, shared_config, student_of_words
from export.options import Options


class TextCnn(Options):
    """A student that looks for short runs of words; it learns from logits alone."""

    architecture: Literal["textcnn"]
    embedding_size: PositiveInt | None = None  # left out: the teacher's
    kernel_sizes: list[PositiveInt] = Field(default=[3, 4, 5])  # words in a window
    filters: PositiveInt = 100  # of each size
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    vocabulary: Vocabulary = "keep"  # trim: words that the texts do not use go

    @field_validator("kernel_sizes")
    @classmethod
    def _different(cls, sizes: list[int]) -> list[int]:
        if not sizes or len(set(sizes)) != len(sizes):
            raise ValueError("list one size or more, each once, for example [3, 4, 5]")
        return sizes

    def config(self, teacher: PreTrainedConfig) -> TextCnnConfig:
        """The student's config, before its vocabulary is trimmed; raises `ModelError`."""
        return TextCnnConfig(
            kernel_sizes=list(self.kernel_sizes),
            filters=self.filters,
            dropout=self.dropout,
            **shared_config(teacher, self.embedding_size),
        )

    def build(
        self,
        teacher: Trained,
        transfer: Rows,
        device: str,  # noqa: ARG002
    ) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
        """The student before it learns, and its tokenizer; filters and head start from torch's generator."""
        model = TextCnnForSequenceClassification(self.config(teacher.model.config))
        return student_of_words(model, teacher, transfer, self.vocabulary)
