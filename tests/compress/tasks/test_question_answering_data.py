"""Questions with their answers as data sets and files have them, and what is refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from question_models import question_model
from tiny import save_tiny_encoder, tiny_recipe

from compress.clashes import require_student_of_task
from compress.data.load import load_splits
from compress.data.rows import NO_LABEL
from compress.distill.rehearsal import rehearse
from compress.errors import DataError, ModelError
from compress.prepare import named
from compress.progress import Silent
from compress.recipe import DataOptions, RunConfig
from compress.starter import starting_recipe
from compress.tasks import Fault, task_named
from compress.tasks.answer_places import padded_spans, told_answers
from compress.tasks.question_answering import QuestionAnswering
from compress.verify.labelled_file import read_labelled_file
from serve.errors import InputError

TASK = cast(QuestionAnswering, task_named("question-answering"))
GOOD = {"text": ["Grace"], "answer_start": [8]}


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
