"""Every method really trains on every task: the student ends nearer to its teacher than it began.

And so do texts that only the teacher answers. One teacher for each task, and nothing is exported. Text classification
has the tests of each method's own file.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from every_task import CASES, TaskCase
from lessons import loss_of, softmax
from mistakes import require, run_refused
from numpy.typing import NDArray
from rich.console import Console
from schools import School, open_school
from tiny import TOPICS, tiny_recipe

from compress.compare import pipeline
from compress.compare.asked import parse_methods
from compress.compare.pipeline import start_comparison
from compress.compare.table import render
from compress.distill import METHODS, Distill, Logits
from compress.judge.contestants import Contestant
from compress.judge.wording import METRIC_NAMES
from compress.models.predict import TorchPredictor
from compress.models.trained import Trained, load_trained
from compress.progress import Silent
from compress.training.encoded import EncodedRows
from serve.tasks import Read

Floats = NDArray[np.float64]

PACE = {"epochs": 1, "learning_rate": 3e-3, "batch_size": 16}
HIDDEN = {"feature": "hidden", "loss": "mse", "student_layer": 2, "teacher_layer": 4}
RELATIONS = {"feature": "value", "loss": "kl", "student_layer": 2, "teacher_layer": 4}
AUGMENT = {"copies": 1, "substitute": 0.4, "mask": 0.1, "ngram": 0.2}
MORE = [f"the {word} was near the old {other}" for word in TOPICS["food"] for other in TOPICS["sport"]]
REFUSED = ("the data has pairs of texts", "expected: single texts", "to do: take it out")
HEADS = 4  # of the tiny encoder


def _cases() -> list[TaskCase]:
    """All others; how many words of food a text has can be told of the text alone too, not of the pair only."""
    alone = {"problem_type": "regression", "data": {"columns": {"text": "sentence2", "label": "label"}}}
    others = [case for case in CASES if case.name != "single-label"]
    return [replace(one, recipe=alone, pairs=False) if one.name == "regression" else one for one in others]


@pytest.fixture(scope="module", params=_cases(), ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> TaskCase:
    found: TaskCase = request.param
    return found


@pytest.fixture(scope="module")
def school(case: TaskCase, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> School:
    epochs = case.epochs if case.name == "question-answering" else case.epochs // 2  # others learn sooner
    return open_school(case, tiny_encoder, tmp_path_factory.mktemp(case.name), epochs)


def method(name: str, case: TaskCase) -> Distill:
    """As a recipe would ask for it."""
    options: dict[str, Any] = {}
    if name == "theseus":  # the student is whole in the last part of the steps alone
        options = {"epochs": 2, "learning_rate": 1e-3}
    if name == "match":
        logits = {"feature": "logits", "loss": "mse" if case.name == "regression" else "kl"}
        options = {"matches": [HIDDEN, RELATIONS, logits]}
    return METHODS[name].model_validate({"method": name, **PACE, **options})


def apart(student: Trained, school: School, case: TaskCase) -> float:
    """What the student gives against what its teacher gives, on the test rows, which nobody learnt from."""
    predictors = [TorchPredictor(one) for one in (student, school.teacher)]
    asked = predictors[0].tokens(school.prepared.splits.test.texts)
    ours, theirs = (one.logits_of(asked).astype(np.float64) for one in predictors)
    if case.name == "token-classification":
        return _divergence(*(_words(one) for one in (ours, theirs)))
    if case.name == "question-answering":
        return _of_spans(ours, theirs, [one for one in asked if isinstance(one, Read)])
    return OF_TEXTS[case.name](ours, theirs)


@pytest.mark.parametrize("name", ["theseus", "mutual", "match", "distilbert"])
def test_a_method_that_trains_the_head_brings_a_student_nearer(
    name: str, school: School, case: TaskCase
) -> None:
    students = school.learnt(), school.learnt(method(name, case))
    before, after = (apart(one, school, case) for one in students)
    assert after < 0.9 * before


@pytest.mark.parametrize("name", ["tinybert", "minilm"])
def test_a_method_that_trains_layers_alone_brings_them_nearer(
    name: str, school: School, case: TaskCase
) -> None:
    """TinyBERT's last hidden states, and MiniLM's relations of values; the head is for the method after them."""
    look = {"tinybert": _last_hidden, "minilm": _relations}[name]
    texts = [asked if isinstance(asked, str) else asked[1] for asked in school.prepared.splits.test.texts]
    students = school.learnt(), school.learnt(method(name, case))
    before, after = (
        np.mean([np.abs(look(one, text) - look(school.teacher, text)).mean() for text in texts])
        for one in students
    )
    assert after < 0.9 * before


def test_added_texts_teach_by_the_teacher_alone(school: School, case: TaskCase, tmp_path: Path) -> None:
    """Unlabelled ones, and of single texts those that augmentation makes; or they are refused."""
    others = {"augment": AUGMENT}
    data = {"unlabeled": str(_more(tmp_path))}
    if case.pairs:
        require(run_refused({**school.recipe, **others}, tmp_path), "augment: is asked for", *REFUSED)
        others = {}
    if case.name == "question-answering":
        recipe = {**school.recipe, "data": {**school.recipe["data"], **data}}
        require(run_refused(recipe, tmp_path), "data.unlabeled: is asked for", *REFUSED)
        return
    more = school.with_data(data, **others)
    own, added = len(school.transfer.rows), more.transfer.augmented + more.transfer.unlabeled
    assert more.transfer.unlabeled == len(MORE) // (2 if case.pairs else 1)
    assert more.transfer.augmented >= (0 if case.pairs else 0.8 * own)
    assert len(more.transfer.rows) == own + added
    assert "the teacher alone answers those that were added" in more.transfer.notes[0]
    rows = more.transfer.rows.take(range(own, own + added))
    student = more.learnt()
    assert more.room.answers.transfer is not None
    encoded = EncodedRows(student, rows, more.room.answers.transfer[own:])
    batch = student.task.gathered(encoded.collate([encoded[number] for number in range(len(encoded))]))
    by_both, by_teacher = (
        loss_of(Logits(method="logits", alpha=alpha).lesson(student, [], "cpu"), batch) for alpha in (0.3, 1)
    )
    assert by_teacher > 0
    assert by_both == pytest.approx(by_teacher, rel=1e-6)
    assert apart(more.learnt(method("logits", case)), school, case) < 0.8 * apart(student, school, case)


def test_pairs_that_are_read_together_are_refused_more_texts(tmp_path: Path, tiny_encoder: Path) -> None:
    """Regression of pairs; no teacher is trained before it is said."""
    case = next(one for one in CASES if one.name == "regression")
    recipe = tiny_recipe(case.write(tmp_path / "data"), tiny_encoder) | dict(case.recipe)
    require(run_refused(recipe | {"augment": AUGMENT}, tmp_path), "augment: is asked for", *REFUSED)
    recipe["data"] |= {"unlabeled": str(_more(tmp_path))}
    require(run_refused(recipe, tmp_path), "data.unlabeled: is asked for", *REFUSED)
    assert not list(tmp_path.glob("run/stages/*/stage.json"))


@pytest.mark.parametrize(
    "case",
    [case for case in _cases() if case.name in {"token-classification", "embeddings"}],  # the least alike
    indirect=True,
    ids=lambda case: case.name,
)
def test_a_comparison_judges_every_method_by_the_tasks_own_metric(
    school: School, case: TaskCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the folder of the teacher; students answer in PyTorch, so that nothing is exported."""
    monkeypatch.setattr(pipeline, "export_files", lambda *given: given[4][1])
    monkeypatch.setattr(
        pipeline, "line_up_student", lambda name, made: [Contestant(name, "torch", "fp32", made, None)]
    )
    name = "embedding" if case.name == "embeddings" else "logits"
    folder = school.workshop.stages.root.parent
    file = folder / "recipe.yaml"
    recipe = {**school.recipe, "distill": [{"method": name, **PACE}]}
    file.write_text(json.dumps(recipe), encoding="utf-8")
    found, _ = start_comparison(
        file, parse_methods(name), 1, [], out=folder, overrides=(), fresh=False, progress=Silent()
    )
    assert [row.name for row in found.methods] == ["teacher", "plain", name]
    assert found.metric == school.prepared.task.metrics[0]
    console = Console(width=100)
    with console.capture() as shown:
        console.print(render(found))
    assert METRIC_NAMES[found.metric] in shown.get()
    task, test, labels = school.prepared.task, school.prepared.splits.test, school.prepared.labels
    assert test.labels is not None
    rows = [{"label": task.tell_label(label, labels)} for label in test.labels]
    for row, asked in zip(rows, test.texts, strict=True):
        row["text_pair"] = asked[1] if isinstance(asked, tuple) else None
    for student in found.methods[1:]:
        (stage,) = folder.glob(f"stages/{student.name}-1-{student.name}-*")
        answers = TorchPredictor(load_trained(stage)).predict(test.texts)
        expected = case.metric(
            [case.gold(row) for row in rows], [_without_articles(case.answer(one)) for one in answers]
        )
        assert student.score == pytest.approx(expected, abs=1e-6)
        assert student.score_ci[0] <= student.score <= student.score_ci[1]
    distilled = found.methods[2]
    assert distilled.gain is not None
    assert distilled.gain.value == pytest.approx(distilled.score - found.methods[1].score)
    assert distilled.agreement is not None
    assert distilled.agreement > 0.3


