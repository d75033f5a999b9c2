"""From texts to the arrays that the graph is fed; the one place where this is done.

Training, export and serving must see the same tokens, so the tokenizer's file holds the truncation and
this module adds nothing but padding, on the right, to the longest text of the batch.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from serve.bundle import GraphInput
from serve.errors import BundleError, InputError
from serve.inputs import Input, parts
from serve.tasks import Answering, Read, Tokens

MAX_CHARACTERS = 100_000
KNOWN_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
_PAD_TOKENS = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>")

Integers = NDArray[np.int64] | NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts as the graph takes them."""

    arrays: dict[str, Integers]  # by the graph's input names, each (texts, tokens)
    token_counts: list[int]  # per text, special tokens included, padding not
    truncated: list[bool]  # per text: its end was not read


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`, with its truncation and without padding."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  tokenizers raises nothing more precise than Exception
        raise BundleError(
            f"{path} is not a tokenizer: {error}",
            "a tokenizer.json of the tokenizers library",
            "save it with tokenizer.backend_tokenizer.save(path), or make the bundle again",
        ) from None
    tokenizer.no_padding()
    return tokenizer


def pad_id(tokenizer: Tokenizer, config: Path | None = None) -> int:
    """Id of the padding token (1 for RoBERTa, 0 for BERT, never to be guessed).

    Taken from `pad_token` of the `tokenizer_config.json` at `config`, else from the names that padding
    usually has. Raises `BundleError` when the vocabulary holds none of them.
    """
    named = _configured_pad_token(config)
    for token in (named,) if named is not None else _PAD_TOKENS:
        number = tokenizer.token_to_id(token)
        if number is not None:
            return int(number)
    raise BundleError(
        "the tokenizer's vocabulary has no padding token",
        f"{named or ' or '.join(_PAD_TOKENS)} in the vocabulary",
        "name the padding token as pad_token in tokenizer_config.json",
    )


def check_text(text: object) -> str:
    """`text` itself if it can be encoded; raises `InputError` otherwise."""
    if not isinstance(text, str):
        raise InputError(f"an input of type {type(text).__name__}", "texts (str)", "give a list of strings")
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"a text of {len(text):,} characters",
            f"at most {MAX_CHARACTERS:,} characters per text",
            "cut the text, or split it into several",
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            "a text with half of a surrogate pair (\\ud800 to \\udfff)",
            "valid Unicode",
            "repair the text where it was read, for example with text.encode('utf-16', 'surrogatepass')",
        ) from None
    return text


def check_input(asked: object) -> Input:
    """`asked` itself if it can be encoded, a pair as a tuple; raises `InputError` otherwise."""
    if isinstance(asked, tuple | list) and len(asked) == 2:
        return check_text(asked[0]), check_text(asked[1])
    return check_text(asked)


def tokenize(tokenizer: Tokenizer, inputs: Sequence[Input]) -> list[Encoding]:
    """One encoding per text or pair, truncated as the tokenizer's file says."""
    # Checked here and not by the caller: tokenizers panics on a lone surrogate.
    checked = [_near_what_is_read(tokenizer, check_input(asked)) for asked in inputs]
    if len(checked) == 1:  # without a hop to the threads of tokenizers
        only = checked[0]
        return [tokenizer.encode(only) if isinstance(only, str) else tokenizer.encode(*only)]
    return list(tokenizer.encode_batch(checked))


def _near_what_is_read(tokenizer: Tokenizer, asked: Input) -> Input:
    """A pair without most of what will be cut off; a single text as it is.

    tokenizers keeps every combination of the parts that it cuts off both texts: of two texts of 100,000 characters
    they fill the memory of a server.
    """
    truncation = tokenizer.truncation
    if isinstance(asked, str) or truncation is None or truncation["strategy"] != "longest_first":
        return asked
    longest, from_left = truncation["max_length"], truncation["direction"] == "left"
    if all(len(text) <= 4 * longest for text in asked):
        return asked
    first, second = (_uncut(tokenizer).encode(text, add_special_tokens=False) for text in asked)
    # Which of the two is the longer one decides where the odd token goes, so it stays the longer one. Twice what can be
    # read is enough: a word that is cut in two becomes other tokens, and these lie behind what is read.
    most = (3, 2) if len(first) > len(second) else (2, 3)
    return (
        _kept(asked[0], first, most[0] * longest, from_left=from_left),
        _kept(asked[1], second, most[1] * longest, from_left=from_left),
    )


def _kept(text: str, whole: Encoding, most: int, *, from_left: bool = False) -> str:
    """The part of a text that makes its first `most` tokens, or with `from_left` its last; `whole` is its encoding."""
    cut_off = len(whole) - most
    if cut_off <= 0:
        return text
    return text[whole.offsets[cut_off][0] :] if from_left else text[: whole.offsets[most][0]]


def cut_into_windows(tokenizer: Tokenizer, answering: Answering) -> None:
    """From now on this tokenizer cuts a text into windows that overlap, where the task reads long texts so.

    They share no more than half of what a window has room for, so each window adds as much as it repeats.
    """
    truncation = tokenizer.truncation
    if answering.READS_WINDOWS and truncation is not None:
        longest = truncation["max_length"]
        room = longest - tokenizer.num_special_tokens_to_add(is_pair=answering.WINDOWS_OF == "only_second")
        stride = min(answering.stride, max(0, room // 2))
        tokenizer.enable_truncation(longest, stride=stride, strategy=answering.WINDOWS_OF)


def read(tokenizer: Tokenizer, inputs: Sequence[Input], answering: Answering) -> list[Tokens]:
    """What a model of this task reads of each text or pair; `tokenizer` has been through `cut_into_windows`."""
    if answering.READS_EACH:
        return _read_each(tokenizer, [check_input(asked) for asked in inputs])
    if answering.WINDOWS_OF == "only_second":
        return _read_windows_of_second(tokenizer, inputs, answering.PAIR_FIELDS)
    encodings = tokenize(tokenizer, inputs)
    if not answering.READS_WINDOWS:
        return list(encodings)
    return [
        Read(check_input(asked), (first, *first.overflowing), tokenizer)
        for asked, first in zip(inputs, encodings, strict=True)
    ]


def _read_each(tokenizer: Tokenizer, inputs: Sequence[Input]) -> list[Tokens]:
    """A window for each text of a pair."""
    encodings = iter(tokenize(tokenizer, [text for asked in inputs for text in parts(asked)]))
    return [Read(asked, tuple(next(encodings) for _ in parts(asked))) for asked in inputs]


def _read_windows_of_second(
    tokenizer: Tokenizer, inputs: Sequence[Input], fields: tuple[str, str]
) -> list[Tokens]:
    """Windows of the second text, each with the whole first one, which is cut where it would leave no room."""
    pairs, whole = [], []
    for asked in map(check_input, inputs):
        if isinstance(asked, str):
            found = "a single text"
            raise InputError(found, f"a {fields[0]} with its {fields[1]}", "ask with (first, second)")
        whole.append(asked)
        pairs.append((_first_that_fits(tokenizer, asked[0]), asked[1]))
    encodings = tokenize(tokenizer, pairs)
    return [
        Read(asked, (first, *first.overflowing), tokenizer, cut=pair[0] != asked[0])
        for asked, pair, first in zip(whole, pairs, encodings, strict=True)
    ]


def _first_that_fits(tokenizer: Tokenizer, text: str) -> str:
    """As much of the first text as leaves every window a quarter of its room, at least, for what it alone reads."""
    truncation = tokenizer.truncation
    if truncation is None:
        return text
    room = truncation["max_length"] - tokenizer.num_special_tokens_to_add(is_pair=True) - truncation["stride"]
    most = max(0, room - max(1, room // 4))
    # No tokenizer makes more tokens of it than characters, and a space.
    if text.isascii() and len(text) < most:
        return text
    return _kept(text, _uncut(tokenizer).encode(text, add_special_tokens=False), most)


@lru_cache(maxsize=8)
def _uncut(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, which reads any text to its end."""
    found: Tokenizer = Tokenizer.from_str(tokenizer.to_str())
    found.no_truncation()
    return found


def windows_of(asked: Sequence[Tokens]) -> list[Encoding]:
    """The encodings that are computed, all windows of an input one after the other."""
    return [window for one in asked for window in (one.windows if isinstance(one, Read) else (one,))]


def pad(encodings: Sequence[Encoding], inputs: Sequence[GraphInput], pad_id: int) -> Batch:
    """The encodings as arrays of shape (texts, tokens of the longest), padded on the right."""
    width = max(1, *map(len, encodings))
    return Batch(
        arrays={given.name: _column(given, encodings, width, pad_id) for given in inputs},
        token_counts=list(map(len, encodings)),
        truncated=[bool(encoding.overflowing) for encoding in encodings],
    )


def _column(given: GraphInput, encodings: Sequence[Encoding], width: int, pad_id: int) -> Integers:
    """One of the graph's inputs, (texts, width)."""
    if given.name == "input_ids":
        rows = [_filled(encoding.ids, width, pad_id) for encoding in encodings]
    elif given.name == "token_type_ids":
        rows = [_filled(encoding.type_ids, width, 0) for encoding in encodings]
    else:
        # A tokenizer without special tokens makes no token of "". One padding token is then attended to:
        # a mean over no tokens would be a division by zero.
        rows = [_filled([1] * max(1, len(encoding)), width, 0) for encoding in encodings]
    return np.array(rows, given.dtype)


def _filled(row: list[int], width: int, filler: int) -> list[int]:
    return row + [filler] * (width - len(row))


def encode(tokenizer: Tokenizer, texts: Sequence[Input], inputs: Sequence[GraphInput], pad_id: int) -> Batch:
    """Texts as one padded batch for a graph with these inputs; `texts` must not be empty."""
    return pad(tokenize(tokenizer, texts), inputs, pad_id)


def _configured_pad_token(config: Path | None) -> str | None:
    if config is None or not config.is_file():
        return None
    try:
        document = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        raise BundleError(
            f"{config} is not JSON", "the tokenizer's configuration", "save the tokenizer again"
        ) from None
    token = document.get("pad_token") if isinstance(document, dict) else None
    # Older transformers write an added token as {"content": "[PAD]", ...}.
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None
