"""DistilBERT's triple loss: soft targets, the labels' cross-entropy, and the direction of hidden states.

Sanh et al., "DistilBERT, a distilled version of BERT" (2019), section 3; its weights and temperature are
those of the authors' distillation script.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from transformers import PreTrainedModel

from compress.distill.losses import cosine
from compress.distill.task_loss import label_cross_entropy
from compress.distill.teaching import ask, freeze, only_teacher, refuse
from compress.models.anatomy import width
from compress.models.features import Features, Part
from compress.models.shrink import layer_count
from compress.models.trained import Trained
from compress.tasks import SINGLE_LABEL, Task
from compress.tasks.interface import Imitation
from compress.training.lesson import Batch, Lesson
from compress.training.options import TrainOptions

Weight = Annotated[float, Field(ge=0)]


class DistilBert(TrainOptions):
    """Soft targets, labels and hidden states at once.

    With a masked language model, logits (batch, tokens, vocabulary), as in the paper: the soft targets are
    those of every token but padding, masked or not, the default of the authors' script
    (`restrict_ce_to_mask` off); the labels are the masked tokens. With a classifier, logits
    (batch, labels): the soft targets are the classes, and the classes' labels stand in the place of the
    masked tokens.
    """

    looks_inside: ClassVar[bool] = True

    method: Literal["distilbert"]
    temperature: Annotated[float, Field(gt=0, le=100)] = 2.0
    alpha_ce: Weight = 5.0  # of the soft targets
    alpha_mlm: Weight = 2.0  # of the labels: masked tokens, or classes
    alpha_cos: Weight = 1.0  # of the last hidden states

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if not (self.alpha_ce or self.alpha_mlm or self.alpha_cos):
            raise ValueError("alpha_ce, alpha_mlm and alpha_cos are 0, so nothing would be learned")
        return self

    def lesson(self, student: Trained, teachers: Sequence[Trained], device: str) -> Lesson:
        """The weighted sum of the three losses.

        Raises `ModelError` for several teachers and for another width than the teacher's.
        """
        teacher = only_teacher(teachers, self.method).model
        ours, theirs = width(student.model.config), width(teacher.config)
        if ours != theirs:
            refuse(
                self.method,
                f"the student is {ours} wide and its teacher {theirs}",
                "equal widths, since the cosine is taken between their hidden states",
                "leave hidden_size out of student:, or take minilm or tinybert",
            )
        return _FromThreeLosses(student.model, teacher, self, device)


class _FromThreeLosses(Lesson):
    def __init__(
        self, student: PreTrainedModel, teacher: PreTrainedModel, options: DistilBert, device: str
    ) -> None:
        super().__init__(student)
        self._options = options
        self._student_last = Part("hidden", layer_count(student.config))
        self._teacher_last = Part("hidden", layer_count(teacher.config))
        self._student_features = Features(student, [self._student_last])
        self._teacher_features = Features(teacher, [self._teacher_last])
        self._teacher = freeze(teacher, device)

    def loss(self, batch: Batch) -> torch.Tensor:
        (teacher,) = self._teacher
        options, labels, mask = self._options, batch.get("labels"), batch["attention_mask"]
        teacher_logits = ask(teacher, batch)
        logits = self.answer(batch)
        _check_logits(logits, teacher_logits, labels if self.task is SINGLE_LABEL else None)
        teacher_logits = batch.get("teacher_logits", teacher_logits)
        soft = soft_loss(logits, teacher_logits, mask, options.temperature, self.task)
        hard = (
            logits.new_zeros((), dtype=torch.float32)
            if labels is None
            else hard_loss(logits, labels, self.task)
        )
        direction = cosine(
            self._student_features[self._student_last], self._teacher_features[self._teacher_last], mask
        )
        self._student_features.clear()
        self._teacher_features.clear()
        return options.alpha_ce * soft + options.alpha_mlm * hard + options.alpha_cos * direction


def hard_loss(logits: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """The task's own loss with the labels, or of a model that fills in masks cross-entropy with the words."""
    if logits.dim() == 3 and task is SINGLE_LABEL:
        return label_cross_entropy(logits, labels)
    return task.hard_loss(logits, labels)


def soft_loss(
    logits: torch.Tensor,
    teacher_logits: torch.Tensor,
    attention_mask: torch.Tensor,
    temperature: float,
    task: Task = SINGLE_LABEL,
) -> torch.Tensor:
    """T squared times KL(teacher || student) at temperature T; a scalar, the mean over texts or tokens.

    Logits are (batch, labels), or (batch, tokens, vocabulary), of which the tokens with mask 1 count.
    """
    if logits.dim() == 3 and task is SINGLE_LABEL:
        valid = attention_mask == 1
        logits, teacher_logits = logits[valid], teacher_logits[valid]
    return task.soft_loss(logits, teacher_logits, None, Imitation(temperature))


def _check_logits(logits: torch.Tensor, teacher_logits: torch.Tensor, labels: torch.Tensor | None) -> None:
    if logits.shape != teacher_logits.shape:
        refuse(
            "distilbert",
            f"student and teacher give logits of different shapes, {tuple(logits.shape)} and "
            f"{tuple(teacher_logits.shape)}",
            "the same head and, for fill-mask, the same vocabulary",
            "make the student from the teacher without vocabulary: trim, or take minilm",
        )
    if labels is not None and labels.dim() != logits.dim() - 1:
        refuse(
            "distilbert",
            "the data are masked texts, and the teacher has no masked-language-model head",
            "a teacher that fills masks",
            "give such a teacher, or take minilm",
        )
