"""Every task on tiny data: what the same tests run over. A new task adds its case to `CASES`."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, f1_score
from tiny import FILLERS, TOPICS, tiny_rows

from serve.inputs import Input

Row = dict[str, Any]


@dataclass(frozen=True)
class TaskCase:
    """A task with data that a tiny encoder learns in seconds."""

    name: str
    rows: Callable[[int, int], list[Row]]  # count, seed: rows as a data set has them
    recipe: Mapping[str, Any]  # what it adds to the tiny recipe
    # The default metric of labels and answers as evaluation.jsonl and `Answer.told` have them, by a library.
    metric: Callable[[Sequence[Any], Sequence[Any]], float]
    answer: Callable[[Any], Any]  # what the metric takes of an answer
    least: float  # that the teacher scores
    pipeline: str | None = "text-classification"  # of transformers, which the float file equals
    pairs: bool = False
    fields: tuple[str, str] = ("text", "text_pair")  # of a pair in `POST /`
    # What the metric takes of a row of evaluation.jsonl.
    gold: Callable[[Row], Any] = lambda row: row["label"]
    scores_labels: bool = True  # every label of a text has a score, which parameters shorten and make logits
    epochs: int = 6  # of the teacher
    is_tiny_run: bool = False  # the run that many tests share
    csv_columns: tuple[str, ...] = ("predicted_label", "score", "truncated")
    tensors: tuple[str, ...] = ("label", "probabilities")
    splits: Mapping[str, int] = field(default_factory=lambda: {"train": 500, "test": 80})

    def write(self, folder: Path) -> Path:
        """The data set in a folder, as jsonl."""
        folder.mkdir(parents=True, exist_ok=True)
        for seed, (split, count) in enumerate(self.splits.items(), start=1):
            lines = [json.dumps(row) + "\n" for row in self.rows(count, seed)]
            (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
        return folder

    def asked(self, texts: Sequence[str]) -> list[Input]:
        """Texts as the task takes them: of pairs each with the next."""
        if not self.pairs:
            return list(texts)
        return list(zip(texts, [*texts[1:], texts[0]], strict=True))


def _single(count: int, seed: int) -> list[Row]:
    return [{"text": text, "label": label} for text, label in tiny_rows(count, seed)]


def _sets(count: int, seed: int) -> list[Row]:
    """Texts with words of any number of topics."""
    drawn = random.Random(seed)
    rows = []
    for _ in range(count):
        labels = [topic for topic in TOPICS if drawn.random() < 0.4]
        # Of some topics no word is said, so that nobody can know all.
        words = [word for topic in labels if drawn.random() > 0.1 for word in drawn.sample(TOPICS[topic], 2)]
        words += drawn.choices(FILLERS, k=drawn.randint(2, 8))
        drawn.shuffle(words)
        rows.append({"text": " ".join(words), "labels": labels})
    return rows


def _numbers(count: int, seed: int) -> list[Row]:
    """Pairs of texts with a number from 0 to 5 for how many words of food the second one has."""
    drawn = random.Random(seed)
    rows = []
    for _ in range(count):
        many = drawn.randint(0, 3)
        first = drawn.sample(TOPICS["sport"], 3)
        second = drawn.sample(TOPICS["food"], many) + drawn.sample(TOPICS["sport"], 3 - many)
        texts = [" ".join(words + drawn.choices(FILLERS, k=2)) for words in (first, second)]
        number = round(5 * many / 3 * 0.9 + 0.5 * drawn.random(), 2)
        rows.append({"sentence1": texts[0], "sentence2": texts[1], "label": number})
    return rows


def _tagged(count: int, seed: int) -> list[Row]:
    """Words of sport and food are entities of one or two words each; by the word it is told which begins one."""
    drawn = random.Random(seed)
    rows = []
    for _ in range(count):
        tokens: list[str] = []
        tags: list[str] = []
        for _ in range(drawn.randint(1, 3)):
            filled = drawn.choices(FILLERS, k=drawn.randint(1, 4))
            kind = drawn.choice(("sport", "food"))
            named = [drawn.choice(TOPICS[kind][:3]), *drawn.choices(TOPICS[kind][3:], k=drawn.randint(0, 1))]
            tokens += [*filled, *named]
            tags += ["O"] * len(filled) + [f"B-{kind}", f"I-{kind}"][: len(named)]
        rows.append({"tokens": [*tokens, "."], "ner_tags": [*tags, "O"]})
    return rows


def _piece_tags(answer: Any) -> Any:
    """Where each piece begins, and its tag."""
    return {one["start"]: one["entity"] for one in answer.told(strategy="none", ignored=())}


def _entity_f1(labels: Sequence[Any], answers: Sequence[Any]) -> float:
    """seqeval's: a word has the tag of the piece that it begins with."""
    gold = [[tag for _, _, tag in words] for words in labels]
    given = [[tags[start] for start, _, _ in words] for words, tags in zip(labels, answers, strict=True)]
    return float(seqeval_f1(gold, given, mode="strict", scheme=IOB2))


