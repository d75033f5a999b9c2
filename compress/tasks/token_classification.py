"""Token classification: every word of a text has a tag, and tags make entities.

The data has a column of words and a column of tags, in IOB2 or a scheme that is read as IOB2. A model is asked the text
that the words make; a word's tag stands on its first piece. Scores are seqeval's, of entities whose type, beginning and
end are right; agreement with the teacher is the share of rows with the very same entities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import NO_LABEL, Rows
from compress.errors import ModelError
from compress.tasks.interface import Bools, Columns, Labels, LabelSpace, Named, Raw
from compress.tasks.tag_files import TagTelling
from compress.tasks.tag_judging import TagJudging
from compress.tasks.task import Task
from compress.tasks.word_training import WordTraining
from serve.tasks import Answering
from serve.tasks import TokenClassification as Answers
from serve.tasks.entities import OUTSIDE

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class TokenClassification(WordTraining, TagJudging, TagTelling, Task):
    """Labels are (rows, words, 3): first and last character of a word, and its tag; padded with `NO_LABEL`.

    Logits and soft targets are (windows, tokens, labels), NaN where an example is shorter. Answers are (rows, pieces,
    5): first and last character of a piece, its tag, that tag's probability, 1 where it goes on with a word; padded
    with -1.
    """

    names: tuple[str, ...] = ()  # of the model's outputs, once they are known

    name: ClassVar[str] = "token-classification"
    problem_type: ClassVar[str | None] = None
    head: ClassVar[str] = "TokenClassification"
    answers_as: ClassVar[type[Answering]] = Answers
    metrics: ClassVar[tuple[str, ...]] = ("entity_f1", "entity_macro_f1")
    agreement_metric: ClassVar[str] = "entity_f1"
    agreement_means: ClassVar[str] = "rows with the same entities as the teacher"
    perturbations: ClassVar[tuple[str, ...]] = ()
    flips_of: ClassVar[Literal["rows", "entities", "labels"]] = "entities"
    head_in_words: ClassVar[str] = "token classification head"
    text_columns: ClassVar[tuple[str, ...]] = ("tokens", "words")
    label_columns: ClassVar[tuple[str, ...]] = ("ner_tags", "tags", "labels", "ner")

    def check_head(self, model: str, outputs: Sequence[str], problem_type: str | None) -> None:
        """See `Task`; the names of its labels must be a tagging scheme that pieces can be put together by."""
        wrong = [name for name in outputs if name != OUTSIDE and not name.startswith(("B-", "I-"))]
        if OUTSIDE in outputs and not wrong:
            return
        raise ModelError(
            f"{model} has the labels {', '.join(outputs[:8])}",
            "the tags of IOB2: O, and B-TYPE and I-TYPE for each type of entity",
            "take a model that was fine-tuned on such tags, or fine-tune it here with teacher.train",
        )

    def for_labels(self, names: Sequence[str]) -> TokenClassification:
        """See `Task`."""
        return replace(self, names=tuple(names))

    # The data

    def read_inputs(self, data: datasets.Dataset, columns: Columns, split: str) -> list[Any]:
        """The words, joined."""
        from compress.data.tagged_words import read_word_texts

        return read_word_texts(data, columns, split)

    def read_labels(self, data: datasets.Dataset, columns: Columns, split: str) -> Raw:
        """Where words stand, and their tags."""
        from compress.data.tagged_words import read_tagged_words

        return read_tagged_words(data, columns, split)

    def is_unlabelled(self, raw: Raw) -> bool:
        """See `Task`: every tag is -1."""
        return all(tag == -1 for tags in raw.tags for tag in tags)

    def label_space(self, named: Named, raw: dict[str, Raw]) -> LabelSpace:
        """See `Task`."""
        from compress.data.tagged_words import gather_tags

        return gather_tags(named, raw)

    def known_space(self, raw: Raw, names: tuple[str, ...] | None, count: int) -> LabelSpace:
        """See `Task`."""
        from compress.data.tag_schemes import scheme_of
        from compress.data.tagged_words import Tags, named_tags

        rows = named_tags(raw, names, "the file")
        return Tags(names or (), names, scheme_of((tag for tags in rows for tag in tags), rows))

    def check_labels(
        self, parts: dict[str, Rows], names: tuple[str, ...] | None, *, declared: bool
    ) -> list[str]:
        """See `Task`: splits without entities, and types that train lacks."""
        from compress.data.tagged_words import check_tags

        return check_tags(parts, names or ())

    def relabelled(self, labels: Labels, output_of: NDArray[np.int64]) -> Labels:
        """See `Task`."""
        mapped = labels.copy()
        tags = labels[..., 2]
        mapped[..., 2] = np.where(tags >= 0, output_of[np.maximum(tags, 0)], tags)
        return mapped

    def no_labels(self, like: Labels, rows: int) -> Labels:
        """See `Task`."""
        return np.full((rows, *like.shape[1:]), NO_LABEL, dtype=like.dtype)

    def has_label(self, labels: Labels) -> Bools:
        """See `Task`."""
        return np.asarray((labels[..., 2] >= 0).any(axis=1))
