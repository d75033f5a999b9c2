"""Student and teacher read the same words by other numbers, or cut them otherwise."""

from pathlib import Path

import numpy as np
import pytest
from tiny import save_tiny_encoder, tiny_rows
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerFast

from compress.data.rows import Rows, Splits
from compress.distill import METHODS
from compress.distill import student as distilling
from compress.distill.student import distil
from compress.errors import ModelError
from compress.models.tokenizer import load_tokenizer
from compress.models.trained import Trained, load_trained, save_trained
from compress.models.vocabulary import trim_vocabulary
from compress.training.device import Compute
from compress.training.encoded import EncodedRows
from compress.training.loop import Session
from compress.workshop import Workshop

LABELS = ("food", "sport", "travel")
TEXTS = [text for text, _ in tiny_rows(12, seed=4)]


def saved(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path, longest: int) -> Trained:
    save_trained(model, tokenizer, LABELS, longest, folder)
    return load_trained(folder)


@pytest.fixture
def teacher(tmp_path: Path) -> Trained:
    encoder = save_tiny_encoder(tmp_path / "encoder", layers=2)
    model = AutoModelForSequenceClassification.from_pretrained(str(encoder), num_labels=3)
    return saved(model, load_tokenizer(str(encoder)), tmp_path / "teacher", 40)


def letters(tmp_path: Path, teacher: Trained) -> Trained:
    """A student that reads letter by letter."""
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(
        models.WordLevel({sign: place for place, sign in enumerate(known)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", model_max_length=40)
    return saved(teacher.model, fast, tmp_path / "letters", 40)


def test_the_teacher_reads_its_own_numbers_token_for_token(teacher: Trained, tmp_path: Path) -> None:
    # Half of the texts: words of the others are unknown to the student.
    model, tokenizer = trim_vocabulary(teacher.model, teacher.tokenizer, TEXTS[:6])
    student = saved(model, tokenizer, tmp_path / "student", 40)
    rows = EncodedRows(student, Rows(TEXTS[:6], None), teacher=teacher)
    assert rows.aligned
    for place, text in enumerate(TEXTS[:6]):
        ours, theirs = student.encoder.encode(text), teacher.encoder.encode(text)
        assert rows[place]["input_ids"] == ours.ids
        assert rows[place]["teacher_input_ids"] == theirs.ids
        assert ours.tokens == theirs.tokens
        assert ours.ids != theirs.ids
    batch = rows.collate([rows[0], rows[1], rows[2]])
    assert batch["teacher_input_ids"].shape == batch["input_ids"].shape == batch["attention_mask"].shape
    padding = batch["attention_mask"] == 0
    assert set(batch["teacher_input_ids"][padding].tolist()) <= {teacher.tokenizer.pad_token_id}


def test_one_vocabulary_needs_no_second_reading(teacher: Trained) -> None:
    rows = EncodedRows(teacher, Rows(TEXTS, None), teacher=teacher)
    assert rows.aligned
    assert "teacher_input_ids" not in rows[0]


def test_a_student_that_sees_less_of_a_text_is_not_aligned(teacher: Trained, tmp_path: Path) -> None:
    shorter = saved(teacher.model, teacher.tokenizer, tmp_path / "shorter", 8)
    assert not EncodedRows(shorter, Rows(TEXTS, None), teacher=teacher).aligned
    assert EncodedRows(shorter, Rows(["soup"], None), teacher=teacher).aligned


@pytest.mark.parametrize("name", ["minilm", "theseus", "mutual", "logits"])
def test_methods_that_look_inside_refuse_other_tokens(
    name: str, teacher: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = []
    monkeypatch.setattr(distilling, "train", lambda *_: reached.append(name))
    student = letters(tmp_path, teacher)
    assert not EncodedRows(student, Rows(TEXTS, None), teacher=teacher).aligned
    rows = Rows(TEXTS, np.arange(12) % 3)
    logits = np.zeros((12, 3), np.float32)
    method = METHODS[name].model_validate({"method": name})
    session = Session(
        tmp_path / "out",
        "a test",
        13,
        Compute("cpu", bf16=False),
        lambda *_: 0.0,
        "accuracy",
        (),
        Workshop,  # type: ignore[arg-type]  # nothing is told
    )
    splits = Splits(rows, rows, rows, LABELS, 3)
    if name == "logits":
        distil(student, [teacher], splits, logits, logits, method, session)
        assert reached == ["logits"]
        return
    with pytest.raises(ModelError) as refused:
        distil(student, [teacher], splits, logits, logits, method, session)
    message = str(refused.value)
    assert f"the method {name} cannot be used here" in message
    assert "cut the same text into different tokens" in message
    assert "make the student from the teacher, or change the method" in message
    assert reached == []
