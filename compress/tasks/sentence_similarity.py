"""Sentence embeddings: a vector for each text, such that texts that mean the same have vectors that point alike.

The data has pairs of texts with a score, by which the cosines of their vectors are judged; without scores there is the
teacher alone. Each text of a pair is a text of its own: rows are read text by text.

Agreement with the teacher is the share of rows whose cosine lies within `TOLERANCE` of the teacher's; of single texts
it is the cosine with the next row's text. For retrieval a row asks with its first text for its second one among the
second texts of all rows; of rows with scores those ask whose score is in the highest fifth of the range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows, Splits
from compress.errors import ModelError
from compress.judge.metrics import score
from compress.judge.retrieval import Retrieval, ranks
from compress.tasks.interface import Bools, Fault, Floats, Imitation, Labels, Logits, knows_more_than_chance
from compress.tasks.regression import Regression, range_of
from compress.tasks.vectors import read_vectors, tell_vectors
from serve.tasks import Answer, Answering, Embedding
from serve.tasks import SentenceEmbedding as Answers
from serve.tasks.embedding import OUTPUT, cosines, unit

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig

    from compress.models.source import ModelSource
    from serve.tasks import Tokens
    from serve.tasks.answering import Outputs

TOLERANCE = 0.05  # of a cosine
POSITIVE = 0.8  # of the range of scores, from which on two texts are meant to find each other
_SAME = (
    5e-4  # by which 1 exceeds the cosine of a text's vectors, where the same model was asked in another way
)
_RETRIEVAL = Retrieval.names


@dataclass(frozen=True)
class SentenceSimilarity(Regression):
    """Labels are scores (rows,), NaN where there is none; answers and soft targets are (rows, 1 or 2 texts, width)."""

    name: ClassVar[str] = "sentence-similarity"
    problem_type: ClassVar[str | None] = None
    head: ClassVar[str] = "SentenceEmbedding"
    has_head: ClassVar[bool] = False
    answers_as: ClassVar[type[Answering]] = Answers
    metrics: ClassVar[tuple[str, ...]] = ("spearman", "pearson", *_RETRIEVAL)
    agreement_metric: ClassVar[str] = "spearman"
    agreement_means: ClassVar[str] = f"rows whose cosine is within {TOLERANCE} of the teacher's"
    label_columns: ClassVar[tuple[str, ...]] = ("score", "similarity_score")
    head_in_words: ClassVar[str] = "sentence encoder"
    output_names: ClassVar[tuple[str, ...]] = (OUTPUT,)
    averages: ClassVar[bool] = False
    asked_by: ClassVar[str] = "task: sentence-similarity"

    def check_head(self, model: str, outputs: Sequence[str], problem_type: str | None) -> None:
        """See `Task`: there is no head, and pooling is read from the model's own files."""

    def fits_outputs(self, count: int) -> bool:
        """See `Task`: the names of outputs in an encoder's config.json mean nothing."""
        return False

    def opened(self, config: PreTrainedConfig, source: str, options: ModelSource, *, offline: bool) -> None:
        """Put into the config how the model pools and normalises."""
        from compress.models.sentence_folder import folder_reader, read_settings

        read_settings(config, options.model, folder_reader(source, options.revision, offline=offline))

    def check_labels(
        self, parts: dict[str, Rows], names: tuple[str, ...] | None, *, declared: bool
    ) -> list[str]:
        """See `Task`; pairs of one and the same score are partners, which retrieval alone can judge."""
        if all(rows.labels is not None and len(np.unique(rows.labels)) < 2 for rows in parts.values()):
            return ["every pair has the same score: all are partners, and retrieval alone can be judged"]
        return super().check_labels(parts, names, declared=declared)

    def labelled_for(self, metric: str, splits: Splits) -> Splits:
        """Pairs without scores are partners, where retrieval is asked for."""
        if metric not in _RETRIEVAL or splits.is_labelled or not splits.test.are_pairs:
            return splits

        def partners(rows: Rows) -> Rows:
            return Rows(rows.texts, np.ones(len(rows), dtype=np.float32))

        return replace(
            splits,
            train=partners(splits.train),
            validation=partners(splits.validation),
            test=partners(splits.test),
            label_count=1,
        )

    def marked(self, config: PreTrainedConfig) -> None:
        """Put the range of the scores into the config, beside how the model pools."""
        from compress.models.sentence_encoder import SETTINGS, settings_of

        if self.low is not None:
            setattr(config, SETTINGS, settings_of(config) | {"scores": [self.low, self.high]})

    def of(self, config: PreTrainedConfig) -> SentenceSimilarity:
        """With the range of the scores that a model was trained on."""
        from compress.models.sentence_encoder import settings_of

        scores = settings_of(config).get("scores")
        return SentenceSimilarity(*scores) if scores else self

    def fitted(self, answering: Answering, config: PreTrainedConfig) -> Answering:
        """With width, pooling and normalising of the model."""
        from compress.models.sentence_encoder import embedding_width, settings_of

        settings = settings_of(config)
        return Answers(
            width=embedding_width(config), pooling=settings["pooling"], normalized=settings["normalize"]
        )

    def settled(self, train: Labels | None) -> SentenceSimilarity:
        """With the range of the scores of train."""
        return SentenceSimilarity(*range_of(train))

    def answered_by(self, answering: Answering) -> SentenceSimilarity:
        """See `Task`; what counts as positive is told by the rows themselves."""
        return self

    def default_answering(self) -> Answering:
        """See `Task`."""
        return Answers()

    # Training

    def read_logits(self, output: Any) -> Tensor:
        """Vectors, (texts, width); those of a pair one after the other."""
        vectors: Tensor = output.embedding
        return vectors

    def by_example(self, logits: Tensor, texts: int) -> Tensor:
        """(rows, texts of a row, width)."""
        return logits.reshape(-1, texts, logits.shape[-1])

    def soft_targets(self, outputs: Outputs) -> Logits:
        """Vectors, (texts, width)."""
        return np.asarray(outputs[OUTPUT])

    def by_input(self, targets: Logits, asked: Sequence[Tokens]) -> Logits:
        """(rows, texts of a row, width)."""
        return targets.reshape(len(asked), -1, targets.shape[-1])

    def outputs_of_targets(self, targets: Logits) -> Outputs:
        """See `Task`."""
        return {OUTPUT: targets.reshape(-1, targets.shape[-1])}

    def hard_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Squared error of each pair's cosine against its score, scaled to 0 to 1: CosineSimilarityLoss."""
        from compress.distill.embeddings import score_loss

        return score_loss(logits, labels, self.low, self.high)

    def soft_loss(
        self, logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, how: Imitation
    ) -> Tensor:
        """The vectors of a teacher as wide, and the cosines of a batch; for `mse` the vectors alone."""
        from compress.distill.embeddings import imitation

        relations: Literal["gram", "none"] = "gram" if how.loss == "kl" else "none"
        soft = imitation(logits, teacher_logits, relations=relations)
        if labels is None or how.alpha == 1.0:
            return soft
        known = (~labels.isnan()).float().mean()
        return (1 - (1 - how.alpha) * known) * soft + (1 - how.alpha) * self.hard_loss(logits, labels)

    def own_loss(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """The sum of squares of cosines with the other texts of the batch: what moves them matters."""
        from compress.distill.embeddings import gram

        return gram(logits).square().sum() / len(logits)

    def selection_score(self, metric: str, labels: Labels, logits: Logits) -> float:
        """See `Task`; of vectors (rows, texts, width)."""
        rows = Rows([""] * len(logits), labels)
        answers = logits.astype(np.float64)
        return score(metric, self.gold_marks(metric, rows), self.marks(metric, answers, rows), 1)

    def labels_from_logits(self, logits: Logits) -> Labels:
        """The teacher's cosines."""
        return similarities(logits.astype(np.float64)).astype(np.float32)

    def check_teacher(self, labels: Sequence[str], logits: Logits, rows: Rows) -> tuple[str, float]:
        """Spearman's correlation on the selection rows, which is 0 for guessing; raises `ModelError`.

        Of pairs that are all partners the mean reciprocal rank, which must be twice that of guessing.
        """
        assert rows.labels is not None
        if len(np.unique(rows.labels)) < 2:
            return self._check_search(logits, rows)
        found = score("spearman", rows.labels.astype(np.float64), similarities(logits.astype(np.float64)), 1)
        if knows_more_than_chance(found, len(rows)):
            return "spearman", found
        raise ModelError(
            f"the teacher answers at chance: its cosines correlate with the scores at {found:.3f} on "
            f"{len(rows):,} rows",
            "a sentence encoder that knows which texts are alike",
            "check data.columns.label, or fine-tune it with teacher.train",
        )

    def _check_search(self, logits: Logits, rows: Rows) -> tuple[str, float]:
        found = self.selection_score("mrr", np.asarray(rows.labels), logits)
        guessing = float((1 / np.arange(1, len(rows) + 1)).mean())
        if found >= min(2 * guessing, 0.5):
            return "mrr", found
        raise ModelError(
            f"the teacher answers at chance: it finds a text's partner among {len(rows):,} at a mean reciprocal rank "
            f"of {found:.3f}, where guessing gives {guessing:.3f}",
            "a sentence encoder that knows which texts belong together",
            "check data.columns.text_pair, or name another teacher",
        )

    # Judging

    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """The vectors, (rows, texts of a row, width)."""
        return np.stack([answer.vectors for answer in answers if isinstance(answer, Embedding)]).astype(
            np.float64
        )

    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """Cosines (rows,), or the rank of each row's second text."""
        if metric not in _RETRIEVAL:
            return similarities(answers)
        if answers.shape[1] < 2:
            raise ModelError(
                f"{metric} is asked for, and the data has single texts",
                "pairs of texts, whose second one is to be found by the first",
                "set data.columns.text_pair, or metric: spearman",
            )
        return ranks(unit(answers[:, 0]), unit(answers[:, 1]), _asks(rows))

    def quoted_beside(self, metric: str, rows: Rows, labels: Sequence[str]) -> list[str]:
        """See `Task`; of partners, who have one score all, nothing correlates, and single texts have none to find."""
        assert rows.labels is not None
        others = super().quoted_beside(metric, rows, labels)
        if len(np.unique(rows.labels)) < 2:
            others = [other for other in others if other in _RETRIEVAL]
        return others if rows.are_pairs else [other for other in others if other not in _RETRIEVAL]

    def as_labels(self, answers: Floats) -> Labels:
        """The cosines."""
        return similarities(answers)

    def same(self, one: Floats, other: Floats) -> Bools:
        """Cosines that lie within the tolerance of each other."""
        return np.asarray(np.abs(similarities(one) - similarities(other)) <= TOLERANCE)

    def changed(self, one: Floats, other: Floats) -> Bools:
        """A text's two vectors whose cosine is further from 1 than rounding explains: the same model was asked."""
        return np.asarray((1 - _each_cosine(one, other)).max(axis=1) > _SAME)

    def likeness(self, teacher: Floats, shipped: Floats) -> float | None:
        """The mean cosine between the two models' vectors of the same text; None where widths differ."""
        if teacher.shape[-1] != shipped.shape[-1]:
            return None
        return float(_each_cosine(teacher, shipped).mean())

    def numbers(self, answers: Floats) -> Floats | None:
        """The cosines."""
        return similarities(answers)

    def correlation(self, teacher: Floats, shipped: Floats) -> float | None:
        """Spearman's, of the cosines of both."""
        return score("spearman", similarities(teacher), similarities(shipped), 1)

    # evaluation.jsonl

    def gathered_answers(self, answers: Sequence[Any]) -> Floats:
        """See `Task`."""
        return np.stack(answers).astype(np.float64)

    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """The vectors as base64 of float32, little-endian, and for people the cosine of a pair."""
        return tell_vectors(answer)

    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        return read_vectors(told)

    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        if isinstance(told, bool) or not isinstance(told, int | float) or not np.isfinite(told):
            raise Fault(f" has the score {told!r}", "a number")
        return float(told)


def similarities(answers: Floats) -> NDArray[np.float64]:
    """The cosine of each row's two texts, (rows,); of single texts with the next row's."""
    other = answers[:, 1] if answers.shape[1] > 1 else np.roll(answers[:, 0], -1, axis=0)
    return cosines(answers[:, 0], other)


def _each_cosine(one: Floats, other: Floats) -> Floats:
    """Of the same text's vectors, (rows, texts)."""
    flat = (values.reshape(-1, values.shape[-1]) for values in (one, other))
    return cosines(*flat).reshape(one.shape[:2])


def _asks(rows: Rows) -> Bools:
    """Rows whose second text is to be found: those with a high score, all where there are no scores."""
    if rows.labels is None:
        return np.ones(len(rows), dtype=bool)
    low, high = range_of(rows.labels)
    if low is None or high is None or low == high:
        return np.ones(len(rows), dtype=bool)
    return np.asarray(rows.labels >= low + POSITIVE * (high - low))
