"""What holds for every student that reads word embeddings, as checks; a tiny teacher to start from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from small_models import HERE
from tiny import TOPICS, save_tiny_encoder, tiny_rows
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from compress.data.rows import Rows
from compress.models.predict import TorchPredictor, input_names
from compress.models.tokenizer import load_tokenizer
from compress.models.trained import Trained, load_trained, save_trained
from export.onnx_export import to_onnx
from export.parity import prove_parity
from export.quantize import Dynamic
from serve.encoding import pad_id
from serve.runtime import OnnxRuntime
from serve.session import open_session

MAX_LENGTH = 40
LABELS = tuple(TOPICS)


def tiny_teacher(folder: Path) -> Trained:
    """A BERT of one layer with a random head, saved and loaded."""
    encoder = save_tiny_encoder(folder / "encoder", layers=1)
    config = AutoConfig.from_pretrained(encoder, num_labels=len(LABELS))
    model = AutoModelForSequenceClassification.from_pretrained(encoder, config=config)
    save_trained(model, load_tokenizer(str(encoder)), LABELS, MAX_LENGTH, folder / "teacher")
    return load_trained(folder / "teacher")


def tiny_task(count: int, seed: int) -> Rows:
    """Rows of the tiny task, with label ids."""
    rows = tiny_rows(count, seed)
    return Rows([text for text, _ in rows], np.asarray([LABELS.index(label) for _, label in rows]))


def random_batch(model: PreTrainedModel, lengths: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ids, also where the mask says padding, and the mask; (texts, the longest)."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, model.config.vocab_size, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()
    return ids, mask


def answer(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor | None = None
) -> NDArray[np.float32]:
    """Logits (texts, labels)."""
    with torch.inference_mode():
        return np.asarray(model(input_ids=ids, attention_mask=mask).logits.numpy())


def check_padding_changes_nothing(model: PreTrainedModel) -> None:
    """A text alone, without a mask, has the answer that it has among others, whatever stands in its padding."""
    lengths = [1, 2, 3, 4, 7, 12]
    ids, mask = random_batch(model, lengths)
    together = answer(model, ids, mask)
    assert together.std(axis=0).min() > 1e-4  # the texts differ, so that a mix-up would show
    alone = [answer(model, ids[row : row + 1, :length])[0] for row, length in enumerate(lengths)]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-6)
    wider = functional.pad(ids, (0, 5), value=3), functional.pad(mask, (0, 5))
    np.testing.assert_allclose(answer(model, *wider), together, atol=1e-6)


def save_and_load(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Trained:
    """The student after a round over the disk, which must not change its answers."""
    ids, mask = random_batch(model, [5, 9])
    before = answer(model, ids, mask)
    save_trained(model, tokenizer, LABELS, MAX_LENGTH, folder)
    loaded = load_trained(folder)
    assert type(loaded.model) is type(model)
    assert loaded.labels == LABELS
    assert np.array_equal(answer(loaded.model, ids, mask), before)
    return loaded


def check_export(trained: Trained, folder: Path) -> None:
    """The ONNX file and its int8 form answer as PyTorch does, batch by batch, from two tokens to the most."""
    sharpen(trained.model)
    exported = to_onnx(trained.model, input_names(trained.model), folder / "model.onnx")
    predictor = TorchPredictor(trained)
    encoder, padding = trained.encoder, pad_id(trained.encoder, trained.folder / "tokenizer_config.json")
    # The empty text is its special tokens alone; the last one is cut at the most that there may be.
    texts = ["", "goal", "soup", *tiny_task(12, 8).texts, " ".join(tiny_task(9, 9).texts)]
    finding = prove_parity(exported, predictor.forward, encoder, padding, texts, len(LABELS))
    assert finding.batch_sizes == (1, 3, 8)
    assert min(finding.lengths) == 2
    assert max(finding.lengths) == MAX_LENGTH
    assert finding.difference < 2e-5
    session = open_session(exported.path, len(LABELS))
    for batch in (1, 3, 8):
        for length in (1, 2, 3, 5, MAX_LENGTH):
            ids, mask = random_batch(trained.model, [max(1, length - row) for row in range(batch)])
            found = session.run({"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
            np.testing.assert_allclose(found, answer(trained.model, ids, mask), atol=2e-5)

    small = Dynamic().quantize(exported, folder / "small.onnx", HERE)
    quantised = prove_parity(small, predictor.forward, encoder, padding, texts, len(LABELS))
    assert 0 < quantised.difference < quantised.tolerance / 2
    assert small.size_mb < exported.size_mb
    runtime = OnnxRuntime.from_files(
        small.path, trained.folder / "tokenizer.json", LABELS, batching="one_by_one"
    )
    expected = predictor.logits(texts)
    clear = np.ptp(np.sort(expected, axis=1)[:, -2:], axis=1) > 0.3
    assert clear.sum() > 3
    assert (runtime.logits(texts).argmax(axis=1) == expected.argmax(axis=1))[clear].all()


def sharpen(model: PreTrainedModel) -> None:
    """Scale a random classifier's weights until its logits have a deviation of 0.5; as initialised they are flat.

    Not those of a recurrence: scaled up, it would amplify the last digit of a number from token to token.
    """
    ids, _ = random_batch(model, [12] * 16)
    for _ in range(20):
        if answer(model, ids).std(axis=0).mean() >= 0.5:
            return
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.dim() > 1 and "embedding" not in name and "weight_hh" not in name:
                    parameter.mul_(1.25)
    raise AssertionError("the logits stay flat")


def accuracy_after_learning(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, steps: int) -> float:
    """Share of new rows answered rightly after this many steps of a plain loop on the tiny task."""
    train, test = tiny_task(240, 1), tiny_task(90, 2)

    def encode(rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
        batch = tokenizer(
            rows.texts, padding="longest", truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
        )
        return batch["input_ids"], batch["attention_mask"]

    assert train.labels is not None
    assert test.labels is not None
    ids, mask = encode(train)
    labels = torch.from_numpy(train.labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for step in range(steps):
        rows = torch.arange(step * 32, step * 32 + 32) % len(labels)
        logits = model(input_ids=ids[rows], attention_mask=mask[rows]).logits
        optimizer.zero_grad()
        functional.cross_entropy(logits, labels[rows]).backward()
        optimizer.step()
    model.eval()
    return float((answer(model, *encode(test)).argmax(axis=1) == test.labels).mean())
