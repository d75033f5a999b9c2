"""The same lesson for the same student by three training loops: ours, a tutorial's, TextBrewer's.

Each begins with models in memory and texts as strings and ends with the last optimizer step; nobody saves or
evaluates in between. Each imports what it needs where it needs it: their memory is compared.
"""

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from step_meter import Meter, Turn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from compress.training.lesson import Lesson

What = Literal["logits", "hidden"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for all. The model folders are transformers', with tokenizers."""

    teacher: Path
    student: Path  # its weights before it learns
    what: What
    layer_pairs: "Sequence[tuple[int, int]]"  # (student's, teacher's) layers for hidden states, from 1
    batch: int = 32
    learning_rate: float = 1e-4
    warmup_ratio: float = 0.1
    weight_decay: float = 0.01
    temperature: float = 2.0
    alpha: float = 0.9  # share of the teacher; the rest is the labels'
    precision: str = "auto"  # ours; the others compute in float32
    parts: bool = False  # whether the parts of a step are timed


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one round."""

    texts: list[str]
    labels: "NDArray[np.int64]"
    seed: int


Learn = Callable[[Setting, Texts], Turn]


def ours(setting: Setting, given: Texts) -> Turn:
    """`compress.training.loop.train`, with the teacher's logits computed once before, where they are enough."""
    from transformers import set_seed

    from compress.data.rows import Rows
    from compress.models.teachers import Teachers
    from compress.models.trained import load_trained
    from compress.training.device import choose_compute
    from compress.training.encoded import EncodedRows
    from compress.training.loop import Session, train

    student, teacher = load_trained(setting.student), load_trained(setting.teacher)
    set_seed(given.seed)
    meter = Meter(student.model, teacher.model, parts=setting.parts)
    rows, logits = Rows(given.texts, given.labels), None
    if setting.what == "logits":
        logits = Teachers((teacher,), (1.0,), "logits").predictor(device="cpu").logits(rows.texts)
        meter.end_teacher_pass()
    options = _options(setting)
    lesson = options.lesson(student, (teacher,), "cpu")
    lesson.register_forward_hook(_keeper(meter))
    encoded = EncodedRows(student, rows, logits, teacher=teacher)
    with tempfile.TemporaryDirectory(prefix="distill-speed-") as folder:
        session = Session(
            folder=Path(folder),
            title="ours",
            seed=given.seed,
            compute=choose_compute("cpu", setting.precision),
            score=lambda gold, logits: float((gold == logits.argmax(axis=-1)).mean()),
            metric_name="accuracy",
            report_to=(),
            progress=_Clock(meter),
        )
        train(lesson, encoded, None, options, session)
    return meter.turn()


def plain(setting: Setting, given: Texts) -> Turn:
    """The loop of the tutorials: the teacher answers at every step, float32, padding to the batch's longest."""
    from transformers import get_linear_schedule_with_warmup, set_seed

    student, teacher = _load(setting.student).train(), _load(setting.teacher).eval()
    set_seed(given.seed)
    meter = Meter(student, teacher, parts=setting.parts)
    batches = _loader(setting, given)
    optimizer = _adamw(setting, student)
    schedule = get_linear_schedule_with_warmup(optimizer, *_schedule(setting, given))
    inside = setting.what == "hidden"
    meter.begin_steps()
    for batch in batches:
        labels = batch.pop("labels")
        with torch.no_grad():
            taught = teacher(**batch, output_hidden_states=inside)
        learnt = student(**batch, output_hidden_states=inside)
        if inside:
            loss = _hidden_mse(setting, learnt.hidden_states, taught.hidden_states, batch["attention_mask"])
        else:
            loss = _hinton(setting, learnt.logits, taught.logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        meter.losses.append(loss.detach())
    meter.end_steps()
    return meter.turn()


def textbrewer(setting: Setting, given: Texts) -> Turn:
    """TextBrewer's GeneralDistiller (Yang et al., 2020) as its documentation sets it up."""
    from textbrewer import (  # type: ignore[import-untyped]  # it has no types
        DistillationConfig,
        GeneralDistiller,
        TrainingConfig,
    )
    from transformers import get_linear_schedule_with_warmup, set_seed

    student, teacher = _load(setting.student), _load(setting.teacher)
    set_seed(given.seed)
    meter = Meter(student, teacher, parts=setting.parts)
    inside = setting.what == "hidden"
    batches = _loader(setting, given)
    optimizer = _adamw(setting, student)
    warmup, steps = _schedule(setting, given)
    with tempfile.TemporaryDirectory(prefix="distill-speed-") as folder, _silent():
        distiller = GeneralDistiller(
            # No checkpoint in an epoch: nothing is saved, at the end neither.
            TrainingConfig(device="cpu", output_dir=folder, ckpt_frequency=0),
            _distillation_config(DistillationConfig, setting),
            teacher,
            student,
            _inside if inside else _answers,
            _inside if inside else _answers,
        )
        distiller.tb_writer = _Losses(meter)
        with distiller:
            meter.begin_steps()
            distiller.train(
                optimizer,
                batches,
                num_epochs=1,
                scheduler_class=get_linear_schedule_with_warmup,
                scheduler_args={"num_warmup_steps": warmup, "num_training_steps": steps},
                batch_postprocessor=dict,
                **({"output_hidden_states": True} if inside else {}),
            )
            meter.end_steps()
    return meter.turn()


CONTENDERS: dict[str, Learn] = {"ours": ours, "plain": plain, "textbrewer": textbrewer}


def take_turn(name: str, setting: Setting, given: Texts, threads: int) -> Turn:
    """One turn of a contender; what a worker process is asked for."""
    import transformers

    transformers.logging.disable_progress_bar()
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return CONTENDERS[name](setting, given)


class _Clock:
    """A `compress.progress.Progress` that tells the meter when steps begin and end."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def say(self, message: str) -> None:
        """Nothing."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Trainer's callback moves it by 0 as training begins and by 1 after each step, before it saves."""
        done = -1

        def advance(by: int) -> None:
            nonlocal done
            if done < 0:
                done = 0
                self._meter.begin_steps()
            done += by
            if done == total:
                self._meter.end_steps()

        yield advance


class _Losses:
    """Takes the place of TextBrewer's tensorboard writer."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def add_scalar(self, name: str, value: float, _: int) -> None:
        if name == "scalar/total_loss":
            self._meter.losses.append(torch.tensor(value))


def _keeper(meter: Meter) -> Callable[..., None]:
    def keep(_: "Lesson", __: object, output: dict[str, torch.Tensor]) -> None:
        meter.losses.append(output["loss"].detach())

    return keep


def _options(setting: Setting) -> Any:
    from compress.distill import Logits, TinyBert
    from compress.distill.tinybert import TinyBertWeights

    shared: dict[str, Any] = {
        "epochs": 1,
        "learning_rate": setting.learning_rate,
        "batch_size": setting.batch,
        "warmup_ratio": setting.warmup_ratio,
        "weight_decay": setting.weight_decay,
    }
    if setting.what == "hidden":
        return TinyBert(
            method="tinybert",
            layer_map=[teacher_layer for _, teacher_layer in setting.layer_pairs],
            weights=TinyBertWeights(embedding=0, attention=0, hidden=1),
            **shared,
        )
    return Logits(method="logits", temperature=setting.temperature, alpha=setting.alpha, **shared)


def _load(folder: Path) -> Any:
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(str(folder), dtype=torch.float32)


def _loader(setting: Setting, given: Texts) -> "torch.utils.data.DataLoader[Any]":
    from transformers import AutoTokenizer, DataCollatorWithPadding

    tokenizer = AutoTokenizer.from_pretrained(str(setting.student))
    encoded = tokenizer(given.texts, truncation=True)
    examples = [
        {name: encoded[name][row] for name in encoded} | {"labels": int(label)}
        for row, label in enumerate(given.labels)
    ]
    return torch.utils.data.DataLoader(
        examples,  # type: ignore[arg-type]  # a list has all that is asked of a data set
        batch_size=setting.batch,
        shuffle=True,
        collate_fn=DataCollatorWithPadding(tokenizer),
    )


def _adamw(setting: Setting, student: torch.nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        student.parameters(), lr=setting.learning_rate, weight_decay=setting.weight_decay
    )


def _schedule(setting: Setting, given: Texts) -> tuple[int, int]:
    """Steps of warm-up and of the whole training."""
    steps = -(-len(given.texts) // setting.batch)
    return round(setting.warmup_ratio * steps), steps


def _hinton(
    setting: Setting, logits: torch.Tensor, teacher_logits: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """As in PyTorch's tutorial on knowledge distillation, with the loss written by its `kl_div`."""
    soft = functional.kl_div(
        functional.log_softmax(logits / setting.temperature, dim=-1),
        functional.softmax(teacher_logits / setting.temperature, dim=-1),
        reduction="batchmean",
    )
    hard = functional.cross_entropy(logits, labels)
    return setting.alpha * setting.temperature**2 * soft + (1 - setting.alpha) * hard


def _hidden_mse(
    setting: Setting,
    states: "Sequence[torch.Tensor]",
    teacher_states: "Sequence[torch.Tensor]",
    mask: torch.Tensor,
) -> torch.Tensor:
    """The sum over mapped layers of the mean over valid tokens."""
    kept = mask.unsqueeze(-1).to(states[0].dtype)
    total = states[0].new_zeros(())
    for layer, teacher_layer in setting.layer_pairs:
        squared = functional.mse_loss(states[layer], teacher_states[teacher_layer], reduction="none")
        total = total + (squared * kept).sum() / kept.sum() / squared.shape[-1]
    return total


def _answers(_: object, outputs: Any) -> dict[str, torch.Tensor]:
    """TextBrewer's adaptor for logits and the labels' loss."""
    return {"logits": outputs.logits, "losses": outputs.loss}


def _inside(batch: dict[str, torch.Tensor], outputs: Any) -> dict[str, Any]:
    """TextBrewer's adaptor for hidden states alone."""
    return {"hidden": outputs.hidden_states, "inputs_mask": batch["attention_mask"]}


def _distillation_config(kind: Any, setting: Setting) -> Any:
    if setting.what == "hidden":
        return kind(
            intermediate_matches=[
                {
                    "layer_T": theirs,
                    "layer_S": own,
                    "feature": "hidden",
                    "loss": "hidden_mse",
                    "weight": 1,
                }
                for own, theirs in setting.layer_pairs
            ]
        )
    return kind(
        temperature=setting.temperature,
        hard_label_weight=1 - setting.alpha,
        kd_loss_weight=setting.alpha,
    )


@contextmanager
def _silent() -> Iterator[None]:
    """TextBrewer's bars are shown on terminals only."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def set_threads(threads: int) -> None:
    """For processes that are started from here on: PyTorch's threads and the tokenizers'."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
