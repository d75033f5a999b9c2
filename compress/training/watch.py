"""Trainer's steps shown on our own progress bar."""

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from compress.interrupt import stop_if_asked
from compress.progress import Advance


class ProgressCallback(TrainerCallback):
    """Moves a bar by one for each optimiser step, and by all that a resumed training had behind it."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 - Trainer's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: object,
    ) -> None:
        """Steps that a former process made are behind us."""
        self._advance(state.global_step)

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - Trainer's signature
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **_: object,
    ) -> None:
        """One step more, unless the user wants none."""
        stop_if_asked()
        self._advance(1)
