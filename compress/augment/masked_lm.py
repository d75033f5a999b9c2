"""Candidates for a word's place: what a masked language model expects there."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from compress.augment.vocabulary import Vocabulary, embedding_table, in_the_case_of
from compress.augment.words import Choices, Word, Words
from compress.errors import ModelError

_TOKENS_AT_ONCE = 8_192  # of one text's masked copies


def masked_lm_of(
    source: str | Path,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    local_files_only: bool = False,
) -> PreTrainedModel | None:
    """The masked language model in a folder or on the Hub; None where it was saved without that head.

    A teacher that was fine-tuned has lost this head, so the model that it was made from is asked for.
    Raises `ModelError` where the model cannot be read.
    """
    where: dict[str, object] = {
        "revision": revision or "main",
        "trust_remote_code": trust_remote_code,
        "local_files_only": local_files_only,
    }
    name = str(Path(source).expanduser()) if Path(source).expanduser().is_dir() else str(source)
    log = logging.getLogger("transformers.modeling_utils")
    level = log.level
    log.setLevel(logging.ERROR)  # it reports weights that this head has no use for
    try:
        config = AutoConfig.from_pretrained(name, **where)
        if not any(architecture.endswith("ForMaskedLM") for architecture in config.architectures or []):
            return None
        model: PreTrainedModel
        model, loading = AutoModelForMaskedLM.from_pretrained(
            name, dtype=torch.float32, output_loading_info=True, **where
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"the model {source} cannot be read as a masked language model: {str(error).splitlines()[0]}",
            "a model folder or a Hub model that transformers loads",
            "check its files, or set augment.substitute: 0",
        ) from None
    finally:
        log.setLevel(level)
    if loading["missing_keys"]:
        return None  # a config that promises a head which the weights lack
    model.eval()
    return model


class Expected:
    """For each word that is one piece, the words with the highest logits where it is masked.

    TinyBERT, Algorithm 1: one word of the text is masked at a time. Each text is a batch of its own, a row
    for each word, so that nothing depends on which texts are asked about together.
    """

    def __init__(
        self, model: PreTrainedModel, vocabulary: Vocabulary, mask_id: int, count: int, vocabulary_size: int
    ) -> None:
        rows = len(embedding_table(model))
        if rows < vocabulary_size:
            raise ModelError(
                f"the masked language model knows {rows:,} tokens, and the teacher's tokenizer {vocabulary_size:,}",
                "a masked language model with the teacher's own vocabulary",
                "give the model that the teacher was fine-tuned from",
            )
        self._model = model.eval()
        self._vocabulary = vocabulary
        self._ids = torch.from_numpy(vocabulary.ids)
        self._mask_id = mask_id
        self._count = count

    def __call__(self, texts: Sequence[Words]) -> list[list[Choices]]:
        """For each text and each of its words the words that may take its place; none for words of many pieces."""
        return [self._of_text(words) for words in texts]

    def _of_text(self, words: Words) -> list[Choices]:
        places = [word.token for word in words.words if word.token is not None]
        if not places or not len(self._ids):
            return [() for _ in words.words]
        expected = iter(self._most_expected(words.ids, places))
        return [
            () if word.token is None else self._others(words, word, next(expected)) for word in words.words
        ]

    def _most_expected(self, ids: Sequence[int], places: Sequence[int]) -> list[list[int]]:
        """Rows of the vocabulary, best first, for each place: (places, count + 4)."""
        step = max(1, _TOKENS_AT_ONCE // len(ids))
        most = min(self._count + 4, len(self._ids))  # the word itself is among them, in several cases perhaps
        best: list[list[int]] = []
        for start in range(0, len(places), step):
            block = torch.tensor(places[start : start + step])
            masked = torch.tensor([list(ids)]).repeat(len(block), 1)
            masked[torch.arange(len(block)), block] = self._mask_id
            at_masks = logits_at(self._model, masked, block).float().cpu()[:, self._ids]
            best += at_masks.topk(most, dim=1).indices.tolist()
        return best

    def _others(self, words: Words, word: Word, expected: Sequence[int]) -> Choices:
        surfaces = self._vocabulary.surfaces
        written = words.surface(word)
        row = self._vocabulary.row(words, word)
        token = written if row is None else surfaces[row]
        others = [surfaces[row] for row in expected if surfaces[row].casefold() != token.casefold()]
        return tuple(in_the_case_of(written, token, other) for other in others[: self._count])


def logits_at(model: PreTrainedModel, input_ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The logits at one place of each row, (rows, vocabulary); ids are (rows, tokens) without padding.

    The head costs as much as several layers, so it is given the hidden states of these places alone.
    """
    input_ids, places = input_ids.to(model.device), places.to(model.device)
    rows = torch.arange(len(places), device=model.device)

    def keep_places(module: nn.Module, arguments: object, output: BaseModelOutput) -> BaseModelOutput:  # noqa: ARG001
        hidden = output.last_hidden_state
        assert hidden is not None
        output.last_hidden_state = hidden[rows, places][:, None]
        return output

    handle = model.base_model.register_forward_hook(keep_places)
    try:
        with torch.inference_mode():
            logits: torch.Tensor = model(
                input_ids=input_ids, attention_mask=torch.ones_like(input_ids)
            ).logits
    finally:
        handle.remove()
    return logits[:, 0]
