"""Answers in windows, what is learnt of them, how they are scored, and what is refused; without a training."""

import json
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
from tiny import save_tiny_encoder, tiny_recipe
from tokenizers import Tokenizer
from torch.nn import functional

from compress.clashes import require_student_of_task
from compress.data.load import load_splits
from compress.data.rows import NO_LABEL, Rows
from compress.distill.rehearsal import rehearse
from compress.distill.spans import as_rows, label_rows
from compress.errors import DataError, ModelError
from compress.judge.answer_texts import answer_value, is_chinese
from compress.judge.metrics import bootstrap_scores, jackknife_scores
from compress.models.predict import TorchPredictor
from compress.models.trained import Trained
from compress.prepare import named
from compress.progress import Silent
from compress.recipe import DataOptions, RunConfig
from compress.starter import starting_recipe
from compress.tasks import Fault, task_named
from compress.tasks.answer_places import padded_spans, told_answers
from compress.tasks.answer_tokens import BEGINS, ENDS, carried_logits, pieces_of
from compress.tasks.interface import Imitation
from compress.tasks.question_answering import QuestionAnswering
from compress.tasks.thresholds import best_cut
from compress.training.encoded import EncodedRows
from compress.training.lesson import Lesson
from compress.verify.labelled_file import read_labelled_file
from serve.encoding import cut_into_windows, read, read_tokenizer
from serve.errors import InputError
from serve.tasks import Extraction, Read, Tokens
from serve.tasks import QuestionAnswering as Answers

TASK = cast(QuestionAnswering, task_named("question-answering"))
GOOD = {"text": ["Grace"], "answer_start": [8]}
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


# What is learnt


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


# How it is scored


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1"),
    [
        ("the Old Bridge!", ["old bridge"], 1.0, 1.0),
        ("bridge of steel", ["the steel bridge", "steel"], 0.0, 0.8),
        ("", [], 1.0, 1.0),
        ("x", [], 0.0, 0.0),
        ("", ["x"], 0.0, 0.0),
        ("1,000 men", ["1000 men"], 1.0, 1.0),
        ("Ada's", ["adas"], 1.0, 1.0),
        ("a a b", ["a b b"], 0.0, 2 / 3),
        ("red red fox", ["red fox fox"], 0.0, 2 / 3),
    ],
)
def test_values_are_those_of_the_published_script(
    answer: str, right: list[str], exact: float, f1: float
) -> None:
    assert answer_value("exact_match", answer, right) == exact
    assert answer_value("f1", answer, right) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1"),
    [
        ("北京市", ["北京"], 0.0, 0.8),
        ("《北京》", ["北京"], 1.0, 1.0),
        ("北方的京城", ["北京"], 0.0, 2 / 7),
        ("京北", ["北京"], 0.0, 0.5),
        ("1894年", ["1894年", "1894"], 1.0, 1.0),
        ("Nexon公司", ["nexon"], 0.0, 0.5),
        ("3.5", ["3.5%"], 0.0, 2 / 3),
    ],
)
def test_chinese_values_are_those_of_cmrcs_script(
    answer: str, right: list[str], exact: float, f1: float
) -> None:
    """Of the longest run that both have, not of a bag of characters."""
    assert answer_value("exact_match", answer, right, chinese=True) == exact
    assert answer_value("f1", answer, right, chinese=True) == pytest.approx(f1)


def test_the_context_says_which_way_a_row_is_scored() -> None:
    assert is_chinese("北京是中国的首都, London")
    assert not is_chinese("The character 京 means capital.")
    assert not is_chinese("")
    assert not is_chinese("12 345")
    contexts = ["北京市是中国的首都。", "the old bridge"]
    rows = Rows([("?", context) for context in contexts], padded_spans([[(0, 2)], [(4, 14)]]))
    assert TASK.marks("f1", np.array([[0, 3, 0.5], [0, 14, 0.5]]), rows).tolist() == pytest.approx([0.8, 1.0])


def test_intervals_are_those_of_means_of_rows() -> None:
    drawn = np.random.default_rng(4)
    values = drawn.random(60)
    weights = drawn.multinomial(60, np.full(60, 1 / 60), size=20)
    expected = [np.repeat(values, counts).mean() for counts in weights]
    assert bootstrap_scores("f1", np.ones(60), values, 1, weights) == pytest.approx(expected)
    left_out = [np.delete(values, row).mean() for row in range(60)]
    assert jackknife_scores("exact_match", np.ones(60), values, 1, np.ones(60)) == pytest.approx(left_out)


