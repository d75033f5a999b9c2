"""Writes the quickstart's data set: support-desk messages, made from the grammar and a seed alone."""

import csv
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from compress.quickstart.grammar import (
    ASIDES,
    CLOSINGS,
    GREETINGS,
    INTENTS,
    PAIRED,
    SLOTS,
    UNWANTED,
    UNWANTED_COMPLAINTS,
    UNWANTED_FIRST,
    WANTED,
    WANTED_COMPLAINTS,
    WANTED_FIRST,
    Intent,
)

TEST_SHARE = 0.2
COMPLAINT_SHARE = 0.08  # of the clauses
ONE_INTENT_SHARE = 0.38  # of the texts; the others mention an intent that is not meant
THREE_INTENT_SHARE = 0.05
PAIRED_SHARE = 0.35  # of the texts with two intents or more
TYPO_SHARE = 0.2
CARELESS_SHARE = 0.4  # of the texts: no capitals

SENTENCE_START = re.compile(r"^[a-z]|(?<=\. )[a-z]|\bi\b")


@dataclass(frozen=True)
class Mention:
    """One intent put in words, in the forms that frames ask for."""

    do: str
    doing: str
    it: str
    done: str


def write_dataset(folder: Path, *, seed: int = 13, rows: int = 6000) -> None:
    """Write `train.csv` and `test.csv` (columns `text` and `label`): the same bytes for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - texts, not secrets
    train: list[tuple[str, str]] = []
    test: list[tuple[str, str]] = []
    seen: set[str] = set()
    for position, intent in enumerate(INTENTS):
        wanted_rows = rows // len(INTENTS) + (position < rows % len(INTENTS))
        texts = _distinct_texts(intent, wanted_rows, seen, rng)
        test_rows = round(wanted_rows * TEST_SHARE)
        test += [(text, intent.name) for text in texts[:test_rows]]
        train += [(text, intent.name) for text in texts[test_rows:]]
    folder.mkdir(parents=True, exist_ok=True)
    for name, split in (("train.csv", train), ("test.csv", test)):
        rng.shuffle(split)
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("text", "label"))
            writer.writerows(split)


def _distinct_texts(intent: Intent, count: int, seen: set[str], rng: random.Random) -> list[str]:
    texts: list[str] = []
    while len(texts) < count:
        text = _message(intent, rng)
        if text.casefold() not in seen:  # the tokenizer folds case, so two cases are one text
            seen.add(text.casefold())
            texts.append(text)
    return texts


def _message(wanted: Intent, rng: random.Random) -> str:
    draw = rng.random()
    if draw < ONE_INTENT_SHARE:
        core = _clause(wanted, WANTED, WANTED_COMPLAINTS, rng)
    else:
        others = rng.sample([intent for intent in INTENTS if intent is not wanted], 2)
        core = _contrast(wanted, others[0], rng)
        if draw > 1 - THREE_INTENT_SHARE:
            core = _joined(core, _clause(others[1], UNWANTED, UNWANTED_COMPLAINTS, rng), rng)
    parts = [core]
    if rng.random() < 0.12:
        parts.insert(rng.randrange(2), _filled(rng.choice(ASIDES), rng))
    if rng.random() < 0.25:
        parts.insert(0, _filled(rng.choice(GREETINGS), rng))
    if rng.random() < 0.2:
        parts.append(_filled(rng.choice(CLOSINGS), rng))
    return _as_typed(rng.choice((". ", ", ", " - ")).join(parts), rng)


def _contrast(wanted: Intent, unwanted: Intent, rng: random.Random) -> str:
    if rng.random() < PAIRED_SHARE:
        return _filled(rng.choice(PAIRED), rng, w=_mention(wanted, rng), d=_mention(unwanted, rng))
    return _joined(
        _clause(wanted, WANTED, WANTED_COMPLAINTS, rng),
        _clause(unwanted, UNWANTED, UNWANTED_COMPLAINTS, rng),
        rng,
    )


def _joined(wanted: str, unwanted: str, rng: random.Random) -> str:
    return rng.choice(rng.choice((WANTED_FIRST, UNWANTED_FIRST))).format(w=wanted, d=unwanted)


def _clause(intent: Intent, frames: Sequence[str], complaints: Sequence[str], rng: random.Random) -> str:
    if rng.random() < COMPLAINT_SHARE:
        return _filled(rng.choice(complaints), rng, complaint=_filled(rng.choice(intent.complaints), rng))
    said = _mention(intent, rng)
    return _filled(rng.choice(frames), rng, do=said.do, doing=said.doing, it=said.it, done=said.done)


def _mention(intent: Intent, rng: random.Random) -> Mention:
    verb = rng.choice(intent.verbs)
    it = _filled(rng.choice(intent.objects), rng)
    return Mention(f"{verb.base} {it}", f"{verb.gerund} {it}", it, verb.participle)


def _filled(template: str, rng: random.Random, **said: str | Mention) -> str:
    values = {slot: rng.choice(choices) for slot, choices in SLOTS.items()}
    return template.format_map({**values, **said})


def _as_typed(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    if rng.random() < TYPO_SHARE:
        long_words = [index for index, word in enumerate(words) if len(word) > 4 and word.isalpha()]
        if long_words:
            index = rng.choice(long_words)
            words[index] = rng.choice(TYPOS)(words[index], rng.randrange(1, len(words[index]) - 2))
    text = " ".join(words) + rng.choice(("", ".", "!", ""))
    if rng.random() < CARELESS_SHARE:
        return text.lower()
    return SENTENCE_START.sub(lambda start: start.group().upper(), text)


def _swapped(word: str, at: int) -> str:
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _dropped(word: str, at: int) -> str:
    return word[:at] + word[at + 1 :]


def _doubled(word: str, at: int) -> str:
    return word[:at] + word[at] + word[at:]


TYPOS: tuple[Callable[[str, int], str], ...] = (_swapped, _dropped, _doubled)
