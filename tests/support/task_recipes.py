"""What every task's bundles are made of: texts with what is right of each, and the tables of their words."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from task_bundles import ROWS, SPECIAL, Recipe, Table, split_words

from compress.tasks import MultiLabel, QuestionAnswering, Regression, TokenClassification
from compress.tasks.answer_files import padded_labels
from compress.tasks.sentence_similarity import SentenceSimilarity
from compress.tasks.words import padded_words
from serve.inputs import Input

# Token classification

_PEOPLE = ["Angela Merkel", "Ada Lovelace", "Zoë Kravitz", "José", "محمود درويش", "דוד בן גוריון"]
_PLACES = ["Paris", "New York", "Lake Victoria", "São Paulo", "القاهرة"]
_FIRMS = ["Acme", "Siemens", "Red Cross"]
_SENTENCES = [
    "{p} visited {l} with a team of {f} .",
    "In {l} , {f} hired {p} today \U0001f469\u200d\U0001f680 .",
    "\U0001f600\U0001f600 {p} likes {l} !",
    "There is nothing to see here , said the old man .",
    "{f} and {f} met in {l} .",
]
_TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")


def _tagged(drawn: random.Random) -> list[tuple[Input, Any]]:
    rows: list[tuple[Input, Any]] = []
    for number in range(ROWS):
        words: list[tuple[str, str]] = []
        for token in _SENTENCES[number % len(_SENTENCES)].split():
            kind = {"{p}": "PER", "{l}": "LOC", "{f}": "ORG"}.get(token)
            names = {"PER": _PEOPLE, "LOC": _PLACES, "ORG": _FIRMS}.get(kind or "")
            if names is None:
                words.append((token, "O"))
                continue
            for place, word in enumerate(drawn.choice(names).split()):
                words.append((word, f"{'I' if place else 'B'}-{kind}"))
        words.append((str(number), "O"))  # so that no two rows are the same
        text, spans = "", []
        for word, tag in words:
            text += " " if text else ""
            spans.append((len(text), len(text) + len(word), _TAGS.index(tag)))
            text += word
        rows.append((text, spans))
    return rows


def _tag_table(words: Sequence[str], drawn: np.random.Generator, noise: float) -> Table:
    table = np.zeros((len(words), len(_TAGS)), np.float32)
    table[:, 0] = 4
    for names, kind in ((_PEOPLE, 1), (_PLACES, 3), (_FIRMS, 5)):
        for name in names:
            for place, word in enumerate(split_words(name)):
                if word in words:
                    table[words.index(word)] = 0
                    table[words.index(word), kind + (place > 0)] = 4
    table += drawn.normal(0, 0.4, table.shape).astype(np.float32)
    # Each model has words of its own about which it is mistaken.
    wrong = {0.5: ("siemens", 3), 1.0: ("victoria", 0)}[noise]
    table[words.index(wrong[0])] = 0
    table[words.index(wrong[0]), wrong[1]] = 2.5
    return table


# Question answering

_ASKED = [
    ("Who wrote it ?", "It was written by {p} in {l} , people say ."),
    ("Where was it written ?", "They say that {p} wrote it in {l} , and liked it ."),
    ("Who liked it ?", "{p} liked it \U0001f600 , and so did nobody else in {l} ."),
]


def _questions(drawn: random.Random) -> list[tuple[Input, Any]]:
    """Answers are people; of every fourth row the context names none."""
    rows: list[tuple[Input, Any]] = []
    for number in range(ROWS):
        question, context = drawn.choice(_ASKED)
        person = drawn.choice(_PEOPLE) if number % 4 else "nobody"
        context = f"{number} " + context.format(p=person, l=drawn.choice(_PLACES))
        start = context.index(person)
        rows.append(((question, context), [(start, start + len(person))] if number % 4 else []))
    return rows


def _span_table(words: Sequence[str], drawn: np.random.Generator, noise: float) -> Table:
    table = drawn.normal(-6, 0.3, (len(words), 2)).astype(np.float32)
    table[0] = 1.0  # of [CLS]: that there is no answer
    for name in _PEOPLE:
        first, *_, last = [*split_words(name), split_words(name)[-1]]
        if first in words:
            table[words.index(first), 0] = 3
            table[words.index(last), 1] = 3
    wrong = {0.5: "lovelace", 1.0: "victoria"}[noise]  # of each model its own mistake
    table[words.index(wrong)] = (3.6, 3.6) if noise == 1.0 else (3.4, -6.0)
    if noise == 0.5:
        table[words.index("ada"), 1] = 3.2
    return table


def _spans(labels: Sequence[Any]) -> NDArray[Any]:
    return padded_labels([row or [(0, 0)] for row in labels])


# Labels and numbers by words

_TOPICS = {
    "joy": ["happy", "delighted", "smiling", "great"],
    "sadness": ["lonely", "crying", "lost", "grey"],
    "anger": ["furious", "unfair", "shouting", "liars"],
}
_PLAIN = [
    "i",
    "we",
    "they",
    "felt",
    "was",
    "very",
    "today",
    "about",
    "the",
    "news",
    "from",
    "home",
    "then",
    "it",
]


def _feelings(drawn: random.Random) -> list[tuple[Input, Any]]:
    rows: list[tuple[Input, Any]] = []
    for _ in range(ROWS):
        labels = [label for label in _TOPICS if drawn.random() < 0.45]
        words = [word for label in labels for word in drawn.sample(_TOPICS[label], 2)]
        words += drawn.choices(_PLAIN, k=drawn.randint(4, 9))
        drawn.shuffle(words)
        rows.append((" ".join(words), labels))
    return rows


def _topic_table(words: Sequence[str], drawn: np.random.Generator, noise: float) -> Table:
    table = drawn.normal(0, 0.35 * noise, (len(words), len(_TOPICS))).astype(np.float32)
    for column, topic in enumerate(_TOPICS.values()):
        for word in topic:
            if word in words:
                table[words.index(word), column] += 2.2
    return table


def _numbered(drawn: random.Random) -> list[tuple[Input, Any]]:
    """Pairs with a number from 0 to 5 for how happy they sound."""
    rows: list[tuple[Input, Any]] = []
    for number in range(ROWS):
        many = number % 4
        texts = []
        for count in (many // 2, many - many // 2):
            words = drawn.choices(_TOPICS["joy"], k=count) + drawn.choices(_TOPICS["sadness"], k=2 - count)
            words += drawn.choices(_PLAIN, k=4)
            drawn.shuffle(words)
            texts.append(" ".join(words))
        rows.append(((texts[0], texts[1]), round(min(5.0, 1.6 * many + 0.4 * drawn.random()), 2)))
    return rows


def _alike(drawn: random.Random) -> list[tuple[Input, Any]]:
    """Pairs with a number from 0 to 5 for how many words of one topic both have."""
    rows: list[tuple[Input, Any]] = []
    for number in range(ROWS):
        many = number % 3
        one, other = drawn.sample(list(_TOPICS), 2)
        second = drawn.sample(_TOPICS[one], many) + drawn.sample(_TOPICS[other], 2 - many)
        texts = [
            " ".join([*words, *drawn.choices(_PLAIN, k=2)])
            for words in (drawn.sample(_TOPICS[one], 2), second)
        ]
        rows.append(((texts[0], texts[1]), round(2.2 * many + 0.5 * drawn.random(), 2)))
    return rows


def _number_table(words: Sequence[str], drawn: np.random.Generator, noise: float) -> Table:
    table = drawn.normal(0, 0.07 * noise, (len(words), 1)).astype(np.float32)
    for word in _TOPICS["joy"]:
        table[words.index(word)] += 1.25
    for word in _TOPICS["sadness"]:
        table[words.index(word)] -= 0.3
    return table


def _vector_table(words: Sequence[str], drawn: np.random.Generator, noise: float) -> Table:
    meant = np.random.default_rng(7).normal(0, 1, (len(words), 8))
    for place, topic in enumerate(_TOPICS.values()):
        for word in topic:
            if word in words:
                meant[words.index(word)] = 4 * np.eye(8)[place]
    meant[: len(SPECIAL)] = 0.2
    return np.asarray(meant + drawn.normal(0, 0.2 * noise, meant.shape), np.float32)


def _floats(labels: Sequence[Any]) -> NDArray[Any]:
    return np.array(labels, np.float32)


_LOW, _HIGH = 0.0, 5.0
RECIPES = [
    Recipe(
        "multi-label",
        MultiLabel(),
        {
            "task": "text-classification",
            "labels": list(_TOPICS),
            "answering": {"kind": "multi-label", "thresholds": {"joy": 0.42, "sadness": 0.5, "anger": 0.61}},
        },
        "micro_f1",
        _feelings,
        lambda labels: np.array([[float(one in row) for one in _TOPICS] for row in labels], np.float32),
        _topic_table,
        "sum",
        (-2.2, -2.2, -2.2),
    ),
    Recipe(
        "regression",
        Regression(_LOW, _HIGH),
        {
            "task": "text-classification",
            "labels": ["LABEL_0"],
            "answering": {"kind": "regression", "low": _LOW, "high": _HIGH},
        },
        "pearson",
        _numbered,
        _floats,
        _number_table,
        "sum",
        (1.2,),
        pairs=True,
    ),
    Recipe(
        "token-classification",
        TokenClassification(names=_TAGS),
        {
            "task": "token-classification",
            "labels": list(_TAGS),
            "answering": {"kind": "token-classification", "strategy": "first", "overlap": 8},
        },
        "entity_f1",
        _tagged,
        padded_words,
        _tag_table,
        None,
    ),
    Recipe(
        "embeddings",
        SentenceSimilarity(_LOW, _HIGH),
        {
            "task": "sentence-similarity",
            "labels": ["embedding"],
            "output": "embedding",
            "answering": {"kind": "embedding", "width": 8, "pooling": "mean", "normalized": False},
        },
        "spearman",
        _alike,
        _floats,
        _vector_table,
        "mean",
        pairs=True,
    ),
    Recipe(
        "question-answering",
        QuestionAnswering(),
        {
            "task": "question-answering",
            "labels": ["start", "end"],
            "output": "start_logits",
            "answering": {"kind": "question-answering", "longest": 6, "impossible": True, "overlap": 8},
        },
        "f1",
        _questions,
        _spans,
        _span_table,
        None,
        pairs=True,
        outputs=("start_logits", "end_logits"),
    ),
]
