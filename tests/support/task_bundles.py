"""A bundle of every task, and one of its teacher, made by hand in a moment and without torch.

Graphs are tables: each word has its own logits, its own share of a number or its own vector. What the teacher says of
the test rows is written as `compress run` writes it, and judged as it judges.
"""

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper, save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

import serve
from compress.data.rows import Rows
from compress.judge.fidelity import fidelity
from compress.judge.metrics import score
from compress.tasks import MultiLabel, QuestionAnswering, Regression, Task, TokenClassification
from compress.tasks.answer_files import padded_labels
from compress.tasks.sentence_similarity import SentenceSimilarity
from compress.tasks.words import padded_words
from serve.bundle import sha256
from serve.inputs import Input, parts

Table = NDArray[np.float32]
SPECIAL = ["[CLS]", "[PAD]", "[UNK]", "[SEP]"]
MAX_LENGTH = 64
ROWS = 60


@dataclass(frozen=True)
class Made:
    """A task's bundle, with what is in it."""

    name: str
    student: Path
    teacher: Path  # another bundle
    rows: list[dict[str, Any]]
    pairs: bool


@dataclass(frozen=True)
class Recipe:
    """What a task's bundles are made of."""

    name: str
    task: Task
    manifest: Mapping[str, Any]
    metric: str
    examples: Callable[[random.Random], list[tuple[Input, Any]]]  # texts and what is right of each
    gold: Callable[[Sequence[Any]], NDArray[Any]]  # as `Rows.labels`
    table: Callable[[Sequence[str], np.random.Generator, float], Table]  # of these words; noise
    pooled: str | None  # how the words' numbers become a text's
    bias: Sequence[float] = ()
    pairs: bool = False
    outputs: Sequence[str] = ()  # a column of the table each, where there are several


def make_bundles(recipe: Recipe, folder: Path, base: Path, report: Mapping[str, Any]) -> Made:
    """Both bundles in `folder`; `base` is a bundle and `report` a report whose other parts they take."""
    drawn = recipe.examples(random.Random(4))
    texts, gold = [one[0] for one in drawn], recipe.gold([one[1] for one in drawn])
    words = sorted({word for asked in texts for text in parts(asked) for word in _split(text)})
    vocabulary = [*SPECIAL, *words]
    paths = {}
    for who, seed, noise in (("teacher", 1, 0.5), ("student", 2, 1.0)):
        paths[who] = folder / who
        shutil.copytree(base, paths[who])
        _write_tokenizer(paths[who] / "tokenizer.json", vocabulary)
        table = recipe.table(vocabulary, np.random.default_rng(seed), noise)
        _write_graph(paths[who] / "onnx/model.onnx", table, recipe.pooled, recipe.bias, _outputs(recipe))
        (paths[who] / "evaluation.jsonl").unlink()
        _write_manifest(paths[who], recipe, who)
    rows = Rows(texts, gold)
    labels = tuple(recipe.manifest["labels"])
    found = {
        who: recipe.task.stack(serve.load(path, threads=1).predict(texts), labels)
        for who, path in paths.items()
    }
    lines = [
        {
            "id": number,
            **dict(zip(("text", "text_pair"), parts(asked), strict=False)),
            "label": recipe.task.tell_label(rows.labels[number], labels),
            "teacher": recipe.task.tell_answer(answer, labels),
        }
        for number, (asked, answer) in enumerate(zip(texts, found["teacher"], strict=True))
    ]
    student = paths["student"]
    written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (student / "evaluation.jsonl").write_text(written, encoding="utf-8")
    judged = _report(recipe, report, rows, found)
    (student / "report.json").write_text(json.dumps(judged), encoding="utf-8")
    _write_manifest(student, recipe, "student")
    return Made(recipe.name, student, paths["teacher"], json.loads(json.dumps(lines)), recipe.pairs)


