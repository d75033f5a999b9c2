"""That the contenders learn the same lesson from the same texts, and that what is counted is what was done."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import distill_contenders
import distill_speed
import numpy as np
import pytest
import torch
from distill_contenders import CONTENDERS, Setting, Texts, What
from lessons import array, divergence, nats, softmax
from step_meter import PARTS, REST, Meter, Spent, Turn, peak_memory_mb
from tiny import TOPICS, save_tiny_encoder, tiny_rows, write_csv
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer

from compress.data.rows import Rows
from compress.judge.interference import Counters

BATCH, STEPS = 8, 3
WHATS: tuple[What, ...] = ("logits", "hidden")


@pytest.fixture(scope="module", name="encoder")
def encoder_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without dropout, so that loops which draw in different orders can be held against each other."""
    folder = save_tiny_encoder(tmp_path_factory.mktemp("encoder"))
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    file.write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", name="setting")
def setting_fixture(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    setting, head = distill_speed.prepare_models(
        str(encoder), 2, len(TOPICS), tmp_path_factory.mktemp("models")
    )
    assert head == "new, not trained"
    return replace(setting, batch=BATCH, precision="fp32")


def texts_of(count: int) -> Texts:
    rows = tiny_rows(count, seed=4)
    labels = np.array([list(TOPICS).index(label) for _, label in rows], dtype=np.int64)
    return Texts([text for text, _ in rows], labels, seed=5)


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("name", CONTENDERS)
def test_every_text_is_learnt_from_once_and_answered_by_the_teacher_once(
    name: str, what: What, setting: Setting
) -> None:
    turn = CONTENDERS[name](replace(setting, what=what), texts_of(BATCH * STEPS))
    assert turn.examples == turn.teacher_examples == BATCH * STEPS
    assert turn.steps == len(turn.losses) == STEPS
    assert turn.training.wall_s > 0
    # Only we answer beforehand, and only where logits are enough.
    assert (turn.teacher_pass.wall_s > 0) == (name == "ours" and what == "logits")
    assert turn.peak_mb > 50


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("name", CONTENDERS)
def test_the_student_learns(name: str, what: What, setting: Setting) -> None:
    # From the labels: this teacher knows nothing, and its entropy is the least that TextBrewer's loss can be.
    quick = replace(setting, what=what, learning_rate=2e-3, alpha=0.0, batch=16)
    losses = CONTENDERS[name](quick, texts_of(16 * 120)).losses
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_the_first_loss_is_the_papers_for_every_loop(setting: Setting) -> None:
    given = texts_of(BATCH)  # one batch, so that its order does not matter
    teacher, student = (
        AutoModelForSequenceClassification.from_pretrained(folder)
        for folder in (setting.teacher, setting.student)
    )
    tokenizer = AutoTokenizer.from_pretrained(setting.student)
    tokens = tokenizer(given.texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        theirs, own = (model(**tokens, output_hidden_states=True) for model in (teacher, student))

    soft, entropy, hard = [], [], []
    for taught, learnt, label in zip(array(theirs.logits), array(own.logits), given.labels, strict=True):
        target = softmax(taught / 2)
        soft.append(divergence(target, softmax(learnt / 2)))
        entropy.append(-float((target * np.log(target)).sum()))
        hard.append(nats(learnt, int(label)))
    hinton = 0.9 * 4 * np.mean(soft) + 0.1 * np.mean(hard)
    # TextBrewer leaves out T squared and leaves in the teacher's entropy.
    textbrewers = 0.9 * (np.mean(soft) + np.mean(entropy)) + 0.1 * np.mean(hard)
    expected = {"ours": hinton, "plain": hinton, "textbrewer": textbrewers}
    for name, learn in CONTENDERS.items():
        assert learn(setting, given).losses[0] == pytest.approx(expected[name], rel=1e-4), name

    mask = array(tokens["attention_mask"])
    # Two of four layers: 1 learns from 2, 2 from 4.
    hidden = sum(
        float(
            ((array(own.hidden_states[m]) - array(theirs.hidden_states[n])) ** 2)
            .mean(axis=-1)[mask == 1]
            .mean()
        )
        for m, n in ((1, 2), (2, 4))
    )
    for name, learn in CONTENDERS.items():
        turn = learn(replace(setting, what="hidden"), given)
        assert turn.losses[0] == pytest.approx(hidden, rel=1e-4), name


def test_nothing_is_saved_inside_what_is_timed(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    def noting(word: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: Any, **named: Any) -> Any:
            happened.append(word)
            return original(*arguments, **named)

        return note

    monkeypatch.setattr(Meter, "begin_steps", noting("begin", Meter.begin_steps))
    monkeypatch.setattr(Meter, "end_steps", noting("end", Meter.end_steps))
    monkeypatch.setattr(Trainer, "_save_checkpoint", noting("save", Trainer._save_checkpoint))
    monkeypatch.setattr(torch, "save", noting("save", torch.save))
    for name, learn in CONTENDERS.items():
        happened.clear()
        learn(setting, texts_of(BATCH * STEPS))
        assert happened[:2] == ["begin", "end"], name
        assert ("save" in happened) == (name == "ours")  # its checkpoint, which comes after


def test_the_parts_of_a_step_add_up(setting: Setting) -> None:
    for name, learn in CONTENDERS.items():
        turn = learn(replace(setting, what="hidden", parts=True), texts_of(BATCH * STEPS))
        assert tuple(turn.parts) == (*PARTS, REST)
        assert sum(turn.parts.values()) == pytest.approx(turn.training.wall_s)
        assert all(seconds >= 0 for seconds in turn.parts.values())
        # What is not reached by its hook would hide in the rest.
        for part in ("data", "teacher", "student forward", "backward", "optimizer", "gradients freed"):
            assert turn.parts[part] > 0, (name, part)
    before = torch.Tensor.backward
    assert before.__module__ == "torch._tensor"  # the hooks are out again


def a_turn(seconds: float, teacher_pass_s: float = 0.0) -> Turn:
    return Turn(
        examples=96,
        teacher_examples=96,
        steps=3,
        teacher_pass=Spent(teacher_pass_s, teacher_pass_s, 0.0),
        set_up=Spent(0.5, 0.5, 0.0),
        training=Spent(seconds - 0.5, seconds - 1, 0.25),
        peak_mb=1.0,
        losses=(1.0, 0.5, 0.25),
        parts={},
    )


def test_an_epoch_is_charged_its_share_of_the_teachers_pass() -> None:
    turn = a_turn(4.0, teacher_pass_s=3.0)
    assert turn.seconds(3) == 5.0
    assert turn.seconds(1) == 7.0
    assert turn.cpu_seconds(3) == 0.5 + 3.25 + 1.0


def test_rounds_beside_a_busy_neighbour_are_dropped_and_made_again() -> None:
    asked: list[tuple[str, int]] = []

    def contender(name: str) -> Callable[[Texts], Turn]:
        def take(texts: Texts) -> Turn:
            asked.append((name, texts.seed))
            return a_turn(1.0 + texts.seed)

        return take

    # Two readings a round: others use the whole machine in the rounds 0, 2 and 3.
    machine_s = 0.0
    readings = []
    for number in range(20):
        readings.append(Counters(float(number), machine_s, 0.0, 1))
        machine_s += 1.0 if number in {0, 2, 3} else 0.05
        readings.append(Counters(number + 1.0, machine_s, 0.0, 1))
    measured = distill_speed.measure(
        {name: contender(name) for name in CONTENDERS},
        lambda number: Texts([], np.zeros(0, dtype=np.int64), seed=number),
        5,
        seed=1,
        counters=lambda: readings.pop(0),
    )

    assert [turns["ours"].seconds(1) for turns in measured.clean] == [
        1.0 + number for number in (1, 4, 5, 6, 7)
    ]
    assert [turns["ours"].seconds(1) for turns in measured.dropped] == [3.0, 4.0]  # the warm-up is neither
    assert measured.counted == measured.clean
    assert not measured.noisy
    rounds = [asked[start : start + 3] for start in range(0, len(asked), 3)]
    assert all({number for _, number in turns} == {place} for place, turns in enumerate(rounds))
    assert all({name for name, _ in turns} == set(CONTENDERS) for turns in rounds)
    assert len({tuple(name for name, _ in turns) for turns in rounds}) > 1, "one order for all rounds"


def test_the_ratio_is_theirs_over_ours_and_its_interval_covers_the_rounds() -> None:
    rounds = [{"ours": a_turn(2.0), "plain": a_turn(2.0 * times)} for times in (2, 3, 3, 3, 4)]
    found = distill_speed.ratio(rounds, "plain", lambda turn: turn.seconds(1))
    assert found["value"] == pytest.approx(3.0)
    assert found["ci"] == pytest.approx([2.0, 4.0])


def test_rounds_have_texts_of_their_own() -> None:
    rows = Rows([f"text {number}" for number in range(50)], np.arange(50) % 2)
    first, again, second = (distill_speed.draw_texts(rows, 20, number) for number in (0, 0, 1))
    assert first.texts == again.texts
    assert first.texts != second.texts
    assert len(set(first.texts)) == 20
    for text, label in zip(first.texts, first.labels, strict=True):
        assert label == int(text.split()[1]) % 2
    assert len(distill_speed.draw_texts(rows, 60, 0).texts) == 60  # few texts are drawn again


def test_memory_is_that_of_this_process_and_not_of_the_one_that_started_it(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t 9000 kB\nVmHWM:\t  2000 kB\n", encoding="ascii")
    assert peak_memory_mb(status) == 2.048
    assert peak_memory_mb(tmp_path / "absent") > 50


class _AtOnce:
    """In place of a worker process."""

    def submit(self, work: Callable[..., Turn], *arguments: Any) -> "_AtOnce":
        self._turn = work(*arguments)
        return self

    def result(self) -> Turn:
        return self._turn


def test_the_whole_benchmark(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(tmp_path / "data" / "train.csv", tiny_rows(200, seed=1))
    monkeypatch.setattr(distill_speed, "worker", lambda _: _AtOnce())
    monkeypatch.setattr(distill_speed, "REPEATS", 1)
    monkeypatch.setattr(distill_speed, "set_threads", lambda _: None)
    out = tmp_path / "results" / "speed.json"
    arguments = ["--data", str(tmp_path / "data"), "--teacher", str(encoder), "--layers", "2"]
    arguments += ["--what", "logits", "--rounds", "2", "--steps", "2", "--batch", "8", "--out", str(out)]
    before = torch.get_num_threads()
    try:
        distill_speed.main(distill_speed.parse(arguments))
    finally:
        torch.set_num_threads(before)
    found = json.loads(out.read_text(encoding="utf-8"))["logits"]
    assert found["noisy"]  # two rounds prove nothing, and the table says so
    assert len(found["turns"]) == 2
    assert {turn["examples"] for turns in found["turns"] for turn in turns.values()} == {16}
    printed = capsys.readouterr().out
    assert "NOISY" in printed
    assert "Goal 3.0 times both" in printed
    assert "teacher's pass" in printed


def test_a_meter_sees_a_model_that_is_fed_by_name() -> None:
    class Fed(nn.Module):
        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return input_ids

    student, teacher = Fed(), Fed()
    meter = Meter(student, teacher)
    student(input_ids=torch.zeros(4, 7))
    teacher(input_ids=torch.zeros(5, 7))
    turn = meter.turn()
    assert (turn.examples, turn.teacher_examples, turn.steps) == (4, 5, 1)
    assert distill_contenders.CONTENDERS.keys() == {"ours", "plain", "textbrewer"}
