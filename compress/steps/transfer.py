"""The texts that a student learns from: train, what was made of it, and what came without labels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from compress.augment import Augment, augmented_texts, masked_lm_of
from compress.data.check import plain
from compress.data.rows import Rows, Splits
from compress.models.open import Opened
from compress.models.teacher import source_digest
from compress.models.trained import Trained
from compress.stage import Stage, write_text
from compress.workshop import Workshop
from serve.encoding import check_input
from serve.inputs import Input, parts

FILE = "texts.jsonl"


@dataclass(frozen=True)
class Transfer:
    """The transfer set. Rows without a label are answered by the teacher alone."""

    rows: Rows
    augmented: int
    unlabeled: int
    held_out: int = 0  # unlabelled texts that were left out, because they select or are reported

    @property
    def notes(self) -> list[str]:
        """What was added, for people."""
        notes = []
        if self.augmented + self.unlabeled:
            own = len(self.rows) - self.augmented - self.unlabeled
            notes.append(
                f"the student learns from {len(self.rows):,} texts: {own:,} of train, "
                f"{self.augmented:,} augmented, {self.unlabeled:,} unlabelled; the teacher alone answers those "
                "that were added"
            )
        if self.held_out:
            notes.append(
                f"{self.held_out:,} unlabelled texts stand in validation or test and are not learnt from"
            )
        return notes


def new_texts(unlabeled: Sequence[Input], splits: Splits) -> tuple[list[Input], int]:
    """Those that stand in no split, each once; and how many were left out as texts of validation or test.

    A student that had learnt the teacher's answers on the reported rows would look more faithful than it is.
    """
    each = bool(unlabeled) and splits.train.are_pairs and isinstance(unlabeled[0], str)
    shown = _one_by_one if each else list
    known = {_stripped(asked) for asked in shown(splits.train.texts)}
    held_out = {plain(asked) for rows in (splits.validation, splits.test) for asked in shown(rows.texts)}
    others = [asked for asked in dict.fromkeys(unlabeled) if _stripped(asked) not in known]
    new = [asked for asked in others if plain(asked) not in held_out]
    return new, len(others) - len(new)


def make_transfer(
    workshop: Workshop,
    splits: Splits,
    unlabeled: list[str],
    options: Augment | None,
    teacher: Trained,
    teacher_stage: Stage,
    opened: Opened,
) -> Transfer:
    """Train with the texts that are added to it; none of them stands in a split."""
    train = splits.train
    made: list[Input] = []
    if options is not None:
        made = _augmented(workshop, train, options, teacher, teacher_stage, opened)
    extra, held_out = new_texts(unlabeled, splits)
    given = {_stripped(asked) for asked in extra}
    made = [asked for asked in new_texts(made, splits)[0] if _stripped(asked) not in given]
    if not extra and not made:
        return Transfer(train, 0, 0, held_out)
    added = _two_and_two(made + extra) if train.are_pairs else made + extra
    labels = None
    if train.labels is not None:
        labels = np.concatenate([train.labels, workshop.task.no_labels(train.labels, len(added))])
    counts = (len(made), len(extra)) if len(added) == len(made) + len(extra) else (0, len(added))
    return Transfer(Rows([*train.texts, *added], labels), *counts, held_out)


def _augmented(
    workshop: Workshop,
    train: Rows,
    options: Augment,
    teacher: Trained,
    teacher_stage: Stage,
    opened: Opened,
) -> list[Input]:
    def work(folder: Path) -> Mapping[str, object]:
        masked_lm = _masked_lm(opened, options, workshop.compute.device)
        with workshop.progress.bar("augmenting", len(train)) as advance:
            texts = augmented_texts(
                single_texts(train), teacher, options, workshop.seed, advance, masked_lm=masked_lm
            )
        write_text(folder / FILE, "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts))
        return {"texts": len(texts)}

    inputs = {
        "teacher": teacher_stage.digest,
        "source": source_digest(opened),
        "rows": train.with_labels(None).digest(),
        "options": options.model_dump(),
        "seed": workshop.seed,
    }
    stage = workshop.do("augment", inputs, work)
    with (stage.folder / FILE).open(encoding="utf-8") as lines:
        return [check_input(json.loads(line)) for line in lines]


def _one_by_one(inputs: Sequence[Input]) -> list[Input]:
    return [text for asked in inputs for text in parts(asked)]


def _two_and_two(inputs: Sequence[Input]) -> list[Input]:
    """Texts as pairs, each read by itself, for data of pairs; the last one, where it is alone, with the first."""
    texts = [asked for asked in inputs if isinstance(asked, str)]
    texts += texts[: len(texts) % 2]
    return list(zip(texts[::2], texts[1::2], strict=True))


def single_texts(rows: Rows) -> list[str]:
    """The texts; `compress.prepare` has refused pairs."""
    return [asked for asked in rows.texts if isinstance(asked, str)]


def _stripped(asked: Input) -> tuple[str, ...]:
    return tuple(text.strip() for text in parts(asked))


def _masked_lm(opened: Opened, options: Augment, device: str) -> PreTrainedModel | None:
    """The teacher's own masked language model, where it was saved with one and candidates are asked for."""
    if not options.substitute:
        return None
    found = masked_lm_of(
        opened.source,
        revision=opened.options.revision,
        trust_remote_code=opened.options.trust_remote_code,
        local_files_only=opened.offline,
    )
    if found is not None:
        nn.Module.to(found, device)
    return found