def _without_articles(answer: Any) -> Any:
    """An answer in words as SQuAD's script reads it; of other tasks as it is."""
    return (
        " ".join(word for word in answer.split() if word not in {"a", "the"})
        if isinstance(answer, str)
        else answer
    )


def _more(folder: Path) -> Path:
    file = folder / "more.txt"
    file.write_text("\n".join(MORE), encoding="utf-8")
    return file


def _divergence(ours: Floats, theirs: Floats) -> float:
    """KL(teacher || student) of logits (rows, choices), the mean over rows."""
    teacher, student = softmax(theirs), softmax(ours)
    return float((teacher * (np.log(teacher + 1e-12) - np.log(student + 1e-12))).sum(axis=-1).mean())


def _words(logits: Floats) -> Floats:
    """Of texts (texts, tokens, labels), padded with NaN, all tokens but the first and the last of each."""
    lengths = (~np.isnan(logits[..., 0])).sum(axis=1)
    return np.concatenate([row[1 : length - 1] for row, length in zip(logits, lengths, strict=True)])


def _of_spans(ours: Floats, theirs: Floats, asked: Sequence[Read]) -> float:
    """Of each text's begin and end, (texts, tokens, 2), among the context's tokens and the first, which says none."""
    found = []
    for row, one in enumerate(asked):
        (window,) = one.windows
        kept = [0, *(place for place, part in enumerate(window.sequence_ids) if part == 1)]
        found.append(_divergence(*(logits[row, kept].T for logits in (ours, theirs))))
    return float(np.mean(found))


