"""Answers in windows: what is learnt of them, tuned on them, and asked of a teacher; without a training."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from numpy.typing import NDArray
from question_models import MOST, ROWS, SHARED, question_model, save_question_tokenizer
from tokenizers import Tokenizer
from torch.nn import functional

from compress.data.rows import NO_LABEL, Rows
from compress.distill.spans import as_rows, label_rows
from compress.errors import ModelError
from compress.models.predict import TorchPredictor
from compress.models.trained import Trained
from compress.tasks import task_named
from compress.tasks.answer_places import padded_spans
from compress.tasks.answer_tokens import BEGINS, ENDS, carried_logits, pieces_of
from compress.tasks.interface import Imitation
from compress.tasks.question_answering import QuestionAnswering
from compress.training.encoded import EncodedRows
from compress.training.lesson import Lesson
from serve.encoding import cut_into_windows, read, read_tokenizer
from serve.tasks import Extraction, Read, Tokens
from serve.tasks import QuestionAnswering as Answers

TASK = cast(QuestionAnswering, task_named("question-answering"))
REAL = Path(__file__).parents[4] / "shared/data"
LOSSES: tuple[Literal["kl", "mse"], ...] = ("kl", "mse")


def _tokenizer(folder: Path, kind: str = "word-pieces") -> Tokenizer:
    tokenizer = read_tokenizer(save_question_tokenizer(kind, folder / kind) / "tokenizer.json")
    cut_into_windows(tokenizer, Answers(overlap=SHARED))
    return tokenizer


def _read(tokenizer: Tokenizer, texts: Sequence[Any]) -> list[Tokens]:
    return read(tokenizer, texts, Answers(overlap=SHARED))


def _read_by(trained: Trained, rows: Rows) -> list[Tokens]:
    """As the model itself reads them."""
    tokenizer = trained.encoder
    cut_into_windows(tokenizer, trained.answering)
    return read(tokenizer, rows.texts, trained.answering)


def _labelled(seed: int = 0, per_row: int = 2) -> Rows:
    """Answers drawn from the contexts: from where a word begins to where one ends."""
    drawn = random.Random(seed)
    spans = []
    for number, (_, context) in enumerate(ROWS):
        words = [(place, place + len(word)) for word in context.split() for place in [context.find(word)]]
        places = []
        for _ in range(per_row):
            first = drawn.randrange(len(words))
            start, end = words[first][0], words[min(len(words) - 1, first + drawn.randrange(3))][1]
            places.append((start, max(end, start + 1)))
        spans.append([] if number % 4 == 3 else places)
    return Rows(ROWS, padded_spans(spans))


def test_a_windows_tokens_spell_the_answer_or_the_first_one_says_that_it_is_not_there(tmp_path: Path) -> None:
    rows = _labelled()
    assert rows.labels is not None
    for kind in ("word-pieces", "bytes"):
        asked = _read(_tokenizer(tmp_path, kind), rows.texts)
        labels = iter(TASK.example_labels(asked, rows.labels))
        counted = iter(TASK.counted(asked, rows.labels))
        found = 0
        for one, row in zip(asked, rows.labels, strict=True):
            assert isinstance(one, Read)
            context, (start, end) = one.asked[1], row[0].tolist()
            for window in one.windows:
                own, counts = next(labels), next(counted)
                allowed = [place == 0 or which == 1 for place, which in enumerate(window.sequence_ids)]
                assert [bool(one) for one in counts] == allowed == [tag != NO_LABEL for tag in own]
                first = [place for place, tag in enumerate(own) if tag >= 0 and tag & BEGINS]
                last = [place for place, tag in enumerate(own) if tag >= 0 and tag & ENDS]
                assert len(first) == len(last) == 1
                if first == [0]:
                    assert last == [0]
                    continue
                found += 1
                begins, ends = window.offsets[first[0]][0], window.offsets[last[0]][1]
                # A token may hold more than the answer; words are cut where it begins and ends.
                assert begins <= start < end <= ends
                assert context[begins:ends].strip() == context[start:end].strip()
            whole = any(pieces.tokens_of(start, end) for pieces in pieces_of(one)) if end else False
            assert whole or end - start > SHARED // 2 or not end  # longer ones may lie across windows
        assert found >= 8


def test_losses_are_those_of_transformers_where_every_token_may_answer() -> None:
    """Its own loss over two labelled windows, without padding; with it, question and padding count for nothing."""
    drawn = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 7, 2, generator=drawn)
    starts, ends = torch.tensor([2, 0]), torch.tensor([4, 0])
    codes = torch.zeros(2, 7, dtype=torch.long)
    for row in range(2):
        codes[row, starts[row]] += BEGINS
        codes[row, ends[row]] += ENDS
    batch = {"labels": codes, "counted": torch.ones(2, 7, dtype=torch.long)}
    expected = (
        functional.cross_entropy(logits[..., 0], starts) + functional.cross_entropy(logits[..., 1], ends)
    ) / 2
    found = TASK.hard_loss(TASK.of_counted(logits, batch), TASK.gathered(batch)["labels"])
    assert float(found) == pytest.approx(float(expected), abs=1e-6)

    padded = torch.cat(
        [logits[:, :1], 50 * torch.ones(2, 3, 2), logits[:, 1:], 99 * torch.ones(2, 2, 2)], dim=1
    )
    none = torch.full((2, 1), NO_LABEL)
    wide = {
        "labels": torch.cat([codes[:, :1], none.expand(2, 3), codes[:, 1:], none.expand(2, 2)], dim=1),
        "counted": torch.tensor([[1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0]] * 2),
        "teacher_logits": padded.flip(0),
    }
    batch["teacher_logits"] = logits.flip(0)
    for one in (batch, wide):
        one["gathered"] = TASK.gathered({name: one[name] for name in ("labels", "counted", "teacher_logits")})  # type: ignore[assignment]
    for loss in LOSSES:
        values = [
            TASK.soft_loss(
                TASK.of_counted(given, one),
                one["gathered"]["teacher_logits"],  # type: ignore[call-overload]
                one["gathered"]["labels"],  # type: ignore[call-overload]
                Imitation(temperature=2.0, alpha=0.7, loss=loss),
            )
            for given, one in ((logits, batch), (padded, wide))
        ]
        assert float(values[0]) == pytest.approx(float(values[1]), abs=1e-5)
        assert float(values[0]) > 0.1


def test_soft_targets_are_hintons_formula_on_begins_and_ends() -> None:
    drawn = np.random.default_rng(1)
    ours, theirs = drawn.normal(size=(2, 3, 5, 2)).astype(np.float32)
    allowed = torch.ones(3, 5, dtype=torch.bool)
    found = TASK.soft_loss(
        as_rows(torch.from_numpy(ours), allowed),
        as_rows(torch.from_numpy(theirs), allowed),
        None,
        Imitation(temperature=3),
    )

    def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
        raised = np.exp(logits / 3)
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    p, q = probabilities(theirs), probabilities(ours)
    assert float(found) == pytest.approx(9 * float((p * np.log(p / q)).sum(axis=1).mean()), abs=1e-5)


def test_rows_that_only_a_teacher_answers_have_no_token() -> None:
    codes = torch.tensor([[0, NO_LABEL, 0, 0], [0, NO_LABEL, BEGINS, ENDS]])
    assert label_rows(codes).tolist() == [NO_LABEL, 2, NO_LABEL, 3]


def _trained(kind: str, folder: Path) -> Trained:
    model = question_model()
    save_question_tokenizer(kind, folder / kind)
    return Trained(model, None, ("start", "end"), MOST, folder / kind)  # type: ignore[arg-type]


def test_a_batch_is_learnt_from_as_its_rows_one_by_one(tmp_path: Path) -> None:
    """Neither other windows nor their padding change what a window teaches."""
    trained = _trained("word-pieces", tmp_path)
    rows = EncodedRows(trained, _labelled())

    class Asked(Lesson):
        def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            return self.task.hard_loss(self.answer(batch), batch["labels"])

    lesson = Asked(trained.model)
    for module in lesson.modules():
        module.training = module is lesson
    with torch.no_grad():
        alone = [float(lesson(**rows.collate([rows[place]]))["loss"]) for place in range(len(rows))]
        together = float(lesson(**rows.collate([rows[place] for place in range(len(rows))]))["loss"])
    assert together == pytest.approx(np.mean(alone), abs=1e-4)


def test_a_teachers_targets_go_where_the_students_tokens_begin_and_end(tmp_path: Path) -> None:
    """To the same tokenizer as they are; to another one by characters, with nothing lost of what both can say."""
    words, letters = _tokenizer(tmp_path), _tokenizer(tmp_path, "bytes")
    rows = [row for row in ROWS if row[1].isascii() and len(row[1]) < 70]
    drawn = np.random.default_rng(2)
    theirs, ours = _read(words, rows), _read(letters, rows)
    longest = max(len(window.ids) for one in theirs for window in cast(Read, one).windows)
    count = sum(len(cast(Read, one).windows) for one in theirs)
    targets = drawn.normal(size=(count, longest, 2)).astype(np.float32)
    again = carried_logits(theirs, theirs, targets)
    at = 0
    for one in theirs:
        for pieces in pieces_of(one):
            assert np.allclose(again[at, pieces.places], targets[at, pieces.places], atol=1e-4)
            at += 1
    carried = carried_logits(ours, theirs, targets)
    checked = place = 0
    first = np.cumsum([0, *(len(cast(Read, one).windows) for one in theirs)])
    for number, one in enumerate(ours):
        (given, *more), windows = pieces_of(theirs[number]), pieces_of(one)
        for pieces in windows:
            for token, start, end in zip(pieces.places, pieces.starts, pieces.ends, strict=True):
                if more or len(windows) > 1:
                    continue
                at_start = [
                    where for where, its in zip(given.places, given.starts, strict=True) if start <= its < end
                ]
                if len(at_start) == 1:
                    expected = targets[first[number], at_start[0], 0]
                    assert carried[place, token, 0] == pytest.approx(expected, abs=1e-3)
                    checked += 1
                elif not at_start:
                    assert carried[place, token, 0] < targets[first[number], given.places, 0].min() - 5
            place += 1
    assert checked > 20


def test_a_teacher_that_guesses_is_refused(tmp_path: Path) -> None:
    trained = _trained("word-pieces", tmp_path)
    rows = _labelled(per_row=1)
    asked = _read_by(trained, rows)
    windows = sum(len(cast(Read, one).windows) for one in asked)
    nothing = np.zeros((windows, MOST, 2), np.float32)
    nothing[:, :, 0] = -np.arange(MOST)  # the first token of every context
    with pytest.raises(ModelError, match="answers at chance: its F1 is"):
        TASK.examined(trained.labels, nothing, rows, trained)


def test_tuning_finds_the_longest_answer_and_when_there_is_none(tmp_path: Path) -> None:
    trained = _trained("word-pieces", tmp_path)
    rows = _labelled()
    logits = TorchPredictor(trained).logits(rows.texts)
    found = TASK.tuned_on("f1", logits, rows, trained)
    assert isinstance(found, Answers)
    assert found.impossible
    assert found.longest >= 15

    def value(how: Answers) -> float:
        given = how.answers(_read_by(trained, rows), TASK.outputs_of_targets(logits), ())
        assert all(isinstance(one, Extraction) for one in given)
        return float(TASK.marks("f1", TASK.stack(given, ()), rows).mean())

    tried = [found.model_copy(update={"null_threshold": one}) for one in np.linspace(-12, 12, 97)]
    assert value(found) == pytest.approx(max(map(value, tried)), abs=1e-9)


@pytest.mark.parametrize("name", ["squad_v11_byarticle/validation", "cmrc2018/test"])
def test_real_rows_keep_their_answers_through_the_windows(name: str, tmp_path: Path) -> None:
    """Whatever the tokenizer drops, an answer's tokens span its characters in some window."""
    path = REAL / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    table = parquet.read_table(path).slice(0, 120).to_pylist()
    texts = [(row["question"], row["context"]) for row in table]
    spans = []
    for row in table:
        said = zip(row["answers"]["answer_start"], row["answers"]["text"], strict=True)
        spans.append(
            [(start, start + len(text)) for start, text in said if row["context"].startswith(text, start)]
        )
    tokenizer = _tokenizer(tmp_path)
    tokenizer.enable_truncation(384, stride=128, strategy="only_second")
    found = 0
    for one, row in zip(read(tokenizer, texts, Answers()), spans, strict=True):
        for start, end in row[:1]:
            places = [pieces.tokens_of(start, end) for pieces in pieces_of(one)]
            inside = [pieces for pieces, place in zip(pieces_of(one), places, strict=True) if place]
            assert inside or end - start > 200
            found += bool(inside)
    assert found > 100
