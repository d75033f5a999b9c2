"""The texts that are timed: of a file, of the bundle's own rows, or of a fixed number of tokens."""

import json
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from serve.bundle import EVALUATION, Bundle, Manifest
from serve.encoding import read_tokenizer
from serve.errors import InputError
from serve.inputs import Input, parts

DRAWN = 512  # texts are drawn from so many at most
_TRIES = 50  # words that are tried for the last token of a text


def file_texts(path: Path) -> list[str]:
    """The lines of a text file that are not empty; raises `InputError`."""
    if path.suffix.lower() != ".txt":
        raise InputError(
            f"--texts {path}", "a .txt file with one text in each line", "write the texts to one"
        )
    if not path.is_file():
        raise InputError(
            f"--texts {path} is no file", "a .txt file with one text in each line", "check the path"
        )
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--texts {path}: {error}", "a readable UTF-8 file", "look at the file") from None
    texts = [line for line in lines if line]
    if not texts:
        raise InputError(f"--texts {path} has no text", "one text in each line", "give a file with texts")
    return texts


def bundle_texts(bundle: Bundle) -> list[Input]:
    """The texts of the bundle's test rows; raises `InputError` where it has none."""
    path = bundle.folder / EVALUATION
    if not path.is_file():
        raise InputError(
            f"{bundle.folder} holds no test rows, so there are no texts to time",
            "texts of the kind and length that you serve",
            "give --texts FILE.txt, or --lengths 16,128",
        )
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    asked = [(row["text"], row["text_pair"]) if "text_pair" in row else row["text"] for row in rows]
    return bundle.manifest.answering.singly(asked)


def asked_in_pairs(manifest: Manifest) -> bool:
    """The bundle answers two texts together, and does not read each by itself."""
    return manifest.text_pair and not manifest.answering.READS_EACH


def first_input(manifest: Manifest) -> Input:
    """What a model that does what the bundle does can be asked to begin with."""
    asked: Input = manifest.answering.EXAMPLE_PAIR if manifest.text_pair else "a text to begin with"
    return manifest.answering.singly([asked])[0]


def drawn(texts: Sequence[Input], seed: int) -> list[Input]:
    """At most `DRAWN` of the texts, seeded; their lengths are those of all."""
    if len(texts) <= DRAWN:
        return list(texts)
    chosen = np.random.default_rng(seed).choice(len(texts), DRAWN, replace=False)
    return [texts[int(row)] for row in np.sort(chosen)]


def texts_of_length(texts: Sequence[Input], bundle: Bundle, length: int, count: int) -> list[Input]:
    """So many texts that are exactly `length` tokens long for the bundle's tokenizer, special tokens included.

    Made of the words of `texts`, in their order. Raises `InputError` where the bundle reads no text of that
    length or no words give it.
    """
    if length > bundle.manifest.max_length:
        raise InputError(
            f"--lengths {length}",
            f"at most {bundle.manifest.max_length} tokens, where {bundle.folder} cuts texts off",
            "give shorter lengths",
        )
    tokenizer = read_tokenizer(bundle.tokenizer_path)
    tokenizer.no_truncation()
    words = [word for asked in texts for text in parts(asked) for word in text.split()]
    supply = cycle(words)
    made: list[Input] = []
    for _ in range(count):
        first = next(supply) if asked_in_pairs(bundle.manifest) else None
        text = _text_of_length(supply, tokenizer, length, len(words), first)
        made.append(text if first is None else (first, text))
    return made


def _text_of_length(
    supply: "cycle[str]", tokenizer: Tokenizer, length: int, words: int, first: str | None
) -> str:
    """The text; the second one of a pair where there is a first."""

    def encoded(text: str) -> int:
        return len((tokenizer.encode(text) if first is None else tokenizer.encode(first, text)).ids)

    text, has = "", encoded("")
    tries = 0
    while has < length and tries < _TRIES + words:
        longer = f"{text} {next(supply)}".strip()
        now = encoded(longer)
        if now <= length:
            text, has = longer, now
        else:
            tries += 1
    if has != length or not text:
        raise InputError(
            f"no text of {length} tokens can be made of the words at hand",
            "words that are short enough to fill it",
            "give other --lengths or --texts",
        )
    return text