def _alike(count: int, seed: int) -> list[Row]:
    """Pairs of texts with a number from 0 to 5 for how many words they share, of two topics drawn anew each time."""
    drawn = random.Random(seed)
    rows = []
    for _ in range(count):
        many = drawn.randint(0, 3)
        one, other = drawn.sample(list(TOPICS), 2)
        words = drawn.sample(TOPICS[one], many) + drawn.sample(TOPICS[other], 3 - many)
        texts = [
            " ".join(part + drawn.choices(FILLERS, k=2)) for part in (drawn.sample(TOPICS[one], 3), words)
        ]
        number = round(5 * many / 3 * 0.9 + 0.5 * drawn.random(), 2)
        rows.append({"sentence1": texts[0], "sentence2": texts[1], "label": number})
    return rows


def _asked(count: int, seed: int) -> list[Row]:
    """Which word of a topic is said in the context, and what stands after it; of some topics no word is said."""
    drawn = random.Random(seed)
    rows = []
    for number in range(count):
        topic, *others = drawn.sample(list(TOPICS), 3)
        parts = [drawn.choices(FILLERS, k=drawn.randint(1, 4))]
        answer = [drawn.choice(TOPICS[topic][:3]), *drawn.choices(TOPICS[topic][3:], k=drawn.randint(0, 1))]
        if number % 5:
            parts += [answer]
        parts += [[drawn.choice(TOPICS[others[0]])], drawn.choices(FILLERS, k=drawn.randint(1, 4))]
        drawn.shuffle(parts)
        context = " ".join(word for part in parts for word in part)
        start = context.find(" ".join(answer))
        texts = [" ".join(answer)] if start >= 0 else []
        answers = {"text": texts, "answer_start": [start] * len(texts)}
        question = f"which {TOPICS[topic][0]} was near the {TOPICS[topic][1]} ?"
        rows.append({"id": str(number), "question": question, "context": context, "answers": answers})
    return rows


def _golden(row: Row) -> list[str]:
    return [row["text_pair"][start:end] for start, end in row["label"]]


def _words_f1(labels: Sequence[Any], answers: Sequence[Any]) -> float:
    """Of words, which none of these texts has twice."""
    found = []
    for texts, answer in zip(labels, answers, strict=True):
        given, gold = set(answer.split()), set(" ".join(texts).split())
        found.append(2 * len(given & gold) / (len(given) + len(gold)) if given | gold else 1.0)
    return float(np.mean(found))


def _micro_f1(labels: Sequence[Any], answers: Sequence[Any]) -> float:
    def matrix(sets: Sequence[Any]) -> NDArray[np.int64]:
        return np.array([[int(topic in one) for topic in TOPICS] for one in sets])

    return float(f1_score(matrix(labels), matrix(answers), average="micro"))


CASES = [
    TaskCase(
        "single-label", _single, {}, accuracy_score, lambda answer: answer.label, least=0.8, is_tiny_run=True
    ),
    TaskCase(
        "multi-label",
        _sets,
        {"problem_type": "multi_label_classification"},
        _micro_f1,
        lambda answer: answer.labels,
        least=0.8,
        epochs=10,
        csv_columns=("predicted_labels", "probabilities", "truncated"),
        tensors=("labels", "probabilities"),
    ),
    TaskCase(
        "regression",
        _numbers,
        {"problem_type": "regression"},
        lambda labels, answers: float(pearsonr(labels, answers)[0]),
        lambda answer: answer.score,
        least=0.8,
        pairs=True,
        epochs=10,
        csv_columns=("predicted_score", "truncated"),
        tensors=("score",),
    ),
    TaskCase(
        "token-classification",
        _tagged,
        {"task": "token-classification"},
        _entity_f1,
        _piece_tags,
        least=0.8,
        pipeline="token-classification",
        scores_labels=False,
        epochs=8,
        csv_columns=("entities",),
        tensors=("entities",),
    ),
    TaskCase(
        "embeddings",
        _alike,
        {
            "task": "sentence-similarity",
            "distill": [{"method": "embedding", "epochs": 4, "learning_rate": 3e-3, "batch_size": 16}],
        },
        lambda labels, answers: float(spearmanr(labels, answers)[0]),
        lambda answer: answer.similarity,
        least=0.6,
        pipeline=None,  # against the plain encoder, pooled by hand
        pairs=True,
        epochs=10,
        csv_columns=("embedding", "truncated"),
        tensors=("embedding",),
    ),
    TaskCase(
        "question-answering",
        _asked,
        {"task": "question-answering"},
        _words_f1,
        lambda answer: answer.answer,
        least=0.6,
        pipeline=None,  # gone from transformers 5; tests/serve/test_question_answering.py has recorded answers
        pairs=True,
        fields=("question", "context"),
        gold=_golden,
        scores_labels=False,
        epochs=12,
        csv_columns=("answer", "score", "start", "end", "truncated"),
        tensors=("answer", "start", "end", "score"),
    ),
]
