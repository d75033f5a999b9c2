"""What students that are no transformers take from their teacher: its word embeddings and its labels."""

from typing import Any, Literal

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from compress.data.rows import Rows
from compress.errors import ModelError
from compress.models.trained import Trained
from compress.models.vocabulary import trim_vocabulary
from compress.models.word_models import WordModel

# Named here and not in the architectures' own files, so that all of them mean the same.
Vocabulary = Literal["keep", "trim"]


def shared_config(teacher: PreTrainedConfig, embedding_size: int | None) -> dict[str, Any]:
    """Vocabulary, embedding size and labels of a student; raises `ModelError` where it would be wider."""
    # ELECTRA and ALBERT have word embeddings of another width than their hidden states.
    width = int(getattr(teacher, "embedding_size", None) or teacher.hidden_size)
    if embedding_size is not None and embedding_size > width:
        raise ModelError(
            f"student.embedding_size is {embedding_size}, and the teacher's word embeddings are {width} wide",
            f"a number from 1 to {width}: the student starts from the teacher's embeddings",
            f"set student.embedding_size: {width}, or leave it out",
        )
    return {
        "vocab_size": teacher.vocab_size,
        "embedding_size": embedding_size or width,
        "pad_token_id": getattr(teacher, "pad_token_id", None),
        "max_position_embeddings": getattr(teacher, "max_position_embeddings", None) or 512,
        "problem_type": teacher.problem_type,
        "id2label": dict(teacher.id2label or {}),
        "label2id": dict(teacher.label2id or {}),
    }


def student_of_words(
    model: WordModel, teacher: Trained, transfer: Rows, vocabulary: Vocabulary
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model with the teacher's word embeddings as its own, and the tokenizer, both trimmed where asked."""
    table = teacher.model.get_input_embeddings().weight
    assert isinstance(table, torch.Tensor)
    with torch.no_grad():
        model.embeddings.weight.copy_(principal_components(table, model.config.embedding_size))
    nn.Module.eval(model)
    if vocabulary == "trim":
        return trim_vocabulary(model, teacher.tokenizer, transfer.texts)
    return model, teacher.tokenizer


def principal_components(table: torch.Tensor, size: int) -> torch.Tensor:
    """A table (tokens, width) in `size` numbers a token, as near to it as so few can be; float32, on the CPU.

    At its own width the table itself. Else its coordinates along the directions of the largest variance, in
    which distances between words change least.
    """
    rows = table.detach().cpu().double()
    if size == rows.shape[1]:
        return rows.float()
    centred = rows - rows.mean(dim=0)
    _, directions = torch.linalg.eigh(centred.T @ centred)  # of ascending variance
    chosen = directions[:, -size:].flip(-1)
    # Eigenvectors have no sign of their own; without one a run could not be repeated elsewhere.
    largest = chosen.gather(0, chosen.abs().argmax(dim=0, keepdim=True))
    coordinates: torch.Tensor = centred @ (chosen * largest.sign())
    return coordinates.float()
