"""A student that is cut out of its teacher: fewer layers, fewer neurons, narrower, fewer words."""

import copy
from typing import Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from compress.data.rows import Rows
from compress.models.anatomy import ANATOMIES, width
from compress.models.feed_forward import cut_neurons, feed_forward_config, neuron_gates
from compress.models.importance import (
    Importance,
    Units,
    first_order_importance,
    importance_batches,
    most_important,
)
from compress.models.narrow import keep_widest, narrow, narrow_config, width_gates
from compress.models.positions import trim_positions
from compress.models.shrink import (
    Start,
    choose_layers,
    layer_count,
    rebuild,
    require_layers,
    shrink,
    shrink_config,
)
from compress.models.trained import Trained
from export.options import Options


class FromTeacher(Options):
    """The small model inherits weights of the teacher; what is left out stays as the teacher has it."""

    source: Literal["teacher"] = Field(default="teacher", alias="from")
    layers: PositiveInt | list[PositiveInt] | None = None  # how many, or which ones, counted from 1
    start: Start = (
        "uniform"  # which layers a number takes: spread with the last among them, or the first, or the last
    )
    intermediate_size: PositiveInt | None = None  # feed-forward neurons of each layer
    hidden_size: PositiveInt | None = None  # a multiple of the size of the teacher's heads
    # trim: words that the texts do not use go, and positions beyond their longest
    vocabulary: Literal["keep", "trim"] = "keep"

    @field_validator("layers")
    @classmethod
    def _ascending(cls, layers: int | list[int] | None) -> int | list[int] | None:
        if isinstance(layers, list) and (not layers or sorted(set(layers)) != layers):
            raise ValueError("list the teacher's layers in ascending order, each once, counted from 1")
        return layers

    @model_validator(mode="after")
    def _start_of_a_number(self) -> Self:
        if self.start != "uniform" and not isinstance(self.layers, int):
            raise ValueError(
                f"start: {self.start} says which layers a number takes, and layers: is no number; "
                "set layers: to one, or take start: out"
            )
        return self

    def inherited(self, teacher: PreTrainedConfig) -> tuple[int, ...]:
        """The layers that the student takes, counted from 1; raises `ModelError`."""
        if self.layers is None:
            return tuple(range(1, layer_count(teacher) + 1))
        return choose_layers(self.layers, require_layers(teacher), self.start)

    def config(self, teacher: PreTrainedConfig) -> PreTrainedConfig:
        """The student's config; raises `ModelError` where the teacher cannot be cut so."""
        config = copy.deepcopy(teacher)
        if self.layers is not None:
            config = shrink_config(config, self.inherited(teacher))
        if self.intermediate_size is not None:
            config = feed_forward_config(config, self.intermediate_size)
        if self.hidden_size is not None:
            config = narrow_config(config, self.hidden_size)
        return config

    def build(
        self, teacher: Trained, transfer: Rows, device: str
    ) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
        """The student before it learns, and its tokenizer.

        Importance is measured in the whole teacher, on texts of `transfer`: a teacher with layers missing
        answers badly, and what matters to a bad answer tells little. The weights are copies.
        """
        original = teacher.model
        target, layers = self.config(original.config), self.inherited(original.config)
        importance = self._importance(teacher, transfer, device)
        if self.layers is None:
            model = rebuild(original, original.config, original.state_dict())
        else:
            model = shrink(original, self.layers, self.start)
        if self._cuts_neurons(original.config):
            assert self.intermediate_size is not None
            size = self.intermediate_size
            model = cut_neurons(
                model, [most_important(importance[Units("neurons", layer)], size) for layer in layers]
            )
        if self._is_narrower(original.config):
            model = narrow(model, keep_widest(importance, target, layers))
        if self.vocabulary == "trim":
            from compress.models.vocabulary import trim_vocabulary

            model = trim_positions(model, teacher.max_length)
            return trim_vocabulary(model, teacher.tokenizer, transfer.texts)
        return model, teacher.tokenizer

    def _importance(self, teacher: Trained, transfer: Rows, device: str) -> Importance:
        gates = neuron_gates(teacher.model) if self._cuts_neurons(teacher.model.config) else {}
        if self._is_narrower(teacher.model.config):
            gates |= width_gates(teacher.model)
        if not gates:
            return {}
        return first_order_importance(teacher.model, gates, importance_batches(teacher, transfer), device)

    def _cuts_neurons(self, teacher: PreTrainedConfig) -> bool:
        if self.intermediate_size is None:
            return False
        available: int = getattr(teacher, ANATOMIES[teacher.model_type].feed_forward)
        return self.intermediate_size != available

    def _is_narrower(self, teacher: PreTrainedConfig) -> bool:
        return self.hidden_size is not None and self.hidden_size != width(teacher)
