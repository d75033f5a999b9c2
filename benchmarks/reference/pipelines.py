"""transformers' pipelines of text and token classification, asked what the float file is asked."""

import warnings
from collections.abc import Sequence
from typing import Any

from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    pipeline,
)

from benchmarks.reference.compared import Compared, compare
from benchmarks.reference.rows import Asked
from benchmarks.reference.subject import Subject
from serve.inputs import Input, parts
from serve.tasks import MultiLabel, TokenClassification
from serve.tasks.entities import STRATEGIES

YES = 0.5  # of a label among several: the pipeline knows no other threshold


def compare_classification(subject: Subject, asked: Sequence[Asked]) -> list[Compared]:
    """Every label's score; the label that comes first, or of several labels those from one half."""
    model = AutoModelForSequenceClassification.from_pretrained(subject.weights)
    tokenizer = AutoTokenizer.from_pretrained(subject.weights)
    theirs = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None, device="cpu")
    cut = {"truncation": True, "max_length": subject.max_length, "padding": False}
    runtime = subject.runtime()
    several = isinstance(subject.answering, MultiLabel)

    def decision(told: list[dict[str, Any]]) -> object:
        if several:
            return {one["label"] for one in told if one["score"] >= YES}
        return told[0]["label"]

    found = []
    for given in asked:
        ours = [answer.told() for answer in runtime.predict(given.rows)]
        expected = [_flat(theirs(_body(row), **cut)) for row in given.rows]
        found.append(compare("labels", given.kind, ours, expected, _by_label, decision))
    return found


def compare_entities(subject: Subject, asked: Sequence[Asked]) -> list[Compared]:
    """Every strategy; long texts in windows that share as many tokens as the runtime's, which strategy none has not."""
    model = AutoModelForTokenClassification.from_pretrained(subject.weights)
    tokenizer = AutoTokenizer.from_pretrained(subject.weights, model_max_length=subject.max_length)
    theirs = pipeline("token-classification", model=model, tokenizer=tokenizer, device="cpu")
    assert isinstance(subject.answering, TokenClassification)
    shared = min(subject.answering.stride, (subject.max_length - tokenizer.num_special_tokens_to_add()) // 2)
    found = []
    for given in asked:
        answers = subject.runtime().predict(given.rows)
        for strategy in STRATEGIES:
            if strategy == "none":
                kept = [place for place, one in enumerate(answers) if len(one.windows) == 1]
                options = {"aggregation_strategy": strategy}
            else:
                kept = list(range(len(answers)))
                options = {"aggregation_strategy": strategy, "stride": shared}
            if not kept:
                continue
            ours = [answers[place].told(strategy=strategy) for place in kept]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it advises against strategies that it offers
                expected = [theirs(given.rows[place], **options) for place in kept]
            found.append(compare(f"entities, {strategy}", given.kind, ours, expected, _by_place, _places))
    return found


def _flat(told: Any) -> list[dict[str, Any]]:
    """The pipeline gives a text's labels in a list of their own or not, by how it was asked."""
    return told[0] if isinstance(told[0], list) else told


def _body(row: Input) -> Any:
    return row if isinstance(row, str) else dict(zip(("text", "text_pair"), parts(row), strict=True))


def _by_label(told: list[dict[str, Any]]) -> dict[Any, float]:
    return {one["label"]: float(one["score"]) for one in told}


def _place(one: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in sorted(one.items()) if name != "score")


def _places(told: list[dict[str, Any]]) -> list[Any]:
    """Everything but the scores, in order."""
    return [_place(one) for one in told]


def _by_place(told: list[dict[str, Any]]) -> dict[Any, float]:
    return {_place(one): float(one["score"]) for one in told}