def test_the_threshold_is_the_one_that_trying_all_finds() -> None:
    drawn = np.random.default_rng(6)
    for _ in range(40):
        margins = drawn.normal(size=12).round(1)
        kept, given_up = drawn.random(12), drawn.integers(0, 2, 12).astype(float)

        def total(threshold: float) -> float:
            return float(np.where(margins > threshold, given_up, kept).sum())  # noqa: B023

        limits = np.sort(margins)
        tried = [limits[0] - 1, *limits]
        assert total(best_cut(margins, kept, given_up)) == pytest.approx(max(map(total, tried)))
    assert best_cut(np.array([-1.0, 2.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 0.0


# What is read, and what is refused


def _data(folder: Path, answers: Sequence[Any], **more: Any) -> DataOptions:
    folder.mkdir(exist_ok=True)
    rows = [
        {
            "id": str(number),
            "question": f"Who met Ada, {number}?",
            "context": "Ada met Grace.",
            "answers": one,
        }
        for number, one in enumerate(answers)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(lines, encoding="utf-8")
    return DataOptions(path=str(folder), **more)


def test_columns_are_found_and_answers_read(tmp_path: Path) -> None:
    other = {"text": ["Ada", "Grace"], "answer_start": [0, 8]}
    splits = load_splits(_data(tmp_path / "a", [GOOD, other] * 40), 13, TASK)
    assert splits.train.texts[0][1] == "Ada met Grace."
    found = {
        tuple(map(tuple, row)) for row in np.concatenate([splits.train.labels, splits.test.labels]).tolist()
    }  # type: ignore[list-item]
    assert found == {((8, 13), (NO_LABEL, NO_LABEL)), ((0, 3), (8, 13))}


def test_rows_without_an_answer_are_told(tmp_path: Path) -> None:
    none: dict[str, list[Any]] = {"text": [], "answer_start": []}
    splits = load_splits(_data(tmp_path / "a", [GOOD, none] * 60), 13, TASK)
    assert any(note.startswith("rows without an answer: ") for note in splits.notes)
    labels = splits.train.labels
    assert labels is not None
    assert TASK.has_label(labels).all()
    assert {tuple(row[0]) for row in labels.tolist()} == {(8, 13), (0, 0)}
    with pytest.raises(DataError, match="no row has an answer"):
        load_splits(_data(tmp_path / "b", [none] * 120), 13, TASK)


def test_an_answer_that_stands_elsewhere_is_refused_with_its_row(tmp_path: Path) -> None:
    wrong = {"text": ["Grace"], "answer_start": [7]}
    with pytest.raises(DataError) as error:
        load_splits(_data(tmp_path / "a", [*[GOOD] * 100, wrong]), 13, TASK)
    said = str(error.value)
    assert (
        "row 101 of train: the answer 'Grace' has answer_start 7, where ' Grac' stands in the context" in said
    )
    assert "it stands at 8" in said
    assert "data.misplaced_answers: leave_out" in said
    options = _data(tmp_path / "a", [*[GOOD] * 100, wrong], misplaced_answers="leave_out")
    splits = load_splits(options, 13, TASK)
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == 100
    assert any("1 rows of train are left out" in note for note in splits.notes)


@pytest.mark.parametrize("cell", ["Grace", None, {"text": ["Grace"]}, {"text": ["a"], "answer_start": ["8"]}])
def test_what_is_no_list_of_answers_is_refused(cell: Any) -> None:
    with pytest.raises(Fault) as error:
        told_answers(cell)
    assert '"answer_start": [12]' in error.value.expected


def test_a_csv_file_has_answers_as_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        'question,context,answers\nWho?,Ada met Grace.,"{""text"": [""Grace""], ""answer_start"": [8]}"\n',
        encoding="utf-8",
    )
    found = read_labelled_file(path, ["start", "end"], {}, pairs=True, task=TASK)
    assert found.texts == [("Who?", "Ada met Grace.")]
    assert found.gold is not None
    assert found.gold.tolist() == [[[8, 13]]]
    path.write_text(path.read_text(encoding="utf-8").replace("[8]", "[9]"), encoding="utf-8")
    with pytest.raises(InputError, match="row 1: the answer 'Grace' has answer_start 9"):
        read_labelled_file(path, ["start", "end"], {}, pairs=True, task=TASK)


def test_init_sees_questions_with_contexts(tmp_path: Path) -> None:
    _data(tmp_path / "data", [GOOD] * 40)
    encoder = save_tiny_encoder(tmp_path / "encoder", layers=2)
    recipe = tmp_path / "recipe.yaml"
    written = starting_recipe(str(tmp_path / "data"), str(encoder), recipe, Silent()).read_text()
    assert "task: question-answering" in written
    assert "columns: {text: question, text_pair: context, label: answers}" in written
    assert "share of test rows with the very same part of the context" in written


def test_what_does_not_take_the_task_says_so(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, tmp_path) | {"task": "question-answering"}
    config = RunConfig.model_validate(recipe | {"student": {"architecture": "textcnn"}})
    with pytest.raises(ModelError, match="answers texts with labels"):
        require_student_of_task(config, TASK)
    model = named(question_model().config, ("start", "end"), TASK)
    match = {"method": "match", "matches": [{"feature": "logits", "loss": "mse"}]}
    both = RunConfig.model_validate(recipe | {"distill": [match, {"method": "logits"}]}).distill
    (fault,) = rehearse({"distill.0": both[0]}, model, [model], same_tokens=True, task=TASK)
    assert "loss: mse of logits is not made for the task, which is question-answering" in fault.found
    with pytest.raises(ModelError, match="has 3 outputs"):
        TASK.check_head("owner/model", ["a", "b", "c"], None)


def test_answers_come_back_from_a_file_as_they_were() -> None:
    answer = np.array([3.0, 9.0, 0.123456])
    assert TASK.read_answer(TASK.tell_answer(answer, ()), ()) == answer.tolist()
    label = padded_spans([[(3, 9), (0, 4)], [(1, 2)], []])
    told = [TASK.tell_label(row, ()) for row in label]
    assert told == [[[3, 9], [0, 4]], [[1, 2]], []]
    assert TASK.gathered_labels([TASK.read_label(one, ()) for one in told]).tolist() == label.tolist()
    for wrong in ([[3]], [[3, "9"]], "x", [[9, 3]]):
        with pytest.raises(Fault):
            TASK.read_label(wrong, ())
    for wrong in ({}, {"start": 1, "end": 0, "score": 1.0}, {"start": 0, "end": 1, "score": None}):
        with pytest.raises(Fault):
            TASK.read_answer(wrong, ())


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
