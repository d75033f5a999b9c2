"""What the training loop is fed: padding that is masked, and the teacher's logits beside their own text."""

import numpy as np
import torch

from compress.training.encoded import PadToLongest
from compress.training.loop import training_steps
from compress.training.options import TrainOptions


def test_a_batch_is_padded_to_its_longest_with_the_pad_id_and_masked() -> None:
    batch = PadToLongest(pad_id=1)(
        [
            {"input_ids": [5, 6, 7], "labels": 2, "teacher_logits": np.asarray([0.0, 1.0], np.float32)},
            {"input_ids": [8], "labels": 0, "teacher_logits": np.asarray([2.0, 3.0], np.float32)},
        ]
    )
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 1, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [2, 0]
    assert torch.equal(batch["teacher_logits"], torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
    assert "labels" not in PadToLongest(0)([{"input_ids": [1]}])


def test_steps_count_the_last_incomplete_batch() -> None:
    options = TrainOptions(epochs=2, batch_size=32)
    assert training_steps(options, 64) == 4
    assert training_steps(options, 65) == 6
    assert training_steps(TrainOptions(epochs=0.1, batch_size=32), 32) == 1
