"""A tiny task, a tiny encoder and a recipe on both, for tests that need a real chain."""

import csv
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, BertTokenizer

from compress.judge.answers import read_answers
from compress.judge.report import Report

TOPICS = {
    "sport": ["goal", "match", "team", "coach", "score", "league"],
    "food": ["soup", "bread", "cook", "spice", "dinner", "sauce"],
    "travel": ["train", "hotel", "beach", "flight", "luggage", "map"],
}
FILLERS = [
    "the",
    "a",
    "was",
    "very",
    "good",
    "bad",
    "today",
    "we",
    "they",
    "saw",
    "near",
    "old",
    "new",
    "and",
]


def tiny_rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts whose topic words tell the label, some of them with a word of another topic."""
    random_ = random.Random(seed)
    rows = []
    for index in range(count):
        label = list(TOPICS)[index % len(TOPICS)]
        words = random_.choices(TOPICS[label], k=2) + random_.choices(FILLERS, k=random_.randint(2, 14))
        if random_.random() < 0.25:
            words.append(random_.choice(TOPICS[random_.choice(list(TOPICS))]))
        random_.shuffle(words)
        rows.append((" ".join(words), label))
    return rows


def write_csv(path: Path, rows: list[tuple[str, str]], header: tuple[str, str] = ("text", "label")) -> Path:
    """The rows as a csv file with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def save_tiny_encoder(folder: Path, layers: int = 4) -> Path:
    """A BERT encoder without a head, 32 wide, with a tokenizer of these words that pads to 128 as many do."""
    words = [word for topic in TOPICS.values() for word in topic] + FILLERS
    # Whole words, and letters for any other: a trainer breaks ties otherwise in every process, and a vocabulary in
    # another order is another model.
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *sorted(set(words))]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(special)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]"))
    )
    tokenizer.enable_padding(length=128, pad_id=0, pad_token="[PAD]")
    tokenizer.enable_truncation(128)
    fast = BertTokenizer(tokenizer_object=tokenizer, model_max_length=128)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = BertModel(
            BertConfig(
                vocab_size=tokenizer.get_vocab_size(),
                hidden_size=32,
                num_hidden_layers=layers,
                num_attention_heads=4,
                intermediate_size=64,
                max_position_embeddings=128,
                initializer_range=0.1,
            )
        )
    model.save_pretrained(str(folder))
    fast.save_pretrained(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))  # with its padding block, which save_pretrained may drop
    return folder


def tiny_recipe(data: Path, model: Path) -> dict[str, Any]:
    """A recipe that trains in a few seconds."""
    return {
        "data": {"path": str(data)},
        "teacher": {"model": str(model), "train": {"epochs": 6, "learning_rate": 3e-3, "batch_size": 16}},
        "student": {"layers": 2},
        "distill": [{"method": "logits", "epochs": 4, "learning_rate": 3e-3, "batch_size": 16}],
        "gates": {"min_agreement": 0.5},
        "benchmark": {"seconds": 1, "texts": 10},
    }


@dataclass(frozen=True)
class TinyRun:
    """A finished run with what it was made from."""

    recipe: Mapping[str, Any]
    folder: Path
    report: Report

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def teacher(self) -> Path:
        """The stage that keeps it, in PyTorch."""
        (folder,) = self.folder.glob("stages/teacher-??????????")
        return folder


def answers_on_disk(run: Path) -> dict[str, NDArray[np.float64]]:
    """Probabilities of shape (reported rows, labels) by contestant, as the run kept them in its stages."""
    found = {}
    for folder in run.glob("stages/answers-*"):
        name, _ = folder.name.removeprefix("answers-").rsplit("-", 1)
        found[name.replace("-", " ")] = read_answers(folder)
    return found
