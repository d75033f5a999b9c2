"""The texts that a student learns from: train, what was made of it, and what came without labels."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from compress.augment import Augment, augmented_texts, masked_lm_of
from compress.data.rows import NO_LABEL, Rows
from compress.models.open import Opened
from compress.models.teacher import source_digest
from compress.models.trained import Trained
from compress.stage import Stage, write_text
from compress.workshop import Workshop

FILE = "texts.jsonl"


@dataclass(frozen=True)
class Transfer:
    """The transfer set. Rows without a label are answered by the teacher alone."""

    rows: Rows
    augmented: int
    unlabeled: int

    @property
    def notes(self) -> list[str]:
        """What was added, for people."""
        if not self.augmented + self.unlabeled:
            return []
        own = len(self.rows) - self.augmented - self.unlabeled
        return [
            f"the student learns from {len(self.rows):,} texts: {own:,} of train, {self.augmented:,} augmented, "
            f"{self.unlabeled:,} unlabelled; the teacher alone answers those that were added"
        ]


def make_transfer(
    workshop: Workshop,
    train: Rows,
    unlabeled: list[str],
    options: Augment | None,
    teacher: Trained,
    teacher_stage: Stage,
    opened: Opened,
) -> Transfer:
    """Train with the texts that are added to it; none of them is one of train's."""
    made: list[str] = []
    if options is not None:
        made = _augmented(workshop, train, options, teacher, teacher_stage, opened)
    known = set(train.texts)
    extra = [text for text in dict.fromkeys(unlabeled) if text not in known]
    made = [text for text in made if text not in set(extra)] if extra else made
    if not extra and not made:
        return Transfer(train, 0, 0)
    added = made + extra
    labels = None
    if train.labels is not None:
        labels = np.concatenate([train.labels, np.full(len(added), NO_LABEL, dtype=np.int64)])
    return Transfer(Rows(train.texts + added, labels), len(made), len(extra))


def _augmented(
    workshop: Workshop,
    train: Rows,
    options: Augment,
    teacher: Trained,
    teacher_stage: Stage,
    opened: Opened,
) -> list[str]:
    def work(folder: Path) -> Mapping[str, object]:
        masked_lm = _masked_lm(opened, options, workshop.compute.device)
        with workshop.progress.bar("augmenting", len(train)) as advance:
            texts = augmented_texts(
                train.texts, teacher, options, workshop.seed, advance, masked_lm=masked_lm
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
        return [str(json.loads(line)) for line in lines]


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
