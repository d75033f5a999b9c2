"""What one training did and where its time went: texts fed, steps, processor time, memory, parts of a step.

The same hooks for every training loop, whoever wrote it: on the models, on PyTorch's optimizers, on its loader.
"""

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data.dataloader import _BaseDataLoaderIter

# In the order of a step. What is left of the wall time is the loop itself: losses, schedule, callbacks.
PARTS = ("data", "teacher", "student forward", "backward", "clipping", "optimizer", "gradients freed")
REST = "loss and loop"


@dataclass(frozen=True, slots=True)
class Spent:
    """Time of this process, in seconds: of the clock, and of the processor in our code and in the kernel's."""

    wall_s: float = 0.0
    user_s: float = 0.0
    system_s: float = 0.0

    def since(self, before: "Spent") -> "Spent":
        """What was spent between two moments."""
        return Spent(
            self.wall_s - before.wall_s, self.user_s - before.user_s, self.system_s - before.system_s
        )


def now() -> Spent:
    """The running totals at this moment."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Spent(time.perf_counter(), used.ru_utime, used.ru_stime)


def peak_memory_mb(status: Path = Path("/proc/self/status")) -> float:
    """The most memory that this process has held, in 10^6 bytes.

    Linux lets a process inherit the `ru_maxrss` of the one that started it (it is kept across exec), so the
    figure of /proc, which starts anew, is taken where there is one.
    """
    try:
        lines = status.read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


@dataclass(frozen=True, slots=True)
class Turn:
    """One training of one contender."""

    examples: int  # that the student learnt from
    teacher_examples: int  # that the teacher answered
    steps: int
    teacher_pass: Spent  # before training; nothing where the teacher answers at every step
    set_up: Spent  # tokenising, building the loop
    training: Spent  # from the first step to the end of the last
    peak_mb: float  # at the end of the last step
    losses: tuple[float, ...]  # one per step
    parts: Mapping[str, float]  # wall seconds of the training; empty where they were not asked for

    def seconds(self, epochs: int) -> float:
        """What one epoch takes where so many epochs share the teacher's one pass."""
        return self.set_up.wall_s + self.training.wall_s + self.teacher_pass.wall_s / epochs

    def cpu_seconds(self, epochs: int) -> float:
        """The same in processor time, which a busy neighbour disturbs less."""
        shares = ((self.set_up, 1), (self.training, 1), (self.teacher_pass, epochs))
        return sum((spent.user_s + spent.system_s) / share for spent, share in shares)


class Meter:
    """Counts what two models are fed, and notes when set-up and steps begin and end.

    To be made when the models are loaded and the texts are at hand: the clock runs from here.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module, *, parts: bool = False) -> None:
        self.examples = self.teacher_examples = self.steps = 0
        self.losses: list[torch.Tensor] = []
        self._parts = _Parts(student, teacher) if parts else None
        student.register_forward_pre_hook(self._count_student, with_kwargs=True)
        teacher.register_forward_pre_hook(self._count_teacher, with_kwargs=True)
        self._set_up_from = self._begin = now()
        self._teacher_pass = self._training = Spent()
        self._peak_mb = 0.0

    def end_teacher_pass(self) -> None:
        """All that was done until now was the teacher's one pass over the texts."""
        moment = now()
        self._teacher_pass = moment.since(self._set_up_from)
        self._set_up_from = moment

    def begin_steps(self) -> None:
        """Set-up ends here."""
        if self._parts is not None:
            self._parts.start()
        self._begin = now()

    def end_steps(self) -> None:
        """The last step is done; nothing was saved yet."""
        self._training = now().since(self._begin)
        if self._parts is not None:
            self._parts.stop()
        self._peak_mb = peak_memory_mb()

    def turn(self) -> Turn:
        """All that was noted."""
        parts = dict(self._parts.seconds) if self._parts is not None else {}
        if parts:
            parts[REST] = self._training.wall_s - sum(parts.values())
        return Turn(
            examples=self.examples,
            teacher_examples=self.teacher_examples,
            steps=self.steps,
            teacher_pass=self._teacher_pass,
            set_up=self._begin.since(self._set_up_from),
            training=self._training,
            peak_mb=self._peak_mb,
            losses=tuple(float(loss) for loss in self.losses),
            parts=parts,
        )

    def _count_student(self, _: nn.Module, __: tuple[Any, ...], inputs: dict[str, torch.Tensor]) -> None:
        self.steps += 1
        self.examples += len(inputs["input_ids"])

    def _count_teacher(self, _: nn.Module, __: tuple[Any, ...], inputs: dict[str, torch.Tensor]) -> None:
        self.teacher_examples += len(inputs["input_ids"])


class _Parts:
    """Wall seconds by part, from `start` to `stop`, by wrapping what every loop calls."""

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._models = {"student forward": student, "teacher": teacher}
        self._since: dict[str, float] = {}
        self._stack = ExitStack()

    def start(self) -> None:
        for part, model in self._models.items():
            self._hook(part, model.register_forward_pre_hook, model.register_forward_hook)
        self._hook("optimizer", register_optimizer_step_pre_hook, register_optimizer_step_post_hook)
        self._wrap("data", _BaseDataLoaderIter, "__next__")
        self._wrap("backward", torch.Tensor, "backward")
        self._wrap("clipping", torch.nn.utils, "clip_grad_norm_")
        self._wrap("gradients freed", nn.Module, "zero_grad")
        self._wrap("gradients freed", torch.optim.Optimizer, "zero_grad")

    def stop(self) -> None:
        self._stack.close()

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - start

    def _wrap(self, part: str, owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def wrapper(*arguments: Any, **named: Any) -> Any:
            with self._timed(part):
                return original(*arguments, **named)

        self._stack.enter_context(patch.object(owner, name, wrapper))

    def _hook(self, part: str, before: Callable[..., Any], after: Callable[..., Any]) -> None:
        def begin(*_: Any) -> None:
            self._since[part] = time.perf_counter()

        def end(*_: Any) -> None:
            self.seconds[part] += time.perf_counter() - self._since[part]

        self._stack.callback(before(begin).remove)
        self._stack.callback(after(end).remove)
