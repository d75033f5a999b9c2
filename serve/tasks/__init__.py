"""How each task answers; one file per task."""

from typing import Annotated

from pydantic import Field

from serve.tasks.answering import Answer, Answering, Read, Tokens
from serve.tasks.embedding import Embedding, SentenceEmbedding
from serve.tasks.multi_label import LabelSet, MultiLabel
from serve.tasks.question_answering import Extraction, QuestionAnswering
from serve.tasks.regression import Rating, Regression
from serve.tasks.text_classification import Classification, SingleLabel
from serve.tasks.token_classification import Tagging, TokenClassification

# The union of what may stand in bundle.json as `answering`; a new task adds its class here.
AnyAnswering = Annotated[
    SingleLabel | Regression | MultiLabel | TokenClassification | SentenceEmbedding | QuestionAnswering,
    Field(discriminator="kind"),
]

__all__ = [
    "Answer",
    "Answering",
    "AnyAnswering",
    "Classification",
    "Embedding",
    "Extraction",
    "LabelSet",
    "MultiLabel",
    "QuestionAnswering",
    "Rating",
    "Read",
    "Regression",
    "SentenceEmbedding",
    "SingleLabel",
    "Tagging",
    "TokenClassification",
    "Tokens",
]
