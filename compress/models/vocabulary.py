"""A smaller vocabulary: tokens that no text uses leave tokenizer and embedding table together.

Texts of kept tokens keep their tokens and their logits:

- WordPiece takes the longest piece that fits, so leaving out pieces that were not taken changes nothing. A
  text with an unknown word needs every character to have a `##` piece of its own, as BERT's vocabularies have.
- BPE merges the pair of the lowest rank. Every merge that builds a kept token stays, with the pieces that
  it joins, in the same order; so at each step the merge that was chosen is still there, and still the first.
- Unigram takes the best path, and a best path is the best of any part of the vocabulary that holds it. The
  piece of the lowest score stays, since the score of an unknown character is counted from it.
"""

import copy
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from compress.errors import ModelError
from serve.encoding import tokenize
from serve.inputs import Input

Document = dict[str, Any]  # a tokenizer.json

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_TOGETHER = 1024  # texts whose encodings are held in memory at once
# The first ids stay whatever they are: RoBERTa counts positions from its padding id, 1, and transformers
# writes XLM-R's unknown id, 3, into its code.
_FIRST_IDS = 4


def trim_vocabulary(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[Input],
    *,
    floor: Collection[str] = (),
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A new model and tokenizer that know the tokens of these texts and a floor; both given stay as they are.

    The floor is special and added tokens, bytes and single characters, so that any word still reaches
    pieces or the unknown token, and the tokens of `floor`. Ids are given anew, in the order of the old ones.
    Raises `ModelError` where tokenizer and model do not go together, or where the tokenizer is of an unknown kind.
    """
    document = _read(tokenizer)
    new_id = {old: new for new, old in enumerate(sorted(_kept_ids(tokenizer, document, texts, floor)))}
    return _trim_model(model, new_id), _trim_tokenizer(tokenizer, document, new_id)


def vocabulary_size_after(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[Input], *, floor: Collection[str] = ()
) -> int:
    """How many tokens `trim_vocabulary` would keep."""
    return len(_kept_ids(tokenizer, _read(tokenizer), texts, floor))


def _read(tokenizer: PreTrainedTokenizerFast) -> Document:
    document: Document = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = document["model"]["type"]
    if kind not in {"WordPiece", "BPE", "Unigram", "WordLevel"}:
        raise ModelError(
            f"the vocabulary of a {kind} tokenizer cannot be trimmed",
            "a tokenizer of WordPiece, BPE, Unigram or WordLevel",
            "set student.vocabulary: keep",
        )
    return document


def _kept_ids(
    tokenizer: PreTrainedTokenizerFast, document: Document, texts: Sequence[Input], floor: Collection[str]
) -> set[int]:
    ids = _ids(document)
    unknown = sorted(token for token in floor if token not in ids)
    if unknown:
        raise ModelError(
            f"the tokenizer has no token {', '.join(map(repr, unknown[:4]))}, which was to be kept",
            "tokens of its vocabulary, written as they stand in tokenizer.json",
            "leave them out of the floor",
        )
    kept = {ids[token] for token in floor} | _floor_ids(document) | set(tokenizer.all_special_ids)
    kept |= {token for token in ids.values() if token < _FIRST_IDS}
    kept |= _used_ids(tokenizer, texts)
    return _with_their_pieces(document, kept)


def _ids(document: Document) -> dict[str, int]:
    """Every token's id, those of added tokens included."""
    vocabulary = document["model"]["vocab"]
    if document["model"]["type"] == "Unigram":
        ids = {token: number for number, (token, _) in enumerate(vocabulary)}
    else:
        ids = dict(vocabulary)
    return ids | {token["content"]: token["id"] for token in document["added_tokens"]}


def _used_ids(tokenizer: PreTrainedTokenizerFast, texts: Sequence[Input]) -> set[int]:
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    used: set[int] = set()
    for start in range(0, len(texts), _TOGETHER):
        for encoding in tokenize(backend, texts[start : start + _TOGETHER]):
            used.update(encoding.ids)
    return used


def _floor_ids(document: Document) -> set[int]:
    """Added tokens, those that the tokenizer itself names, single characters and bytes."""
    model, ids = document["model"], _ids(document)
    kept = {token["id"] for token in document["added_tokens"]}
    kept |= {values[place] for values, place in _places_of_ids(document.get("post_processor"))}
    kept |= {ids[token] for token in ids if _BYTE.fullmatch(token) or _is_character(token, model)}
    if model["type"] != "Unigram":
        return kept | ({ids[model["unk_token"]]} if model.get("unk_token") in ids else set())
    scores = [score for _, score in model["vocab"]]
    kept.add(scores.index(min(scores)))
    return kept | ({model["unk_id"]} if model.get("unk_id") is not None else set())


def _is_character(token: str, model: Mapping[str, Any]) -> bool:
    """One character, with or without the marks of a word's inside or end."""
    prefix, suffix = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    bare = {token, token.removeprefix(prefix)}
    return any(len(form) == 1 for form in bare | {form.removesuffix(suffix) for form in bare})


def _with_their_pieces(document: Document, kept: set[int]) -> set[int]:
    """The ids with those of the pieces that BPE builds them from, and of their pieces in turn."""
    if document["model"]["type"] != "BPE":
        return kept
    ids = _ids(document)
    pieces: dict[int, set[int]] = {}
    for left, right, built in _merges(document["model"]):
        pieces.setdefault(ids[built], set()).update((ids[left], ids[right]))
    closed, open_ = set(kept), list(kept)
    while open_:
        new = pieces.get(open_.pop(), set()) - closed
        closed |= new
        open_ += new
    return closed


def _merges(model: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Left piece, right piece and what they become, by rank."""
    prefix = model.get("continuing_subword_prefix") or ""
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        yield left, right, left + right.removeprefix(prefix)


def _places_of_ids(processor: Document | None) -> Iterator[tuple[list[Any], int]]:
    """Where a post-processor holds ids: a list and the place in it."""
    if processor is None:
        return
    for inner in processor.get("processors", ()):
        yield from _places_of_ids(inner)
    for token in (processor.get("special_tokens") or {}).values():
        yield from ((token["ids"], place) for place in range(len(token["ids"])))
    for name in ("sep", "cls"):
        if isinstance(processor.get(name), list):
            yield processor[name], 1


def _trim_tokenizer(
    tokenizer: PreTrainedTokenizerFast, document: Document, new_id: Mapping[int, int]
) -> PreTrainedTokenizerFast:
    """The same tokenizer class around the document with these ids."""
    wanted = {token: new_id[old] for token, old in _ids(document).items() if old in new_id}
    trimmed = _trim_document(document, new_id)
    backend = Tokenizer.from_str(json.dumps(trimmed, ensure_ascii=False))
    if backend.get_vocab(with_added_tokens=True) != wanted:
        raise ModelError(
            "the trimmed tokenizer gives its tokens other ids than the trimmed model has for them",
            "a tokenizer whose ids are 0, 1, 2 and so on, added tokens last",
            "set student.vocabulary: keep",
        )
    wrapped = copy.deepcopy(tokenizer)
    wrapped._tokenizer = backend
    return wrapped


def _trim_document(document: Document, new_id: Mapping[int, int]) -> Document:
    trimmed = copy.deepcopy(document)
    model = trimmed["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [piece for old, piece in enumerate(model["vocab"]) if old in new_id]
        if model.get("unk_id") is not None:
            model["unk_id"] = new_id[model["unk_id"]]
    else:
        model["vocab"] = {token: new_id[old] for token, old in model["vocab"].items() if old in new_id}
    if model["type"] == "BPE":
        kept = list(_merges(document["model"]))
        model["merges"] = [[left, right] for left, right, built in kept if built in model["vocab"]]
    for token in trimmed["added_tokens"]:
        token["id"] = new_id[token["id"]]
    for values, place in _places_of_ids(trimmed.get("post_processor")):
        values[place] = new_id[values[place]]
    padding = trimmed.get("padding")
    if padding is not None:
        padding["pad_id"] = new_id.get(padding["pad_id"], padding["pad_id"])
    return trimmed


def _trim_model(model: PreTrainedModel, new_id: Mapping[int, int]) -> PreTrainedModel:
    """The model with the embedding rows, and the rows of a language model's head, of these ids."""
    table = model.get_input_embeddings().weight
    assert isinstance(table, torch.Tensor)
    rows = torch.tensor(list(new_id), dtype=torch.long)
    if int(rows.max()) >= len(table):
        raise ModelError(
            f"the tokenizer has a token with the id {int(rows.max())}, and the model has {len(table)} embeddings",
            "an embedding for each of its special and added tokens",
            "give the model as it was trained with this tokenizer, or set student.vocabulary: keep",
        )
    config = copy.deepcopy(model.config)
    config.vocab_size = len(rows)
    _renumber(config, new_id)
    trimmed = type(model)(config)
    nn.Module.to(trimmed, model.dtype)
    old, new = model.state_dict(), trimmed.state_dict()
    trimmed.load_state_dict(
        {name: _rows_of(name, old[name], new[name].shape, rows, len(table)) for name in new}, strict=True
    )
    trimmed.tie_weights()
    _check_positions(model, trimmed)
    trimmed.train(model.training)
    return trimmed


def _renumber(config: Any, new_id: Mapping[int, int]) -> None:
    """Ids of special tokens; those that the tokenizer does not know are none."""
    for name in [name for name in vars(config) if name.endswith("_token_id")]:
        value = getattr(config, name)
        if isinstance(value, int) and not isinstance(value, bool):
            setattr(config, name, new_id.get(value))
        elif isinstance(value, list):
            setattr(config, name, [new_id[number] for number in value if number in new_id])


def _rows_of(name: str, old: torch.Tensor, shape: torch.Size, rows: torch.Tensor, count: int) -> torch.Tensor:
    """A weight as it is, or its rows where it has one for each token."""
    if old.shape == shape:
        return old
    if old.shape[:1] == (count,) and shape == (len(rows), *old.shape[1:]):
        return old[rows.to(old.device)]
    raise ModelError(
        f"the weight {name} is of shape {tuple(old.shape)}, and of {tuple(shape)} with {len(rows)} tokens",
        f"weights that have a row for each of the {count} tokens, or none",
        "set student.vocabulary: keep",
    )


def _check_positions(model: PreTrainedModel, trimmed: PreTrainedModel) -> None:
    """Positions that are counted from the padding id must not move."""
    for before, after in zip(_positions_from(model), _positions_from(trimmed), strict=True):
        if before != after:
            raise ModelError(
                f"this {model.config.model_type} counts positions from its padding id, which would be {after} "
                f"instead of {before}",
                f"a padding id below {_FIRST_IDS}",
                "set student.vocabulary: keep",
            )


def _positions_from(model: PreTrainedModel) -> list[int | None]:
    words = model.get_input_embeddings()
    return [
        part.padding_idx for part in model.modules() if isinstance(part, nn.Embedding) and part is not words
    ]