def _outputs(recipe: Recipe) -> list[str]:
    return list(recipe.outputs) or [str(recipe.manifest.get("output", "logits"))]


def _split(text: str) -> list[str]:
    text = normalizers.BertNormalizer(lowercase=True).normalize_str(text)
    return [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text)]


def _write_tokenizer(path: Path, vocabulary: Sequence[str]) -> None:
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [(token, ids[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.save(str(path))


def _write_graph(
    path: Path, table: Table, pooled: str | None, bias: Sequence[float], outputs: Sequence[str]
) -> None:
    """A row of the table for each word; its sum or mean over the attended ones, where it is `pooled`."""
    node = helper.make_node
    constants = {
        "table": table,
        "bias": np.array(bias or [0] * table.shape[1], np.float32),
        "last": np.array([-1]),
        "tokens": np.array([1]),
    }
    nodes = [
        node("Gather", ["table", "input_ids"], ["word"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "last"], ["column"]),
        node("Mul", ["word", "column"], ["attended"]),
        node("ReduceSum", ["attended", "tokens"], ["sum"], keepdims=0),
        node("ReduceSum", ["column", "tokens"], ["count"], keepdims=0),
        node("Div", ["sum", "count"], ["mean"]),
        node("Add", [{None: "attended", "sum": "sum", "mean": "mean"}[pooled], "bias"], ["numbers"]),
    ]
    axes: list[Any] = ["texts", *["tokens"] * (pooled is None)]
    if len(outputs) > 1:  # a column of the table each
        nodes += [node("Split", ["numbers"], [f"{name}_column" for name in outputs], axis=-1, num_outputs=2)]
        nodes += [node("Squeeze", [f"{name}_column", "last"], [name]) for name in outputs]
    else:
        nodes += [node("Identity", ["numbers"], list(outputs))]
        axes.append(table.shape[1])
    graph = helper.make_graph(
        nodes,
        "table",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    checker.check_model(model, full_check=True)
    save(model, path)


def _write_manifest(folder: Path, recipe: Recipe, who: str) -> None:
    path = folder / "bundle.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    inputs = [{"name": name, "dtype": "int64"} for name in ("input_ids", "attention_mask")]
    document |= {
        "name": f"{recipe.name}-{who}",
        "max_length": MAX_LENGTH,
        "inputs": inputs,
        **recipe.manifest,
    }
    document["text_pair"] = recipe.pairs and not recipe.task.answers_as.READS_EACH
    files = [one for one in sorted(folder.rglob("*")) if one.is_file() and one != path]
    document["files"] = {
        one.relative_to(folder).as_posix(): {"sha256": sha256(one), "size_bytes": one.stat().st_size}
        for one in files
    }
    path.write_text(json.dumps(document), encoding="utf-8")


def _report(
    recipe: Recipe, report: Mapping[str, Any], rows: Rows, found: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    labels, task = list(recipe.manifest["labels"]), recipe.task
    near = fidelity(
        found["teacher"], found["student"], rows.labels, recipe.metric, seed=1, resamples=200, labels=labels,
        texts=rows.texts, task=task,
    )  # fmt: skip
    judged = json.loads(json.dumps(report))
    judged |= {
        "task": recipe.manifest["task"],
        "problem_type": task.problem_type,
        "metric": recipe.metric,
        "labels": labels,
        "fidelity": json.loads(near.model_dump_json()),
    }
    gold = task.gold_marks(recipe.metric, rows)
    for model in judged["models"]:
        answers = found["teacher" if model["name"] == "teacher" else "student"]
        model["score"] = score(
            recipe.metric, gold, task.marks(recipe.metric, answers, rows), max(1, len(labels))
        )
        model["score_ci"] = [model["score"] - 0.03, min(1.0, model["score"] + 0.03)]
    return judged


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
            for place, word in enumerate(_split(name)):
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
        first, *_, last = [*_split(name), _split(name)[-1]]
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
