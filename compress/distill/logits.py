"""Hinton's soft targets: the student learns the teacher's softened probabilities.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from compress.training.options import TrainOptions

if TYPE_CHECKING:
    from torch import Tensor

    from compress.distill.objective import Objective


class Logits(TrainOptions):
    """Match the teacher's softened class probabilities."""

    method: Literal["logits"]
    temperature: Annotated[float, Field(gt=0, le=100)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9  # share of the teacher; the rest is the labels'

    def objective(self) -> "Objective":
        """The loss of one batch; needs the teacher's logits, and labels where alpha is below 1."""

        def loss(student_logits: "Tensor", teacher_logits: "Tensor", labels: "Tensor | None") -> "Tensor":
            return soft_targets(student_logits, teacher_logits, labels, self.temperature, self.alpha)

        return loss


def soft_targets(
    student_logits: "Tensor",
    teacher_logits: "Tensor",
    labels: "Tensor | None",
    temperature: float,
    alpha: float,
) -> "Tensor":
    """`alpha` times T squared times KL(teacher || student) at temperature T, plus the labels' cross-entropy.

    Logits are of shape (batch, labels), `labels` of shape (batch,). Returns a scalar, the mean over the
    batch. Without labels the soft term stands alone, with weight 1. The factor T squared keeps the
    gradient's size when T changes (section 2 of the paper).
    """
    from torch.nn import functional

    soft = functional.kl_div(
        functional.log_softmax(student_logits.float() / temperature, dim=-1),
        functional.log_softmax(teacher_logits.float() / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    soft = soft * temperature**2
    if labels is None:
        return soft
    return alpha * soft + (1 - alpha) * functional.cross_entropy(student_logits.float(), labels)