def _of_labels(ours: Floats, theirs: Floats) -> float:
    """Each label by itself, a choice of two."""
    return _divergence(*(np.stack([one, 0 * one], axis=-1) for one in (ours, theirs)))


def _of_numbers(ours: Floats, theirs: Floats) -> float:
    return float(np.square(ours - theirs).mean())


def _of_vectors(ours: Floats, theirs: Floats) -> float:
    """Of how alike the two texts of each row are, vectors (rows, 2, width)."""
    return float(np.square(_cosines(ours) - _cosines(theirs)).mean())


def _cosines(vectors: Floats) -> Floats:
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray((unit[:, 0] * unit[:, 1]).sum(axis=-1))


OF_TEXTS: Mapping[str, Callable[[Floats, Floats], float]] = {
    "multi-label": _of_labels,
    "regression": _of_numbers,
    "embeddings": _of_vectors,
}


def _last_hidden(trained: Trained, text: str) -> Floats:
    """(tokens, width)."""
    return _read(trained, text, lambda layer: layer)


def _relations(trained: Trained, text: str) -> Floats:
    """Softmax of the products of a head's values, (heads, tokens, tokens), of the last layer."""
    values = _read(trained, text, lambda layer: layer.attention.self.value)
    heads = values.reshape(len(values), HEADS, -1).transpose(1, 0, 2)
    return softmax(heads @ heads.transpose(0, 2, 1) / np.sqrt(heads.shape[-1]))


def _read(trained: Trained, text: str, part: Callable[[Any], torch.nn.Module]) -> Floats:
    """What a part of the last layer computes for a text, (tokens, width)."""
    kept: list[Floats] = []

    def keep(_module: object, _given: object, output: Any) -> None:
        state = output[0] if isinstance(output, tuple) else output
        kept.append(state[0].double().numpy())

    base: Any = trained.model.base_model
    handle = part(base.encoder.layer[-1]).register_forward_hook(keep)
    trained.model.eval()
    with torch.inference_mode():
        trained.model(**trained.tokenizer(text, return_tensors="pt"))
    handle.remove()
    return kept[0]
