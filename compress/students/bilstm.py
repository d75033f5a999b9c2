"""A bidirectional LSTM on the teacher's word embeddings.

Tang, Lu, Liu, Mou, Vechtomova and Lin, "Distilling Task-Specific Knowledge from BERT into Simple Neural
Networks" (2019), section 3.1; sizes from section 4.2.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from compress.data.rows import Rows
from compress.models.trained import Trained
from compress.models.word_models import BiLstmConfig, BiLstmForSequenceClassification, Pooling
from compress.students.word_embeddings import Vocabulary, shared_config, student_of_words
from export.options import Options


class BiLstm(Options):
    """A student that reads a text in both directions; it learns from logits alone."""

    architecture: Literal["bilstm"]
    embedding_size: PositiveInt | None = None  # left out: the teacher's
    hidden_size: PositiveInt = 150  # of one direction
    layers: PositiveInt = 1
    head_size: PositiveInt = 200  # of the hidden layer before the classifier
    pooling: Pooling = "last"  # last: the state where each direction ends; max: the strongest of all
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    vocabulary: Vocabulary = "keep"  # trim: words that the texts do not use go

    def config(self, teacher: PreTrainedConfig) -> BiLstmConfig:
        """The student's config, before its vocabulary is trimmed; raises `ModelError`."""
        return BiLstmConfig(
            hidden_size=self.hidden_size,
            num_hidden_layers=self.layers,
            head_size=self.head_size,
            pooling=self.pooling,
            dropout=self.dropout,
            **shared_config(teacher, self.embedding_size),
        )

    def build(
        self,
        teacher: Trained,
        transfer: Rows,
        device: str,  # noqa: ARG002
    ) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
        """The student before it learns, and its tokenizer; LSTMs and head start from torch's generator."""
        model = BiLstmForSequenceClassification(self.config(teacher.model.config))
        return student_of_words(model, teacher, transfer, self.vocabulary)
